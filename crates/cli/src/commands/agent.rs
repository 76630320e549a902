//! `ferromesh agent`

use std::time::Duration;

use ::agent::redirect::{Flags, apply, plan};
use clap::Subcommand;

use crate::processes::proxy;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Redirect this pod's TCP traffic to its proxy (the init container `istio-init`).
    Redirect(Redirect),
    /// Run a sidecar with its engine.
    Sidecar(proxy::Managed),
    /// Run a gateway with its engine.
    Gateway(proxy::Managed),
    /// Wait until this pod's proxy is ready.
    Wait(Wait),
}

#[derive(Debug, clap::Args)]
struct Wait {
    /// For how long at most.
    #[arg(long, value_name = "N", default_value_t = 60)]
    timeout_seconds: u64,
}

/// The flags of Istio's `istio-iptables`, by their long names.
#[derive(Debug, clap::Args)]
struct Redirect {
    #[arg(long, default_value_t = 15001)]
    envoy_port: u16,
    #[arg(long, default_value_t = 15006)]
    inbound_capture_port: u16,
    #[arg(long, default_value_t = 1337)]
    proxy_uid: u32,
    #[arg(long, default_value_t = 1337)]
    proxy_gid: u32,
    #[arg(long, default_value = "*")]
    istio_inbound_ports: String,
    #[arg(long, default_value = "15090,15021,15020")]
    istio_local_exclude_ports: String,
    #[arg(long, default_value = "*")]
    istio_service_cidr: String,
    #[arg(long, default_value = "")]
    istio_service_exclude_cidr: String,
    #[arg(long, default_value = "")]
    istio_outbound_ports: String,
    #[arg(long, default_value = "")]
    istio_local_outbound_ports_exclude: String,
    /// Print the rules in nft's syntax and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.role {
        Role::Redirect(flags) => redirect(flags),
        Role::Sidecar(managed) => proxy::run_managed(::agent::node::Role::Sidecar, &managed),
        Role::Gateway(managed) => proxy::run_managed(::agent::node::Role::Gateway, &managed),
        Role::Wait(Wait { timeout_seconds }) => wait(Duration::from_secs(timeout_seconds)),
    }
}

fn wait(patience: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(::agent::health::wait(patience))
        .map_err(|why| anyhow::anyhow!("the proxy is not ready: {why}"))
}

fn redirect(flags: Redirect) -> anyhow::Result<()> {
    let plan = plan(&Flags {
        outbound_port: flags.envoy_port,
        inbound_port: flags.inbound_capture_port,
        proxy_uid: flags.proxy_uid,
        proxy_gid: flags.proxy_gid,
        inbound_ports: flags.istio_inbound_ports,
        inbound_exclude: flags.istio_local_exclude_ports,
        outbound_cidrs: flags.istio_service_cidr,
        outbound_cidrs_exclude: flags.istio_service_exclude_cidr,
        outbound_ports: flags.istio_outbound_ports,
        outbound_exclude: flags.istio_local_outbound_ports_exclude,
    })?;
    print!("{plan}");
    if !flags.dry_run {
        apply(&plan)?;
    }
    Ok(())
}
