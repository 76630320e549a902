//! `ferromesh up --demo`, as a newcomer runs it: from nothing to Bookinfo through the gateway, mutual TLS
//! and a canary, the loss of each process, and back to nothing.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const FERROMESH: &str = env!("CARGO_BIN_EXE_ferromesh");
/// The binary beside it, which runs in the pods.
const PROXY: &str = env!("CARGO_BIN_EXE_ferromesh-proxy");

struct Up {
    child: Child,
    data: tempfile::TempDir,
    http: u16,
    kubectl: PathBuf,
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn root() -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "root is needed in CI"
    );
    testkit::skipped("needs root");
    false
}

impl Up {
    fn start() -> Option<Self> {
        if !root() {
            return None;
        }
        assert!(PathBuf::from(PROXY).is_file());
        let kubectl = testkit::peer("kubectl")?;
        let data = tempfile::tempdir().unwrap();
        let (http, https, api) = (free_port(), free_port(), free_port());
        let mut child = Command::new(FERROMESH)
            .args(["up", "--demo", "--data-dir", data.path().to_str().unwrap()])
            .args([
                "--gateway-http",
                &http.to_string(),
                "--gateway-https",
                &https.to_string(),
            ])
            .args(["--api-port", &api.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut said = String::new();
        let mut ready = false;
        for line in BufReader::new(output).lines() {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("ready in ") {
                println!("{line}");
                ready = true;
                break;
            }
        }
        assert!(ready, "up did not become ready:\n{said}");
        Some(Self {
            child,
            data,
            http,
            kubectl,
        })
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

    fn pod(&self, app: &str) -> String {
        self.stdout(&["get", "pods", "-l", &format!("app={app}"), "-o", "name"])
            .lines()
            .next()
            .unwrap()
            .to_owned()
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
        processes().into_iter().find_map(|(pid, parent, command)| {
            (parent == self.child.id().cast_signed()
                && command.contains(&format!("internal {name}")))
            .then_some(pid)
        })
    }

    fn down(mut self) -> Vec<String> {
        self.ferromesh(&["down"]);
        assert!(self.child.wait().unwrap().success());
        let mark = self.data.path().to_str().unwrap().to_owned();
        processes()
            .into_iter()
            .map(|(_, _, command)| command)
            .filter(|c| c.contains(&mark))
            .collect()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // A failed test must not leave a mesh behind; pods end with their supervisor.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pid, parent and command line of every process.
fn processes() -> Vec<(i32, i32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        found.push((pid, parent.unwrap_or(0), command));
    }
    found
}

fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 60 s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn bookinfo_from_nothing_and_back() {
    let Some(up) = Up::start() else { return };

    let (code, body) = up.page();
    assert_eq!(code, "200", "{body}");
    assert!(
        body.contains("Book details") && !body.contains("unavailable"),
        "{body}"
    );

    canary(&up);
    every_proxy_is_synced(&up);
    statuses_say_where_objects_are_live(&up);
    identities_are_spiffe(&up);
    plaintext_is_refused(&up);
    bad_configuration_is_refused_by_name(&up);
    traffic_survives_the_death_of_each_process(&up);

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

fn every_proxy_is_synced(up: &Up) {
    let table = eventually("all proxies SYNCED", || {
        let table = up.ferromesh(&["proxy-status"]);
        (!table.contains("STALE") && !table.contains("ERROR")).then_some(table)
    });
    assert_eq!(
        table.lines().count(),
        8,
        "a header, six sidecars, one gateway:\n{table}"
    );
    let pod = up.pod("productpage");
    let pod = pod.trim_start_matches("pod/");
    let clusters = up.ferromesh(&[
        "proxy-config",
        "cluster",
        pod,
        "--fqdn",
        "reviews.default.svc.cluster.local",
    ]);
    assert!(
        clusters.contains("v3") && clusters.contains("reviews.default"),
        "{clusters}"
    );
}

fn statuses_say_where_objects_are_live(up: &Up) {
    eventually("VirtualService reviews is live", || {
        let live = up.stdout(&[
            "get",
            "virtualservice",
            "reviews",
            "-o",
            "jsonpath={.status.conditions[?(@.type=='Live')].message}",
        ]);
        let (acknowledged, wanted) = live.split_once('/')?;
        (acknowledged == wanted && wanted != "0").then_some(())
    });
}

fn identities_are_spiffe(up: &Up) {
    let logs = eventually("an access log line with the gateway's identity", || {
        let pod = up.pod("productpage");
        let logs = up.stdout(&[
            "exec",
            &pod,
            "-c",
            "productpage",
            "--",
            "curl",
            "-s",
            "http://127.0.0.1:15000/certs",
        ]);
        logs.contains("spiffe://").then_some(logs)
    });
    assert!(
        logs.contains("spiffe://cluster.local/ns/default/sa/bookinfo-productpage"),
        "{logs}"
    );
}

/// A pod without a sidecar speaks plaintext; STRICT refuses it, with an answer that says so.
fn plaintext_is_refused(up: &Up) {
    let manifest = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain", "namespace": "default",
        "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [{"name": "sleep", "image": "curlimages/curl", "command": ["sleep", "600"]}]}}"#;
    let file = up.data.path().join("plain.json");
    std::fs::write(&file, manifest).unwrap();
    up.stdout(&["apply", "-f", file.to_str().unwrap()]);
    up.stdout(&[
        "wait",
        "--for=condition=Ready",
        "pod/plain",
        "--timeout=60s",
    ]);
    let output = up.kubectl(&[
        "exec",
        "plain",
        "--",
        "curl",
        "-s",
        "-m",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "http://details:9080/details/0",
    ]);
    let code = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_ne!(code, "200", "plaintext reached a STRICT workload");
    up.stdout(&["delete", "pod", "plain", "--grace-period=0", "--force"]);
}

/// A typo is found by field validation, what is not honoured yet by the webhook; both name the field.
fn bad_configuration_is_refused_by_name(up: &Up) {
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
        let manifest = format!(
            r#"{{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {{"name": "bad"}}, "spec": {spec}}}"#
        );
        let file = up.data.path().join("bad.json");
        std::fs::write(&file, manifest).unwrap();
        let output = up.kubectl(&["apply", "-f", file.to_str().unwrap()]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && errors.contains(field),
            "{field}: {errors}"
        );
    }
}

/// `kill -9` of each of the three processes: requests go on meanwhile, and the process comes back.
fn traffic_survives_the_death_of_each_process(up: &Up) {
    for name in ["control", "apiserver", "node"] {
        let pid = up.process(name).unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        for _ in 0..20 {
            let (code, body) = up.page();
            assert_eq!(code, "200", "while {name} was dead: {body}");
        }
        eventually("the process comes back", || {
            up.process(name).filter(|new| *new != pid)
        });
        eventually("the API answers", || {
            up.kubectl(&["get", "pods"]).status.success().then_some(())
        });
    }
    let pods = up.stdout(&[
        "get",
        "pods",
        "-o",
        "jsonpath={.items[*].status.containerStatuses[*].restartCount}",
    ]);
    assert!(
        pods.split_whitespace().all(|count| count == "0"),
        "a container was restarted: {pods}"
    );
}
