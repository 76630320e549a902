//! VirtualService: hosts, gateways, and the TCP and TLS routes; `http_route` has the rest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Rules;
use super::fields::{self, Exporter};
use super::header;
use super::http_route;
use super::report::Report;
use super::shadow;
use crate::istio::{
    Destination, L4MatchAttributes, RouteDestination, TcpRoute, TlsMatchAttributes, TlsRoute,
    VirtualService,
};
use crate::path::Path;

/// Stands for all sidecars in a list of gateways.
const MESH: &str = "mesh";

impl Rules for VirtualService {
    fn check(&self, report: &mut Report, metadata: &ObjectMeta, spec: Path<'_>) {
        let Self {
            hosts,
            gateways,
            http,
            tls,
            tcp,
            export_to,
        } = self;
        let delegate = hosts.is_empty();
        if delegate {
            delegated(report, &spec, self);
        }
        gateway_names(report, &spec.key("gateways"), gateways);
        let bound = Bound::of(self);
        check_hosts(report, &spec.key("hosts"), hosts, gateways, bound);
        if !bound.gateways_only {
            for (index, route) in http.iter().enumerate() {
                header::no_claims(report, &spec.key("http").index(index), route);
            }
        }
        if http.is_empty() && tls.is_empty() && tcp.is_empty() {
            report.fix(
                &spec,
                "the VirtualService has no routes",
                "write http, tls or tcp",
            );
        }
        let at = spec.key("http");
        for (index, route) in http.iter().enumerate() {
            http_route::check(report, &at.index(index), route, delegate);
        }
        let at = spec.key("tls");
        for (index, route) in tls.iter().enumerate() {
            tls_route(report, &at.index(index), route, hosts, bound);
        }
        let at = spec.key("tcp");
        for (index, route) in tcp.iter().enumerate() {
            tcp_route(report, &at.index(index), route);
        }
        shadow::check(report, &spec, self);
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        fields::export_to(report, &spec, namespace, export_to, Exporter::Other);
    }
}

/// Without hosts it is the target of another one's `delegate`.
fn delegated(report: &mut Report, spec: &Path<'_>, service: &VirtualService) {
    if service.http.is_empty() {
        report.fix(
            &spec.key("hosts"),
            "the VirtualService has no hosts",
            "name the hosts that it routes",
        );
    }
    if !service.gateways.is_empty() {
        report.error(
            &spec.key("gateways"),
            "a delegate (a VirtualService without hosts) has no gateways of its own",
        );
    }
    for (field, set) in [
        ("tcp", !service.tcp.is_empty()),
        ("tls", !service.tls.is_empty()),
    ] {
        if set {
            report.error(
                &spec.key(field),
                format!("a delegate (a VirtualService without hosts) has no {field} routes"),
            );
        }
    }
}

/// What decides which names its hosts may have.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// Gateways are named, and sidecars are not among them.
    gateways_only: bool,
    /// Some TLS route matches by SNI.
    by_sni: bool,
}

impl Bound {
    fn of(service: &VirtualService) -> Self {
        let mut matches = service.tls.iter().flat_map(|route| &route.r#match);
        Self {
            gateways_only: !service.gateways.is_empty()
                && !service.gateways.iter().any(|gateway| gateway == MESH),
            by_sni: matches.any(|attributes| !attributes.sni_hosts.is_empty()),
        }
    }

    /// Whether the name is one that Istio's gateways make for each other, `outbound_.80_._.a.example`.
    fn generated(self, name: &str) -> bool {
        let parts: Vec<&str> = name.split('_').collect();
        self.gateways_only
            && self.by_sni
            && matches!(parts[..], ["outbound", port, _, host, ..]
                if port.contains(|c: char| c.is_ascii_digit()) && host.contains(|c: char| c.is_ascii_alphabetic()))
    }
}

fn check_hosts(
    report: &mut Report,
    at: &Path<'_>,
    hosts: &[String],
    gateways: &[String],
    bound: Bound,
) {
    let mesh = gateways.is_empty() || gateways.iter().any(|gateway| gateway == MESH);
    // Names that are wrong by themselves are not compared.
    let comparable = hosts
        .iter()
        .all(|host| fields::is_ip(host) || fields::wildcard_domain(host).is_ok())
        && !(mesh && hosts.iter().any(|host| host == "*"));
    for (index, host) in hosts.iter().enumerate() {
        let item = at.index(index);
        if hosts[..index].contains(host) {
            report.error(&item, format!("host {host:?} stands here twice"));
        } else if let Some(other) = hosts[..index]
            .iter()
            .find(|other| comparable && overlap(host, other))
        {
            let message = format!("hosts {other:?} and {host:?} overlap");
            report.fix(&item, message, "keep one of them");
        } else if host == "*" && mesh {
            let message =
                "host \"*\" is not allowed for sidecars: it would take all traffic of the mesh";
            report.fix(
                &item,
                message,
                "name the hosts, or name a gateway in spec.gateways",
            );
        } else if !fields::is_ip(host) && !bound.generated(host) {
            report.check(&item, fields::wildcard_domain(host));
        }
    }
}

/// Whether some name is covered by both.
fn overlap(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (Some(a), Some(b)) => a.ends_with(b) || b.ends_with(a),
        (Some(a), None) => b.ends_with(a),
        (None, Some(b)) => a.ends_with(b),
        (None, None) => a == b,
    }
}

/// `mesh`, `name` or `namespace/name`.
pub(super) fn gateway_names(report: &mut Report, at: &Path<'_>, names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        let item = at.index(index);
        match name.split_once('/') {
            Some((namespace, name)) => {
                report.dns_label(&item, "gateway namespace", namespace);
                report.dns_label(&item, "gateway name", name);
            }
            None => {
                report.check(
                    &item,
                    fields::fqdn(name)
                        .map_err(|_| format!("{name:?} is not the name of a gateway")),
                );
                let mut parts = name.split('.');
                if let (Some(gateway), Some(namespace)) = (parts.next(), parts.next()) {
                    let message = format!("{name:?} is the old form of a gateway's name");
                    report.warning(&item, message).suggestion =
                        Some(format!("write {namespace}/{gateway}"));
                }
            }
        }
    }
}

fn tls_route(report: &mut Report, at: &Path<'_>, route: &TlsRoute, hosts: &[String], bound: Bound) {
    let TlsRoute { r#match, route } = route;
    if r#match.is_empty() {
        report.fix(
            &at.key("match"),
            "a TLS route needs a match",
            "write match with sniHosts",
        );
    }
    for (index, attributes) in r#match.iter().enumerate() {
        tls_match(
            report,
            &at.key("match").index(index),
            attributes,
            hosts,
            bound,
        );
    }
    destinations(report, at, "TLS", route);
}

fn tls_match(
    report: &mut Report,
    at: &Path<'_>,
    attributes: &TlsMatchAttributes,
    hosts: &[String],
    bound: Bound,
) {
    let TlsMatchAttributes {
        sni_hosts,
        destination_subnets,
        port,
        source_labels,
        gateways,
        source_namespace: _,
    } = attributes;
    if sni_hosts.is_empty() {
        report.error(
            &at.key("sniHosts"),
            "a TLS match needs at least one SNI host",
        );
    }
    for (index, host) in sni_hosts.iter().enumerate() {
        let item = at.key("sniHosts");
        let item = item.index(index);
        if fields::is_ip(host) {
            let message =
                format!("{host:?} is an address; clients send names as SNI (RFC 6066 §3)");
            report.warning(&item, message);
        } else if let (false, Err(message)) = (bound.generated(host), fields::wildcard_domain(host))
        {
            report.error(&item, message);
        } else if !hosts.contains(host) && !fields::covered(host, hosts) {
            let message = format!(
                "SNI host {host:?} is none of the VirtualService's hosts ({})",
                hosts.join(", ")
            );
            report.fix(&item, message, "add it to spec.hosts");
        }
    }
    layer4(report, at, destination_subnets, *port);
    fields::labels(report, &at.key("sourceLabels"), source_labels);
    gateway_names(report, &at.key("gateways"), gateways);
}

fn tcp_route(report: &mut Report, at: &Path<'_>, route: &TcpRoute) {
    let TcpRoute { r#match, route } = route;
    for (index, attributes) in r#match.iter().enumerate() {
        let at = at.key("match");
        let at = at.index(index);
        let L4MatchAttributes {
            destination_subnets,
            port,
            source_subnet,
            source_labels,
            gateways,
            source_namespace: _,
        } = attributes;
        layer4(report, &at, destination_subnets, *port);
        if !source_subnet.is_empty() {
            report.check(&at.key("sourceSubnet"), fields::subnet(source_subnet));
        }
        fields::labels(report, &at.key("sourceLabels"), source_labels);
        gateway_names(report, &at.key("gateways"), gateways);
    }
    destinations(report, at, "TCP", route);
}

fn layer4(report: &mut Report, at: &Path<'_>, subnets: &[String], port: u32) {
    for (index, subnet) in subnets.iter().enumerate() {
        report.check(
            &at.key("destinationSubnets").index(index),
            fields::subnet(subnet),
        );
    }
    if port != 0 {
        report.port(&at.key("port"), port);
    }
}

fn destinations(report: &mut Report, at: &Path<'_>, what: &str, routes: &[RouteDestination]) {
    let at = at.key("route");
    if routes.is_empty() {
        report.error(&at, format!("a {what} route needs a destination"));
    }
    for (index, route) in routes.iter().enumerate() {
        let RouteDestination {
            destination,
            weight,
        } = route;
        required(report, &at.index(index), destination.as_ref());
        report.not_negative(&at.index(index).key("weight"), *weight);
    }
    weights(report, &at, routes.iter().map(|route| route.weight));
}

/// With several destinations at least one needs a weight.
pub(super) fn weights(
    report: &mut Report,
    at: &Path<'_>,
    weights: impl ExactSizeIterator<Item = i32>,
) {
    let count = weights.len();
    let total: i64 = weights.map(i64::from).sum();
    if count > 1 && total == 0 {
        report.fix(
            at,
            "no destination has a weight: their sum is 0",
            "give each a weight, 100 in sum",
        );
    }
}

pub(super) fn required(report: &mut Report, at: &Path<'_>, given: Option<&Destination>) {
    let at = at.key("destination");
    match given {
        Some(given) => destination(report, &at, given),
        None => {
            report.error(&at, "the destination is missing");
        }
    }
}

pub(super) fn destination(report: &mut Report, at: &Path<'_>, destination: &Destination) {
    let Destination { host, subset, port } = destination;
    if host == "*" {
        report.error(&at.key("host"), "a destination cannot be \"*\"");
    } else {
        report.check(&at.key("host"), fields::wildcard_domain(host));
    }
    if !subset.is_empty() {
        report.dns_label(&at.key("subset"), "subset", subset);
    }
    if let Some(port) = port {
        report.port(&at.key("port").key("number"), port.number);
    }
}
