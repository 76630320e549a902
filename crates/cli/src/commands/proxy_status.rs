//! `ferromesh proxy-status`: who has which configuration, in the columns of istioctl up to 1.26.

use anyhow::Context;
use clap::ValueEnum;
use serde_json::Value;

use super::target::{PodName, Server, table, write};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the proxies of [TYPE/]NAME[.NAMESPACE].
    pod: Option<PodName>,
    #[command(flatten)]
    server: Server,
    /// A table, or what the control plane says.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
}

pub(super) const SYNCZ: &str =
    "/api/v1/namespaces/istio-system/services/http:istiod:15014/proxy/debug/syncz";
/// Kinds of configuration, in the order of their columns.
const TYPES: [&str; 5] = ["cds", "lds", "eds", "rds", "sds"];

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let rows = runtime.block_on(rows(args))?;
    write(&match args.output {
        Output::Table => shown(&rows),
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&rows)?),
        Output::Yaml => serde_saphyr::to_string(&rows).context("as YAML")?,
    })
}

/// What the control plane knows of the proxies that are asked for.
async fn rows(args: &Args) -> anyhow::Result<Vec<Value>> {
    let remote = args.server.remote().await?;
    let text = remote
        .get(SYNCZ)
        .await
        .map_err(|error| args.server.unreachable(error.into()))?;
    let mut rows: Vec<Value> =
        serde_json::from_str(&text).context("what the control plane says of its proxies")?;
    if let Some(pod) = &args.pod {
        let wanted: Vec<String> = pod
            .all(&args.server)
            .await?
            .0
            .iter()
            .map(|pod| format!("{}.{}", pod.name, pod.namespace))
            .collect();
        rows.retain(|row| wanted.iter().any(|name| row["proxy"] == **name));
    } else if let Some(namespace) = &args.server.namespace {
        let of = |row: &Value| {
            row["proxy"]
                .as_str()?
                .rsplit_once('.')
                .map(|(_, ns)| ns == namespace)
        };
        rows.retain(|row| of(row) == Some(true));
    }
    Ok(rows)
}

fn shown(rows: &[Value]) -> String {
    if rows.is_empty() {
        return "no proxies are connected\n".into();
    }
    let field = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut line = vec![field(row, "proxy"), field(row, "cluster_id")];
            line.extend(TYPES.map(|ty| row[ty]["state"].as_str().unwrap_or("?").to_owned()));
            line.extend([field(row, "istiod"), field(row, "version")]);
            line
        })
        .collect();
    let header = [
        "NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "SDS", "ISTIOD", "VERSION",
    ];
    let mut out = table(&header, &lines);
    for row in rows {
        for ty in TYPES {
            if let Some(message) = row[ty]["message"].as_str() {
                let (proxy, ty) = (field(row, "proxy"), ty.to_uppercase());
                out.push_str(&format!("{proxy} refused {ty}: {message}\n"));
            }
        }
    }
    out
}
