//! Endpoints: as the proxy has them (`/clusters?format=json`), and as they were sent (EDS).

use anyhow::Context;
use serde_json::{Value, json};

use super::Names;
use super::dump::{ClusterName, Dump, list, text};
use super::form::{Form, table};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// This cluster, such as "outbound|9080||reviews.default.svc.cluster.local".
    #[arg(long)]
    pub(super) cluster: Option<String>,
    /// This address.
    #[arg(long)]
    pub(super) address: Option<String>,
    /// This port.
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// healthy, unhealthy, draining, timeout, degraded or unknown
    #[arg(long)]
    pub(super) status: Option<String>,
}

/// What the filters look at.
struct Seen<'a> {
    cluster: &'a str,
    addresses: Vec<String>,
    port: Option<u64>,
    status: &'a str,
}

impl Filter {
    fn takes(&self, seen: &Seen<'_>) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted
                .as_ref()
                .is_none_or(|w| w.eq_ignore_ascii_case(value))
        };
        let addressed = self.address.as_ref().is_none_or(|wanted| {
            let mut all = seen.addresses.iter();
            all.any(|address| address.eq_ignore_ascii_case(wanted))
        });
        addressed
            && is(&self.cluster, seen.cluster)
            && is(&self.status, seen.status)
            && self
                .port
                .is_none_or(|port| Some(u64::from(port)) == seen.port)
    }
}

/// Address and port of `envoy.config.core.v3.Address`.
fn address(value: &Value) -> (String, Option<u64>) {
    if let Some(socket) = value.get("socket_address") {
        return (
            text(socket, "/address").to_owned(),
            socket["port_value"].as_u64(),
        );
    }
    if let Some(pipe) = value.get("pipe") {
        return (format!("unix://{}", text(pipe, "/path")), None);
    }
    match value.get("envoy_internal_address") {
        Some(inner) => (
            format!(
                "envoy://{}/{}",
                text(inner, "/server_listener_name"),
                text(inner, "/endpoint_id")
            ),
            None,
        ),
        None => ("unknown".into(), None),
    }
}

fn with_port((address, port): (String, Option<u64>)) -> String {
    match port {
        Some(port) => format!("{address}:{port}"),
        None => address,
    }
}

pub(super) fn live(clusters: &str, filter: &Filter, form: Form) -> anyhow::Result<String> {
    let clusters: Value =
        serde_json::from_str(clusters).context("this is no /clusters?format=json")?;
    anyhow::ensure!(
        clusters.get("configs").is_none(),
        "this is a /config_dump; endpoints are read from /clusters?format=json"
    );
    let takes = |cluster: &Value, host: &Value| {
        let (address, port) = address(&host["address"]);
        filter.takes(&Seen {
            cluster: text(cluster, "/name"),
            addresses: vec![address],
            port,
            status: health(text(host, "/health_status/eds_health_status")),
        })
    };
    let all: Vec<&Value> = list(&clusters, "/cluster_statuses").collect();
    if !form.is_table() {
        let some =
            |cluster: &&&Value| list(cluster, "/host_statuses").any(|host| takes(cluster, host));
        let found: Vec<&Value> = all.iter().filter(some).copied().collect();
        return form.messages("envoy.admin.v3.ClusterStatus", &found);
    }
    let mut rows = Vec::new();
    for cluster in all {
        let name = text(cluster, "/name");
        for host in list(cluster, "/host_statuses").filter(|host| takes(cluster, host)) {
            let (address, port) = address(&host["address"]);
            rows.push((address, port, name, host));
        }
    }
    rows.sort_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(address, port, cluster, host)| {
            let ejected = host.pointer("/health_status/failed_outlier_check") == Some(&json!(true));
            vec![
                with_port((address, port)),
                health(text(host, "/health_status/eds_health_status")).to_owned(),
                if ejected { "FAILED" } else { "OK" }.to_owned(),
                cluster.to_owned(),
            ]
        })
        .collect();
    let header = ["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"];
    Ok(table(&header, &rows, 5))
}

fn health(status: &str) -> &str {
    if status.is_empty() { "UNKNOWN" } else { status }
}

pub(super) fn sent(
    dump: &Dump,
    filter: &Filter,
    names: Names,
    form: Form,
) -> anyhow::Result<String> {
    let mut assignments: Vec<Value> = dump
        .endpoints()?
        .into_iter()
        .map(|assignment| filtered(assignment, filter))
        .filter(|assignment| list(assignment, "/endpoints").any(has_endpoints))
        .collect();
    assignments.sort_by(|a, b| {
        let name = |assignment| ClusterName::of(text(assignment, "/cluster_name"));
        name(a).order(&name(b))
    });
    if !form.is_table() {
        let found: Vec<&Value> = assignments.iter().collect();
        return form.messages("envoy.config.endpoint.v3.ClusterLoadAssignment", &found);
    }
    let mut rows = Vec::new();
    for assignment in &assignments {
        for group in list(assignment, "/endpoints") {
            for endpoint in list(group, "/lb_endpoints") {
                rows.push(vec![
                    names.of("endpoint", &endpoint_addresses(endpoint).join(",")),
                    health(text(endpoint, "/health_status")).to_owned(),
                    locality(&group["locality"]),
                    text(assignment, "/cluster_name").to_owned(),
                ]);
            }
        }
    }
    Ok(table(&["NAME", "STATUS", "LOCALITY", "CLUSTER"], &rows, 5))
}

fn has_endpoints(group: &Value) -> bool {
    list(group, "/lb_endpoints").next().is_some()
}

/// An assignment with those endpoints alone that the filter takes.
fn filtered(assignment: &Value, filter: &Filter) -> Value {
    let cluster = text(assignment, "/cluster_name");
    let mut kept = assignment.clone();
    let groups = kept["endpoints"].as_array_mut();
    for group in groups.into_iter().flatten() {
        let endpoints = group["lb_endpoints"].as_array_mut();
        endpoints.into_iter().for_each(|endpoints| {
            endpoints.retain(|endpoint| {
                filter.takes(&Seen {
                    cluster,
                    addresses: endpoint_addresses(endpoint),
                    port: address(&endpoint["endpoint"]["address"]).1,
                    status: health(text(endpoint, "/health_status")),
                })
            });
        });
    }
    kept
}

fn endpoint_addresses(endpoint: &Value) -> Vec<String> {
    let inner = &endpoint["endpoint"];
    let more = list(inner, "/additional_addresses").map(|more| &more["address"]);
    std::iter::once(&inner["address"])
        .chain(more)
        .map(|value| with_port(address(value)))
        .collect()
}

/// region/zone/sub-zone, as far as they are known.
fn locality(value: &Value) -> String {
    let parts = ["/region", "/zone", "/sub_zone"].map(|field| text(value, field));
    let known = parts.into_iter().take_while(|part| !part.is_empty());
    known.collect::<Vec<_>>().join("/")
}
