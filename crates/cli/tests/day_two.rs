//! `ferromesh up` with kubectl and its own commands, as on the second day: what pods that go wrong say, and
//! what the proxies have. One mesh for all of it; it takes its time to start.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const FERROMESH: &str = env!("CARGO_BIN_EXE_ferromesh");
/// The binary beside it, which runs in the pods.
const PROXY: &str = env!("CARGO_BIN_EXE_ferromesh-proxy");

const MANIFESTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 8000, name: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: python, args: [python3, -m, http.server, "8000"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{match: [{uri: {exact: /gone}}], directResponse: {status: 410}}, {route: [{destination: {host: web}}]}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: example.test/v1
kind: Widget
metadata: {name: small}
"#;

struct Mesh {
    data: tempfile::TempDir,
    kubectl: PathBuf,
}

impl Mesh {
    /// `up --detach` with the manifests; its answer.
    fn start() -> Option<(Self, String)> {
        if !nix::unistd::geteuid().is_root() {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "root is needed in CI"
            );
            testkit::skipped("needs root");
            return None;
        }
        assert!(PathBuf::from(PROXY).is_file());
        let kubectl = testkit::peer("kubectl")?;
        let data = tempfile::tempdir().unwrap();
        let mesh = Self { data, kubectl };
        let file = mesh.data.path().join("images.json");
        std::fs::write(&file, r#"{"mine": {"entrypoint": ["true"]}}"#).unwrap();
        let manifests = tempfile::tempdir().unwrap();
        std::fs::write(manifests.path().join("a.yaml"), MANIFESTS).unwrap();
        let manifests = manifests.path().to_str().unwrap().to_owned();
        let ports = [
            "--gateway-http",
            "0",
            "--gateway-https",
            "0",
            "--api-port",
            "0",
        ];
        let args = [&["up", "--detach", "-f", &manifests][..], &ports].concat();
        let said = mesh.ferromesh(&args);
        Some((mesh, said))
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(FERROMESH)
            .args(args)
            .args(["--data-dir", self.data.path().to_str().unwrap()])
            .env_remove("KUBECONFIG")
            .output()
            .unwrap()
    }

    fn ferromesh(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "ferromesh {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn kubectl(&self, args: &[&str]) -> Output {
        Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(self.data.path().join("kubeconfig"))
            .args(args)
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn fails(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        assert!(!output.status.success(), "kubectl {args:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        // A failed test must not leave a mesh behind.
        let _ = self.run(&["down"]);
    }
}

fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 120 s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_detached_mesh_is_looked_into_and_ended() {
    let Some((mesh, said)) = Mesh::start() else {
        return;
    };
    assert!(said.contains("a.yaml: 6 objects applied"), "{said}");
    assert!(said.contains("2 of 2 deployments ready"), "{said}");
    assert!(!said.contains("localhost:0"), "{said}");
    assert_eq!(
        mesh.ok(&["get", "widgets", "-o", "name"]),
        "widget.example.test/small\n"
    );

    proxies_show_what_they_have(&mesh);
    pods_that_go_wrong_say_why(&mesh);

    assert!(mesh.ferromesh(&["status"]).contains("web"));
    let versions = mesh.ferromesh(&["version"]);
    assert!(versions.contains("control plane "), "{versions}");
    let logs = mesh.ferromesh(&["logs", "apiserver", "--tail", "5"]);
    assert!(!logs.contains('\u{1b}'), "colours in a file: {logs:?}");
    assert!(mesh.ferromesh(&["down"]).contains("stopped in"));
    let up = std::fs::read_to_string(mesh.data.path().join("logs/up.log")).unwrap();
    assert!(up.contains("stopped; nothing is left running"), "{up}");
    assert_eq!(mesh.run(&["status"]).status.code(), Some(1));
}

fn proxies_show_what_they_have(mesh: &Mesh) {
    let table = eventually("all proxies are SYNCED", || {
        let table = mesh.ferromesh(&["proxy-status", "-n", "shop"]);
        let line = table.lines().nth(1)?.to_owned();
        (line.starts_with("web-") && !line.contains("STALE")).then_some(table)
    });
    assert_eq!(
        table.lines().count(),
        2,
        "one proxy in the namespace:\n{table}"
    );

    let routes = eventually("the VirtualService is in the routes", || {
        let routes = mesh.ferromesh(&["pc", "routes", "deploy/web.shop", "--name", "8000"]);
        routes.contains("/gone").then_some(routes)
    });
    assert!(routes.contains("web.shop"), "{routes}");
    let clusters = mesh.ferromesh(&[
        "pc", "c", "svc/web", "-n", "shop", "--fqdn", "web.shop", "-o", "json",
    ]);
    let clusters: serde_json::Value = serde_json::from_str(&clusters).unwrap();
    assert_eq!(
        clusters[0]["name"],
        "outbound|8000||web.shop.svc.cluster.local"
    );
    assert!(clusters[0]["edsClusterConfig"].is_object(), "{clusters}");
    for part in ["listener", "endpoint", "eds", "secret", "bootstrap", "all"] {
        for form in ["short", "json", "yaml"] {
            let shown = mesh.ferromesh(&["pc", part, "deploy/web.shop", "-o", form]);
            assert!(!shown.trim().is_empty(), "{part} as {form}");
        }
    }
    let levels = mesh.ferromesh(&["pc", "log", "deploy/web.shop", "--level", "debug"]);
    assert!(
        levels.contains(".shop:\nactive loggers:\n  debug"),
        "{levels}"
    );
    let levels = mesh.ferromesh(&["pc", "log", "deploy/web.shop", "--reset"]);
    assert!(levels.contains("active loggers:\n  warn"), "{levels}");
}

fn pods_that_go_wrong_say_why(mesh: &Mesh) {
    let run = [
        "run",
        "echo",
        "--image=busybox",
        "--restart=Never",
        "--",
        "echo",
        "hello",
    ];
    mesh.ok(&run);
    mesh.ok(&[
        "wait",
        "--for=jsonpath={.status.phase}=Succeeded",
        "pod/echo",
        "--timeout=60s",
    ]);
    assert_eq!(mesh.ok(&["logs", "echo"]), "hello\n");

    mesh.ok(&["run", "absent", "--image=nowhere/thing:1"]);
    eventually("the image is known to be absent", || {
        let reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}";
        let reason = mesh.ok(&["get", "pod", "absent", "-o", reason]);
        (reason == "ImageNotMapped").then_some(())
    });
    let refused = mesh.fails(&["logs", "absent"]);
    assert!(
        refused
            .contains("container \"absent\" in pod \"absent\" is waiting to start: ImageNotMapped"),
        "{refused}"
    );
    let described = mesh.ok(&["describe", "rs", "-n", "shop", "-l", "app=web"]);
    assert!(described.contains("SuccessfulCreate"), "{described}");
    let scale = mesh.ok(&["get", "deploy", "web", "-n", "shop", "--subresource=scale"]);
    assert!(scale.contains("DESIRED"), "{scale}");
}
