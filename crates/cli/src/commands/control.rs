//! `ferromesh control`

use std::net::IpAddr;
use std::path::PathBuf;

use crate::processes::{EngineArg, control};

/// For any API server and any Envoy: 15010 xDS, 15012 xDS and CA over TLS, 15014 monitoring, 15017 webhooks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to reach the API server.
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: PathBuf,
    /// The address to listen on.
    #[arg(long, default_value = "0.0.0.0")]
    listen: IpAddr,
    /// What injection puts into pods.
    #[arg(long, value_enum, default_value_t = EngineArg::Ferromesh)]
    engine: EngineArg,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    control::run(control::Setup {
        kubeconfig: args.kubeconfig,
        listen: args.listen,
        engine: args.engine,
        embedded: None,
    })
}
