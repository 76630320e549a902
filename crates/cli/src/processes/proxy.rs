//! Proxies: sidecars and gateways with everything that belongs to them, or a bare proxy on a bootstrap.

mod engine;
mod managed;

use std::path::PathBuf;

use ::agent::node::Role;
use clap::{Parser, Subcommand};

pub(crate) use managed::run as run_managed;

use super::EngineArg;

/// ferromesh's proxy.
#[derive(Debug, Parser)]
#[command(name = "ferromesh-proxy", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    role: Option<RoleArg>,
    /// Run on this bootstrap, in Envoy's format (JSON or YAML).
    #[arg(short = 'c', long, value_name = "FILE")]
    config_path: Option<PathBuf>,
    /// Worker threads.
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// What to log: error, warn, info, debug, trace, or a filter such as proxy=debug,info.
    #[arg(short = 'l', long, default_value = "info")]
    log_level: String,
}

#[derive(Debug, Subcommand)]
enum RoleArg {
    /// The proxy beside an application.
    Sidecar(Managed),
    /// The proxy at the mesh's edge.
    Gateway(Managed),
}

/// Settings of a proxy that the mesh manages; the rest is in the environment that injection wrote.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Managed {
    /// What carries the traffic.
    #[arg(long, value_enum, default_value_t = EngineArg::Ferromesh)]
    pub(crate) engine: EngineArg,
    #[arg(long, default_value = "warn")]
    pub(crate) log_level: String,
    /// Worker threads; 0 means one for each core. Without it what the mesh's configuration says, else 2.
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<usize>,
    /// Where the sockets and the bootstrap go.
    #[arg(long, value_name = "DIR", default_value = "/etc/istio/proxy")]
    pub(crate) config_dir: PathBuf,
    /// Where the last good configuration is kept.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/istio/data")]
    pub(crate) state_dir: PathBuf,
    /// PEM of the control plane's roots.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/run/secrets/istio/root-cert.pem"
    )]
    pub(crate) root_cert: PathBuf,
    /// The service account's token for the CA.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/run/secrets/tokens/istio-token"
    )]
    pub(crate) token: PathBuf,
    /// Pod labels, as the downward API writes them.
    #[arg(long, value_name = "FILE", default_value = "/etc/istio/pod/labels")]
    pub(crate) labels: PathBuf,
    /// Pod annotations, likewise.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/istio/pod/annotations"
    )]
    pub(crate) annotations: PathBuf,
    /// The mesh's configuration, where injection did not give the proxy's settings.
    #[arg(long, value_name = "FILE", default_value = "/etc/istio/config/mesh")]
    pub(crate) mesh_config: PathBuf,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match (args.role, args.config_path) {
        (Some(RoleArg::Sidecar(managed)), None) => managed::run(Role::Sidecar, &managed),
        (Some(RoleArg::Gateway(managed)), None) => managed::run(Role::Gateway, &managed),
        (None, Some(path)) => engine::bare(&path, args.concurrency, &args.log_level),
        (Some(_), Some(_)) => {
            anyhow::bail!("-c goes without a role: sidecar and gateway make their own bootstrap")
        }
        (None, None) => anyhow::bail!("say what to run: sidecar, gateway, or -c BOOTSTRAP"),
    }
}
