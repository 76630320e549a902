//! A server in this process on a free port, and kubectl against it.
#![allow(dead_code)]

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use apiserver::{Kubeconfig, Options, Server};
use tempfile::TempDir;

/// How long anything in these tests may take before it counts as never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; stops when dropped.
pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) directory: TempDir,
    pub(crate) url: String,
    serving: Option<std::thread::JoinHandle<()>>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = TempDir::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut options = Options::new(directory.path());
        options.advertise = address;
        let url = format!("https://{address}");
        options.kubeconfig = Some(Kubeconfig {
            path: directory.path().join("kubeconfig"),
            server: url.clone(),
            name: "test".into(),
        });
        change(&mut options);
        let (send, receive) = std::sync::mpsc::channel();
        let serving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let server = Server::open(options).await.unwrap();
                send.send(server.clone()).unwrap();
                server.serve(vec![listener]).await.unwrap();
            });
        });
        let server = receive.recv().expect("the server opens");
        Self {
            server,
            directory,
            url,
            serving: Some(serving),
        }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// A `kube` client with the administrator's certificate.
    pub(crate) async fn client(&self) -> kube::Client {
        let config = kube::config::Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(
            config,
            &kube::config::KubeConfigOptions::default(),
        )
        .await
        .unwrap();
        kube::Client::try_from(config).unwrap()
    }

    /// kubectl, or `None` with the reason printed; in CI it has to be there.
    pub(crate) fn kubectl(&self) -> Option<Kubectl<'_>> {
        let program = std::env::var_os("KUBECTL")
            .map(PathBuf::from)
            .or_else(|| testkit::peer("kubectl"));
        match program {
            Some(program) => Some(Kubectl {
                program,
                cluster: self,
            }),
            None => {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "kubectl is required in CI"
                );
                testkit::skipped("kubectl is not installed");
                None
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server.stop();
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

pub(crate) struct Kubectl<'a> {
    program: PathBuf,
    cluster: &'a Cluster,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Kubectl<'_> {
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(self.cluster.kubeconfig())
            .args(arguments.split_whitespace());
        command
            .env("HOME", self.cluster.directory.path())
            .env_remove("KUBECONFIG");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that has to succeed; returns what it printed.
    pub(crate) fn ok(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "kubectl {arguments}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Runs a command that has to fail; returns its complaint.
    pub(crate) fn fails(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(
            !output.status.success(),
            "kubectl {arguments} succeeded: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }

    fn feed(&self, arguments: &str, input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// `kubectl … -f -` with this manifest.
    pub(crate) fn with(&self, arguments: &str, manifest: &str) -> String {
        let output = self.feed(&format!("{arguments} -f -"), manifest);
        assert!(
            output.status.success(),
            "kubectl {arguments}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    pub(crate) fn with_fails(&self, arguments: &str, manifest: &str) -> String {
        let output = self.feed(&format!("{arguments} -f -"), manifest);
        assert!(
            !output.status.success(),
            "kubectl {arguments} succeeded: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }

    pub(crate) fn json(&self, arguments: &str) -> serde_json::Value {
        serde_json::from_str(&self.ok(&format!("{arguments} -o json"))).unwrap()
    }
}

/// Asks again until the answer is yes.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}
