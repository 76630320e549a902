//! `ferromesh proxy-config`: subcommands, flags, columns and formats are istioctl's.

mod bootstrap;
mod cluster;
mod dump;
mod endpoint;
mod form;
mod listener;
mod log;
mod route;
mod secret;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use http::Method;

use super::target::{PodName, Server};
use crate::exit::{Code, Failure};
use dump::Dump;
use form::Form;

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
    /// Endpoints and their health, as the proxy sees them; --file reads a saved /clusters?format=json.
    #[command(visible_aliases = ["endpoints", "ep"])]
    Endpoint(With<endpoint::Filter>),
    /// Endpoints as the control plane sent them.
    Eds(With<endpoint::Filter>),
    /// Certificates.
    #[command(visible_aliases = ["secrets", "s"])]
    Secret(With<NoFilter>),
    /// What the proxy was started with.
    #[command(visible_alias = "b")]
    Bootstrap(bootstrap::Args),
    /// Log levels of the proxy; --level and --reset change them.
    #[command(visible_alias = "o")]
    Log(log::Args),
    /// Everything above.
    #[command(visible_alias = "a")]
    All(With<All>),
}

#[derive(Debug, Default, clap::Args)]
struct NoFilter {}

/// The filters of all subcommands.
#[derive(Debug, clap::Args)]
struct All {
    /// Print a heading before each part.
    #[arg(long)]
    with_headers: bool,
    /// Rows by filter chain and by route; --verbose=false prints one a listener and one a route table.
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    verbose: bool,
    /// Clusters: a part of the service's name.
    #[arg(long)]
    fqdn: Option<String>,
    /// Clusters: inbound or outbound.
    #[arg(long)]
    direction: Option<String>,
    /// Clusters: a part of the subset's name.
    #[arg(long)]
    subset: Option<String>,
    /// Clusters, listeners, endpoints: this port.
    #[arg(long)]
    port: Option<u16>,
    /// Listeners, endpoints: this address.
    #[arg(long)]
    address: Option<String>,
    /// Listeners: HTTP or TCP.
    #[arg(long = "type")]
    kind: Option<String>,
    /// Routes: this route table.
    #[arg(long)]
    name: Option<String>,
}

/// Where the configuration is read from.
#[derive(Debug, clap::Args)]
struct From {
    /// [TYPE/]NAME[.NAMESPACE], such as reviews-v1-5b896cd6c4-xv7pn, deploy/reviews-v1.default or svc/reviews
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pod: Option<PodName>,
    #[command(flatten)]
    server: Server,
    /// Read a saved /config_dump instead of asking the proxy; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct With<F: clap::Args> {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    filter: F,
    /// A table, or what the proxy has.
    #[arg(short, long, value_enum, default_value_t = Output::Short)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Json,
    Yaml,
    Short,
}

/// What an entry of the dump is called in front of its name, in `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Bare,
    WithKind,
}

impl Names {
    fn of(self, kind: &str, name: &str) -> String {
        match self {
            Self::Bare => name.to_owned(),
            Self::WithKind => format!("{kind}/{name}"),
        }
    }
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let text = runtime.block_on(show(args.what))?;
    super::target::write(&text)
}

async fn show(what: What) -> anyhow::Result<String> {
    const DUMP: &str = "/config_dump?include_eds";
    match what {
        What::Listener(with) => {
            let dump = Dump::parse(&with.from.read(DUMP).await?)?;
            listener::show(&dump, &with.filter, Names::Bare, Form::new(with.output))
        }
        What::Route(with) => {
            let dump = Dump::parse(&with.from.read(DUMP).await?)?;
            route::show(&dump, &with.filter, Names::Bare, Form::new(with.output))
        }
        What::Cluster(with) => {
            let dump = Dump::parse(&with.from.read(DUMP).await?)?;
            cluster::show(&dump, &with.filter, Names::Bare, Form::new(with.output))
        }
        What::Secret(with) => {
            let dump = Dump::parse(&with.from.read(DUMP).await?)?;
            secret::show(&dump, Names::Bare, Form::new(with.output))
        }
        What::Endpoint(with) => {
            let text = with.from.read("/clusters?format=json").await?;
            endpoint::live(&text, &with.filter, Form::new(with.output))
        }
        What::Eds(with) => {
            let dump = Dump::parse(&with.from.read(DUMP).await?)?;
            endpoint::sent(&dump, &with.filter, Names::Bare, Form::new(with.output))
        }
        What::Bootstrap(args) => {
            let dump = Dump::parse(&args.from.read(DUMP).await?)?;
            bootstrap::show(&dump, Form::new(args.output))
        }
        What::Log(args) => log::run(&args).await,
        What::All(with) => {
            let text = with.from.read(DUMP).await?;
            all(&text, &with.filter, with.output)
        }
    }
}

impl From {
    /// What the proxy answers on `path`, or what the file holds.
    async fn read(&self, path: &str) -> anyhow::Result<String> {
        match (&self.file, &self.pod) {
            (Some(file), _) => read_file(file),
            (None, Some(pod)) => {
                let pod = pod.one(&self.server).await?;
                pod.admin(&self.server, Method::GET, path).await
            }
            (None, None) => anyhow::bail!("name a pod, or a file with --file"),
        }
    }
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(|error| {
        Failure::new(
            Code::Failure,
            format!("--file {}: {error}", path.display()),
        )
        .remedy("kubectl exec POD -c istio-proxy -- curl -s 'localhost:15000/config_dump?include_eds' > FILE")
        .into()
    })
}

fn all(text: &str, filter: &All, output: Output) -> anyhow::Result<String> {
    let form = Form::new(output);
    let dump = Dump::parse(text)?;
    match output {
        // The whole dump, as the proxy printed it.
        Output::Json => return Ok(format!("{}\n", text.trim_end())),
        Output::Yaml => return form.value(&dump.0),
        Output::Short => {}
    }
    let cluster = cluster::Filter {
        fqdn: filter.fqdn.clone(),
        port: filter.port,
        subset: filter.subset.clone(),
        direction: filter.direction.clone(),
    };
    let listener = listener::Filter {
        address: filter.address.clone(),
        port: filter.port,
        kind: filter.kind.clone(),
        verbose: filter.verbose,
    };
    let route = route::Filter {
        name: filter.name.clone(),
        verbose: filter.verbose,
    };
    let endpoint = endpoint::Filter {
        address: filter.address.clone(),
        port: filter.port,
        ..endpoint::Filter::default()
    };
    let named = Names::WithKind;
    let parts = [
        ("BOOTSTRAP", bootstrap::show(&dump, form)?),
        ("CLUSTER", cluster::show(&dump, &cluster, named, form)?),
        ("LISTENER", listener::show(&dump, &listener, named, form)?),
        ("ROUTE", route::show(&dump, &route, named, form)?),
        ("SECRET", secret::show(&dump, named, form)?),
        ("ENDPOINTS", endpoint::sent(&dump, &endpoint, named, form)?),
    ];
    let parts = parts.map(|(title, part)| match filter.with_headers {
        true => format!("------ {title} INFO ------\n\n{part}"),
        false => part,
    });
    Ok(parts.join("\n"))
}

#[cfg(test)]
mod tests;
