//! One `ferromesh up` under test, and the programs that ask it things.

pub(crate) mod capture;
pub(crate) mod host;
pub(crate) mod http;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) const FERROMESH: &str = env!("CARGO_BIN_EXE_ferromesh");
/// The binary beside it, which runs in the pods.
const PROXY: &str = env!("CARGO_BIN_EXE_ferromesh-proxy");

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Says which check of a theme runs, so that a failure is found.
pub(crate) fn check(name: &str, run: impl FnOnce()) {
    let start = Instant::now();
    println!("- {name}");
    run();
    println!("  {:.1}s", start.elapsed().as_secs_f64());
}

/// Whether meshes can be started here; says why not.
fn able() -> Option<PathBuf> {
    if !nix::unistd::geteuid().is_root() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "root is needed in CI"
        );
        testkit::skipped("needs root");
        return None;
    }
    assert!(Path::new(PROXY).is_file());
    testkit::peer("kubectl")
}

/// What a mesh is started with.
pub(crate) struct Setup {
    pub(crate) demo: bool,
    pub(crate) data: PathBuf,
    /// Where the program and its children may put temporary files.
    pub(crate) temporary: Option<PathBuf>,
}

impl Setup {
    /// The arguments of `up`, on ports that nobody uses.
    fn command(&self, ports: &Ports) -> Command {
        let mut command = Command::new(FERROMESH);
        command.arg("up").args(self.demo.then_some("--demo"));
        command.arg("--data-dir").arg(&self.data);
        for (flag, port) in [
            ("--gateway-http", ports.http),
            ("--gateway-https", ports.https),
            ("--api-port", ports.api),
        ] {
            command.args([flag, &port.to_string()]);
        }
        if let Some(directory) = &self.temporary {
            command.env("TMPDIR", directory);
        }
        command
    }

    /// An `up` that is expected to fail.
    pub(crate) fn refused(&self) -> Output {
        self.command(&Ports::free()).output().unwrap()
    }
}

pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) https: u16,
    pub(crate) api: u16,
}

impl Ports {
    fn free() -> Self {
        Self {
            http: testkit::free_port(),
            https: testkit::free_port(),
            api: testkit::free_port(),
        }
    }
}

/// A mesh that is up. It ends with this value, whatever the test does.
pub(crate) struct Up {
    child: Child,
    kubectl: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) ports: Ports,
    said: Arc<Mutex<String>>,
    /// Removed last.
    _home: Option<tempfile::TempDir>,
}

impl Up {
    /// Bookinfo with everything that `--demo` brings.
    pub(crate) fn demo() -> Option<Self> {
        Self::fresh(true)
    }

    /// The mesh alone.
    pub(crate) fn bare() -> Option<Self> {
        Self::fresh(false)
    }

    fn fresh(demo: bool) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        images(&data);
        let setup = Setup {
            demo,
            data,
            temporary: None,
        };
        let mut up = Self::start(&setup)?;
        up._home = Some(home);
        Some(up)
    }

    /// Starts and waits for the last line of a start that succeeded.
    pub(crate) fn start(setup: &Setup) -> Option<Self> {
        let kubectl = able()?;
        let ports = Ports::free();
        let mut child = setup
            .command(&ports)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let mut up = Self {
            child,
            kubectl,
            data: setup.data.clone(),
            ports,
            said: said.clone(),
            _home: None,
        };
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 {
            said.lock().unwrap().push_str(&line);
            if line.starts_with("ready in ") {
                print!("  {line}");
                std::thread::spawn(move || {
                    for line in output.lines().map_while(Result::ok) {
                        said.lock().unwrap().push_str(&format!("{line}\n"));
                    }
                });
                return Some(up);
            }
            line.clear();
        }
        let status = up.child.wait().unwrap();
        panic!(
            "up ended with {status} before it was ready:\n{}",
            up.said.lock().unwrap()
        );
    }

    /// The supervisor.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What `up` printed so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The supervisor's child that runs `internal <name>`.
    pub(crate) fn process(&self, name: &str) -> Option<i32> {
        let wanted = format!("internal {name} ");
        host::processes()
            .into_iter()
            .find(|p| p.parent == self.pid() && p.command.contains(&wanted))
            .map(|p| p.pid)
    }

    pub(crate) fn kubectl(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.kubectl);
        command
            .arg("--kubeconfig")
            .arg(self.data.join("kubeconfig"));
        command.args(args).env("HOME", &self.data).output().unwrap()
    }

    /// Standard output of a kubectl that succeeds.
    pub(crate) fn get(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `kubectl apply` of YAML; every warning is a failure.
    pub(crate) fn apply(&self, yaml: &str) {
        let output = self.try_apply(yaml);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && errors.is_empty(),
            "kubectl apply: {errors}\n{yaml}"
        );
    }

    pub(crate) fn try_apply(&self, yaml: &str) -> Output {
        let file = tempfile::NamedTempFile::new_in(&self.data).unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        self.kubectl(&["apply", "-f", file.path().to_str().unwrap()])
    }

    /// Replaces the text of MeshConfig; answers what it was.
    pub(crate) fn mesh_config(&self, text: &str) -> String {
        let map = ["configmap", "istio", "-n", "istio-system"];
        let before = self.get(&[&["get"], &map[..], &["-o", "jsonpath={.data.mesh}"]].concat());
        let patch = json!({"data": {"mesh": text}}).to_string();
        self.get(&[&["patch"], &map[..], &["--type=merge", "-p", &patch]].concat());
        before
    }

    /// Waits until a Deployment's replicas are all new and available.
    pub(crate) fn rolled_out(&self, deployment: &str) {
        let name = format!("deployment/{deployment}");
        self.get(&["rollout", "status", &name, "--timeout=120s"]);
    }

    /// The running pod of an `app`, of one `version` where there are several.
    pub(crate) fn pod(&self, selector: &str) -> Pod {
        eventually(&format!("one ready pod with {selector}"), || {
            let list = self.get(&["get", "pods", "-l", selector, "-A", "-o", "json"]);
            let list: Value = serde_json::from_str(&list).unwrap();
            let mut pods = list["items"].as_array().unwrap().iter().filter(|pod| {
                pod["metadata"]["deletionTimestamp"].is_null()
                    && condition(&pod["status"]["conditions"], "Ready")
            });
            let pod = pods.next()?;
            pods.next().is_none().then(|| Pod::of(self, pod))
        })
    }

    /// Waits until all proxies have acknowledged the object's present generation.
    pub(crate) fn live(&self, kind: &str, name: &str) {
        eventually(&format!("{kind} {name} is live"), || {
            let object = self.get(&["get", kind, name, "-o", "json"]);
            let object: Value = serde_json::from_str(&object).unwrap();
            let live = object["status"]["conditions"]
                .as_array()?
                .iter()
                .find(|c| c["type"] == "Live")?;
            let none = live["message"].as_str().is_none_or(|m| m.starts_with("0/"));
            (live["status"] == "True"
                && !none
                && object["status"]["observedGeneration"]
                    .as_i64()
                    .is_none_or(|seen| Some(seen) == object["metadata"]["generation"].as_i64()))
            .then_some(())
        });
    }

    /// Runs this program on the mesh's data directory.
    pub(crate) fn ferromesh(&self, args: &[&str]) -> String {
        let output = Command::new(FERROMESH)
            .args(args)
            .arg("--data-dir")
            .arg(&self.data)
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "ferromesh {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `ferromesh down`; `up` itself must end well.
    pub(crate) fn down(&mut self) {
        self.ferromesh(&["down"]);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "up ended with {status}");
    }

    /// `kill -9` of the supervisor.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // A failed test must not leave a mesh behind; pods end with their supervisor.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            for log in ["control", "node", "apiserver"] {
                let text = std::fs::read_to_string(self.data.join(format!("logs/{log}.log")));
                let text = text.unwrap_or_default();
                let lines: Vec<&str> = text.lines().rev().take(25).collect();
                let lines: Vec<&str> = lines.into_iter().rev().collect();
                eprintln!("--- the end of {log}.log\n{}", lines.join("\n"));
            }
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while !host::marked(&self.data).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn condition(conditions: &Value, kind: &str) -> bool {
    let conditions = conditions.as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|c| c["type"] == kind && c["status"] == "True")
}

/// A pod as it was when it was looked up.
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) ip: String,
    /// The process that owns it.
    pub(crate) shim: i32,
}

impl Pod {
    fn of(up: &Up, pod: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let uid = text(&pod["metadata"]["uid"]);
        let directory = up.data.join("pods").join(&uid).display().to_string();
        let shim = host::processes()
            .into_iter()
            .find(|p| p.command.contains("pod-shim") && p.command.contains(&directory));
        Self {
            namespace: text(&pod["metadata"]["namespace"]),
            name: text(&pod["metadata"]["name"]),
            ip: text(&pod["status"]["podIP"]),
            shim: shim.map(|p| p.pid).unwrap(),
            uid,
        }
    }

    /// The program of a container: the child of its init process.
    pub(crate) fn program(&self, name: &str) -> i32 {
        let below = host::descendants(self.shim);
        let found = below.iter().rfind(|p| p.command.contains(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {below:?}"))
            .pid
    }

    /// What the sidecar has logged.
    pub(crate) fn log(&self, up: &Up, container: &str) -> String {
        up.get(&["logs", "-n", &self.namespace, &self.name, "-c", container])
    }

    /// An answer of the proxy's admin interface, asked from inside the pod.
    pub(crate) fn admin(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:15000{path}");
        let output = host::inside(self.shim, || {
            Command::new("curl").args(["-s", "-m", "20", &url]).output()
        });
        assert!(output.status.success(), "{url}: {}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// One statistic of the proxy; 0 where it was never counted.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let all = self.admin("/stats");
        let found = all
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.map_or(0, |value| value.parse().unwrap())
    }

    /// What the flight recorder knows of failures with this request id; with "" of all.
    pub(crate) fn failures(&self, request_id: &str) -> Vec<Value> {
        let query = match request_id {
            "" => String::new(),
            id => format!("?id={id}"),
        };
        let text = self.admin(&format!("/ferromesh/failures{query}"));
        let page: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        page["failures"].as_array().cloned().unwrap_or_default()
    }
}

/// Names the programs that stand for the samples' images: the peers' httpbin.
fn images(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let Some(packages) = testkit::peer_directory("httpbin") else {
        return;
    };
    let Some(python) = testkit::peer("python3") else {
        return;
    };
    let map = json!({"kennethreitz/httpbin": {
        "entrypoint": [python, "-m", "gunicorn", "--bind", "0.0.0.0:80", "--worker-tmp-dir", "/dev/shm",
                       "--workers", "1", "--threads", "32", "--access-logfile", "-", "httpbin:app"],
        "env": {"PYTHONPATH": packages, "PATH": std::env::var("PATH").unwrap()},
    }});
    std::fs::write(data.join("images.json"), map.to_string()).unwrap();
}
