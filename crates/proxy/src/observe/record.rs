//! All facts about one request or connection that logs, statistics and the flight recorder tell.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use net::tls::PeerFacts;

pub use super::flags::ResponseFlags;
use crate::balance::Host;
use crate::config::cluster::ClusterInfo;
use crate::config::listener::Listener;
use crate::config::route::{Route, VirtualHost};
use crate::config::{FilterChain, RequestView};
use crate::http::{HeaderList, RequestHead, ResponseHead, Version};

/// What a TLS handshake settled.
#[derive(Debug, Clone, Default)]
pub struct TlsFacts {
    /// As Envoy prints it: `TLSv1.3`.
    pub version: &'static str,
    /// OpenSSL-like name of the suite.
    pub cipher: &'static str,
    pub alpn: Option<Box<[u8]>>,
    pub sni: Option<Box<str>>,
    /// The peer's leaf.
    pub peer: Option<Arc<PeerFacts>>,
    /// DER of the peer's leaf.
    pub peer_der: Option<Box<[u8]>>,
    /// The chain was verified against configured roots.
    pub validated: bool,
    /// The session was resumed, not made anew.
    pub resumed: bool,
    /// Our own leaf.
    pub local: Option<Arc<PeerFacts>>,
    /// The element of `x-forwarded-client-cert`, made for the first request: it is the same for all.
    pub client_cert_element: OnceLock<Box<str>>,
}

/// A downstream connection.
#[derive(Debug)]
pub struct ConnectionFacts {
    pub id: u64,
    /// The TCP peer.
    pub direct_remote: SocketAddr,
    /// The address that the connection was accepted on.
    pub direct_local: SocketAddr,
    /// The original destination where that is known.
    pub local: SocketAddr,
    pub sni: Option<Box<str>>,
    pub tls: Option<Arc<TlsFacts>>,
    pub listener: Arc<Listener>,
    /// `None` before a chain was chosen.
    pub chain: Option<Arc<FilterChain>>,
    pub started: Instant,
    pub started_wall: SystemTime,
}

/// The moments of a request; those that never came are `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    pub request_end: Option<Instant>,
    pub upstream_connect_begin: Option<Instant>,
    pub upstream_connect_end: Option<Instant>,
    pub upstream_handshake_end: Option<Instant>,
    pub upstream_tx_begin: Option<Instant>,
    pub upstream_tx_end: Option<Instant>,
    pub upstream_rx_begin: Option<Instant>,
    pub upstream_rx_end: Option<Instant>,
    pub downstream_tx_begin: Option<Instant>,
    pub downstream_tx_end: Option<Instant>,
    pub end: Option<Instant>,
}

/// Byte counts of one side. `body` is payload, `head` the header block, `wire` all bytes with framing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bytes {
    pub body: u64,
    pub head: u64,
    pub wire: u64,
}

/// Why the proxy failed a request, in machine-readable form: what the flight recorder keeps.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Stable word, such as `idle_race` or `bare_lf`.
    pub code: &'static str,
    /// One sentence for people; names the byte, address or limit.
    pub text: Cow<'static, str>,
}

/// Who cut a request off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The client, or what it sent.
    Client,
    /// The proxy, in the middle of a response.
    Proxy,
}

/// One request, or one TCP connection (then `status` is 0 and `protocol` is `None`).
#[derive(Debug, Clone)]
pub struct RequestRecord {
    pub start: Instant,
    pub start_wall: SystemTime,
    pub moments: Moments,
    pub protocol: Option<Version>,
    /// 0: no response.
    pub status: u16,
    pub flags: ResponseFlags,
    pub details: Cow<'static, str>,
    pub termination_details: Option<Cow<'static, str>>,
    pub cause: Option<Cause>,
    /// The client after `X-Forwarded-For` and trusted hops.
    pub remote: Option<SocketAddr>,
    pub internal: bool,
    pub received: Bytes,
    pub sent: Bytes,
    pub upstream_received: Bytes,
    pub upstream_sent: Bytes,
    pub response_trailer_bytes: u64,
    /// Attempts made upstream, retries included.
    pub attempts: u32,
    /// The last host tried.
    pub host: Option<Arc<Host>>,
    /// All hosts tried, in order, when there was more than one.
    pub hosts_attempted: Vec<Arc<Host>>,
    pub upstream_local: Option<SocketAddr>,
    pub upstream_remote: Option<SocketAddr>,
    pub upstream_protocol: Option<Version>,
    pub upstream_connection_id: Option<u64>,
    /// The upstream connection had served requests before.
    pub upstream_reused: bool,
    pub upstream_tls: Option<Arc<TlsFacts>>,
    pub upstream_failure: Option<Cow<'static, str>>,
    /// Why TLS with the client failed.
    pub downstream_failure: Option<Cow<'static, str>>,
    pub cluster: Option<Arc<ClusterInfo>>,
    pub route: Option<Arc<Route>>,
    pub virtual_host: Option<Arc<VirtualHost>>,
    /// The response was made by the proxy; its body.
    pub local_reply: Option<bytes::Bytes>,
    pub grpc_status: Option<u8>,
    pub is_grpc: bool,
    pub healthcheck: bool,
    /// Times that a request was sent again after an idle race.
    pub replays: u32,
    pub timed_out: bool,
    /// The request reached the router.
    pub routed: bool,
    /// An answer of the router's counts for the cluster, one that the connection manager made does not.
    pub charged: bool,
    /// The status of the proxy's own answer, before it was put into the words of gRPC.
    pub reply_status: u16,
    /// The request or its response was cut off.
    pub cut: Option<Cut>,
    pub random: u64,
}

impl RequestRecord {
    /// What there is to say of a connection as such, now that it is over.
    #[must_use]
    pub fn ended(connection: &ConnectionFacts) -> Self {
        let mut record = Self::new(connection.started, connection.started_wall);
        record.moments.end = Some(Instant::now());
        record
    }

    #[must_use]
    pub fn new(start: Instant, start_wall: SystemTime) -> Self {
        Self {
            start,
            start_wall,
            moments: Moments::default(),
            protocol: None,
            status: 0,
            flags: ResponseFlags::default(),
            details: Cow::Borrowed(""),
            termination_details: None,
            cause: None,
            remote: None,
            internal: false,
            received: Bytes::default(),
            sent: Bytes::default(),
            upstream_received: Bytes::default(),
            upstream_sent: Bytes::default(),
            response_trailer_bytes: 0,
            attempts: 0,
            host: None,
            hosts_attempted: Vec::new(),
            upstream_local: None,
            upstream_remote: None,
            upstream_protocol: None,
            upstream_connection_id: None,
            upstream_reused: false,
            upstream_tls: None,
            upstream_failure: None,
            downstream_failure: None,
            cluster: None,
            route: None,
            virtual_host: None,
            local_reply: None,
            grpc_status: None,
            is_grpc: false,
            healthcheck: false,
            replays: 0,
            timed_out: false,
            routed: false,
            charged: true,
            reply_status: 0,
            cut: None,
            random: 0,
        }
    }
}

/// A record with the messages and the connection that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    pub record: &'a RequestRecord,
    pub connection: &'a ConnectionFacts,
    /// As it was sent upstream; `None` for TCP.
    pub request: Option<&'a RequestHead>,
    /// As it was sent downstream.
    pub response: Option<&'a ResponseHead>,
    pub trailers: Option<&'a HeaderList>,
}

impl RequestView for Exchange<'_> {
    fn method(&self) -> &[u8] {
        self.request.map_or(b"", RequestHead::method)
    }

    fn path(&self) -> &[u8] {
        self.request.map_or(b"", RequestHead::path)
    }

    fn authority(&self) -> &[u8] {
        self.request.map_or(b"", RequestHead::authority)
    }

    fn scheme(&self) -> &[u8] {
        self.request
            .map_or(b"", |head| head.scheme.as_str().as_bytes())
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.request
            .into_iter()
            .flat_map(move |head| head.headers.all(name))
    }

    fn downstream(&self) -> crate::config::request::DownstreamInfo<'_> {
        let tls = self.connection.tls.as_deref();
        crate::config::request::DownstreamInfo {
            direct_remote: Some(self.connection.direct_remote),
            remote: self.record.remote.or(Some(self.connection.direct_remote)),
            local: Some(self.connection.local),
            is_tls: tls.is_some(),
            peer_certificate_presented: tls.is_some_and(|tls| tls.peer.is_some()),
            peer_certificate_validated: tls.is_some_and(|tls| tls.validated),
            sni: self.connection.sni.as_deref(),
        }
    }
}
