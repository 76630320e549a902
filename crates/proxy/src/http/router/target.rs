//! Which pool serves a request: protocol, server name, ALPN.

use std::sync::Arc;

use crate::balance::Host;
use crate::config::cluster::UpstreamProtocol;
use crate::config::route::Priority;
use crate::config::{Cluster, Config};
use crate::http::{RequestHead, Version};
use crate::upstream::{ConnectOptions, PoolProtocol, Target};

/// The pool that serves a request, and the parameters of its connections.
pub(super) fn target(
    config: &Arc<Config>,
    cluster: &Arc<Cluster>,
    host: Arc<Host>,
    priority: Priority,
    request: &RequestHead,
    downstream: Version,
) -> Target {
    let info = &cluster.info;
    let protocol = match info.http.protocol {
        UpstreamProtocol::Http1 => PoolProtocol::Http1,
        UpstreamProtocol::Http2 => PoolProtocol::Http2,
        UpstreamProtocol::Auto if host.transport.is_some() => PoolProtocol::Auto,
        UpstreamProtocol::Auto => PoolProtocol::Http1,
        UpstreamProtocol::UseDownstream if downstream == Version::Http2 => PoolProtocol::Http2,
        UpstreamProtocol::UseDownstream => PoolProtocol::Http1,
    };
    let sni = match (&host.transport, info.http.auto_sni) {
        (Some(_), true) => {
            let authority = match &info.http.override_auto_sni_header {
                Some(name) => request.headers.get(name.as_str()).unwrap_or_default(),
                None => request.authority(),
            };
            std::str::from_utf8(crate::config::route_match::without_port(authority))
                .ok()
                .map(Arc::from)
        }
        (Some(tls), false) if tls.auto_host_sni && !host.hostname.is_empty() => {
            Some(Arc::clone(&host.hostname))
        }
        _ => None,
    };
    Target {
        config: Arc::clone(config),
        cluster: Arc::clone(cluster),
        host,
        priority,
        protocol,
        options: ConnectOptions {
            sni,
            alpn: alpn(protocol),
            check_name: info.http.auto_san_validation,
        },
        downstream: 0,
    }
}

fn alpn(protocol: PoolProtocol) -> Option<&'static [&'static [u8]]> {
    match protocol {
        PoolProtocol::Auto => Some(&[b"h2", b"http/1.1"]),
        PoolProtocol::Http1 => Some(&[b"http/1.1"]),
        PoolProtocol::Http2 => Some(&[b"h2"]),
        PoolProtocol::Tcp => None,
    }
}
