//! `ferromesh control --kubeconfig F`: the control plane alone, for an API server that knows nothing of it and
//! for Envoys that were started by hand.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use net::netns::{Link, Namespace};
use serde_json::{Value, json};

const FERROMESH: &str = env!("CARGO_BIN_EXE_ferromesh");
/// Where the embedded API server listens; the machine of this test has this address.
const HERE: &str = "10.244.0.1";

fn run(command: &mut Command) -> Output {
    command.env_remove("KUBECONFIG").output().unwrap()
}

fn control(kubeconfig: &Path) -> Output {
    run(Command::new(FERROMESH)
        .args(["control", "--listen", "127.0.0.1", "--kubeconfig"])
        .arg(kubeconfig))
}

fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "a", "user": {"token": "no-such-token"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    })
    .to_string()
}

/// What it says to a person who got something wrong: what, where, why, and what to do.
fn says(output: &Output, all: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in all {
        assert!(said.contains(wanted), "{wanted:?} is not in: {said}");
    }
}

#[test]
fn a_kubeconfig_that_is_not_there_or_none_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let shown = missing.display().to_string();
    says(&control(&missing), &[&shown, "No such file"]);
    let broken = directory.path().join("broken");
    std::fs::write(&broken, "clusters: [").unwrap();
    let shown = broken.display().to_string();
    says(&control(&broken), &[&shown]);
    let output = run(Command::new(FERROMESH).arg("control"));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--kubeconfig"), "{said}");
}

#[test]
fn an_api_server_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kubeconfig");
    let port = testkit::free_port();
    std::fs::write(&file, kubeconfig(&format!("https://127.0.0.1:{port}"))).unwrap();
    let shown = file.display().to_string();
    let wanted = [
        shown.as_str(),
        "cannot be reached",
        "refused",
        "try: kubectl",
    ];
    says(&control(&file), &wanted);
}

/// Ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine of its own with an API server and a control plane.
struct Machine {
    namespace: Namespace,
    directory: tempfile::TempDir,
    kubectl: PathBuf,
    envoy: PathBuf,
    running: Vec<Program>,
}

impl Machine {
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
        let namespace = Namespace::create().unwrap();
        namespace
            .run(|| {
                let lo = Link::named("lo");
                lo.up()?;
                Ok(lo.add_address(HERE.parse().unwrap(), 32)?)
            })
            .unwrap();
        let mut machine = Self {
            namespace,
            directory: tempfile::tempdir().unwrap(),
            kubectl,
            envoy,
            running: Vec::new(),
        };
        let data = machine.path("data");
        std::fs::create_dir(&data).unwrap();
        let data = data.to_str().unwrap().to_owned();
        machine.spawn(
            "apiserver",
            Command::new(FERROMESH).args([
                "internal",
                "apiserver",
                "--api-port",
                "6443",
                "--data-dir",
                &data,
            ]),
        );
        machine.eventually("the API server answers", |m| {
            m.kubectl(&["get", "--raw", "/readyz"])
                .status
                .success()
                .then_some(())
        });
        let file = machine.kubeconfig();
        machine.spawn(
            "control",
            Command::new(FERROMESH)
                .args(["control", "--listen", HERE, "--kubeconfig"])
                .arg(file),
        );
        machine.eventually("the control plane is ready", |m| {
            m.get(&format!("http://{HERE}:15014/ready"))
                .filter(|(code, _)| code == "200")
        });
        Some(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.path("data").join("kubeconfig.internal")
    }

    fn output(&self, command: &mut Command) -> Output {
        self.namespace.run(|| Ok(run(command))).unwrap()
    }

    fn child(&self, log: &str, command: &mut Command) -> Program {
        let log = std::fs::File::create(self.path(log)).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Program(self.namespace.run(|| command.spawn()).unwrap())
    }

    fn spawn(&mut self, name: &str, command: &mut Command) {
        let program = self.child(&format!("{name}.log"), command);
        self.running.push(program);
    }

    fn eventually<T>(&self, what: &str, mut check: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = check(self) {
                return found;
            }
            if Instant::now() > deadline {
                for entry in std::fs::read_dir(self.directory.path()).unwrap().flatten() {
                    if entry.path().extension().is_some_and(|e| e == "log") {
                        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                        let tail: Vec<&str> = text.lines().rev().take(20).collect();
                        eprintln!("{}: {tail:#?}", entry.path().display());
                    }
                }
                panic!("not within 60 s: {what}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn kubectl(&self, args: &[&str]) -> Output {
        let file = self.kubeconfig();
        self.output(
            Command::new(&self.kubectl)
                .arg("--kubeconfig")
                .arg(file)
                .args(args),
        )
    }

    fn stdout(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn apply(&self, name: &str, manifest: &str) {
        let file = self.path(name);
        std::fs::write(&file, manifest).unwrap();
        self.stdout(&["apply", "-f", file.to_str().unwrap()]);
    }

    /// Status code and body.
    fn get(&self, url: &str) -> Option<(String, String)> {
        self.curl(&[url])
    }

    fn curl(&self, args: &[&str]) -> Option<(String, String)> {
        let output = self.output(
            Command::new("curl")
                .args(["-s", "-m", "5", "-w", "\n%{http_code}"])
                .args(args),
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, code) = text.rsplit_once('\n')?;
        Some((code.to_owned(), body.to_owned()))
    }

    /// A server that answers every request with 200 and its name.
    fn server(&self, port: u16, name: &'static str) {
        let listener = self
            .namespace
            .run(|| std::net::TcpListener::bind((HERE, port)))
            .unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                        let length = name.len();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}");
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }

    /// Envoy as anybody would start it, with the control plane's address and nothing of ours beside it.
    fn envoy(&self, node: &Value, channel: &Channel) -> Program {
        let source = json!({"ads": {}, "resource_api_version": "V3"});
        let mut cluster = json!({
            "name": "xds", "type": "STATIC", "connect_timeout": "5s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}},
            "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [{"endpoint": {
                "address": {"socket_address": {"address": HERE, "port_value": channel.port}}}}]}]},
        });
        let mut service = json!({"envoy_grpc": {"cluster_name": "xds"}});
        if let Some((roots, token)) = &channel.secure {
            cluster["transport_socket"] = json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "sni": "istiod.istio-system.svc",
                    "common_tls_context": {"alpn_protocols": ["h2"], "validation_context": {
                        "trusted_ca": {"inline_string": roots},
                        "match_typed_subject_alt_names": [
                            {"san_type": "DNS", "matcher": {"exact": "istiod.istio-system.svc"}}],
                    }},
                },
            });
            service["initial_metadata"] =
                json!([{"key": "authorization", "value": format!("Bearer {token}")}]);
        }
        let bootstrap = json!({
            "node": node,
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 15000}}},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": channel.form, "transport_api_version": "V3", "grpc_services": [service],
                },
                "lds_config": source, "cds_config": source,
            },
            "static_resources": {"clusters": [cluster]},
        });
        let file = self.path("envoy.json");
        std::fs::write(&file, bootstrap.to_string()).unwrap();
        self.child(
            "envoy.log",
            Command::new(&self.envoy)
                .args(["--disable-hot-restart", "--concurrency", "1", "-c"])
                .arg(&file),
        )
    }

    /// Waits until Envoy has taken clusters and listeners; it must have refused nothing.
    fn takes_everything(&self) {
        self.eventually("Envoy takes clusters and listeners", |m| {
            let (_, stats) =
                m.get("http://127.0.0.1:15000/stats?filter=update_(success|rejected)$")?;
            let count = |name: &str| -> Option<u64> {
                let line = stats.lines().find_map(|line| line.strip_prefix(name))?;
                line.trim_start_matches(": ").parse().ok()
            };
            for name in ["cluster_manager.cds", "listener_manager.lds"] {
                assert_eq!(
                    count(&format!("{name}.update_rejected")).unwrap_or(0),
                    0,
                    "{stats}"
                );
            }
            let taken = ["cluster_manager.cds", "listener_manager.lds"]
                .iter()
                .all(|name| count(&format!("{name}.update_success")).is_some_and(|n| n > 0));
            taken.then_some(())
        });
    }
}

struct Channel {
    form: &'static str,
    port: u16,
    /// PEM of the roots, and a token.
    secure: Option<(String, String)>,
}

const MESH: &str = "
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: default}
spec:
  clusterIP: 10.96.3.1
  ports: [{name: http, port: 80, targetPort: 7000}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo-1, namespace: default, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
ports: [{name: http, port: 7000, protocol: TCP}]
endpoints: [{addresses: [10.244.0.1], conditions: {ready: true}}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: edge, namespace: istio-system}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: edge}
  ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
---
# Where a person says that the control plane is.
apiVersion: v1
kind: Service
metadata: {name: istiod, namespace: istio-system}
spec:
  ports: [{name: http-monitoring, port: 15014, targetPort: 15014}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: istiod-1, namespace: istio-system, labels: {kubernetes.io/service-name: istiod}}
addressType: IPv4
ports: [{name: http-monitoring, port: 15014, protocol: TCP}]
endpoints: [{addresses: [10.244.0.1], conditions: {ready: true}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: edge}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [secure.test], tls: {mode: SIMPLE, credentialName: edge}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo, namespace: default}
spec:
  hosts: ['*']
  gateways: [istio-system/edge]
  http: [{route: [{destination: {host: echo, port: {number: 80}}}]}]
";

fn gateway() -> Value {
    json!({
        "id": format!("router~{HERE}~edge-1.istio-system~istio-system.svc.cluster.local"), "cluster": "edge",
        "metadata": {"NAMESPACE": "istio-system", "SERVICE_ACCOUNT": "edge", "LABELS": {"istio": "edge"},
                     "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.30.0"},
    })
}

fn sidecar() -> Value {
    json!({
        "id": format!("sidecar~{HERE}~app-1.default~default.svc.cluster.local"), "cluster": "app",
        "metadata": {"NAMESPACE": "default", "LABELS": {"app": "app"}, "CLUSTER_ID": "Kubernetes"},
    })
}

#[test]
fn any_envoy_is_served_from_any_api_server() {
    let Some(machine) = Machine::start() else {
        return;
    };
    machine.server(7000, "echo");
    machine.apply("mesh.yaml", MESH);
    for form in ["GRPC", "DELTA_GRPC"] {
        let plain = Channel {
            form,
            port: 15010,
            secure: None,
        };
        gateway_in_plain_text(&machine, &plain);
        sidecar_in_plain_text(&machine, &plain);
    }
    credentials_come_to_whom_they_belong(&machine);
    mistakes_are_told(&machine);
}

fn gateway_in_plain_text(machine: &Machine, channel: &Channel) {
    let _envoy = machine.envoy(&gateway(), channel);
    machine.takes_everything();
    let answer = machine.eventually("the gateway answers", |m| {
        m.get("http://127.0.0.1:8080/")
            .filter(|(code, _)| code == "200")
    });
    assert_eq!(answer.1, "echo", "{}", channel.form);
    let file = machine.kubeconfig();
    let table = machine.eventually("SYNCED", |m| {
        let output = m.output(
            Command::new(FERROMESH)
                .args(["proxy-status", "--kubeconfig"])
                .arg(&file),
        );
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        (table.contains("edge-1.istio-system") && !table.contains("STALE")).then_some(table)
    });
    assert!(!table.contains("ERROR"), "{table}");
}

fn sidecar_in_plain_text(machine: &Machine, channel: &Channel) {
    let _envoy = machine.envoy(&sidecar(), channel);
    machine.takes_everything();
    machine.eventually("the sidecar listens", |m| {
        let (_, listeners) = m.get("http://127.0.0.1:15000/listeners")?;
        (listeners.contains(":15001") && listeners.contains(":15006")).then_some(())
    });
    machine.eventually("the sidecar knows the service", |m| {
        let (_, clusters) = m.get("http://127.0.0.1:15000/clusters")?;
        let endpoint = "outbound|80||echo.default.svc.cluster.local::10.244.0.1:7000";
        clusters.contains(endpoint).then_some(())
    });
}

/// Over TLS, with the token of its service account: the gateway gets the key of its certificate.
fn credentials_come_to_whom_they_belong(machine: &Machine) {
    let edge = testkit::pki::Authority::root("edge");
    let pair = edge.server(&["secure.test"], testkit::pki::Validity::default());
    for (name, text) in [
        ("edge.crt", &pair.chain),
        ("edge.key", &pair.key),
        ("edge.ca", &edge.pem),
    ] {
        std::fs::write(machine.path(name), text).unwrap();
    }
    let file = |flag: &str, name: &str| format!("--{flag}={}", machine.path(name).display());
    machine.stdout(&[
        "create",
        "secret",
        "tls",
        "edge",
        "-n",
        "istio-system",
        &file("cert", "edge.crt"),
        &file("key", "edge.key"),
    ]);
    let token = machine.stdout(&[
        "create",
        "token",
        "edge",
        "-n",
        "istio-system",
        "--audience",
        "istio-ca",
    ]);
    let roots = machine.eventually("the roots are in the namespace", |m| {
        let output = m.kubectl(&[
            "get",
            "configmap",
            "istio-ca-root-cert",
            "-n",
            "istio-system",
            "-o",
            "jsonpath={.data.root-cert\\.pem}",
        ]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("BEGIN CERTIFICATE").then_some(text)
    });
    let channel = Channel {
        form: "DELTA_GRPC",
        port: 15012,
        secure: Some((roots, token.trim().to_owned())),
    };
    let _envoy = machine.envoy(&gateway(), &channel);
    machine.takes_everything();
    let ca = machine.path("edge.ca");
    let ca = ca.to_str().unwrap();
    let answer = machine.eventually("the gateway answers over TLS", |m| {
        let resolve = "secure.test:8443:127.0.0.1";
        let args = [
            "--cacert",
            ca,
            "--resolve",
            resolve,
            "https://secure.test:8443/",
        ];
        m.curl(&args).filter(|(code, _)| code == "200")
    });
    assert_eq!(answer.1, "echo");
}

fn mistakes_are_told(machine: &Machine) {
    let stranger = machine.path("stranger");
    std::fs::write(&stranger, kubeconfig(&format!("https://{HERE}:6443"))).unwrap();
    let start = |file: &Path| {
        machine.output(
            Command::new(FERROMESH)
                .args(["control", "--listen", HERE, "--kubeconfig"])
                .arg(file),
        )
    };
    let shown = stranger.display().to_string();
    says(
        &start(&stranger),
        &["refuses the credentials", &shown, "401", "try: kubectl"],
    );
    let taken = format!("cannot listen on {HERE}:15010");
    says(&start(&machine.kubeconfig()), &[&taken, "try: --listen"]);
}
