//! `ferromesh proxy-status`

use anyhow::Context;
use serde_json::Value;

use super::target::{Server, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    /// json
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

const SYNCZ: &str = "/api/v1/namespaces/istio-system/services/http:istiod:15014/proxy/debug/syncz";

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let text = runtime.block_on(async {
        let remote = args.server.remote().await?;
        remote.get(SYNCZ).await.context("the control plane's state")
    })?;
    if args.output.is_some() {
        println!("{text}");
        return Ok(());
    }
    let rows: Vec<Value> = serde_json::from_str(&text)?;
    if rows.is_empty() {
        println!("no proxies are connected");
        return Ok(());
    }
    let state = |row: &Value, ty: &str| row[ty]["state"].as_str().unwrap_or("?").to_owned();
    let field = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                field(row, "proxy"),
                field(row, "cluster_id"),
                state(row, "cds"),
                state(row, "lds"),
                state(row, "eds"),
                state(row, "rds"),
                state(row, "sds"),
                field(row, "istiod"),
                field(row, "version"),
            ]
        })
        .collect();
    print!(
        "{}",
        table(
            &[
                "NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "SDS", "ISTIOD", "VERSION"
            ],
            &lines
        )
    );
    for row in &rows {
        for ty in ["cds", "lds", "eds", "rds", "sds"] {
            if let Some(message) = row[ty]["message"].as_str() {
                println!(
                    "{} refused {}: {message}",
                    field(row, "proxy"),
                    ty.to_uppercase()
                );
            }
        }
    }
    Ok(())
}
