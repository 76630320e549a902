//! ServiceEntry: hosts, addresses, ports, and endpoints by resolution.

use base::Protocol;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Rules;
use super::fields::{self, Exporter};
use super::report::Report;
use crate::istio::{Resolution, ServiceEntry, ServicePort, WorkloadEntry};
use crate::path::Path;

/// Label by which an entry without addresses asks for none.
const AUTOALLOCATE: &str = "networking.istio.io/enable-autoallocate-ip";

impl Rules for ServiceEntry {
    fn check(&self, report: &mut Report, metadata: &ObjectMeta, spec: Path<'_>) {
        fields::workload_selector(report, &spec, self.workload_selector.as_ref());
        report.one_of(
            &spec,
            &[
                ("workloadSelector", self.workload_selector.is_some()),
                ("endpoints", !self.endpoints.is_empty()),
            ],
        );
        hosts(report, &spec.key("hosts"), &self.hosts, self.resolution);
        addresses(report, &spec.key("addresses"), self);
        let list = spec.key("ports");
        for (index, port) in self.ports.iter().enumerate() {
            let at = list.index(index);
            check_port(report, &at, port, &self.ports[..index], self);
            let opted_out = metadata.labels.as_ref().is_some_and(|labels| {
                labels
                    .get(AUTOALLOCATE)
                    .is_some_and(|v| v.eq_ignore_ascii_case("false"))
            });
            let allocated = self.resolution != Resolution::None && !opted_out;
            if !allocated && self.addresses.is_empty() && matches!(&*port.protocol, "" | "TCP") {
                report.warning(
                    &at,
                    "a TCP port without spec.addresses takes all traffic of its port number",
                );
            }
        }
        match self.resolution {
            Resolution::None => {
                if !self.endpoints.is_empty() {
                    let message = "with resolution NONE traffic goes where the client sent it: endpoints have no place";
                    report.fix(&spec.key("endpoints"), message, "write resolution: STATIC");
                }
            }
            Resolution::Static => endpoints(report, &spec, self, false),
            Resolution::Dns | Resolution::DnsRoundRobin => by_name(report, &spec, self),
            Resolution::DynamicDns => dynamic(report, &spec, self),
        }
        if self.workload_selector.is_some() && self.resolution == Resolution::None {
            report.warning(
                &spec.key("workloadSelector"),
                "with resolution NONE traffic goes where the client sent it: workloads selected have no effect",
            );
        }
        several_hosts(report, &spec, self);
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        fields::export_to(
            report,
            &spec,
            namespace,
            &self.export_to,
            Exporter::ServiceEntry,
        );
    }
}

fn hosts(report: &mut Report, at: &Path<'_>, hosts: &[String], resolution: Resolution) {
    if hosts.is_empty() {
        report.error(at, "the ServiceEntry has no host");
    }
    for (index, host) in hosts.iter().enumerate() {
        let at = at.index(index);
        if host == "*" {
            report.error(&at, "host \"*\" is not allowed: it would be every service");
        } else {
            report.check(&at, fields::wildcard_domain(host));
            if fields::is_partial_wildcard(host) && resolution != Resolution::DynamicDns {
                report.warning(&at, format!("{host:?}: a wildcard for a part of a label works only where the proxy sees the full name"));
            }
        }
    }
}

fn addresses(report: &mut Report, at: &Path<'_>, entry: &ServiceEntry) {
    for (index, address) in entry.addresses.iter().enumerate() {
        let at = at.index(index);
        report.check(&at, fields::subnet(address));
        if address.contains('/')
            && !matches!(entry.resolution, Resolution::None | Resolution::Static)
        {
            report.error(
                &at,
                format!(
                    "a CIDR block is not allowed with resolution {}",
                    entry.resolution.as_str()
                ),
            );
        }
    }
}

fn check_port(
    report: &mut Report,
    at: &Path<'_>,
    port: &ServicePort,
    earlier: &[ServicePort],
    entry: &ServiceEntry,
) {
    let ServicePort {
        number,
        protocol,
        name,
        target_port,
    } = port;
    report.port(&at.key("number"), *number);
    report.dns_label(&at.key("name"), "port name", name);
    if earlier.iter().any(|other| other.name == *name) {
        report.error(
            &at.key("name"),
            format!("port name {name:?} stands here twice"),
        );
    }
    if earlier.iter().any(|other| other.number == *number) {
        report.error(
            &at.key("number"),
            format!("port {number} stands here twice"),
        );
    }
    if !protocol.is_empty() && Protocol::from_name(protocol).is_none() {
        report.fix(
            &at.key("protocol"),
            format!("{protocol:?} is no protocol"),
            "write HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS",
        );
    }
    if *target_port != 0 {
        report.port(&at.key("targetPort"), *target_port);
        if entry.resolution == Resolution::None {
            report.warning(
                &at.key("targetPort"),
                "targetPort has no effect with resolution NONE",
            );
        }
    }
}

fn endpoints(report: &mut Report, spec: &Path<'_>, entry: &ServiceEntry, names_allowed: bool) {
    let list = spec.key("endpoints");
    for (index, endpoint) in entry.endpoints.iter().enumerate() {
        check_endpoint(report, &list.index(index), endpoint, entry, names_allowed);
    }
}

fn check_endpoint(
    report: &mut Report,
    at: &Path<'_>,
    endpoint: &WorkloadEntry,
    entry: &ServiceEntry,
    names_allowed: bool,
) {
    let WorkloadEntry {
        address,
        ports,
        labels,
        network,
        locality: _,
        weight: _,
        service_account: _,
    } = endpoint;
    let field = at.key("address");
    if let Some(path) = address.strip_prefix("unix://") {
        if names_allowed {
            report.fix(
                &field,
                "a UNIX socket is not resolved by DNS",
                "write resolution: STATIC",
            );
        }
        report.check(&field, fields::unix_socket(path));
        if !ports.is_empty() {
            report.error(&at.key("ports"), "a UNIX socket has no ports");
        }
        if entry.ports.len() != 1 {
            report.error(
                &field,
                "a UNIX socket serves exactly one port of the ServiceEntry",
            );
        }
    } else if address.is_empty() {
        if network.is_empty() || names_allowed {
            report.error(&field, "the endpoint has no address");
        } else {
            report.warning(
                &field,
                format!("the endpoint has no address; network {network:?} must have a gateway"),
            );
        }
    } else if !(fields::is_ip(address) || names_allowed && fields::fqdn(address).is_ok()) {
        let message = format!("{address:?} is not an IP address");
        report.fix(
            &field,
            message,
            "write an address, or resolution: DNS for names",
        );
    }
    let list = at.key("ports");
    for (name, port) in ports {
        if !entry.ports.iter().any(|known| known.name == *name) {
            report.error(
                &list.key(name),
                format!("the ServiceEntry has no port named {name:?}"),
            );
        }
        report.port(&list.key(name), *port);
    }
    fields::labels(report, &at.key("labels"), labels);
}

fn by_name(report: &mut Report, spec: &Path<'_>, entry: &ServiceEntry) {
    let mode = entry.resolution.as_str();
    if entry.endpoints.is_empty() {
        let list = spec.key("hosts");
        for (index, host) in entry
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| fields::fqdn(host).is_err())
        {
            report.error(
                &list.index(index),
                format!("{host:?} cannot be resolved: {mode} without endpoints needs full names"),
            );
        }
    }
    if entry.resolution == Resolution::DnsRoundRobin && entry.endpoints.len() > 1 {
        report.error(
            &spec.key("endpoints"),
            format!("{mode} takes one endpoint at most"),
        );
    }
    endpoints(report, spec, entry, true);
}

/// Names that clients ask for are resolved when they do.
fn dynamic(report: &mut Report, spec: &Path<'_>, entry: &ServiceEntry) {
    let list = spec.key("hosts");
    for (index, host) in entry.hosts.iter().enumerate() {
        if !host.starts_with('*') {
            let message =
                format!("{host:?} has no wildcard: DYNAMIC_DNS is for names not known before");
            report.fix(&list.index(index), message, "write resolution: DNS");
        }
    }
    for (field, set) in [
        ("addresses", !entry.addresses.is_empty()),
        ("endpoints", !entry.endpoints.is_empty()),
    ] {
        if set {
            report.error(
                &spec.key(field),
                format!("with DYNAMIC_DNS {field} have no place"),
            );
        }
    }
    let list = spec.key("ports");
    for (index, port) in entry.ports.iter().enumerate() {
        let named = ["HTTP", "TLS", "GRPC", "HTTP2"];
        if !named
            .iter()
            .any(|name| port.protocol.eq_ignore_ascii_case(name))
        {
            let message = format!(
                "protocol {:?} does not name the host that is asked for",
                port.protocol
            );
            let at = list.index(index);
            report.fix(
                &at.key("protocol"),
                message,
                "write HTTP, HTTP2, GRPC or TLS",
            );
        }
    }
}

/// TCP has no name by which several hosts could be told apart.
fn several_hosts(report: &mut Report, spec: &Path<'_>, entry: &ServiceEntry) {
    if entry.resolution == Resolution::None || entry.hosts.len() < 2 {
        return;
    }
    let list = spec.key("ports");
    for (index, port) in entry.ports.iter().enumerate() {
        let told_apart = Protocol::from_name(&port.protocol)
            .is_some_and(|protocol| protocol.is_http() || protocol.is_tls());
        if !told_apart {
            report.error(&list.index(index), "several hosts share a port that is neither HTTP nor TLS: they cannot be told apart");
            return;
        }
    }
}
