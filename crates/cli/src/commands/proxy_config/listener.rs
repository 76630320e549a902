//! Listeners by address, a row a filter chain.

use serde_json::Value;

use super::Names;
use super::dump::{Dump, list, path_match, text, texts};
use super::form::{Form, table};

#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// This address.
    #[arg(long)]
    pub(super) address: Option<String>,
    /// This port.
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// HTTP, TCP or HTTP+TCP
    #[arg(long = "type")]
    pub(super) kind: Option<String>,
    /// A row a filter chain; --verbose=false prints one a listener.
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) verbose: bool,
}

const HTTP: &str = "envoy.filters.network.http_connection_manager";
const TCP: &str = "envoy.filters.network.tcp_proxy";
/// Where traffic that nobody may have goes; such a chain counts neither as HTTP nor as TCP.
const BLACK_HOLE: &str = "BlackHoleCluster";

impl Filter {
    fn takes(&self, listener: &Value) -> bool {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        self.address
            .as_ref()
            .is_none_or(|wanted| addresses(listener).iter().any(|a| same(a, wanted)))
            && self
                .port
                .is_none_or(|port| u64::from(port) == self::port(listener))
            && self
                .kind
                .as_ref()
                .is_none_or(|wanted| same(kind(listener), wanted))
    }
}

pub(super) fn show(
    dump: &Dump,
    filter: &Filter,
    names: Names,
    form: Form,
) -> anyhow::Result<String> {
    let mut listeners = dump.listeners()?;
    anyhow::ensure!(!listeners.is_empty(), "the dump has no listeners");
    listeners.retain(|listener| filter.takes(listener));
    if !form.is_table() {
        return form.messages("envoy.config.listener.v3.Listener", &listeners);
    }
    listeners.sort_by_key(|listener| (port(listener), address(listener), kind(listener)));
    let mut rows = Vec::new();
    for listener in listeners {
        let mut start = vec![addresses(listener).join(","), port(listener).to_string()];
        if names == Names::WithKind {
            start.insert(0, names.of("listener", text(listener, "/name")));
        }
        for end in ends(listener, filter.verbose) {
            rows.push([start.clone(), end].concat());
        }
    }
    let mut header = vec!["ADDRESSES", "PORT"];
    if names == Names::WithKind {
        header.insert(0, "NAME");
    }
    header.extend(match filter.verbose {
        true => &["MATCH", "DESTINATION"][..],
        false => &["TYPE"],
    });
    Ok(table(&header, &rows, 1))
}

/// What stands behind the address: a row a chain, or the listener's type.
fn ends(listener: &Value, verbose: bool) -> Vec<Vec<String>> {
    if !verbose {
        return vec![vec![kind(listener).to_owned()]];
    }
    let mut rows: Vec<_> = chains(listener)
        .map(|chain| vec![matching(&chain["filter_chain_match"]), destination(chain)])
        .collect();
    rows.sort_by(|a, b| b[1].cmp(&a[1]));
    rows
}

fn chains(listener: &Value) -> impl Iterator<Item = &Value> {
    list(listener, "/filter_chains").chain(listener.get("default_filter_chain"))
}

fn address(listener: &Value) -> &str {
    match text(listener, "/address/socket_address/address") {
        "" => text(listener, "/address/pipe/path"),
        address => address,
    }
}

fn addresses(listener: &Value) -> Vec<&str> {
    let more = list(listener, "/additional_addresses");
    std::iter::once(address(listener))
        .chain(more.map(|more| text(more, "/address/socket_address/address")))
        .collect()
}

fn port(listener: &Value) -> u64 {
    listener
        .pointer("/address/socket_address/port_value")
        .and_then(Value::as_u64)
        .unwrap_or(0)
}

fn kind(listener: &Value) -> &'static str {
    let (mut http, mut tcp) = (false, false);
    for filter in chains(listener).flat_map(|chain| list(chain, "/filters")) {
        match text(filter, "/name") {
            HTTP => http = true,
            TCP => tcp |= !black_hole(filter),
            _ => {}
        }
    }
    match (http, tcp) {
        (true, true) => "HTTP+TCP",
        (true, false) => "HTTP",
        (false, true) => "TCP",
        (false, false) => "UNKNOWN",
    }
}

fn black_hole(filter: &Value) -> bool {
    filter["typed_config"].to_string().contains(BLACK_HOLE)
}

/// The conditions of a chain.
fn matching(condition: &Value) -> String {
    let mut parts = Vec::new();
    let names = texts(condition, "/server_names");
    if !names.is_empty() {
        parts.push(format!("SNI: {}", names.join(",")));
    }
    let transport = text(condition, "/transport_protocol");
    if !transport.is_empty() {
        parts.push(format!("Trans: {transport}"));
    }
    let protocols = texts(condition, "/application_protocols");
    if !protocols.is_empty() {
        parts.push(applications(&protocols));
    }
    let port = condition["destination_port"].as_u64();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let ranges: Vec<String> = list(condition, "/prefix_ranges")
        .map(|range| {
            let length = range["prefix_len"].as_u64().unwrap_or(0);
            format!("{}/{length}", text(range, "/address_prefix"))
        })
        .collect();
    if !ranges.is_empty() {
        parts.push(format!("Addr: {}{port}", ranges.join(",")));
    } else if !port.is_empty() {
        parts.push(format!("Addr: *{port}"));
    }
    if parts.is_empty() {
        parts.push("ALL".into());
    }
    parts.join("; ")
}

/// Lists of ALPN names that Istio always writes have names.
fn applications(protocols: &[&str]) -> String {
    let known = match protocols {
        ["http/1.0", "http/1.1", "h2c"] => "HTTP",
        ["istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"] => "Istio HTTP Plain",
        [
            "http/1.0",
            "http/1.1",
            "h2c",
            "istio-http/1.0",
            "istio-http/1.1",
            "istio-h2",
        ] => "HTTP TLS",
        ["istio-peer-exchange", "istio"] => "TCP TLS",
        other => return format!("App: {}", other.join(",")),
    };
    format!("App: {known}")
}

/// What a chain does.
fn destination(chain: &Value) -> String {
    for filter in list(chain, "/filters") {
        let config = &filter["typed_config"];
        match text(filter, "/name") {
            HTTP => return http_destination(config),
            TCP if !black_hole(filter) => return cluster(text(config, "/cluster")),
            _ => {}
        }
    }
    "Non-HTTP/Non-TCP".into()
}

fn cluster(name: &str) -> String {
    if name.contains("Cluster") {
        return name.to_owned();
    }
    format!("Cluster: {name}")
}

fn http_destination(config: &Value) -> String {
    if let Some(routes) = config.get("route_config") {
        return inline(routes);
    }
    match text(config, "/rds/route_config_name") {
        "" => "HTTP".into(),
        name => format!("Route: {name}"),
    }
}

fn inline(routes: &Value) -> String {
    if let Some(name) = catch_all(routes) {
        return cluster(name);
    }
    let hosts: Vec<String> = list(routes, "/virtual_hosts")
        .map(|host| {
            let matches: Vec<String> = list(host, "/routes")
                .map(|route| path_match(&route["match"]))
                .collect();
            match texts(host, "/domains")[..] {
                ["*"] => matches.join(", "),
                ref domains => format!("{} {}", domains.join("/"), matches.join(", ")),
            }
        })
        .collect();
    format!("Inline Route: {}", hosts.join("; "))
}

/// The cluster to which a table sends everything, if it does.
fn catch_all(routes: &Value) -> Option<&str> {
    let mut hosts = list(routes, "/virtual_hosts");
    let (host, None) = (hosts.next()?, hosts.next()) else {
        return None;
    };
    let mut rules = list(host, "/routes");
    let (rule, None) = (rules.next()?, rules.next()) else {
        return None;
    };
    let everything = texts(host, "/domains") == ["*"] && text(rule, "/match/prefix") == "/";
    rule.pointer("/route/cluster")
        .and_then(Value::as_str)
        .filter(|_| everything)
}
