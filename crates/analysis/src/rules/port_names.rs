//! Service ports whose name does not say the protocol.

use base::Protocol;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::{EditAction, Level};

pub(super) const RULE: Rule = Rule {
    name: "port_names",
    analyzer: "service.PortNameAnalyzer",
    summary: "Checks that names of service ports say the protocol",
    codes: &[
        Code {
            id: "IST0118",
            level: Level::Info,
            name: "PortNameIsNotUnderNamingConvention",
            meaning: "The port's name does not begin with a protocol, so the proxy sniffs: the first bytes decide, a \
                      server that speaks first waits for the detection time-out, and bytes above 0x7F in a request line \
                      turn HTTP into opaque TCP.",
            remedy: "Name the port PROTOCOL or PROTOCOL-suffix (http, http2, grpc, https, tls, tcp, mongo, mysql, \
                     redis), or set appProtocol.",
            verify: "ferromesh analyze",
        },
        Code {
            id: "IST0150",
            level: Level::Warning,
            name: "ExternalNameServiceTypeInvalidPortName",
            meaning: "For an ExternalName service a TCP port is captured on all addresses, so other traffic to that \
                      port is sent to the external name or dropped.",
            remedy: "Name the port http, https or tls, or use a ServiceEntry.",
            verify: "ferromesh analyze",
        },
    ],
    check,
};

pub(super) fn is_control_plane(resource: &Resource) -> bool {
    resource.label("istio").is_some() || resource.label("release") == Some("istio")
}

fn check(facts: &Facts, report: &mut Report) {
    for service in facts.all(Kind::Service).filter(|r| reportable(r)) {
        let managed = matches!(
            service.label("gateway.istio.io/managed"),
            Some(
                "istio.io-gateway-controller"
                    | "istio.io-mesh-controller"
                    | "istio.io-eastwest-controller"
            )
        );
        if managed || is_control_plane(service) {
            continue;
        }
        let external = service.spec().text("type") == "ExternalName";
        for (index, port) in service.spec().list("ports").iter().enumerate() {
            let name = port.text("name");
            let unknown = protocol(port) == Protocol::Auto;
            let reserved = external && name == "tcp";
            if !unknown && !reserved {
                continue;
            }
            let path = format!("spec.ports[{index}].port");
            if external {
                let message = "Port name for ExternalName service is invalid. Proxy may prevent tcp named ports and \
                               unmatched traffic for ports serving TCP protocol from being forwarded correctly";
                report.find("IST0150", service, &path, message);
                continue;
            }
            let target = port.get("targetPort").and_then(|target| target.scalar());
            let message = format!(
                "Port name {name} (port: {}, targetPort: {}) doesn't follow the naming convention of Istio port.",
                port.int("port").unwrap_or(0),
                target.unwrap_or_else(|| "0".to_owned())
            );
            let finding = report.find("IST0118", service, &path, message);
            if !name.is_empty() && port.int("port") == Some(80) {
                finding.edit(
                    service,
                    format!("spec.ports[{index}].name"),
                    EditAction::Set(format!("http-{name}")),
                    "what refers to the port by name (Ingress, probes, ServiceMonitor) must be renamed too",
                );
            }
        }
    }
}

/// The protocol that Istio reads from a port; `Auto` where it would sniff.
pub(super) fn protocol(port: &api::parse::Node) -> Protocol {
    let app = port.text("appProtocol");
    let name = match app {
        "" => port.text("name"),
        "kubernetes.io/h2c" => "http2",
        "kubernetes.io/ws" => "http",
        "kubernetes.io/wss" => "https",
        app => app,
    };
    match Protocol::of_service_port(name, None, port.text("protocol")) {
        // Where the server speaks first Istio never sniffs: SMTP, DNS, MySQL, MongoDB
        // (istio/istio pkg/config/kube/conversion.go).
        Protocol::Auto if matches!(port.int("port"), Some(25 | 53 | 3306 | 27017)) => Protocol::Tcp,
        protocol => protocol,
    }
}
