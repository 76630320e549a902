//! Composition roots: one file a process.

mod apiserver;
pub(crate) mod control;
pub(crate) mod images;
mod node;
pub(crate) mod proxy;
pub(crate) mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use api::store::Store;
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

/// What carries the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// Our own proxy.
    Ferromesh,
    /// Stock Envoy, from $FERROMESH_ENVOY or the PATH.
    Envoy,
}

impl EngineArg {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ferromesh => "ferromesh",
            Self::Envoy => "envoy",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    process: Process,
}

#[derive(Debug, Subcommand)]
enum Process {
    /// The API server of `up`.
    Apiserver {
        #[arg(long)]
        data_dir: PathBuf,
        #[arg(long)]
        api_port: u16,
    },
    /// The control plane of `up`.
    Control {
        #[arg(long)]
        data_dir: PathBuf,
        #[arg(long, value_enum)]
        engine: EngineArg,
    },
    /// The node of `up`.
    Node {
        #[arg(long)]
        data_dir: PathBuf,
    },
    /// One pod's processes.
    PodShim { directory: PathBuf },
    /// A service of the Bookinfo sample.
    Bookinfo { args: Vec<String> },
    /// A command in a session of its own.
    Detached {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.process {
        Process::Apiserver { data_dir, api_port } => apiserver::run(&data_dir, api_port),
        Process::Control { data_dir, engine } => control::run_embedded(&data_dir, engine),
        Process::Node { data_dir } => node::run(&data_dir),
        // The shim reads its directory from the command line itself.
        Process::PodShim { directory: _ } => node::shim(),
        Process::Bookinfo { args } => {
            anyhow::ensure!(bookinfo::run(&args) == ExitCode::SUCCESS, "bookinfo failed");
            Ok(())
        }
        Process::Detached { args } => {
            nix::unistd::setsid()?;
            let args = std::iter::once("ferromesh".to_owned()).chain(args);
            crate::commands::run(crate::Cli::parse_from(args).command)
        }
    }
}

/// The kubeconfig by which the processes inside the node namespace reach the API server.
pub(crate) fn internal_kubeconfig(data_dir: &Path) -> PathBuf {
    data_dir.join("kubeconfig.internal")
}

/// A store over a kubeconfig.
pub(crate) async fn connect(kubeconfig: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let access = source::Access::kubeconfig(kubeconfig);
    source::KubeStore::connect(&access)
        .await
        .with_context(|| format!("kubeconfig {}", kubeconfig.display()))
}

/// A multi-threaded runtime for a server process.
fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?)
}

/// Completes on SIGTERM or SIGINT.
async fn terminated() {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
