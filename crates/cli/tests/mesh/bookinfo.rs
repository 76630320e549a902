//! The demo from nothing to the page and back to nothing: identities, mutual TLS on every hop, admission.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::capture::{Capture, Segment, connections};
use crate::harness::host::{self, Files, Host};
use crate::harness::{Setup, Up, check, eventually};

#[test]
fn from_nothing_to_the_page_and_back_to_nothing() {
    let (before, files) = (Host::now(), Files::now());
    let home = tempfile::tempdir().unwrap();
    let temporary = home.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let setup = Setup {
        demo: true,
        data: home.path().join("data"),
        temporary: Some(temporary.clone()),
    };
    let Some(mut up) = Up::start(&setup) else {
        return;
    };
    check("the page has its details and its reviews", || the_page(&up));
    check("every proxy is synced", || every_proxy_is_synced(&up));
    check("statuses say where objects are live", || {
        up.live("virtualservice", "reviews");
        up.live("gateway.networking.istio.io", "bookinfo-gateway");
        up.live("peerauthentication", "default");
    });
    check("every hop is mutual TLS on the wire", || on_the_wire(&up));
    check("every hop knows its peer", || identities(&up));
    check("plain text to a STRICT workload is refused", || {
        plain_text(&up)
    });
    check("bad configuration is refused by name", || {
        refused_by_name(&up)
    });
    check("without the injector failurePolicy decides", || {
        failure_policy(&up)
    });
    check("the host is as it was", || same_host(&before));
    up.apply(LIMITED);
    up.pod("app=limited");
    check("down leaves nothing", || {
        let namespaces = namespaces(&up);
        assert!(namespaces.len() >= 9, "node and pods: {namespaces:?}");
        up.down();
        let said = up.said();
        assert!(said.contains("nothing is left running"), "{said}");
        nothing_is_left(&up, &namespaces, &before);
        let files = Files::now().since(&files);
        assert!(files.is_empty(), "outside the data directory: {files:?}");
        let temporary: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
        assert!(temporary.is_empty(), "temporary files: {temporary:?}");
    });
}

/// A memory limit is a control group of the host while the pod lives.
const LIMITED: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: limited
  labels: {app: limited}
spec:
  containers:
    - name: sleep
      image: curlimages/curl
      command: [sleep, "3600"]
      resources: {limits: {memory: 64Mi}}
"#;

/// The network namespaces of the node and of all pods.
pub(crate) fn namespaces(up: &Up) -> BTreeSet<u64> {
    let own = host::namespace(up.pid()).unwrap();
    let mut family = host::descendants(up.pid());
    family.extend(host::marked(&up.data));
    let mut found: BTreeSet<u64> = family
        .iter()
        .filter_map(|p| host::namespace(p.pid))
        .collect();
    found.remove(&own);
    found
}

/// After the end of a mesh: no process, no namespace, nothing on the host.
pub(crate) fn nothing_is_left(up: &Up, namespaces: &BTreeSet<u64>, before: &Host) {
    let left = host::marked(&up.data);
    assert!(left.is_empty(), "processes: {left:?}");
    let holders = host::holders(namespaces, &up.data);
    assert!(holders.is_empty(), "network namespaces: {holders:?}");
    same_host(before);
}

/// No link, address, route, rule, mount or control group more than before. Other programs of this machine come and go.
fn same_host(before: &Host) {
    let mut new = Vec::new();
    eventually("the host is as it was", || {
        let now = Host::now().since(before);
        if now != new {
            println!("  new on the host: {now:?}");
            new = now;
        }
        new.is_empty().then_some(())
    });
}

fn the_page(up: &Up) {
    let page = up.page();
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("Book details") && page.body.contains("Reviews served by"));
    assert!(!page.body.contains("unavailable"), "{}", page.body);
    assert_eq!(page.header("server"), Some("istio-envoy"));
}

fn every_proxy_is_synced(up: &Up) {
    let table = eventually("all proxies SYNCED", || {
        let table = up.ferromesh(&["proxy-status"]);
        (!table.contains("STALE") && !table.contains("ERROR")).then_some(table)
    });
    let lines = table.lines().count();
    assert_eq!(lines, 8, "a header, six sidecars, one gateway:\n{table}");
    let pod = up.pod("app=productpage").name;
    let fqdn = "reviews.default.svc.cluster.local";
    let clusters = up.ferromesh(&["proxy-config", "cluster", &pod, "--fqdn", fqdn]);
    assert!(
        clusters.contains("v3") && clusters.contains("reviews.default"),
        "{clusters}"
    );
}

/// All workloads but two are replaced while those two are watched, so that every hop is connected anew.
fn on_the_wire(up: &Up) {
    let (page, ratings) = (up.pod("app=productpage"), up.pod("app=ratings"));
    // The node speaks plain text with a pod's agent: its probes.
    let filter = "tcp and not host 10.244.0.1";
    let file = |name: &str| up.data.join(name);
    let at_page = Capture::start(page.shim, "eth0", filter, &file("page.pcap"));
    let at_ratings = Capture::start(ratings.shim, "eth0", filter, &file("ratings.pcap"));
    let inside = Capture::start(page.shim, "lo", "tcp", &file("inside.pcap"));
    let replaced = ["details-v1", "reviews-v1", "reviews-v2", "reviews-v3"];
    for name in replaced {
        up.get(&["rollout", "restart", &format!("deployment/{name}")]);
    }
    let gateway = "deployment/istio-ingressgateway";
    up.get(&["rollout", "restart", "-n", "istio-system", gateway]);
    for name in replaced {
        up.rolled_out(name);
    }
    up.get(&[
        "rollout",
        "status",
        "-n",
        "istio-system",
        gateway,
        "--timeout=120s",
    ]);
    let gateway = up.pod("app=istio-ingressgateway");
    let (details, v1) = (up.pod("app=details"), up.pod("app=reviews,version=v1"));
    let v3 = up.pod("app=reviews,version=v3");
    let reads = "/productpage?the=marker";
    let colors: BTreeSet<bool> = (0..200)
        .map(|_| up.gateway(reads, &[]))
        .inspect(|page| assert_eq!(page.status, 200))
        .map(|page| page.body.contains("data-stars"))
        .collect();
    assert_eq!(colors.len(), 2, "both versions of reviews answered");
    let (at_page, at_ratings, inside) = (at_page.stop(), at_ratings.stop(), inside.stop());

    // The same requests between the program and its sidecar show what would be seen.
    let seen = |segments: &[Segment], text: &str| segments.iter().any(|s| s.contains(text));
    for text in [
        "the=marker",
        "GET /details/0",
        "GET /reviews/0",
        "HTTP/1.1 200",
    ] {
        assert!(seen(&inside, text), "{text} is seen inside the pod");
    }
    for (place, segments) in [("productpage", &at_page), ("ratings", &at_ratings)] {
        assert!(!segments.is_empty());
        for text in [
            "HTTP/1",
            "GET /",
            "PRI * HTTP/2",
            "marker",
            "reviews",
            "x-request-id",
            "{\"id\"",
        ] {
            // A server's name in the handshake is no secret.
            let leaked = segments
                .iter()
                .find(|s| s.contains(text) && !s.is_client_hello());
            assert!(
                leaked.is_none(),
                "{text} on the wire of {place}: {leaked:?}"
            );
        }
    }
    let hops = [
        (&at_page, &gateway.ip, &page.ip),
        (&at_page, &page.ip, &details.ip),
        (&at_page, &page.ip, &v1.ip),
        (&at_page, &page.ip, &v3.ip),
        (&at_ratings, &v3.ip, &ratings.ip),
    ];
    for (segments, client, server) in hops {
        handshake(segments, client, server);
    }
}

/// Every new connection from `client` to `server` begins with the two hellos of TLS.
fn handshake(segments: &[Segment], client: &str, server: &str) {
    let (client, server) = (client.parse().unwrap(), server.parse().unwrap());
    let mut count = 0;
    for ((a, b), both) in connections(segments) {
        let mine = |s: &&&Segment| s.from.0 == client && s.to.0 == server;
        if ![(client, server), (server, client)].contains(&(a.0, b.0)) {
            continue;
        }
        let first = both.iter().find(mine).unwrap();
        let reply = both.iter().find(|s| !mine(s)).unwrap();
        assert!(
            first.is_client_hello(),
            "{client} to {server} begins with {first:?}"
        );
        assert!(
            reply.is_server_hello(),
            "{server} answers {client} with {reply:?}"
        );
        count += 1;
    }
    assert!(count > 0, "no connection from {client} to {server}");
}

const LOG_FORMAT: &str = r#"
accessLogFile: /dev/stdout
accessLogEncoding: JSON
accessLogFormat: |
  {"id": "%REQ(X-REQUEST-ID)%", "path": "%REQ(:PATH)%", "cluster": "%UPSTREAM_CLUSTER%",
   "peer": "%DOWNSTREAM_PEER_URI_SAN%", "self": "%DOWNSTREAM_LOCAL_URI_SAN%", "tls": "%DOWNSTREAM_TLS_VERSION%",
   "upstream": "%UPSTREAM_PEER_URI_SAN%"}
enableAutoMtls: true
trustDomain: cluster.local
rootNamespace: istio-system
defaultConfig:
  discoveryAddress: istiod.istio-system.svc:15012
"#;

fn spiffe(account: &str) -> String {
    let namespace = if account.starts_with("istio") {
        "istio-system"
    } else {
        "default"
    };
    format!("spiffe://cluster.local/ns/{namespace}/sa/{account}")
}

/// Both ends of each hop name the other, and the server's certificate says the same to openssl.
fn identities(up: &Up) {
    let before = up.mesh_config(LOG_FORMAT);
    let pods = [
        (
            "istio-ingressgateway-service-account",
            up.pod("app=istio-ingressgateway"),
        ),
        ("bookinfo-productpage", up.pod("app=productpage")),
        ("bookinfo-details", up.pod("app=details")),
        ("bookinfo-reviews", up.pod("app=reviews,version=v3")),
        ("bookinfo-ratings", up.pod("app=ratings")),
    ];
    // Client's and server's place in `pods`, and the server's service.
    let hops = [
        (0, 1, "productpage"),
        (1, 2, "details"),
        (1, 3, "reviews"),
        (3, 4, "ratings"),
    ];
    for (client, server, service) in hops {
        let (from, to) = (spiffe(pods[client].0), spiffe(pods[server].0));
        eventually(&format!("both logs of {from} to {to}"), || {
            // One page in ten has the reviews that ask ratings.
            for _ in 0..20 {
                assert_eq!(up.page().status, 200);
            }
            let sent = lines(&pods[client].1.log(up, "istio-proxy"));
            let received = lines(&pods[server].1.log(up, "istio-proxy"));
            // One request: sent here, received there.
            let sent: Vec<_> = sent
                .iter()
                .filter(|l| {
                    text(l, "cluster").starts_with("outbound|")
                        && text(l, "cluster").contains(service)
                })
                .collect();
            let pair = received.iter().find_map(|r| {
                let s = sent.iter().find(|s| s["id"] == r["id"])?;
                text(r, "cluster").starts_with("inbound|").then_some((s, r))
            });
            let (s, r) = pair?;
            assert_eq!(text(s, "upstream"), to, "{s}");
            assert_eq!(
                (text(r, "peer"), text(r, "self")),
                (from.as_str(), to.as_str()),
                "{r}"
            );
            assert_eq!(text(r, "tls"), "TLSv1.3");
            Some(())
        });
    }
    let details = &pods[2].1;
    let certificate = certificate(up, &details.ip);
    assert!(
        certificate.contains(&format!("URI:{}", spiffe("bookinfo-details"))),
        "{certificate}"
    );
    up.mesh_config(&before);
}

fn lines(log: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

/// The names in the certificate that a workload shows to a stranger, by openssl from the node.
fn certificate(up: &Up, ip: &str) -> String {
    let script = format!(
        "openssl s_client -connect {ip}:9080 -alpn istio </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"
    );
    let node = up.process("node").unwrap();
    let output = host::inside(node, || {
        std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
    });
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const PLAIN: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: plain
  labels: {app: plain, sidecar.istio.io/inject: "false"}
spec:
  containers:
    - {name: sleep, image: curlimages/curl, command: [sleep, "3600"]}
"#;

/// A pod without a sidecar speaks plain text. STRICT has no filter chain for it: HTTP is told so with 421, the
/// program never sees the request, and the sidecar remembers the cause.
fn plain_text(up: &Up) {
    up.apply(PLAIN);
    let plain = up.pod("app=plain");
    let details = up.pod("app=details");
    let path = "/details/421";
    let answer = up.curl_in(&plain, "sleep", &[&format!("http://details:9080{path}")]);
    assert_eq!(answer.status, 421, "{answer:?}");
    assert!(answer.body.contains("no filter chain"), "{answer:?}");
    assert!(!details.log(up, "istio-proxy").contains(path));
    let failures = details.failures("");
    let found = failures
        .iter()
        .find(|f| text(f, "text").contains(&format!("connection from {}:", plain.ip)));
    assert_eq!(text(found.unwrap(), "cause"), "filter_chain_not_found");
    let counted = "ferromesh.closed_without_response.filter_chain_not_found";
    assert_eq!(details.stat(counted), 1);
    up.get(&["delete", "pod", "plain", "--grace-period=0", "--force"]);
}

/// A typo is found by field validation, what is not honoured by the webhook; both name the field.
fn refused_by_name(up: &Up) {
    let specs = [
        (
            r#"{"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}], "timeoutt": "1s"}]}"#,
            "timeoutt",
        ),
        (
            r#"{"hosts": ["a"], "http": [{"delegate": {"name": "b"}}]}"#,
            "delegate",
        ),
    ];
    for (spec, field) in specs {
        let output = up.try_apply(&format!(
            r#"{{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {{"name": "bad"}}, "spec": {spec}}}"#
        ));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && errors.contains(field),
            "{field}: {errors}"
        );
    }
}

/// A pod that needs neither scheduler nor any other controller: they stand still with the injector.
fn bound(name: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  nodeName: ferromesh
  containers:
    - {{name: sleep, image: curlimages/curl, command: [sleep, "3600"]}}
"#
    )
}

/// The injector hangs, then its address is dead: Fail refuses pods and names the webhook, Ignore lets them
/// start without a sidecar.
fn failure_policy(up: &Up) {
    let policy = |policy: &str| {
        for index in [0, 1] {
            let patch = format!(
                r#"[{{"op": "replace", "path": "/webhooks/{index}/failurePolicy", "value": "{policy}"}},
                    {{"op": "add", "path": "/webhooks/{index}/timeoutSeconds", "value": 1}}]"#
            );
            let webhooks = "mutatingwebhookconfiguration/istio-sidecar-injector";
            up.get(&["patch", webhooks, "--type=json", "-p", &patch]);
        }
    };
    let refused = |name: &str| {
        let output = up.try_apply(&bound(name));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = "failed calling webhook \"namespace.sidecar-injector.istio.io\"";
        assert!(
            !output.status.success() && errors.contains(expected),
            "{errors}"
        );
        assert!(!up.kubectl(&["get", "pod", name]).status.success());
    };
    let started_without_sidecar = |name: &str| {
        up.apply(&bound(name));
        up.get(&[
            "wait",
            "--for=condition=Ready",
            &format!("pod/{name}"),
            "--timeout=120s",
        ]);
        let containers = up.get(&[
            "get",
            "pod",
            name,
            "-o",
            "jsonpath={.spec.containers[*].name} {.spec.initContainers[*].name}",
        ]);
        assert_eq!(containers.trim(), "sleep");
        up.get(&["delete", "pod", name, "--grace-period=0", "--force"]);
    };
    let control = up.process("control").unwrap();
    host::signal(control, Signal::SIGSTOP);
    policy("Fail");
    refused("hangs-fail");
    policy("Ignore");
    started_without_sidecar("hangs-ignore");
    host::signal(control, Signal::SIGCONT);
    let dead = |port: u16| {
        let patch = format!(
            r#"[{{"op": "replace", "path": "/webhooks/0/clientConfig/service/port", "value": {port}}}]"#
        );
        let webhooks = "mutatingwebhookconfiguration/istio-sidecar-injector";
        up.get(&["patch", webhooks, "--type=json", "-p", &patch]);
    };
    dead(9);
    started_without_sidecar("dead-ignore");
    policy("Fail");
    refused("dead-fail");
    dead(443);
    // And as it was: with a sidecar.
    up.apply(&bound("injected"));
    up.get(&[
        "wait",
        "--for=condition=Ready",
        "pod/injected",
        "--timeout=120s",
    ]);
    let path = "jsonpath={.spec.initContainers[*].name}";
    let containers = up.get(&["get", "pod", "injected", "-o", path]);
    assert_eq!(containers.trim(), "istio-init istio-proxy");
    up.get(&["delete", "pod", "injected", "--grace-period=0", "--force"]);
}
