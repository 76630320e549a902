//! What goes wrong on the first day: each mistake ends with its exit code, says what happened and why, and
//! what to type next; and nothing is left running.

#![allow(clippy::unwrap_used)]

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Output};

use nix::fcntl::{Flock, FlockArg};

fn ferromesh(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ferromesh"))
        .args(args)
        .env_remove("KUBECONFIG")
        .output()
        .unwrap()
}

/// Exit code and standard error.
fn failure(args: &[&str]) -> (i32, String) {
    let output = ferromesh(args);
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
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

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `up` on a directory, with ports that the system chooses.
fn up<'a>(data: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["up", "--data-dir", text(data)];
    args.extend([
        "--gateway-http",
        "0",
        "--gateway-https",
        "0",
        "--api-port",
        "0",
    ]);
    args.extend(more);
    args
}

#[test]
fn wrong_manifests_are_shown_with_their_places_before_anything_starts() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("wrong.yaml"));
    let manifest = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
    - timeoutt: 1s
      route: [{destination: {host: a}}]
---
apiVersion: v1
kind: Pod
  metadata: {}
";
    std::fs::write(&file, manifest).unwrap();
    let (code, said) = failure(&up(&data, &["-f", text(&file)]));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("wrong.yaml:7:7: spec.http[0].timeoutt"),
        "{said}"
    );
    assert!(said.contains("did you mean \"timeout\"?"), "{said}");
    assert!(said.contains("wrong.yaml:12:"), "{said}");
    assert!(!data.exists(), "the data directory was made");

    let (code, said) = failure(&up(&data, &["-f", "/nonexistent.yaml"]));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("-f /nonexistent.yaml: No such file"),
        "{said}"
    );

    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let (code, said) = failure(&up(&data, &["-f", text(&empty)]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no .yaml, .yml or .json file"), "{said}");
}

#[test]
fn a_data_directory_that_is_not_ours_is_left_alone() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    let (code, said) = failure(&up(dir.path(), &[]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no data directory of ferromesh"), "{said}");
    assert!(said.contains("try: ferromesh up --data-dir"), "{said}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    let (code, said) = failure(&up(Path::new("/proc/here"), &[]));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("cannot use data directory /proc/here"),
        "{said}"
    );

    std::fs::write(dir.path().join("version"), "99\n").unwrap();
    let (code, said) = failure(&up(dir.path(), &[]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("format 99; this program reads 1"), "{said}");
}

#[test]
fn a_data_directory_in_use_has_its_own_exit_code_also_detached() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("version"), "1\n").unwrap();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.path().join("lock"))
        .unwrap();
    let _held = Flock::lock(file, FlockArg::LockExclusive).unwrap();
    for more in [&[][..], &["--detach"]] {
        let (code, said) = failure(&up(dir.path(), more));
        assert_eq!(code, 4, "{said}");
        assert!(said.contains("in use by another `ferromesh up`"), "{said}");
        assert!(said.contains("try: ferromesh down --data-dir"), "{said}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = dir.path().join("data");
    let args = ["up", "--data-dir", text(&data), "--api-port", &port];
    let (code, said) = failure(&args);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{said}"
    );
    assert!(said.contains("--api-port PORT"), "{said}");
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["up", "--colour"][..],
        &["proxy-config", "listeners"],
        &["proxy-config", "routes", "pod", "--output", "xml"],
        &["proxy-config", "routes", "a/b/c"],
        &["logs", "scheduler"],
    ] {
        let (code, said) = failure(args);
        assert_eq!(code, 2, "{args:?}: {said}");
    }
    let (code, said) = failure(&["pc", "log", "pod", "--level", "loud"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("\"loud\" is no log level"), "{said}");
}

#[test]
fn where_nothing_runs_the_commands_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let data = text(dir.path());
    let (code, said) = failure(&["status", "--data-dir", data]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("nothing is running") && said.contains("try: ferromesh up"),
        "{said}"
    );

    let down = ferromesh(&["down", "--data-dir", data]);
    assert!(down.status.success());
    assert!(String::from_utf8_lossy(&down.stdout).contains("nothing is running"));

    let config = dir.path().join("kubeconfig");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let kubeconfig = format!(
        r#"{{"clusters": [{{"name": "c", "cluster": {{"server": "http://127.0.0.1:{port}"}}}}],
            "users": [{{"name": "u", "user": {{}}}}],
            "contexts": [{{"name": "x", "context": {{"cluster": "c", "user": "u"}}}}], "current-context": "x"}}"#
    );
    std::fs::write(&config, kubeconfig).unwrap();
    for args in [
        &["proxy-status", "--kubeconfig"][..],
        &["pc", "cluster", "deploy/a", "--kubeconfig"],
    ] {
        let args = [args, &[text(&config)]].concat();
        let (code, said) = failure(&args);
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("API server of kubeconfig"),
            "{args:?}: {said}"
        );
        assert!(said.contains("try: "), "{args:?}: {said}");
    }
}

#[test]
fn completions_are_scripts_of_the_three_shells() {
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef ferromesh"),
        ("fish", "complete -c ferromesh"),
    ] {
        let output = ferromesh(&["completion", shell]);
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains(part), "{shell}");
        assert!(script.contains("proxy-config"), "{shell}");
        assert!(!script.contains("internal"), "{shell}: hidden commands");
    }
}
