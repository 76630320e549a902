//! A node in a network namespace of its own, with an API server in memory.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod kubelet;
pub mod store;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use api::kinds;
use api::store::{Delete, Store};
use base::ObjectKey;
use net::netns::Namespace;
use runtime::{ImageMap, Node, Options, Program};
use serde_json::{Value, json};

use store::FakeStore;

pub struct Cluster {
    pub store: Arc<FakeStore>,
    pub data: tempfile::TempDir,
    pub namespace: Namespace,
    pub node: Option<Node>,
    pub pki: kubelet::Pki,
    /// Connected sockets of another namespace, for the next start.
    pub resolvers: Vec<std::net::UdpSocket>,
    lifeline: Option<std::io::PipeWriter>,
    lifeline_reader: std::os::fd::OwnedFd,
}

/// Runs a test on threads that are in a fresh network namespace. Skips without root.
pub fn cluster<F: Future<Output = ()>>(test: impl FnOnce(Cluster) -> F + Send) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let namespace = Namespace::create().unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            namespace.enter().unwrap();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (reader, writer) = std::io::pipe().unwrap();
                let mut cluster = Cluster {
                    store: FakeStore::new(),
                    data: tempfile::tempdir().unwrap(),
                    namespace: namespace.clone(),
                    node: None,
                    pki: kubelet::Pki::new(),
                    resolvers: Vec::new(),
                    lifeline: Some(writer),
                    lifeline_reader: reader.into(),
                };
                cluster.start().await;
                test(cluster).await;
            });
            runtime.shutdown_background();
        });
        thread.join().unwrap();
    });
}

impl Cluster {
    /// Starts the node, again after [`Cluster::crash`].
    pub async fn start(&mut self) {
        let mut images = ImageMap::new();
        images.insert("test/sh", Program::new(["/bin/sh", "-c"]));
        images.insert(
            "test/http",
            Program::new(["python3", "-m", "http.server", "--directory", "/srv/www"]),
        );
        let shim = vec![env!("CARGO_BIN_EXE_runtime-pod-shim").to_owned()];
        let store: Arc<dyn Store> = self.store.clone();
        let mut options = Options::new(store, "test-node", self.data.path().into(), shim);
        options.image_map = images;
        options.lifeline = Some(self.lifeline_reader.try_clone().unwrap());
        options.dns_upstream = std::mem::take(&mut self.resolvers);
        options.kubelet_tls = Some(self.pki.server());
        options.kubelet_listen = "10.244.0.1:10250".parse().unwrap();
        self.node = Some(Node::start(options).await.unwrap());
    }

    /// The node disappears, its pods do not.
    pub fn crash(&mut self) {
        self.node = None;
    }

    /// The supervisor disappears.
    pub fn cut_lifeline(&mut self) {
        self.lifeline = None;
    }

    /// Whether a read of the lifeline still waits, as its other readers expect.
    pub fn lifeline_blocks(&self) -> bool {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        let flags = fcntl(&self.lifeline_reader, FcntlArg::F_GETFL).unwrap();
        !OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK)
    }

    pub async fn create(&self, object: Value) -> Value {
        let ty = match object["kind"].as_str().unwrap() {
            "Pod" => kinds::POD,
            "Service" => kinds::SERVICE,
            "EndpointSlice" => kinds::ENDPOINT_SLICE,
            "ConfigMap" => kinds::CONFIG_MAP,
            "Secret" => kinds::SECRET,
            other => panic!("{other}"),
        };
        let mut object = object;
        object["metadata"]["namespace"] = json!("default");
        if object["kind"] == "Pod" {
            // What a scheduler does.
            object["spec"]["nodeName"] = json!("test-node");
        }
        self.store.create(&ty, object).await.unwrap()
    }

    pub async fn ready(&self, name: &str) -> Value {
        self.store
            .until(&kinds::POD, name, "became ready", |pod| {
                condition(pod, "Ready")
            })
            .await
    }

    pub async fn phase(&self, name: &str, phase: &str) -> Value {
        self.store
            .until(&kinds::POD, name, phase, |pod| {
                pod["status"]["phase"] == phase
            })
            .await
    }

    pub async fn delete(&self, name: &str) {
        let key = ObjectKey::new("default", name);
        self.store
            .delete(&kinds::POD, &key, Delete::default())
            .await
            .unwrap();
        self.store
            .until(&kinds::POD, name, "went", Value::is_null)
            .await;
    }

    /// A service with one port and its slice.
    pub async fn service(&self, name: &str, ip: &str, port: u16, target: u16, addresses: &[&str]) {
        self.create(json!({
            "kind": "Service", "metadata": { "name": name },
            "spec": { "clusterIP": ip, "ports": [{ "name": "http", "port": port }] },
        }))
        .await;
        self.slice(name, target, addresses).await;
    }

    pub async fn slice(&self, name: &str, target: u16, addresses: &[&str]) {
        let endpoints: Vec<_> = addresses
            .iter()
            .map(|address| json!({ "addresses": [address], "conditions": { "ready": true } }))
            .collect();
        self.create(json!({
            "kind": "EndpointSlice",
            "metadata": { "name": format!("{name}-1"), "labels": { "kubernetes.io/service-name": name } },
            "ports": [{ "name": "http", "port": target, "protocol": "TCP" }],
            "endpoints": endpoints,
        }))
        .await;
    }

    pub fn pod_directory(&self, pod: &Value) -> PathBuf {
        self.data
            .path()
            .join("pods")
            .join(pod["metadata"]["uid"].as_str().unwrap())
    }

    pub fn log(&self, pod: &Value, container: &str, attempt: u32) -> String {
        let path = self
            .pod_directory(pod)
            .join("containers")
            .join(container)
            .join(format!("{attempt}.log"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.splitn(4, ' ').nth(3))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// Waits until a container's log holds `text`.
    pub async fn logged(&self, pod: &Value, container: &str, text: &str) -> String {
        for _ in 0..2000 {
            let log = self.log(pod, container, 0);
            if log.contains(text) {
                return log;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!(
            "{text:?} is not in the log: {:?}\n{:#?}",
            self.log(pod, container, 0),
            self.store.events()
        );
    }

    /// Nothing of the cluster's pods is left on the machine.
    pub fn assert_clean(&self) {
        let mark = self.data.path().to_str().unwrap();
        let pods: Vec<_> = std::fs::read_dir(self.data.path().join("pods"))
            .unwrap()
            .collect();
        assert!(pods.is_empty(), "{pods:?}");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(mark), "{mounts}");
        assert_eq!(processes(self.data.path()), Vec::<String>::new());
        let links = output("ip", &["-o", "link"]);
        assert!(!links.contains("veth"), "{links}");
    }
}

/// Processes whose command line or mounts name `mark`.
pub fn processes(mark: &Path) -> Vec<String> {
    let mark = mark.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let mounts = std::fs::read_to_string(path.join("mountinfo")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(mark) || mounts.contains(mark) {
            found.push(format!(
                "{} {}",
                path.display(),
                String::from_utf8_lossy(&command)
            ));
        }
    }
    found
}

pub fn condition(pod: &Value, kind: &str) -> bool {
    let all = pod["status"]["conditions"].as_array().into_iter().flatten();
    all.into_iter()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// Runs a program in the node's namespace.
pub fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub fn pod(name: &str, container: Value) -> Value {
    let mut container = container;
    container["name"] = json!("main");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name },
        "spec": { "containers": [container], "terminationGracePeriodSeconds": 5 },
    })
}

pub fn shell(script: &str) -> Value {
    json!({ "image": "test/sh", "args": [script] })
}

/// A web server that answers with `body`.
pub fn web(body: &str) -> Value {
    let script = format!(
        "mkdir -p /srv/www && cd /srv/www && echo {body} > index.html && exec python3 -m http.server 8000"
    );
    let mut container = shell(&script);
    container["readinessProbe"] =
        json!({ "httpGet": { "path": "/", "port": 8000 }, "periodSeconds": 1 });
    container
}

/// The process that listens on a pod's control socket.
pub fn shim_of(directory: &Path) -> i32 {
    use std::os::fd::AsRawFd;
    let handle = std::fs::File::open(directory).unwrap();
    let path = format!("/proc/self/fd/{}/shim.sock", handle.as_raw_fd());
    let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials)
        .unwrap()
        .pid()
}

/// Runs a shell command on a container's own file system, through its init's root.
pub fn exec(cluster: &Cluster, pod: &Value, script: &str) {
    let shim = shim_of(&cluster.pod_directory(pod));
    let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    let init = children.split_whitespace().next().unwrap();
    let output = Command::new("nsenter")
        .args(["-t", init, "-m", "/bin/sh", "-c", script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
