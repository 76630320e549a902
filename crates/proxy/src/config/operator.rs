//! Envoy's command operators by name and argument.

use super::request::LowerName;

/// A header operator: `NAME?ALTERNATIVE`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderOp {
    /// In lower case; pseudo headers with their colon.
    pub name: LowerName,
    pub alternative: Option<LowerName>,
}

/// How times are written.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeFormat {
    /// `2026-11-21T14:00:00.000Z`
    Default,
    /// A strftime format with Envoy's `%f`, `%3f`, `%s` and `%E*S` extensions.
    Strftime(Box<str>),
}

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    DownstreamLocal,
    DownstreamDirectLocal,
    DownstreamRemote,
    DownstreamDirectRemote,
    UpstreamLocal,
    UpstreamRemote,
}

/// Which part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    WithPort,
    WithoutPort,
    Port,
}

/// Whose certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    DownstreamPeer,
    DownstreamLocal,
    UpstreamPeer,
    UpstreamLocal,
}

/// Points in a request's life for `COMMON_DURATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationPoint {
    /// `DS_RX_BEG`
    DownstreamRxBegin,
    /// `DS_RX_END`
    DownstreamRxEnd,
    UpstreamTxBegin,
    UpstreamTxEnd,
    UpstreamRxBegin,
    UpstreamRxEnd,
    DownstreamTxBegin,
    DownstreamTxEnd,
    /// `US_CX_BEG`
    UpstreamConnectBegin,
    UpstreamConnectEnd,
    UpstreamHandshakeEnd,
}

/// Metadata by namespace and path.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataOp {
    pub namespace: Box<str>,
    pub path: Box<[Box<str>]>,
}

impl MetadataOp {
    fn parse(args: &str) -> Self {
        let mut parts = args.split(':').map(Box::from);
        Self {
            namespace: parts.next().unwrap_or_default(),
            path: parts.collect(),
        }
    }
}

macro_rules! operators {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// An operator.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Operator {
            $(#[doc = concat!("`%", $name, "%`")] $variant,)*
            RequestHeader(HeaderOp),
            ResponseHeader(HeaderOp),
            Trailer(HeaderOp),
            /// The path or another header with its query cut.
            RequestHeaderWithoutQuery(HeaderOp),
            QueryParam(Box<str>),
            /// Whether the query is included and whether the original path is preferred.
            Path { query: bool, original: OriginalPath },
            StartTime(TimeFormat),
            StartTimeLocal(TimeFormat),
            EmitTime(TimeFormat),
            EmitTimeLocal(TimeFormat),
            CommonDuration { from: DurationPoint, to: DurationPoint, unit_micros: u32 },
            Address { side: Side, part: Address },
            GrpcStatus(GrpcStatusStyle),
            PeerCertificateStart { peer: Peer, format: TimeFormat },
            PeerCertificateEnd { peer: Peer, format: TimeFormat },
            DynamicMetadata(MetadataOp),
            ClusterMetadata(MetadataOp),
            RouteMetadata(MetadataOp),
            UpstreamMetadata(MetadataOp),
            ListenerMetadata(MetadataOp),
            FilterState(Box<str>),
            /// A fixed text: environment variables are read when the format is compiled.
            Constant(Option<Box<str>>),
        }

        const SIMPLE: &[(&str, Operator)] = &[$(($name, Operator::$variant),)*];
    };
}

/// Which path `%PATH%` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginalPath {
    /// The one as it is now.
    Current,
    /// `x-envoy-original-path`
    Original,
    /// The original one if there is one.
    Either,
}

/// How a gRPC status is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcStatusStyle {
    CamelString,
    SnakeString,
    Number,
}

operators! {
    AccessLogType = "ACCESS_LOG_TYPE",
    BytesReceived = "BYTES_RECEIVED",
    BytesRetransmitted = "BYTES_RETRANSMITTED",
    BytesSent = "BYTES_SENT",
    ConnectionId = "CONNECTION_ID",
    ConnectionTerminationDetails = "CONNECTION_TERMINATION_DETAILS",
    CustomFlags = "CUSTOM_FLAGS",
    DownstreamHeaderBytesReceived = "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    DownstreamHeaderBytesSent = "DOWNSTREAM_HEADER_BYTES_SENT",
    DownstreamDecompressedHeaderBytesReceived = "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    DownstreamDecompressedHeaderBytesSent = "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    DownstreamDetectedCloseType = "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    DownstreamLocalCloseReason = "DOWNSTREAM_LOCAL_CLOSE_REASON",
    DownstreamLocalDnsSan = "DOWNSTREAM_LOCAL_DNS_SAN",
    DownstreamLocalEmailSan = "DOWNSTREAM_LOCAL_EMAIL_SAN",
    DownstreamLocalSubject = "DOWNSTREAM_LOCAL_SUBJECT",
    DownstreamLocalUriSan = "DOWNSTREAM_LOCAL_URI_SAN",
    DownstreamPeerCert = "DOWNSTREAM_PEER_CERT",
    DownstreamPeerChainFingerprints1 = "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    DownstreamPeerChainFingerprints256 = "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    DownstreamPeerChainSerials = "DOWNSTREAM_PEER_CHAIN_SERIALS",
    DownstreamPeerDnsSan = "DOWNSTREAM_PEER_DNS_SAN",
    DownstreamPeerEmailSan = "DOWNSTREAM_PEER_EMAIL_SAN",
    DownstreamPeerFingerprint1 = "DOWNSTREAM_PEER_FINGERPRINT_1",
    DownstreamPeerFingerprint256 = "DOWNSTREAM_PEER_FINGERPRINT_256",
    DownstreamPeerIpSan = "DOWNSTREAM_PEER_IP_SAN",
    DownstreamPeerIssuer = "DOWNSTREAM_PEER_ISSUER",
    DownstreamPeerSerial = "DOWNSTREAM_PEER_SERIAL",
    DownstreamPeerSubject = "DOWNSTREAM_PEER_SUBJECT",
    DownstreamPeerUriSan = "DOWNSTREAM_PEER_URI_SAN",
    DownstreamTlsCipher = "DOWNSTREAM_TLS_CIPHER",
    DownstreamTlsSessionId = "DOWNSTREAM_TLS_SESSION_ID",
    DownstreamTlsVersion = "DOWNSTREAM_TLS_VERSION",
    DownstreamTransportFailureReason = "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    DownstreamWireBytesReceived = "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    DownstreamWireBytesSent = "DOWNSTREAM_WIRE_BYTES_SENT",
    Duration = "DURATION",
    FilterChainName = "FILTER_CHAIN_NAME",
    GrpcStatusNumber = "GRPC_STATUS_NUMBER",
    Hostname = "HOSTNAME",
    LocalReplyBody = "LOCAL_REPLY_BODY",
    PacketsRetransmitted = "PACKETS_RETRANSMITTED",
    Protocol = "PROTOCOL",
    RequestDuration = "REQUEST_DURATION",
    RequestHeaderBytes = "REQUEST_HEADER_BYTES",
    RequestTxDuration = "REQUEST_TX_DURATION",
    RequestedServerName = "REQUESTED_SERVER_NAME",
    ResponseCode = "RESPONSE_CODE",
    ResponseCodeDetails = "RESPONSE_CODE_DETAILS",
    ResponseDuration = "RESPONSE_DURATION",
    ResponseFlags = "RESPONSE_FLAGS",
    ResponseFlagsLong = "RESPONSE_FLAGS_LONG",
    ResponseHeaderBytes = "RESPONSE_HEADER_BYTES",
    ResponseTrailerBytes = "RESPONSE_TRAILER_BYTES",
    ResponseTxDuration = "RESPONSE_TX_DURATION",
    RoundtripDuration = "ROUNDTRIP_DURATION",
    RouteName = "ROUTE_NAME",
    StreamId = "STREAM_ID",
    TlsJa3Fingerprint = "TLS_JA3_FINGERPRINT",
    TlsJa4Fingerprint = "TLS_JA4_FINGERPRINT",
    TraceId = "TRACE_ID",
    SpanId = "SPAN_ID",
    UniqueId = "UNIQUE_ID",
    UpstreamCluster = "UPSTREAM_CLUSTER",
    UpstreamClusterRaw = "UPSTREAM_CLUSTER_RAW",
    UpstreamConnectionId = "UPSTREAM_CONNECTION_ID",
    UpstreamConnectionPoolReadyDuration = "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    UpstreamHeaderBytesReceived = "UPSTREAM_HEADER_BYTES_RECEIVED",
    UpstreamHeaderBytesSent = "UPSTREAM_HEADER_BYTES_SENT",
    UpstreamDecompressedHeaderBytesReceived = "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    UpstreamDecompressedHeaderBytesSent = "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    UpstreamDetectedCloseType = "UPSTREAM_DETECTED_CLOSE_TYPE",
    UpstreamLocalCloseReason = "UPSTREAM_LOCAL_CLOSE_REASON",
    UpstreamHost = "UPSTREAM_HOST",
    UpstreamHostName = "UPSTREAM_HOST_NAME",
    UpstreamHostNameWithoutPort = "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    UpstreamHostsAttempted = "UPSTREAM_HOSTS_ATTEMPTED",
    UpstreamHostNamesAttempted = "UPSTREAM_HOST_NAMES_ATTEMPTED",
    UpstreamHostsAttemptedWithoutPort = "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    UpstreamConnectionIdsAttempted = "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    UpstreamLocalDnsSan = "UPSTREAM_LOCAL_DNS_SAN",
    UpstreamLocalSubject = "UPSTREAM_LOCAL_SUBJECT",
    UpstreamLocalUriSan = "UPSTREAM_LOCAL_URI_SAN",
    UpstreamPeerCert = "UPSTREAM_PEER_CERT",
    UpstreamPeerDnsSan = "UPSTREAM_PEER_DNS_SAN",
    UpstreamPeerIssuer = "UPSTREAM_PEER_ISSUER",
    UpstreamPeerSubject = "UPSTREAM_PEER_SUBJECT",
    UpstreamPeerUriSan = "UPSTREAM_PEER_URI_SAN",
    UpstreamProtocol = "UPSTREAM_PROTOCOL",
    UpstreamRequestAttemptCount = "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    UpstreamTlsCipher = "UPSTREAM_TLS_CIPHER",
    UpstreamTlsSessionId = "UPSTREAM_TLS_SESSION_ID",
    UpstreamTlsVersion = "UPSTREAM_TLS_VERSION",
    UpstreamTransportFailureReason = "UPSTREAM_TRANSPORT_FAILURE_REASON",
    UpstreamWireBytesReceived = "UPSTREAM_WIRE_BYTES_RECEIVED",
    UpstreamWireBytesSent = "UPSTREAM_WIRE_BYTES_SENT",
    VirtualClusterName = "VIRTUAL_CLUSTER_NAME",
    VirtualHostName = "VIRTUAL_HOST_NAME",
}

const ADDRESSES: &[(&str, Side)] = &[
    ("DOWNSTREAM_DIRECT_LOCAL", Side::DownstreamDirectLocal),
    ("DOWNSTREAM_DIRECT_REMOTE", Side::DownstreamDirectRemote),
    ("DOWNSTREAM_LOCAL", Side::DownstreamLocal),
    ("DOWNSTREAM_REMOTE", Side::DownstreamRemote),
    ("UPSTREAM_LOCAL", Side::UpstreamLocal),
    ("UPSTREAM_REMOTE", Side::UpstreamRemote),
];

impl Operator {
    /// Finds an operator; `args` is what stood in parentheses.
    pub fn parse(name: &str, args: Option<&str>) -> Result<Self, String> {
        if let Some((_, op)) = SIMPLE.iter().find(|(text, _)| *text == name) {
            return match args {
                None => Ok(op.clone()),
                Some(_) => Err(format!("operator %{name}% takes no parameters")),
            };
        }
        if let Some(op) = parse_address(name) {
            return match args {
                None => Ok(op),
                Some(_) => Err(format!("operator %{name}% takes no parameters")),
            };
        }
        Self::parse_with_args(name, args)
    }

    fn parse_with_args(name: &str, args: Option<&str>) -> Result<Self, String> {
        let needed = || {
            args.filter(|a| !a.is_empty())
                .ok_or_else(|| format!("operator %{name}% needs parameters"))
        };
        let time = || match args {
            None | Some("") => TimeFormat::Default,
            Some(format) => TimeFormat::Strftime(format.into()),
        };
        Ok(match name {
            "REQ" | "REQUEST_HEADER" => Self::RequestHeader(header(needed()?)?),
            "RESP" | "RESPONSE_HEADER" => Self::ResponseHeader(header(needed()?)?),
            "TRAILER" | "RESPONSE_TRAILER" => Self::Trailer(header(needed()?)?),
            "REQ_WITHOUT_QUERY" => Self::RequestHeaderWithoutQuery(header(needed()?)?),
            "QUERY_PARAM" => Self::QueryParam(needed()?.into()),
            "PATH" => path(args.unwrap_or_default())?,
            "START_TIME" => Self::StartTime(time()),
            "START_TIME_LOCAL" => Self::StartTimeLocal(time()),
            "EMIT_TIME" => Self::EmitTime(time()),
            "EMIT_TIME_LOCAL" => Self::EmitTimeLocal(time()),
            "COMMON_DURATION" => common_duration(needed()?)?,
            "GRPC_STATUS" => Self::GrpcStatus(grpc_style(args)?),
            "DOWNSTREAM_PEER_CERT_V_START" => Self::PeerCertificateStart {
                peer: Peer::DownstreamPeer,
                format: time(),
            },
            "DOWNSTREAM_PEER_CERT_V_END" => Self::PeerCertificateEnd {
                peer: Peer::DownstreamPeer,
                format: time(),
            },
            "UPSTREAM_PEER_CERT_V_START" => Self::PeerCertificateStart {
                peer: Peer::UpstreamPeer,
                format: time(),
            },
            "UPSTREAM_PEER_CERT_V_END" => Self::PeerCertificateEnd {
                peer: Peer::UpstreamPeer,
                format: time(),
            },
            "DYNAMIC_METADATA" => Self::DynamicMetadata(MetadataOp::parse(needed()?)),
            "CLUSTER_METADATA" => Self::ClusterMetadata(MetadataOp::parse(needed()?)),
            "UPSTREAM_METADATA" => Self::UpstreamMetadata(MetadataOp::parse(needed()?)),
            "METADATA" => metadata(needed()?)?,
            "FILTER_STATE" => Self::FilterState(needed()?.into()),
            "ENVIRONMENT" => Self::Constant(std::env::var(needed()?).ok().map(Into::into)),
            _ => {
                return Err(format!(
                    "operator %{name}% is not supported by ferromesh-proxy"
                ));
            }
        })
    }
}

fn parse_address(name: &str) -> Option<Operator> {
    ADDRESSES.iter().find_map(|(prefix, side)| {
        let part = match name.strip_prefix(prefix)? {
            "_ADDRESS" => Address::WithPort,
            "_ADDRESS_WITHOUT_PORT" => Address::WithoutPort,
            "_PORT" => Address::Port,
            _ => return None,
        };
        Some(Operator::Address { side: *side, part })
    })
}

fn header(args: &str) -> Result<HeaderOp, String> {
    let (name, alternative) = match args.split_once('?') {
        Some((name, alternative)) => (name, Some(alternative)),
        None => (args, None),
    };
    if alternative.is_some_and(|text| text.contains('?')) {
        return Err(format!("more than one alternative header in {args:?}"));
    }
    Ok(HeaderOp {
        name: LowerName::new(name),
        alternative: alternative.map(LowerName::new),
    })
}

fn path(args: &str) -> Result<Operator, String> {
    let (query, original) = args.split_once(':').unwrap_or((args, ""));
    let query = match query {
        "" | "WQ" => true,
        "NQ" => false,
        other => return Err(format!("%PATH({other})%: expected WQ or NQ")),
    };
    let original = match original {
        "" | "ORIG_OR_PATH" => OriginalPath::Either,
        "ORIG" => OriginalPath::Original,
        "PATH" => OriginalPath::Current,
        other => {
            return Err(format!(
                "%PATH(…:{other})%: expected ORIG, PATH or ORIG_OR_PATH"
            ));
        }
    };
    Ok(Operator::Path { query, original })
}

fn common_duration(args: &str) -> Result<Operator, String> {
    let parts: Vec<&str> = args.split(':').collect();
    let [from, to, unit] = parts[..] else {
        return Err("%COMMON_DURATION% needs start, end and precision".into());
    };
    let unit_micros = match unit {
        "ms" => 1_000,
        "us" => 1,
        // Nanoseconds are written from microseconds.
        "ns" => 0,
        other => {
            return Err(format!(
                "%COMMON_DURATION%: precision {other:?} is not ms, us or ns"
            ));
        }
    };
    Ok(Operator::CommonDuration {
        from: point(from)?,
        to: point(to)?,
        unit_micros,
    })
}

fn point(text: &str) -> Result<DurationPoint, String> {
    Ok(match text {
        "DS_RX_BEG" => DurationPoint::DownstreamRxBegin,
        "DS_RX_END" => DurationPoint::DownstreamRxEnd,
        "US_TX_BEG" => DurationPoint::UpstreamTxBegin,
        "US_TX_END" => DurationPoint::UpstreamTxEnd,
        "US_RX_BEG" => DurationPoint::UpstreamRxBegin,
        "US_RX_END" => DurationPoint::UpstreamRxEnd,
        "DS_TX_BEG" => DurationPoint::DownstreamTxBegin,
        "DS_TX_END" => DurationPoint::DownstreamTxEnd,
        "US_CX_BEG" => DurationPoint::UpstreamConnectBegin,
        "US_CX_END" => DurationPoint::UpstreamConnectEnd,
        "US_HS_END" => DurationPoint::UpstreamHandshakeEnd,
        other => return Err(format!("%COMMON_DURATION%: unknown time point {other:?}")),
    })
}

fn grpc_style(args: Option<&str>) -> Result<GrpcStatusStyle, String> {
    match args {
        None | Some("" | "CAMEL_STRING") => Ok(GrpcStatusStyle::CamelString),
        Some("SNAKE_STRING") => Ok(GrpcStatusStyle::SnakeString),
        Some("NUMBER") => Ok(GrpcStatusStyle::Number),
        Some(other) => Err(format!(
            "%GRPC_STATUS({other})%: expected CAMEL_STRING, SNAKE_STRING or NUMBER"
        )),
    }
}

fn metadata(args: &str) -> Result<Operator, String> {
    let (kind, rest) = args.split_once(':').unwrap_or((args, ""));
    let op = MetadataOp::parse(rest);
    Ok(match kind {
        "DYNAMIC" => Operator::DynamicMetadata(op),
        "CLUSTER" => Operator::ClusterMetadata(op),
        "ROUTE" => Operator::RouteMetadata(op),
        "UPSTREAM_HOST" => Operator::UpstreamMetadata(op),
        "LISTENER" => Operator::ListenerMetadata(op),
        other => {
            return Err(format!(
                "%METADATA({other})% is not supported by ferromesh-proxy"
            ));
        }
    })
}
