//! Endpoints, from `/clusters?format=json`.

use serde_json::Value;

use super::dump::text;
use super::{Output, output};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    #[arg(long)]
    cluster: Option<String>,
    #[arg(long)]
    address: Option<String>,
    #[arg(long)]
    port: Option<u16>,
    /// healthy, unhealthy or degraded
    #[arg(long)]
    status: Option<String>,
}

pub(super) fn show(clusters: &Value, filter: &Filter, form: Output) -> anyhow::Result<String> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for cluster in clusters["cluster_statuses"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let name = text(cluster, "/name");
        if filter.cluster.as_ref().is_some_and(|c| c != name) {
            continue;
        }
        objects.push(cluster);
        for host in cluster["host_statuses"].as_array().into_iter().flatten() {
            let address = text(host, "/address/socket_address/address");
            let port = host
                .pointer("/address/socket_address/port_value")
                .and_then(Value::as_u64);
            let endpoint = match port {
                Some(port) => format!("{address}:{port}"),
                None => text(host, "/address/pipe/path").to_owned(),
            };
            let status = match text(host, "/health_status/eds_health_status") {
                "" => "HEALTHY",
                status => status,
            };
            let ejected =
                host.pointer("/health_status/failed_outlier_check") == Some(&Value::Bool(true));
            if filter.address.as_ref().is_some_and(|a| a != address)
                || filter.port.is_some_and(|p| Some(u64::from(p)) != port)
                || filter
                    .status
                    .as_ref()
                    .is_some_and(|s| !s.eq_ignore_ascii_case(status))
            {
                continue;
            }
            rows.push(vec![
                endpoint,
                status.into(),
                if ejected { "FAILED" } else { "OK" }.into(),
                name.into(),
            ]);
        }
    }
    Ok(output(
        &["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"],
        rows,
        objects,
        form,
    ))
}
