//! `ferromesh proxy-config`, with istioctl's sub-commands, flags and columns.

mod cluster;
mod dump;
mod endpoint;
mod listener;
mod route;
mod secret;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;

use super::target::{PodArg, Server};
use dump::Dump;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Listeners and their filter chains.
    #[command(visible_aliases = ["listeners", "l"])]
    Listener(With<listener::Filter>),
    /// Routes by virtual host.
    #[command(visible_aliases = ["routes", "r"])]
    Route(With<route::Filter>),
    /// Clusters.
    #[command(visible_aliases = ["clusters", "c"])]
    Cluster(With<cluster::Filter>),
    /// Endpoints and their health.
    #[command(visible_aliases = ["endpoints", "ep"])]
    Endpoint(With<endpoint::Filter>),
    /// Certificates.
    #[command(visible_aliases = ["secrets", "s"])]
    Secret(With<NoFilter>),
    /// What the proxy was started with.
    #[command(visible_alias = "b")]
    Bootstrap(With<NoFilter>),
    /// Log filter of the proxy; --level changes it.
    #[command(visible_alias = "o")]
    Log(With<LogArgs>),
    /// Everything above.
    #[command(visible_alias = "a")]
    All(With<NoFilter>),
}

#[derive(Debug, clap::Args)]
struct NoFilter {}

#[derive(Debug, clap::Args)]
struct LogArgs {
    /// The new filter: debug, or proxy=debug,info.
    #[arg(long)]
    level: Option<String>,
}

#[derive(Debug, clap::Args)]
struct With<F: clap::Args> {
    #[command(flatten)]
    pod: PodArg,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    filter: F,
    /// A table, or the proxy's own JSON.
    #[arg(short, long, value_enum, default_value_t = Output::Short)]
    output: Output,
    /// Read a saved /config_dump?include_eds instead of asking the proxy.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Short,
    Json,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match args.what {
            What::Listener(with) => with.show(listener::show).await,
            What::Route(with) => with.show(route::show).await,
            What::Cluster(with) => with.show(cluster::show).await,
            What::Secret(with) => {
                with.show(|dump, _, output| secret::show(dump, output))
                    .await
            }
            What::Bootstrap(with) => with.show(|dump, _, _| dump.bootstrap()).await,
            What::Endpoint(with) => {
                let text = with
                    .pod
                    .admin(&with.server, Method::GET, "/clusters?format=json")
                    .await?;
                print!(
                    "{}",
                    endpoint::show(&serde_json::from_str(&text)?, &with.filter, with.output)?
                );
                Ok(())
            }
            What::Log(with) => {
                let path = with
                    .filter
                    .level
                    .as_ref()
                    .map_or("/logging".into(), |l| format!("/logging?level={l}"));
                print!(
                    "{}",
                    with.pod.admin(&with.server, Method::POST, &path).await?
                );
                Ok(())
            }
            What::All(with) => with.show(all).await,
        }
    })
}

fn all(dump: &Dump, _: &NoFilter, output: Output) -> anyhow::Result<String> {
    if output == Output::Json {
        return Ok(pretty(&dump.0));
    }
    Ok([
        cluster::show(dump, &cluster::Filter::default(), output)?,
        listener::show(dump, &listener::Filter::default(), output)?,
        route::show(dump, &route::Filter::default(), output)?,
        secret::show(dump, output)?,
    ]
    .join("\n"))
}

impl<F: clap::Args> With<F> {
    async fn show(
        &self,
        show: impl Fn(&Dump, &F, Output) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let text = match &self.file {
            Some(path) => std::fs::read_to_string(path)?,
            None => {
                self.pod
                    .admin(&self.server, Method::GET, "/config_dump?include_eds")
                    .await?
            }
        };
        print!(
            "{}",
            show(
                &Dump(serde_json::from_str(&text)?),
                &self.filter,
                self.output
            )?
        );
        Ok(())
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Sorted, tabulated, or the selected objects themselves.
fn output(
    header: &[&str],
    mut rows: Vec<Vec<String>>,
    objects: Vec<&Value>,
    output: Output,
) -> String {
    match output {
        Output::Json => pretty(&Value::Array(objects.into_iter().cloned().collect())),
        Output::Short => {
            rows.sort();
            super::target::table(header, &rows)
        }
    }
}
