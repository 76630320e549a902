//! `ferromesh status`

use api::kinds;
use api::store::{Query, ResourceType, Store};
use serde_json::Value;

use super::DataDir;
use super::target::table;
use crate::exit::{Code, Failure};
use crate::up::data_dir::{holder, kubeconfig};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data_dir: DataDir,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let path = &args.data_dir.data_dir;
    let Some(pid) = holder(path)? else {
        return Err(Failure::new(
            Code::Failure,
            format!("nothing is running on data directory {}", path.display()),
        )
        .remedy("ferromesh up")
        .into());
    };
    println!(
        "up          process {pid}, data directory {}",
        path.display()
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let healthy = runtime.block_on(async {
        let store = crate::processes::connect(&kubeconfig(path)).await?;
        show(&*store).await
    })?;
    if healthy {
        return Ok(());
    }
    Err(Failure::new(Code::Failure, "not everything is ready")
        .remedy("kubectl get pods -A; ferromesh logs")
        .into())
}

async fn show(store: &dyn Store) -> anyhow::Result<bool> {
    let deployments = list(store, &kinds::DEPLOYMENT).await?;
    let mut healthy = true;
    let rows: Vec<Vec<String>> = deployments
        .iter()
        .map(|d| {
            let ready = d["status"]["availableReplicas"].as_i64().unwrap_or(0);
            let wanted = d["spec"]["replicas"].as_i64().unwrap_or(1);
            healthy &= ready >= wanted;
            vec![
                text(d, "namespace"),
                text(d, "name"),
                format!("{ready}/{wanted}"),
            ]
        })
        .collect();
    let pods = list(store, &kinds::POD).await?;
    let running = pods
        .iter()
        .filter(|p| p["status"]["phase"] == "Running")
        .count();
    println!("API server  answers; {running} of {} pods run", pods.len());
    println!();
    print!("{}", table(&["NAMESPACE", "DEPLOYMENT", "READY"], &rows));
    Ok(healthy)
}

async fn list(store: &dyn Store, ty: &ResourceType) -> anyhow::Result<Vec<Value>> {
    Ok(store.list(ty, &Query::default()).await?)
}

fn text(object: &Value, field: &str) -> String {
    object["metadata"][field]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
