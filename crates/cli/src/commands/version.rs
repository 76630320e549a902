//! `ferromesh version`

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::proxy_status::SYNCZ;
use super::target::{Server, write};

const OWN: &str = env!("CARGO_PKG_VERSION");
const VERSION: &str = "/api/v1/namespaces/istio-system/services/http:istiod:15014/proxy/version";
/// A control plane that has not answered by then is not asked further.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the number of this program.
    #[arg(short, long)]
    short: bool,
    /// Do not ask the control plane.
    #[arg(long)]
    client: bool,
    #[command(flatten)]
    server: Server,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.short {
        return write(&format!("{OWN}\n"));
    }
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let mut text = format!("ferromesh {OWN} ({os} {arch})\n");
    if !args.client {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let asked =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, remote(&args.server)).await });
        text.push_str(&match asked {
            Ok(Ok(remote)) => remote,
            _ => "control plane: none answers; `ferromesh up` starts one\n".to_owned(),
        });
    }
    write(&text)
}

/// The versions of the control plane and of the proxies that it knows.
async fn remote(server: &Server) -> anyhow::Result<String> {
    let remote = server.remote().await?;
    let control: Value = serde_json::from_str(&remote.get(VERSION).await?)?;
    let proxies: Vec<Value> = serde_json::from_str(&remote.get(SYNCZ).await?)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for proxy in &proxies {
        *counts
            .entry(proxy["version"].as_str().unwrap_or("unknown"))
            .or_default() += 1;
    }
    let proxies: Vec<String> = counts
        .iter()
        .map(|(version, count)| format!("{version} ({count} proxies)"))
        .collect();
    let control = control["version"].as_str().unwrap_or("unknown");
    Ok(format!(
        "control plane {control}\ndata plane {}\n",
        if proxies.is_empty() {
            "none".to_owned()
        } else {
            proxies.join(", ")
        }
    ))
}
