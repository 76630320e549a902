//! Routes, a row a route.

use serde_json::Value;

use super::dump::{Dump, origin, text};
use super::{Output, output};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only this route configuration.
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn show(dump: &Dump, filter: &Filter, form: Output) -> anyhow::Result<String> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for table in dump.routes() {
        let name = text(table, "/name");
        if filter.name.as_ref().is_some_and(|n| n != name) {
            continue;
        }
        objects.push(table);
        for host in table["virtual_hosts"].as_array().into_iter().flatten() {
            for route in host["routes"].as_array().into_iter().flatten() {
                rows.push(vec![
                    name.into(),
                    text(host, "/name").into(),
                    domains(host),
                    matching(&route["match"]),
                    match route.get("direct_response") {
                        Some(direct) => format!("{} direct response", direct["status"]),
                        None => origin(route),
                    },
                ]);
            }
        }
    }
    let header = ["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"];
    Ok(output(&header, rows, objects, form))
}

/// The first two and how many more, as istioctl prints them.
fn domains(host: &Value) -> String {
    let all: Vec<&str> = host["domains"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match all.as_slice() {
        [first, second, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second} + {} more...", rest.len())
        }
        few => few.join(", "),
    }
}

fn matching(condition: &Value) -> String {
    for (key, suffix) in [
        ("prefix", "*"),
        ("path", ""),
        ("path_separated_prefix", "*"),
    ] {
        if let Some(value) = condition[key].as_str() {
            return format!("{value}{suffix}");
        }
    }
    condition
        .pointer("/safe_regex/regex")
        .and_then(Value::as_str)
        .map_or_else(|| "-".into(), |regex| format!("regex {regex}"))
}
