//! The effective mTLS mode of clients against that of servers, per port, with the pairs that fail.

use std::collections::HashSet;

use api::parse::{Key, Node};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selects};
use crate::facts::{Facts, Kind, Resource, Workload, fqdn, host_matches};
use crate::finding::Level;

const VERIFY: &str = "istioctl proxy-config cluster CLIENT-POD --fqdn HOST -o json | grep -A6 transportSocket";

pub(super) const RULE: Rule = Rule {
    name: "mtls_modes",
    analyzer: "security.MtlsModes",
    summary: "Compares what DestinationRules send with what PeerAuthentications accept, port by port",
    codes: &[
        Code {
            id: "FM0401",
            level: Level::Error,
            name: "PlaintextToStrict",
            meaning: "The DestinationRule makes clients send something else than mutual TLS of the mesh, and the server \
                      accepts nothing else: every request is answered 503 with flag UC or UF.",
            remedy: "Remove trafficPolicy.tls from the DestinationRule: without it clients do what the server accepts.",
            verify: VERIFY,
        },
        Code {
            id: "FM0402",
            level: Level::Error,
            name: "MtlsToPlaintext",
            meaning: "The DestinationRule makes clients send mutual TLS of the mesh, and the server does not end it: every \
                      request is answered 503 with flag UF or UC.",
            remedy: "Remove trafficPolicy.tls from the DestinationRule: without it clients do what the server accepts.",
            verify: VERIFY,
        },
    ],
    check,
};

/// What a server accepts on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepts {
    Mtls,
    Plaintext,
    Both,
}

fn check(facts: &Facts, report: &mut Report) {
    let named: HashSet<String> = facts
        .all(Kind::DestinationRule)
        .map(|rule| fqdn(&rule.namespace, rule.spec().text("host")))
        .collect();
    for rule in facts.all(Kind::DestinationRule).filter(|r| reportable(r)) {
        let spec = rule.spec();
        let Some(policy) = spec.get("trafficPolicy") else {
            continue;
        };
        let ports = policy.list("portLevelSettings");
        if !policy.has("tls") && !ports.iter().any(|port| port.has("tls")) {
            continue;
        }
        let host = fqdn(&rule.namespace, spec.text("host"));
        if host.starts_with('*') {
            // A wildcard's exceptions are DestinationRules of their own.
            for service in facts.all(Kind::Service) {
                let full = fqdn(&service.namespace, &service.name);
                if host_matches(&host, &full) && !named.contains(&full) {
                    pair(facts, report, rule, policy, service);
                }
            }
        } else if let Some((name, namespace)) = crate::facts::split_fqdn(&host)
            && let Some(service) = facts.get(Kind::Service, namespace, name)
        {
            pair(facts, report, rule, policy, service);
        }
    }
}

/// What clients do on a port: the mode of the port's settings, or of the rule's.
fn client_mode(policy: &Node, port: i64) -> Option<&str> {
    let level = policy
        .list("portLevelSettings")
        .iter()
        .find(|level| level.get("port").and_then(|p| p.int("number")) == Some(port));
    // Settings of a port replace those of the host whole.
    let tls = level.unwrap_or(policy).get("tls")?;
    Some(match tls.text("mode") {
        "" => "DISABLE",
        mode => mode,
    })
}

fn pair(facts: &Facts, report: &mut Report, rule: &Resource, policy: &Node, service: &Resource) {
    let selector = service.spec().map("selector");
    if selector.is_empty() {
        return;
    }
    let Some(workload) = facts
        .workloads()
        .select(facts, Some(&service.namespace), selector)
        .next()
    else {
        return;
    };
    let Some(sidecar) = workload.has_sidecar(facts) else {
        return;
    };
    if workload.is_ambient() || super::sidecar_selectors::in_ambient_mode(facts, &service.namespace) {
        return;
    }
    let (mut strict, mut plain) = (Vec::new(), Vec::new());
    let mut policy_seen = None;
    for port in service.spec().list("ports") {
        let number = port.int("port").unwrap_or(0);
        let Some(mode) = client_mode(policy, number) else {
            continue;
        };
        let (accepts, decided) = if sidecar {
            accepts(facts, &workload, target(&workload, port))
        } else {
            (Accepts::Plaintext, None)
        };
        let mesh_tls = mode == "ISTIO_MUTUAL";
        match accepts {
            Accepts::Mtls if !mesh_tls => strict.push(format!("{number} ({mode})")),
            Accepts::Plaintext if mesh_tls => plain.push(format!("{number} ({mode})")),
            _ => continue,
        }
        policy_seen = policy_seen.or(decided);
    }
    let host = fqdn(&service.namespace, &service.name);
    for (code, ports, server) in [
        ("FM0401", strict, "accepts mutual TLS only (STRICT)"),
        ("FM0402", plain, if sidecar { "accepts plaintext only (DISABLE)" } else { "has no sidecar" }),
    ] {
        if ports.is_empty() {
            continue;
        }
        let message = format!("Calls of {host} fail on port {}: the server {server}", ports.join(", "));
        let finding = report.find(code, rule, "spec.trafficPolicy", message);
        if let Some(policy) = policy_seen {
            finding.seen(policy.evidence("spec.mtls", "decides for the server"));
        }
        finding.seen(workload.resource.evidence(&workload.path_of("metadata.labels"), "the server"));
    }
}

/// The container port behind a service port.
fn target(workload: &Workload<'_>, port: &Node) -> i64 {
    let Some(target) = port.get("targetPort") else {
        return port.int("port").unwrap_or(0);
    };
    if let Some(number) = target.scalar().and_then(|text| text.parse().ok()) {
        return number;
    }
    let name = target.as_str().unwrap_or_default();
    workload
        .containers()
        .flat_map(|container| container.list("ports"))
        .find(|port| port.text("name") == name)
        .and_then(|port| port.int("containerPort"))
        .unwrap_or(0)
}

fn selector_of(policy: &Resource) -> Option<&[(Key, Node)]> {
    policy.spec().get("selector").map(|selector| selector.map("matchLabels"))
}

/// What a workload accepts, and which PeerAuthentication says so: the workload's, the namespace's, the mesh's.
fn accepts<'a>(facts: &'a Facts, workload: &Workload<'_>, port: i64) -> (Accepts, Option<&'a Resource>) {
    let root = facts.mesh.root_namespace();
    let own = facts
        .within(Kind::PeerAuthentication, workload.namespace())
        .filter(|policy| selector_of(policy).is_some_and(|l| !l.is_empty() && selects(l, workload.labels())));
    let general = |namespace: &str| {
        facts
            .within(Kind::PeerAuthentication, namespace)
            .find(|policy| selector_of(policy).is_none_or(<[_]>::is_empty))
    };
    let chain = own
        .chain(general(workload.namespace()))
        .chain(general(root));
    for policy in chain {
        let spec = policy.spec();
        let by_port = spec
            .map("portLevelMtls")
            .iter()
            .find(|(key, _)| key.text == port.to_string())
            .map(|(_, level)| level.text("mode"));
        let mode = by_port
            .filter(|mode| !matches!(*mode, "" | "UNSET"))
            .or_else(|| spec.get("mtls").map(|mtls| mtls.text("mode")));
        match mode {
            Some("STRICT") => return (Accepts::Mtls, Some(policy)),
            Some("DISABLE") => return (Accepts::Plaintext, Some(policy)),
            Some("PERMISSIVE") => return (Accepts::Both, Some(policy)),
            _ => {}
        }
    }
    (Accepts::Both, None)
}
