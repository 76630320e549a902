//! TLS: which certificate a name gets, who is let in, what is agreed on, and how an upstream's certificate is judged.

mod client;
mod pki;

use rustls::version::{TLS12, TLS13};
use serde_json::json;

use self::client::{Hello, hello};
use self::pki::pki;
use crate::harness::mesh::{Mesh, cluster, hcm, listener, logging};
use crate::harness::session::Session;
use crate::harness::{Case, cases};

/// Several servers, told apart by SNI.
const HTTPS: u16 = 20_443;
const MUTUAL: u16 = 20_444;
const MODERN: u16 = 20_445;
const REDIRECT: u16 = 20_446;
/// Listeners that log each connection: mutual TLS, plain HTTP, TCP.
const LOGGED_TLS: u16 = 20_447;
const LOGGED_HTTP: u16 = 20_081;
const LOGGED_TCP: u16 = 20_082;

pub(crate) fn mesh() -> Mesh {
    let pki = pki();
    let secret = |name: &str, data: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "istio-system"},
               "stringData": data}).to_string()
    };
    let pair = |pair: &testkit::pki::Pair| json!({"tls.crt": pair.chain, "tls.key": pair.key});
    let mut mutual = pair(&pki.a);
    mutual["ca.crt"] = json!(pki.root.pem);
    let trust = json!({"ca.crt": pki.root.pem});
    let mut own = pair(&pki.client);
    own["ca.crt"] = json!(pki.root.pem);
    let inline = |text: &str| json!({"inline_string": text});
    let mut guarded = logging(listener(
        "guarded",
        LOGGED_TLS,
        json!([hcm("guarded", empty(), json!({"access_log": []}))]),
    ));
    guarded["filter_chains"][0]["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": xds::type_url::DOWNSTREAM_TLS,
        "require_client_certificate": true,
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [{"certificate_chain": inline(&pki.a.chain), "private_key": inline(&pki.a.key)}],
            "validation_context": {"trusted_ca": inline(&pki.root.pem)},
        },
    }});
    let http = json!([hcm("open", empty(), json!({"access_log": []}))]);
    let tcp = json!([{"name": "envoy.filters.network.tcp_proxy", "typed_config": {
        "@type": xds::type_url::TCP_PROXY, "stat_prefix": "piped", "cluster": "piped"}}]);
    Mesh::new()
        .listener(guarded)
        .listener(logging(listener("open", LOGGED_HTTP, http)))
        .listener(logging(listener("piped", LOGGED_TCP, tcp)))
        .cluster(cluster("piped", &["NET.11"]))
        .deploy("plain", &["v1"])
        .encrypted("secure", &pki.upstream("secure.test"))
        .encrypted("misnamed", &pki.upstream("other.test"))
        .encrypted("untrusted", &pki.untrusted("secure.test"))
        .encrypted("mutual", &pki.mutual("secure.test"))
        .encrypted("certless", &pki.mutual("secure.test"))
        .yaml(&secret("cert-a", pair(&pki.a)))
        .yaml(&secret("cert-b", pair(&pki.b)))
        .yaml(&secret("cert-mutual", mutual))
        .yaml(&secret("trust", trust))
        .yaml(&secret("own", own))
        .yaml(GATEWAYS)
        .yaml(RULES)
}

/// Routes that answer everything with 204.
fn empty() -> serde_json::Value {
    json!([{"match": {"prefix": "/"}, "direct_response": {"status": 204}}])
}

const GATEWAYS: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secured}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 20443, name: https-a, protocol: HTTPS}
    hosts: [a.test]
    tls: {mode: SIMPLE, credentialName: cert-a}
  - port: {number: 20443, name: https-b, protocol: HTTPS}
    hosts: [b.test]
    tls: {mode: SIMPLE, credentialName: cert-b}
  - port: {number: 20444, name: https-mutual, protocol: HTTPS}
    hosts: [a.test]
    tls: {mode: MUTUAL, credentialName: cert-mutual}
  - port: {number: 20445, name: https-modern, protocol: HTTPS}
    hosts: [a.test]
    tls: {mode: SIMPLE, credentialName: cert-a, minProtocolVersion: TLSV1_3}
  - port: {number: 20446, name: http-redirect, protocol: HTTP}
    hosts: [a.test]
    tls: {httpsRedirect: true}
";

const RULES: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: secured}
spec:
  hosts: [a.test, b.test]
  gateways: [secured]
  http: [{route: [{destination: {host: plain}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: upstreams}
spec:
  hosts: [parity.test]
  gateways: [ingress]
  http:
  - {match: [{uri: {prefix: /secure}}], route: [{destination: {host: secure}}]}
  - {match: [{uri: {prefix: /misnamed}}], route: [{destination: {host: misnamed}}]}
  - {match: [{uri: {prefix: /untrusted}}], route: [{destination: {host: untrusted}}]}
  - {match: [{uri: {prefix: /mutual}}], route: [{destination: {host: mutual}}]}
  - {match: [{uri: {prefix: /certless}}], route: [{destination: {host: certless}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: secure}
spec:
  host: secure
  trafficPolicy: {tls: {mode: SIMPLE, credentialName: trust, sni: secure.test, subjectAltNames: [secure.test]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: misnamed}
spec:
  host: misnamed
  trafficPolicy: {tls: {mode: SIMPLE, credentialName: trust, sni: secure.test, subjectAltNames: [secure.test]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: untrusted}
spec:
  host: untrusted
  trafficPolicy: {tls: {mode: SIMPLE, credentialName: trust, sni: secure.test, subjectAltNames: [secure.test]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: mutual}
spec:
  host: mutual
  trafficPolicy: {tls: {mode: MUTUAL, credentialName: own, sni: secure.test, subjectAltNames: [secure.test]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: certless}
spec:
  host: certless
  trafficPolicy: {tls: {mode: SIMPLE, credentialName: trust, sni: secure.test, subjectAltNames: [secure.test]}}
";

pub(crate) const CASES: &[Case] = cases![
    https_is_ended_at_the_gateway,
    the_name_chooses_the_certificate,
    an_unknown_name_is_refused,
    a_hello_without_a_name_is_refused,
    a_client_that_distrusts_the_gateway_leaves,
    tls_1_2_is_taken,
    tls_1_2_is_refused_where_1_3_is_the_least,
    h2_is_agreed_on_when_offered,
    http_1_1_is_agreed_on_when_alone,
    an_unknown_protocol_is_not_agreed_on,
    a_host_of_another_name_is_not_found,
    a_client_certificate_is_taken_and_told_upstream,
    a_client_without_certificate_is_refused,
    a_client_of_a_foreign_authority_is_refused,
    a_client_with_an_expired_certificate_is_refused,
    plain_http_is_redirected,
    plaintext_at_a_tls_port_is_refused,
    a_listener_logs_why_a_client_was_refused,
    a_listener_logs_connections_that_served_http,
    a_listener_logs_connections_that_served_tcp,
    an_upstream_is_reached_over_tls,
    an_upstream_gets_the_gateways_certificate,
    an_upstream_of_another_name_is_refused,
    an_upstream_of_a_foreign_authority_is_refused,
    an_upstream_that_wants_a_certificate_refuses,
];

fn get(s: &mut Session<'_>, port: u16, hello: Hello<'_>) {
    let host = hello.name.unwrap_or("a.test").to_owned();
    let (client, _) = client::open(s, port, hello);
    s.request("GET", "/")
        .host(&host)
        .on(client)
        .send()
        .is(200)
        .from("plain-v1");
}

fn https_is_ended_at_the_gateway(s: &mut Session<'_>) {
    get(s, HTTPS, hello("a.test"));
}

fn the_name_chooses_the_certificate(s: &mut Session<'_>) {
    for (name, pair) in [("a.test", &pki().a), ("b.test", &pki().b)] {
        let (_, shown) = client::open(s, HTTPS, hello(name));
        s.expect(
            shown == pki::leaf(pair),
            format!("the certificate of {name}"),
        );
    }
    s.logs(0);
}

fn an_unknown_name_is_refused(s: &mut Session<'_>) {
    client::refused(s, HTTPS, hello("c.test"));
    s.logs(1);
}

fn a_hello_without_a_name_is_refused(s: &mut Session<'_>) {
    client::refused(
        s,
        HTTPS,
        Hello {
            name: None,
            ..hello("a.test")
        },
    );
    s.logs(1);
}

fn a_client_that_distrusts_the_gateway_leaves(s: &mut Session<'_>) {
    client::refused(
        s,
        HTTPS,
        Hello {
            trust: &pki().foreign,
            ..hello("a.test")
        },
    );
}

fn tls_1_2_is_taken(s: &mut Session<'_>) {
    get(
        s,
        HTTPS,
        Hello {
            version: &TLS12,
            ..hello("a.test")
        },
    );
}

fn tls_1_2_is_refused_where_1_3_is_the_least(s: &mut Session<'_>) {
    get(
        s,
        MODERN,
        Hello {
            version: &TLS13,
            ..hello("a.test")
        },
    );
    client::refused(
        s,
        MODERN,
        Hello {
            version: &TLS12,
            ..hello("a.test")
        },
    );
    s.logs(1);
}

fn agreed(s: &mut Session<'_>, offered: &[&str], wanted: &str) {
    client::open(
        s,
        HTTPS,
        Hello {
            protocols: offered,
            ..hello("a.test")
        },
    );
    let seen = s
        .answers
        .last()
        .and_then(|answer| answer.bytes.clone())
        .unwrap_or_default();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    s.expect(
        seen.ends_with(wanted),
        format!("{wanted:?}, found {seen:?}"),
    );
    s.logs(0);
}

fn h2_is_agreed_on_when_offered(s: &mut Session<'_>) {
    agreed(s, &["http/1.1", "h2"], "alpn h2");
}

fn http_1_1_is_agreed_on_when_alone(s: &mut Session<'_>) {
    agreed(s, &["http/1.1"], "alpn http/1.1");
}

fn an_unknown_protocol_is_not_agreed_on(s: &mut Session<'_>) {
    client::offered(
        s,
        HTTPS,
        Hello {
            protocols: &["spdy/9"],
            ..hello("a.test")
        },
    );
}

fn a_host_of_another_name_is_not_found(s: &mut Session<'_>) {
    let (client, _) = client::open(s, HTTPS, hello("a.test"));
    s.request("GET", "/").host("b.test").on(client).send();
    s.logs(1);
}

fn a_client_certificate_is_taken_and_told_upstream(s: &mut Session<'_>) {
    get(
        s,
        MUTUAL,
        Hello {
            own: Some(&pki().client),
            ..hello("a.test")
        },
    );
}

fn a_client_without_certificate_is_refused(s: &mut Session<'_>) {
    client::refused(s, MUTUAL, hello("a.test"));
}

fn a_client_of_a_foreign_authority_is_refused(s: &mut Session<'_>) {
    client::refused(
        s,
        MUTUAL,
        Hello {
            own: Some(&pki().stranger),
            ..hello("a.test")
        },
    );
}

fn a_client_with_an_expired_certificate_is_refused(s: &mut Session<'_>) {
    client::refused(
        s,
        MUTUAL,
        Hello {
            own: Some(&pki().expired),
            ..hello("a.test")
        },
    );
}

fn plain_http_is_redirected(s: &mut Session<'_>) {
    let answer = s
        .request("GET", "/there?x=1")
        .host("a.test")
        .port(REDIRECT)
        .send();
    answer.is(301).has("location", "https://a.test/there?x=1");
}

fn plaintext_at_a_tls_port_is_refused(s: &mut Session<'_>) {
    s.request("GET", "/").host("a.test").port(HTTPS).send();
    s.logs(1);
}

fn a_listener_logs_why_a_client_was_refused(s: &mut Session<'_>) {
    let pki = pki();
    client::refused(s, LOGGED_TLS, hello("a.test"));
    for own in [&pki.stranger, &pki.expired] {
        client::refused(
            s,
            LOGGED_TLS,
            Hello {
                own: Some(own),
                ..hello("a.test")
            },
        );
    }
    client::refused(
        s,
        LOGGED_TLS,
        Hello {
            trust: &pki.foreign,
            own: Some(&pki.client),
            ..hello("a.test")
        },
    );
    client::refused(
        s,
        LOGGED_TLS,
        Hello {
            version: &TLS12,
            ..hello("a.test")
        },
    );
    s.logs(5);
}

fn a_listener_logs_connections_that_served_http(s: &mut Session<'_>) {
    let client = s.connect_to(LOGGED_HTTP);
    s.request("GET", "/")
        .header("connection: close")
        .on(client)
        .send()
        .is(204);
    s.close(client);
}

fn a_listener_logs_connections_that_served_tcp(s: &mut Session<'_>) {
    let client = s.connect_to(LOGGED_TCP);
    s.request("GET", "/").on(client).send().is(200);
    s.close(client);
}

fn an_upstream_is_reached_over_tls(s: &mut Session<'_>) {
    s.get("/secure").is(200).from("secure-v1");
}

fn an_upstream_gets_the_gateways_certificate(s: &mut Session<'_>) {
    s.get("/mutual").is(200).from("mutual-v1");
}

fn an_upstream_of_another_name_is_refused(s: &mut Session<'_>) {
    s.get("/misnamed").is(503);
}

fn an_upstream_of_a_foreign_authority_is_refused(s: &mut Session<'_>) {
    s.get("/untrusted").is(503);
}

fn an_upstream_that_wants_a_certificate_refuses(s: &mut Session<'_>) {
    s.get("/certless").is(503);
}
