//! Which filter chains an inbound port has: a function of what the port speaks and of its mutual TLS mode.
//!
//! The table is Istio's `pilot/pkg/networking/core/filterchain_options.go`.

use crate::mesh_view::model::MtlsMode;

/// How a port is handled at the level of listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ListenerProtocol {
    Http,
    Tcp,
    /// Sniffed: both.
    Auto,
}

impl From<base::Protocol> for ListenerProtocol {
    fn from(protocol: base::Protocol) -> Self {
        use base::Protocol::{
            Auto, Grpc, GrpcWeb, Http, Http2, Https, Mongo, Mysql, Redis, Tcp, Tls, Udp,
        };
        match protocol {
            Http | Http2 | Grpc | GrpcWeb => Self::Http,
            Https | Tls | Tcp | Mongo | Redis | Mysql | Udp => Self::Tcp,
            Auto => Self::Auto,
        }
    }
}

/// What the HTTP inspector finds in plain text. HTTP/1.0 is left to TCP, as accepting it is off by default.
pub(crate) const PLAINTEXT_HTTP: &[&str] = &["http/1.1", "h2c"];
const MTLS_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
const MTLS_TCP: &[&str] = &["istio-peer-exchange", "istio"];
const MTLS_ANY: &[&str] = &[
    "istio",
    "istio-peer-exchange",
    "istio-http/1.0",
    "istio-http/1.1",
    "istio-h2",
];

/// One filter chain of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) alpn: &'static [&'static str],
    pub(crate) transport: &'static str,
    pub(crate) http: bool,
    pub(crate) terminate_tls: bool,
}

const fn chain(
    alpn: &'static [&'static str],
    transport: &'static str,
    http: bool,
    terminate_tls: bool,
) -> Chain {
    Chain {
        alpn,
        transport,
        http,
        terminate_tls,
    }
}

const TLS: &str = "tls";
const RAW: &str = "raw_buffer";

/// The chains of a port, in order.
pub(crate) fn of(protocol: ListenerProtocol, mode: MtlsMode) -> Vec<Chain> {
    use ListenerProtocol::{Auto, Http, Tcp};
    use MtlsMode::{Disable, Permissive, Strict};
    match (protocol, mode) {
        (Http, Strict) => vec![chain(&[], TLS, true, true)],
        (Http, Permissive) => vec![
            chain(MTLS_ANY, TLS, true, true),
            chain(&[], RAW, true, false),
        ],
        (Http, Disable) => vec![chain(&[], RAW, true, false)],
        (Tcp, Strict) => vec![chain(&[], TLS, false, true)],
        (Tcp, Permissive) => vec![
            chain(MTLS_ANY, TLS, false, true),
            chain(&[], RAW, false, false),
            // The application's own TLS.
            chain(&[], TLS, false, false),
        ],
        // No chain asks for TLS, so the TLS inspector is off on the port and TLS bytes count as raw.
        (Tcp, Disable) => vec![chain(&[], RAW, false, false)],
        (Auto, Strict) => vec![
            chain(MTLS_HTTP, TLS, true, true),
            chain(&[], TLS, false, true),
        ],
        (Auto, Permissive) => vec![
            chain(MTLS_HTTP, TLS, true, true),
            chain(PLAINTEXT_HTTP, RAW, true, false),
            chain(MTLS_TCP, TLS, false, true),
            chain(&[], RAW, false, false),
            chain(&[], TLS, false, false),
        ],
        (Auto, Disable) => vec![
            chain(PLAINTEXT_HTTP, RAW, true, false),
            chain(&[], RAW, false, false),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permissive_sniffed_port_has_istios_five_chains() {
        let chains = of(ListenerProtocol::Auto, MtlsMode::Permissive);
        let shape: Vec<_> = chains
            .iter()
            .map(|c| (c.transport, c.http, c.terminate_tls))
            .collect();
        assert_eq!(
            shape,
            [
                (TLS, true, true),
                (RAW, true, false),
                (TLS, false, true),
                (RAW, false, false),
                (TLS, false, false)
            ]
        );
    }

    #[test]
    fn a_strict_port_never_accepts_plain_text() {
        for protocol in [
            ListenerProtocol::Http,
            ListenerProtocol::Tcp,
            ListenerProtocol::Auto,
        ] {
            assert!(
                of(protocol, MtlsMode::Strict)
                    .iter()
                    .all(|c| c.transport == TLS && c.terminate_tls)
            );
        }
    }
}
