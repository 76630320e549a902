//! `ferromesh up --demo --engine envoy`: the same mesh with stock Envoy in every pod, from nothing to Bookinfo
//! and back to nothing.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const FERROMESH: &str = env!("CARGO_BIN_EXE_ferromesh");

struct Up {
    child: Child,
    data: tempfile::TempDir,
    http: u16,
    kubectl: PathBuf,
}

impl Up {
    fn start() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "root is needed in CI"
            );
            testkit::skipped("needs root");
            return None;
        }
        let (kubectl, envoy) = (testkit::peer("kubectl")?, testkit::peer("envoy")?);
        let data = tempfile::tempdir().unwrap();
        let ports = [(); 3].map(|()| testkit::free_port());
        let mut child = Command::new(FERROMESH)
            .args(["up", "--demo", "--engine", "envoy", "--data-dir"])
            .arg(data.path())
            .args(["--gateway-http", &ports[0].to_string()])
            .args(["--gateway-https", &ports[1].to_string()])
            .args(["--api-port", &ports[2].to_string()])
            .env("FERROMESH_ENVOY", envoy)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("ready in ") {
                println!("{line}");
                return Some(Self {
                    child,
                    data,
                    http: ports[0],
                    kubectl,
                });
            }
        }
        let _ = child.wait();
        panic!("up did not become ready:\n{said}");
    }

    fn kubectl(&self, args: &[&str]) -> Output {
        Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(self.data.path().join("kubeconfig"))
            .args(args)
            .output()
            .unwrap()
    }

    fn stdout(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn apply(&self, manifest: &Value) {
        let file = self.data.path().join("manifest.json");
        std::fs::write(&file, manifest.to_string()).unwrap();
        self.stdout(&["apply", "-f", file.to_str().unwrap()]);
    }

    /// Namespace and name of every pod that has a proxy.
    fn proxies(&self) -> Vec<(String, String)> {
        let pods = self.stdout(&["get", "pods", "-A", "-o", "json"]);
        let pods: Value = serde_json::from_str(&pods).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        pods["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|pod| pod.to_string().contains("istio-proxy"))
            .map(|pod| {
                let meta = &pod["metadata"];
                (text(&meta["namespace"]), text(&meta["name"]))
            })
            .collect()
    }

    fn pod(&self, app: &str) -> String {
        let label = format!("app={app}");
        let name = "jsonpath={.items[0].metadata.name}";
        self.stdout(&["get", "pods", "-l", &label, "-o", name])
    }

    /// Runs a command beside the proxy of a pod.
    fn exec(&self, namespace: &str, pod: &str, command: &[&str]) -> String {
        let args = ["exec", "-n", namespace, pod, "-c", "istio-proxy", "--"];
        self.stdout(&[&args[..], command].concat())
    }

    fn page(&self) -> (String, String) {
        let url = format!("http://127.0.0.1:{}/productpage", self.http);
        let output = Command::new("curl")
            .args(["-s", "-m", "10", "-w", "\n%{http_code}", &url])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, code) = text.rsplit_once('\n').unwrap_or(("", ""));
        (code.to_owned(), body.to_owned())
    }

    fn ferromesh(&self, args: &[&str]) -> String {
        let output = Command::new(FERROMESH)
            .args(args)
            .args(["--data-dir", self.data.path().to_str().unwrap()])
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "ferromesh {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The supervisor's child that runs `internal <name>`.
    fn process(&self, name: &str) -> Option<i32> {
        let wanted = format!("internal {name}");
        let own = self.child.id().cast_signed();
        processes()
            .into_iter()
            .find(|p| p.parent == own && p.command.contains(&wanted))
            .map(|p| p.pid)
    }

    /// The process of Envoy in a pod of the namespace `default`.
    fn envoy_of(&self, pod: &str) -> Option<i32> {
        let uid = self.stdout(&["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]);
        let all = processes();
        let below = |mut pid: i32| {
            while let Some(process) = all.iter().find(|p| p.pid == pid) {
                if process.command.contains(&uid) {
                    return true;
                }
                pid = process.parent;
            }
            false
        };
        all.iter()
            .find(|p| p.command.contains("envoy -c ") && below(p.pid))
            .map(|p| p.pid)
    }

    fn down(mut self) -> Vec<String> {
        self.ferromesh(&["down"]);
        assert!(self.child.wait().unwrap().success());
        let mark = self.data.path().to_str().unwrap().to_owned();
        let left = processes().into_iter().map(|p| p.command);
        left.filter(|command| command.contains(&mark)).collect()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("FERROMESH_KEEP").is_some() {
            eprintln!("left running: {}", self.data.path().display());
            self.data.disable_cleanup(true);
            return;
        }
        // A failed test must not leave a mesh behind; pods end with their supervisor.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Process {
    pid: i32,
    parent: i32,
    command: String,
}

fn processes() -> Vec<Process> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        found.push(Process {
            pid,
            parent: fields
                .split_whitespace()
                .nth(1)
                .and_then(|parent| parent.parse().ok())
                .unwrap_or(0),
            command: String::from_utf8_lossy(&command).replace('\0', " "),
        });
    }
    found
}

fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 90 s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn bookinfo_with_stock_envoy_from_nothing_and_back() {
    let Some(up) = Up::start() else { return };
    let (code, body) = up.page();
    assert_eq!(code, "200", "{body}");
    assert!(
        body.contains("Book details") && !body.contains("unavailable"),
        "{body}"
    );
    canary(&up);
    every_proxy_is_stock_envoy_synced_and_refused_nothing(&up);
    proxy_config_reads_envoys_dump(&up);
    plaintext_is_refused(&up);
    an_application_is_held_until_its_proxy_is_ready(&up);
    a_killed_sidecar_comes_back(&up);
    a_killed_control_plane_comes_back_and_configures(&up);
    every_proxy_is_stock_envoy_synced_and_refused_nothing(&up);
    let left = up.down();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// 90/10, as the demo's VirtualService says; bounds of five standard deviations.
fn canary(up: &Up) {
    const N: usize = 500;
    let red = (0..N)
        .filter(|_| up.page().1.contains("reviews v3"))
        .count();
    assert!((17..=84).contains(&red), "{red} of {N} pages with v3");
}

fn every_proxy_is_stock_envoy_synced_and_refused_nothing(up: &Up) {
    let table = eventually("all proxies SYNCED", || {
        let table = up.ferromesh(&["proxy-status"]);
        let bad = table.contains("STALE") || table.contains("ERROR");
        (!bad && table.lines().count() >= 8).then_some(table)
    });
    let proxies = up.proxies();
    assert_eq!(proxies.len(), 7, "six sidecars and a gateway: {proxies:?}");
    for (namespace, pod) in &proxies {
        assert!(table.contains(&format!("{pod}.{namespace}")), "{table}");
        let get = |path: &str| {
            let url = format!("http://127.0.0.1:15000{path}");
            up.exec(namespace, pod, &["curl", "-s", &url])
        };
        let info = get("/server_info");
        assert!(info.contains("/1.40."), "{pod}: no Envoy 1.40: {info}");
        let stats = get("/stats?filter=update_(rejected|success)$");
        let counts = |suffix: &str| -> Vec<(String, u64)> {
            stats
                .lines()
                .filter_map(|line| line.split_once(": "))
                .filter(|(name, _)| name.ends_with(suffix))
                .map(|(name, count)| (name.to_owned(), count.trim().parse().unwrap()))
                .collect()
        };
        let refused: Vec<_> = counts("update_rejected")
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert!(refused.is_empty(), "{pod} refused: {refused:?}");
        let taken = counts("update_success");
        for wanted in [
            "cluster_manager.cds",
            "listener_manager.lds",
            ".default",
            ".ROOTCA",
        ] {
            let found = taken
                .iter()
                .any(|(name, count)| name.contains(wanted) && *count > 0);
            assert!(found, "{pod}: no update of {wanted}: {stats}");
        }
        assert!(get("/certs").contains("spiffe://cluster.local/ns/"));
        let modes = [
            "stat",
            "-c",
            "%a %u",
            "/etc/istio/proxy/SDS",
            "/etc/istio/proxy/XDS",
        ];
        assert_eq!(up.exec(namespace, pod, &modes), "600 1337\n600 1337\n");
        let ready = "http://127.0.0.1:15021/healthz/ready";
        let code = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", ready];
        assert_eq!(up.exec(namespace, pod, &code), "200", "{pod}");
    }
}

fn proxy_config_reads_envoys_dump(up: &Up) {
    let pod = up.pod("productpage");
    let reviews = "reviews.default.svc.cluster.local";
    for (what, args, wanted) in [
        ("cluster", &["--fqdn", reviews][..], "v3"),
        ("listener", &[][..], "15006"),
        ("route", &[][..], "reviews"),
        (
            "endpoint",
            &[][..],
            "outbound|9080|v3|reviews.default.svc.cluster.local",
        ),
        ("secret", &[][..], "ROOTCA"),
        ("bootstrap", &[][..], "xds-grpc"),
    ] {
        let shown = up.ferromesh(&[&["proxy-config", what, &pod], args].concat());
        assert!(shown.contains(wanted), "proxy-config {what}: {shown}");
        assert!(!shown.contains("PRIVATE KEY"), "proxy-config {what}");
        let json = up.ferromesh(&[&["proxy-config", what, &pod, "-o", "json"], args].concat());
        let json: Value = serde_json::from_str(&json).unwrap();
        assert!(!json.is_null(), "proxy-config {what} -o json");
    }
    let gateway = up.proxies();
    let (_, gateway) = gateway
        .iter()
        .find(|(namespace, _)| namespace == "istio-system")
        .unwrap();
    let shown = up.ferromesh(&["proxy-config", "route", gateway, "-n", "istio-system"]);
    assert!(shown.contains("/productpage"), "{shown}");
}

/// A pod without a sidecar speaks plaintext; STRICT refuses it.
fn plaintext_is_refused(up: &Up) {
    up.apply(&serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "plain", "namespace": "default", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [{"name": "sleep", "image": "curlimages/curl", "command": ["sleep", "600"]}]},
    }));
    up.stdout(&[
        "wait",
        "--for=condition=Ready",
        "pod/plain",
        "--timeout=60s",
    ]);
    let code = ["-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}"];
    let url = "http://details:9080/details/0";
    let output = up.kubectl(&[&["exec", "plain", "--", "curl"], &code[..], &[url]].concat());
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(answer, "000", "plaintext was answered by a STRICT workload");
    up.stdout(&["delete", "pod", "plain", "--grace-period=0", "--force"]);
}

/// A sidecar beside the application, not before it, with `holdApplicationUntilProxyStarts`: the very first
/// request goes through, and gets through only with mutual TLS.
fn an_application_is_held_until_its_proxy_is_ready(up: &Up) {
    up.apply(&serde_json::json!({
        "apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig",
        "metadata": {"name": "held", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "held"}},
            "environmentVariables": {"ISTIO_META_COLOUR": "blue"},
        },
    }));
    // Once its status says so, the injector knows it.
    up.stdout(&[
        "wait",
        "--for=condition=Accepted",
        "proxyconfig/held",
        "--timeout=60s",
    ]);
    up.apply(&serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "held", "namespace": "default", "labels": {"app": "held"},
            "annotations": {
                "sidecar.istio.io/nativeSidecar": "false",
                "proxy.istio.io/config": "{\"holdApplicationUntilProxyStarts\": true, \"concurrency\": 1}",
            },
        },
        "spec": {"containers": [{
            "name": "app", "image": "curlimages/curl",
            "command": ["sh", "-c", "curl -s -m 5 -o /dev/null -w 'first=%{http_code}\\n' http://details:9080/details/0; sleep 600"],
        }]},
    }));
    let log = eventually("the application's first request", || {
        let log = String::from_utf8_lossy(&up.kubectl(&["logs", "held", "-c", "app"]).stdout)
            .into_owned();
        log.contains("first=").then_some(log)
    });
    assert_eq!(log.trim(), "first=200");
    let threads = up.exec(
        "default",
        "held",
        &["curl", "-s", "http://127.0.0.1:15000/server_info"],
    );
    let info: Value = serde_json::from_str(&threads).unwrap();
    assert_eq!(info["command_line_options"]["concurrency"], 1);
    let bootstrap = up.ferromesh(&["proxy-config", "bootstrap", "held", "-o", "json"]);
    let bootstrap: Value = serde_json::from_str(&bootstrap).unwrap();
    assert!(
        bootstrap.to_string().contains(r#""COLOUR":"blue""#),
        "{bootstrap}"
    );
    up.stdout(&["delete", "pod", "held", "--wait=true"]);
}

fn a_killed_sidecar_comes_back(up: &Up) {
    let pod = up.pod("productpage");
    let first = up.envoy_of(&pod).expect("Envoy runs in the pod");
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    eventually("another Envoy in the pod", || {
        up.envoy_of(&pod).filter(|pid| *pid != first)
    });
    eventually("the page", || (up.page().0 == "200").then_some(()));
    let count = "jsonpath={.status.initContainerStatuses[?(@.name=='istio-proxy')].restartCount}";
    eventually("a restart in the pod's status", || {
        (up.stdout(&["get", "pod", &pod, "-o", count]) == "1").then_some(())
    });
    let events = up.stdout(&[
        "get",
        "pod",
        &pod,
        "-o",
        "jsonpath={.status.containerStatuses[0].restartCount}",
    ]);
    assert_eq!(events, "0", "the application was restarted too");
}

/// Requests go on meanwhile, and what is applied afterwards arrives.
fn a_killed_control_plane_comes_back_and_configures(up: &Up) {
    let first = up.process("control").unwrap();
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    for _ in 0..20 {
        let (code, body) = up.page();
        assert_eq!(code, "200", "while the control plane was dead: {body}");
    }
    eventually("the control plane comes back", || {
        up.process("control").filter(|pid| *pid != first)
    });
    eventually("all traffic on v3, as a new VirtualService says", || {
        let patch = r#"{"spec": {"http": [{"route": [{"destination": {"host": "reviews", "subset": "v3"}}]}]}}"#;
        let done = up.kubectl(&[
            "patch",
            "virtualservice",
            "reviews",
            "--type=merge",
            "-p",
            patch,
        ]);
        let pages = (0..5).all(|_| up.page().1.contains("reviews v3"));
        (done.status.success() && pages).then_some(())
    });
}
