//! Listeners by address, a row a filter chain.

use serde_json::Value;

use super::dump::{Dump, text};
use super::{Output, output};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    #[arg(long)]
    address: Option<String>,
    #[arg(long)]
    port: Option<u16>,
    /// HTTP or TCP
    #[arg(long = "type")]
    kind: Option<String>,
}

pub(super) fn show(dump: &Dump, filter: &Filter, form: Output) -> anyhow::Result<String> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for listener in dump.listeners() {
        let address = text(listener, "/address/socket_address/address");
        let port = listener
            .pointer("/address/socket_address/port_value")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        if filter.address.as_ref().is_some_and(|a| a != address)
            || filter.port.is_some_and(|p| u64::from(p) != port)
        {
            continue;
        }
        let chains = listener["filter_chains"].as_array().into_iter().flatten();
        let all = chains.chain(listener.get("default_filter_chain"));
        let mut shown = false;
        for chain in all {
            let (kind, destination) = destination(chain);
            if filter
                .kind
                .as_ref()
                .is_some_and(|k| !k.eq_ignore_ascii_case(kind))
            {
                continue;
            }
            shown = true;
            rows.push(vec![
                address.into(),
                port.to_string(),
                matching(chain),
                destination,
            ]);
        }
        if shown {
            objects.push(listener);
        }
    }
    Ok(output(
        &["ADDRESSES", "PORT", "MATCH", "DESTINATION"],
        rows,
        objects,
        form,
    ))
}

fn list(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The conditions of a chain, as istioctl abbreviates them.
fn matching(chain: &Value) -> String {
    let condition = &chain["filter_chain_match"];
    let mut parts = Vec::new();
    let names = list(&condition["server_names"]);
    if !names.is_empty() {
        parts.push(format!("SNI: {}", names.join(",")));
    }
    let transport = text(condition, "/transport_protocol");
    if !transport.is_empty() {
        parts.push(format!("Trans: {transport}"));
    }
    let protocols = list(&condition["application_protocols"]);
    if !protocols.is_empty() {
        parts.push(format!("App: {}", protocols.join(",")));
    }
    for range in condition["prefix_ranges"].as_array().into_iter().flatten() {
        let prefix = range["prefix_len"].as_u64().unwrap_or(32);
        parts.push(format!("Addr: {}/{prefix}", text(range, "/address_prefix")));
    }
    if let Some(port) = condition["destination_port"].as_u64() {
        parts.push(format!("Port: {port}"));
    }
    if parts.is_empty() {
        "ALL".into()
    } else {
        parts.join("; ")
    }
}

/// What a chain does.
fn destination(chain: &Value) -> (&'static str, String) {
    for filter in chain["filters"].as_array().into_iter().flatten() {
        let config = &filter["typed_config"];
        let kind = text(config, "/@type");
        if kind.ends_with("HttpConnectionManager") {
            let route = text(config, "/rds/route_config_name");
            if !route.is_empty() {
                return ("HTTP", format!("Route: {route}"));
            }
            let name = text(config, "/route_config/name");
            return (
                "HTTP",
                if name.is_empty() {
                    "Inline Route".into()
                } else {
                    format!("Inline Route: {name}")
                },
            );
        }
        if kind.ends_with("TcpProxy") {
            let cluster = text(config, "/cluster");
            if !cluster.is_empty() {
                return ("TCP", format!("Cluster: {cluster}"));
            }
            let weighted = config
                .pointer("/weighted_clusters/clusters")
                .and_then(Value::as_array);
            let names: Vec<&str> = weighted
                .into_iter()
                .flatten()
                .map(|c| text(c, "/name"))
                .collect();
            return ("TCP", format!("Clusters: {}", names.join(",")));
        }
    }
    ("", "Non-HTTP/Non-TCP".into())
}
