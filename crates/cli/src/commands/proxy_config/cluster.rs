//! Clusters by service.

use serde_json::Value;

use super::dump::{ClusterName, Dump, origin, text};
use super::form::{Form, table};
use super::{Names, Output};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// A part of the service's name.
    #[arg(long)]
    pub(super) fqdn: Option<String>,
    /// This port of the service.
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// A part of the subset's name.
    #[arg(long)]
    pub(super) subset: Option<String>,
    /// inbound or outbound
    #[arg(long)]
    pub(super) direction: Option<String>,
}

impl Filter {
    fn takes(&self, name: &str) -> bool {
        let holds = |wanted: &Option<String>| wanted.as_ref().is_none_or(|w| name.contains(&**w));
        holds(&self.fqdn)
            && holds(&self.direction)
            && holds(&self.subset)
            && self
                .port
                .is_none_or(|port| name.contains(&format!("|{port}|")))
    }
}

pub(super) fn show(
    dump: &Dump,
    filter: &Filter,
    names: Names,
    form: Form,
) -> anyhow::Result<String> {
    let mut clusters = dump.clusters()?;
    anyhow::ensure!(!clusters.is_empty(), "the dump has no clusters");
    clusters.sort_by(|a, b| name(a).order(&name(b)));
    clusters.retain(|cluster| filter.takes(text(cluster, "/name")));
    if form.output != Output::Short {
        return form.messages("envoy.config.cluster.v3.Cluster", &clusters);
    }
    let rows: Vec<_> = clusters.iter().map(|cluster| row(cluster, names)).collect();
    let header = [
        "NAME",
        "SERVICE FQDN",
        "PORT",
        "SUBSET",
        "DIRECTION",
        "TYPE",
        "DESTINATION RULE",
    ];
    let skipped = usize::from(names == Names::Bare);
    Ok(table(&header[skipped..], &rows, 5))
}

fn name(cluster: &Value) -> ClusterName<'_> {
    ClusterName::of(text(cluster, "/name"))
}

fn row(cluster: &Value, names: Names) -> Vec<String> {
    let parts = name(cluster);
    let full = names.of("cluster", text(cluster, "/name"));
    let or_dash = |part: &str| if part.is_empty() { "-" } else { part }.to_owned();
    let kind = match text(cluster, "/type") {
        "" => "STATIC",
        kind => kind,
    };
    let service = match parts.of_service {
        true => parts.host.to_owned(),
        false => full.clone(),
    };
    let mut row = vec![
        service,
        or_dash(parts.port),
        or_dash(parts.subset),
        or_dash(parts.direction),
        kind.to_owned(),
        origin(cluster),
    ];
    if names == Names::WithKind {
        row.insert(0, full);
    }
    row
}
