//! Sidecar: something to say, listeners that can stand beside each other, hosts that can be read.

use std::collections::{HashMap, HashSet};

use api::parse::Node;

use super::{Verdicts, selectors};
use crate::facts::fields::Fields;

pub(super) fn judge(say: &mut Verdicts<'_>) {
    selectors::workloads(say);
    let spec = say.resource.spec();
    let (ingress, egress) = (spec.list("ingress"), spec.list("egress"));
    let other = spec.has("outboundTrafficPolicy") || spec.has("inboundConnectionPool");
    if ingress.is_empty() && egress.is_empty() && !other {
        let advice = "write egress, e.g. [{hosts: [\"./*\", \"istio-system/*\"]}]";
        say.refuse("spec", "the Sidecar says nothing", advice);
        return;
    }
    let mut ports = HashSet::new();
    for (index, listener) in ingress.iter().enumerate() {
        self::ingress(say, &format!("spec.ingress[{index}]"), listener, &mut ports);
    }
    let mut ports = HashSet::new();
    for (index, listener) in egress.iter().enumerate() {
        let path = format!("spec.egress[{index}]");
        if !listener.has("port") && index + 1 < egress.len() {
            let text = "a listener without a port takes the rest: only the last can be one";
            say.refuse(&path, text, "move it to the end, or merge its hosts into the last");
        }
        port(say, &path, listener, &mut ports);
        hosts(say, &path, listener);
    }
    let policy = spec.get("outboundTrafficPolicy");
    let proxied = policy.is_some_and(|policy| policy.has("egressProxy"));
    let mode = policy.map_or("", |policy| policy.text("mode"));
    // The enum's zero value is REGISTRY_ONLY.
    if proxied && mode != "ALLOW_ANY" {
        let text = "egressProxy works with mode ALLOW_ANY alone";
        say.refuse("spec.outboundTrafficPolicy", text, "write mode: ALLOW_ANY");
    }
}

fn ingress(say: &mut Verdicts<'_>, path: &str, listener: &Node, ports: &mut HashSet<i64>) {
    if !listener.has("port") {
        say.refuse(path, "an ingress listener needs a port", "write port");
        return;
    }
    port(say, path, listener, ports);
    let endpoint = listener.text("defaultEndpoint");
    if !endpoint.is_empty() && !is_endpoint(endpoint) {
        let text = "defaultEndpoint is none of 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT, :PORT, unix://PATH";
        say.refuse(&format!("{path}.defaultEndpoint"), text, "write 127.0.0.1:PORT");
    }
    if let Some(tls) = listener.get("tls").filter(|_| listener.has("tls")) {
        let at = format!("{path}.tls");
        for field in ["subjectAltNames", "httpsRedirect", "credentialName", "credentialNames", "tlsCertificates"] {
            if tls.has(field) {
                let text = format!("a Sidecar does not support {field}");
                say.refuse(&format!("{at}.{field}"), &text, "remove it");
            }
        }
        if matches!(tls.text("mode"), "ISTIO_MUTUAL" | "AUTO_PASSTHROUGH") {
            let text = "a Sidecar does not support this mode";
            say.refuse(&format!("{at}.mode"), text, "write SIMPLE or MUTUAL");
        }
        let protocol = listener.get("port").map_or("", |port| port.text("protocol"));
        if !matches!(protocol.to_ascii_uppercase().as_str(), "HTTPS" | "TLS") {
            let text = "TLS settings need a port of protocol HTTPS or TLS";
            say.refuse(&at, text, "write port.protocol: HTTPS, or remove tls");
        }
    }
}

fn is_endpoint(endpoint: &str) -> bool {
    if endpoint.starts_with("unix://") {
        return true;
    }
    endpoint.rsplit_once(':').is_some_and(|(host, port)| {
        matches!(host, "" | "127.0.0.1" | "0.0.0.0" | "[::1]" | "[::]")
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn port(say: &mut Verdicts<'_>, path: &str, listener: &Node, ports: &mut HashSet<i64>) {
    let Some(port) = listener.get("port") else { return };
    let number = port.int("number").unwrap_or(0);
    if number != 0 && !ports.insert(number) {
        let text = format!("port {number} has a listener already");
        say.refuse(&format!("{path}.port"), &text, "merge the listeners");
    }
    if port.int("targetPort").is_some_and(|target| target > 0) {
        let text = "targetPort has no effect in a Sidecar";
        say.refuse(&format!("{path}.port.targetPort"), text, "remove it");
    }
}

/// `namespace/host`, each once.
fn hosts(say: &mut Verdicts<'_>, path: &str, listener: &Node) {
    let at = format!("{path}.hosts");
    if listener.list("hosts").is_empty() {
        say.refuse(&at, "an egress listener needs a host", "write hosts: [\"./*\"]");
    }
    let mut seen: HashMap<&str, HashSet<&str>> = HashMap::new();
    for host in listener.texts("hosts") {
        let Some((namespace, name)) = host.split_once('/') else {
            let text = format!("{host:?} has no namespace");
            say.refuse(&at, &text, &format!("write \"*/{host}\", \"./{host}\" or NAMESPACE/{host}"));
            continue;
        };
        if name != "*" && !name.contains('.') {
            let text = format!("{host:?} is a short name");
            let advice = format!("write {namespace}/{name}.NAMESPACE.svc.cluster.local");
            say.refuse(&at, &text, &advice);
        }
        if namespace.starts_with('~') {
            continue;
        }
        let namespace = if namespace == "." { &*say.resource.namespace } else { namespace };
        let names = seen.entry(namespace).or_default();
        let known = if name == "*" { !names.is_empty() } else { names.contains(name) || names.contains("*") };
        if known {
            let text = format!("{host:?} is covered by another host of the list");
            say.warn(&at, &text, "remove it");
        }
        names.insert(name);
    }
    let everything = seen.get("*").is_some_and(|names| names.contains("*"));
    if everything && seen.len() > 1 {
        let text = "\"*/*\" selects everything: the other hosts add nothing";
        say.warn(&at, text, "remove \"*/*\", or the others");
    }
}
