//! Routes, a row a route.

use serde_json::Value;

use super::Names;
use super::dump::{Dump, list, origin, path_match, text, texts};
use super::form::{Form, table};

#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only this route table.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// A row a route; --verbose=false prints one a route table.
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) verbose: bool,
}

/// What traffic to unknown hosts takes; istioctl leaves it out.
const PASSTHROUGH: &str = "PassthroughCluster";
/// Domains shown before "more".
const DOMAINS: usize = 2;

pub(super) fn show(
    dump: &Dump,
    filter: &Filter,
    names: Names,
    form: Form,
) -> anyhow::Result<String> {
    let mut tables = dump.routes()?;
    anyhow::ensure!(!tables.is_empty(), "the dump has no routes");
    sort(&mut tables);
    tables.retain(|table| {
        filter
            .name
            .as_ref()
            .is_none_or(|name| name == text(table, "/name"))
    });
    if !form.is_table() {
        return form.messages("envoy.config.route.v3.RouteConfiguration", &tables);
    }
    if !filter.verbose {
        let rows: Vec<_> = tables
            .iter()
            .map(|table| {
                let hosts = list(table, "/virtual_hosts").count();
                vec![names.of("route", text(table, "/name")), hosts.to_string()]
            })
            .collect();
        return Ok(table(&["NAME", "VIRTUAL HOSTS"], &rows, 5));
    }
    let mut rows = Vec::new();
    for routes in tables {
        let name = names.of("route", text(routes, "/name"));
        for host in list(routes, "/virtual_hosts") {
            rows.extend(of_host(&name, host));
        }
    }
    let header = ["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"];
    Ok(table(&header, &rows, 5))
}

fn of_host(table: &str, host: &Value) -> Vec<Vec<String>> {
    let row = |condition: String, service: String| {
        vec![
            table.to_owned(),
            text(host, "/name").to_owned(),
            domains(&texts(host, "/domains")),
            condition,
            service,
        ]
    };
    if list(host, "/routes").next().is_none() {
        return vec![row("/*".into(), "404".into())];
    }
    list(host, "/routes")
        .filter(|route| text(route, "/route/cluster") != PASSTHROUGH)
        .map(|route| row(path_match(&route["match"]), origin(route)))
        .collect()
}

/// Tables named by a port come in the order of their ports; others stay where they are.
fn sort(tables: &mut [&Value]) {
    let port = |table: &Value| text(table, "/name").parse::<u32>().ok();
    for end in 1..tables.len() {
        for at in (1..=end).rev() {
            match (port(tables[at]), port(tables[at - 1])) {
                (Some(this), Some(before)) if this < before => tables.swap(at, at - 1),
                _ => break,
            }
        }
    }
}

/// Without those that only add a port or the cluster's suffix to another.
fn domains(all: &[&str]) -> String {
    if let [only] = all {
        return (*only).to_owned();
    }
    let portless = |domain: &&&str| {
        !domain.contains(':') || domain.matches(':').count() > 2 && domain.ends_with(']')
    };
    let plain: Vec<&str> = all.iter().filter(portless).copied().collect();
    let longer = |domain: &&&str| {
        let shorter = [".svc.cluster.local", ".svc"]
            .into_iter()
            .filter_map(|suffix| domain.strip_suffix(suffix));
        !shorter.into_iter().any(|short| plain.contains(&short))
    };
    let kept: Vec<&str> = plain.iter().filter(longer).copied().collect();
    let shown = kept[..kept.len().min(DOMAINS)].join(", ");
    match kept.len().checked_sub(DOMAINS) {
        Some(more @ 1..) => format!("{shown} + {more} more..."),
        _ => shown,
    }
}
