//! Clusters by service.

use super::dump::{Dump, cluster_name, origin, text};
use super::{Output, output};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only this service.
    #[arg(long)]
    fqdn: Option<String>,
    #[arg(long)]
    port: Option<u16>,
    #[arg(long)]
    subset: Option<String>,
    /// inbound or outbound
    #[arg(long)]
    direction: Option<String>,
}

pub(super) fn show(dump: &Dump, filter: &Filter, form: Output) -> anyhow::Result<String> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for cluster in dump.clusters() {
        let name = text(cluster, "/name");
        let (direction, port, subset, host) = cluster_name(name).unwrap_or(("-", "-", "-", name));
        let matches =
            |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|w| w == value);
        if !matches(&filter.fqdn, host)
            || !matches(&filter.subset, subset)
            || !matches(&filter.direction, direction)
            || filter.port.is_some_and(|p| p.to_string() != port)
        {
            continue;
        }
        let kind = match text(cluster, "/type") {
            "" => "STATIC",
            kind => kind,
        };
        let or_dash = |value: &str| {
            if value.is_empty() {
                "-".to_owned()
            } else {
                value.to_owned()
            }
        };
        rows.push(vec![
            host.into(),
            or_dash(port),
            or_dash(subset),
            or_dash(direction),
            kind.into(),
            origin(cluster),
        ]);
        objects.push(cluster);
    }
    let header = [
        "SERVICE FQDN",
        "PORT",
        "SUBSET",
        "DIRECTION",
        "TYPE",
        "DESTINATION RULE",
    ];
    Ok(output(&header, rows, objects, form))
}
