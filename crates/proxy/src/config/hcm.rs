//! The HTTP connection manager's configuration.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::access_log::{AccessLog, LogFilter};
use super::chain_match::cidr::Prefix;
use super::format::Program;
use super::headers::SetHeader;
use super::ids::RouteTableId;
use super::route::RouteTable;

/// Which codec a connection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecType {
    /// By ALPN, or else by the HTTP/2 preface.
    Auto,
    Http1,
    Http2,
}

/// Where routes come from.
#[derive(Debug, Clone)]
pub enum RouteSource {
    Inline(Arc<RouteTable>),
    Rds {
        name: Arc<str>,
        id: RouteTableId,
        /// The listener waits this long for the table, then serves 404; `None`: for ever.
        fetch_timeout: Option<Duration>,
    },
}

/// The HTTP filters that this proxy has, in the order configured; the router is last.
#[derive(Debug, Clone)]
pub struct HttpFilter {
    pub name: Arc<str>,
    pub kind: HttpFilterKind,
    /// `disabled`: off unless a route enables it.
    pub disabled: bool,
}

/// An HTTP filter.
#[derive(Debug, Clone)]
pub enum HttpFilterKind {
    Cors,
    /// The filter's own policy; routes override it.
    Fault(Option<Arc<crate::filters::fault::FaultPolicy>>),
    Router(RouterFilter),
}

/// The router's settings.
#[derive(Debug, Clone, Default)]
pub struct RouterFilter {
    /// No `x-envoy-*` headers are added to requests or responses.
    pub suppress_envoy_headers: bool,
    /// Timeouts from request headers of external clients are respected as if internal.
    pub respect_expected_rq_timeout: bool,
    /// Request headers whose Envoy syntax is checked (`x-envoy-upstream-rq-timeout-ms` …); 400 otherwise.
    pub strict_check_headers: Box<[Box<str>]>,
}

/// `server` in responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHeader {
    Overwrite,
    AppendIfAbsent,
    PassThrough,
}

/// `x-forwarded-client-cert` handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardClientCert {
    Sanitize,
    ForwardOnly,
    AppendForward,
    SanitizeSet,
    AlwaysForwardOnly,
}

/// Which parts of the client certificate `x-forwarded-client-cert` tells. `By` and `Hash` always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCertDetails {
    pub subject: bool,
    pub cert: bool,
    pub chain: bool,
    pub dns: bool,
    pub uri: bool,
}

/// `path_with_escaped_slashes_action`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapedSlashes {
    Keep,
    Reject,
    UnescapeAndRedirect,
    UnescapeAndForward,
}

/// `headers_with_underscores_action`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underscores {
    Allow,
    Reject,
    Drop,
}

/// How HTTP/1 header names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderCase {
    #[default]
    Lower,
    ProperCase,
    /// As received, and lower-case for those that we add.
    Preserve,
    /// As received, and proper case for those that we add.
    PreserveElseProper,
}

/// What happens to the port in the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripPort {
    Keep,
    /// Strip the listener's own port.
    Matching,
    Any,
}

/// HTTP/1 options, downstream and upstream.
#[derive(Debug, Clone, Default)]
pub struct Http1Options {
    pub accept_http_10: bool,
    pub default_host_for_http_10: Option<Box<str>>,
    pub header_case: HeaderCase,
    pub enable_trailers: bool,
    /// Send `scheme://host/path` upstream.
    pub send_fully_qualified_url: bool,
    pub allow_custom_methods: bool,
    /// Upgrades that are answered as if not asked for.
    pub ignore_upgrade: Box<[super::matcher::StringMatcher]>,
}

/// HTTP/2 options, downstream and upstream.
#[derive(Debug, Clone)]
pub struct Http2Options {
    pub max_concurrent_streams: u32,
    pub initial_stream_window: u32,
    pub initial_connection_window: u32,
    pub header_table_size: u32,
    pub allow_connect: bool,
    pub keepalive: Option<H2Keepalive>,
}

/// HTTP/2 PING keepalive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct H2Keepalive {
    /// `None`: only before a stream on a connection idle for `idle_interval`.
    pub interval: Option<Duration>,
    pub timeout: Duration,
    /// Percent of the interval added at random.
    pub interval_jitter: f64,
}

impl Default for Http2Options {
    /// Envoy 1.40's defaults.
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            initial_stream_window: 16 * 1024 * 1024,
            initial_connection_window: 24 * 1024 * 1024,
            header_table_size: 4096,
            allow_connect: false,
            keepalive: None,
        }
    }
}

/// An HTTP connection manager.
#[derive(Debug, Clone)]
pub struct Hcm {
    pub codec: CodecType,
    /// `http.<stat_prefix>.`
    pub stat_prefix: Arc<str>,
    pub routes: RouteSource,
    pub filters: Vec<HttpFilter>,
    pub access_logs: Vec<Arc<AccessLog>>,
    pub timeouts: HcmTimeouts,
    /// Bytes of the header block: 431 beyond it.
    pub max_request_headers_bytes: usize,
    pub max_headers_count: u32,
    /// 0: no limit.
    pub max_requests_per_connection: u32,
    pub underscores: Underscores,
    pub normalize_path: bool,
    pub merge_slashes: bool,
    pub escaped_slashes: EscapedSlashes,
    pub use_remote_address: bool,
    pub xff_num_trusted_hops: u32,
    pub skip_xff_append: bool,
    pub append_x_forwarded_port: bool,
    pub internal_addresses: InternalAddresses,
    pub server_name: Arc<str>,
    pub server_header: ServerHeader,
    pub via: Option<Box<str>>,
    pub add_user_agent: bool,
    pub forward_client_cert: ForwardClientCert,
    pub client_cert_details: ClientCertDetails,
    pub generate_request_id: bool,
    pub preserve_external_request_id: bool,
    pub always_set_request_id_in_response: bool,
    /// `scheme_header_transformation`
    pub scheme_to_overwrite: Option<Box<str>>,
    pub scheme_match_upstream: bool,
    pub proxy_100_continue: bool,
    pub represent_ipv4_as_mapped_ipv6: bool,
    pub strip_port: StripPort,
    pub strip_trailing_host_dot: bool,
    /// Lower-case upgrade types and whether each is allowed; `connect` is one of them.
    pub upgrades: Vec<(Box<str>, bool)>,
    pub local_reply: LocalReplies,
    pub http1: Http1Options,
    pub http2: Http2Options,
}

impl Hcm {
    /// Whether this upgrade type is allowed on this route.
    #[must_use]
    pub fn upgrade_allowed(&self, route: &super::route::Forward, upgrade: &[u8]) -> bool {
        let find = |list: &[(Box<str>, bool)]| {
            list.iter()
                .find(|(name, _)| upgrade.eq_ignore_ascii_case(name.as_bytes()))
                .map(|(_, allowed)| *allowed)
        };
        find(&route.upgrades)
            .or_else(|| find(&self.upgrades))
            .unwrap_or(false)
    }

    /// The router's settings.
    #[must_use]
    pub fn router(&self) -> Option<&RouterFilter> {
        self.filters
            .iter()
            .rev()
            .find_map(|filter| match &filter.kind {
                HttpFilterKind::Router(router) => Some(router),
                _ => None,
            })
    }
}

/// The connection manager's clocks; `None` means no limit.
#[derive(Debug, Clone)]
pub struct HcmTimeouts {
    /// The whole request must have arrived.
    pub request: Option<Duration>,
    /// The header block must have arrived.
    pub request_headers: Option<Duration>,
    /// No byte in either direction of a stream; Envoy's default is 5 minutes.
    pub stream_idle: Option<Duration>,
    /// The peer must take buffered response bytes within this; default: `stream_idle`.
    pub stream_flush: Option<Duration>,
    /// A connection without streams; Envoy's default is 1 hour.
    pub connection_idle: Option<Duration>,
    pub max_connection_duration: Option<Duration>,
    pub max_stream_duration: Option<Duration>,
    /// Between the two GOAWAYs of a drain; default 5 s.
    pub drain: Duration,
    /// A closed connection lingers so that the peer reads the last bytes; default 1 s; `None` disables.
    pub delayed_close: Option<Duration>,
}

/// Which peers are internal.
#[derive(Debug, Clone, Default)]
pub struct InternalAddresses {
    /// `None`: no address is internal (Envoy 1.40: seen, with `use_remote_address` and a loopback peer).
    pub ranges: Option<Vec<Prefix>>,
}

impl InternalAddresses {
    /// Whether this client is internal.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match &self.ranges {
            Some(ranges) => ranges.iter().any(|range| range.contains(address)),
            None => false,
        }
    }
}

/// How answers that the proxy itself makes look.
#[derive(Debug, Clone, Default)]
pub struct LocalReplies {
    pub mappers: Vec<ReplyMapper>,
    pub body: Option<ReplyBody>,
}

/// Applies to replies that its filter admits.
#[derive(Debug, Clone)]
pub struct ReplyMapper {
    pub filter: LogFilter,
    pub status: Option<u16>,
    /// Replaces `%LOCAL_REPLY_BODY%`.
    pub body: Option<Arc<[u8]>>,
    pub format: Option<ReplyBody>,
    pub headers: Vec<SetHeader>,
}

/// The body of a reply.
#[derive(Debug, Clone)]
pub struct ReplyBody {
    pub program: ReplyProgram,
    pub content_type: Arc<str>,
}

/// Text or JSON.
#[derive(Debug, Clone)]
pub enum ReplyProgram {
    Text(Program),
    Json(super::format::JsonTemplate),
}
