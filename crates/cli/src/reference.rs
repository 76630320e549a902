//! What the reference documentation says of the commands and ports.

use clap::CommandFactory;

use crate::exit::Code;

/// A port and who listens there.
#[derive(Debug, Clone, Copy)]
pub struct Port {
    pub number: u16,
    pub owner: &'static str,
    pub what: &'static str,
}

const fn port(number: u16, owner: &'static str, what: &'static str) -> Port {
    Port {
        number,
        owner,
        what,
    }
}

/// xDS in plain text.
pub(crate) const XDS: u16 = 15010;
/// xDS and certificates over TLS.
pub(crate) const SECURE_XDS: u16 = 15012;
/// Readiness and debug pages of the control plane.
pub(crate) const MONITORING: u16 = 15014;
/// Admission webhooks.
pub(crate) const WEBHOOKS: u16 = 15017;

/// Istio's numbers, where Istio has one.
pub const PORTS: &[Port] = &[
    port(6443, "API server", "Kubernetes API, HTTPS"),
    port(
        8080,
        "supervisor",
        "HTTP of the ingress gateway, on the host (`--gateway-http`)",
    ),
    port(
        8443,
        "supervisor",
        "HTTPS of the ingress gateway, on the host (`--gateway-https`)",
    ),
    port(
        10250,
        "node",
        "kubelet API: logs, exec, attach, port-forward",
    ),
    port(53, "node", "DNS of the cluster, on the node's address"),
    port(15000, "proxy", "admin interface, on localhost of the pod"),
    port(15001, "proxy", "captured outbound connections"),
    port(15006, "proxy", "captured inbound connections"),
    port(XDS, "control plane", "xDS in plain text"),
    port(SECURE_XDS, "control plane", "xDS and certificates over TLS"),
    port(
        MONITORING,
        "control plane",
        "readiness, version, debug pages",
    ),
    port(
        WEBHOOKS,
        "control plane",
        "admission webhooks: injection and validation",
    ),
    port(
        15020,
        "agent",
        "probes of the application, merged statistics",
    ),
    port(15021, "agent", "readiness of the proxy"),
    port(15090, "proxy", "statistics in Prometheus' format"),
];

/// The commands of `ferromesh`.
#[must_use]
pub fn command() -> clap::Command {
    crate::Cli::command()
}

/// Exit codes and their meanings.
#[must_use]
pub fn exit_codes() -> Vec<(u8, &'static str)> {
    let own = Code::ALL.map(|code| (code as u8, code.meaning()));
    let mut all = vec![(0, "success"), (2, "wrong usage")];
    all.extend(own);
    all.sort_unstable();
    all
}
