//! Gives Envoy's operators their values, out of one exchange.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use net::tls::PeerFacts;

use super::address::{address, endpoint};
use super::time::{formatted, iso};
use crate::config::format::{
    Address, DurationPoint, FormatContext, HeaderOp, Operator, Peer, Rendered, Side,
};
use crate::config::operator::{GrpcStatusStyle, OriginalPath};
use crate::config::route::Metadata;
use crate::http::HeaderList;
use crate::observe::record::{Exchange, TlsFacts};

/// An exchange as formats read it.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeContext<'a> {
    pub exchange: Exchange<'a>,
    /// Of this process, for `%HOSTNAME%`.
    pub hostname: &'a str,
}

fn text(value: &[u8], out: &mut Vec<u8>) -> Rendered {
    if value.is_empty() {
        return Rendered::Absent;
    }
    out.extend_from_slice(value);
    Rendered::Text
}

fn maybe(value: Option<&[u8]>, out: &mut Vec<u8>) -> Rendered {
    value.map_or(Rendered::Absent, |value| text(value, out))
}

pub(super) fn number(value: u64, out: &mut Vec<u8>) -> Rendered {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    Rendered::Number
}

fn millis(duration: Option<Duration>, out: &mut Vec<u8>) -> Rendered {
    duration.map_or(Rendered::Absent, |d| number(d.as_millis() as u64, out))
}

fn joined(values: &[String], out: &mut Vec<u8>) -> Rendered {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value.as_bytes());
    }
    if values.is_empty() {
        Rendered::Absent
    } else {
        Rendered::Text
    }
}

/// Response time so far: a response that is not over yet counts to now.
fn end(exchange: &Exchange<'_>) -> Instant {
    exchange.record.moments.end.unwrap_or_else(Instant::now)
}

impl ExchangeContext<'_> {
    fn header(&self, list: Option<&HeaderList>, op: &HeaderOp, out: &mut Vec<u8>) -> Rendered {
        let read = |name: &str, out: &mut Vec<u8>| {
            if name.starts_with(':') {
                return self.pseudo(name, out);
            }
            let Some(list) = list else {
                return Rendered::Absent;
            };
            let mut rendered = Rendered::Absent;
            for value in list.all(name) {
                if rendered != Rendered::Absent {
                    out.push(b',');
                }
                out.extend_from_slice(value);
                rendered = Rendered::Text;
            }
            rendered
        };
        match read(op.name.as_str(), out) {
            Rendered::Absent => op
                .alternative
                .as_ref()
                .map_or(Rendered::Absent, |other| read(other.as_str(), out)),
            found => found,
        }
    }

    fn pseudo(&self, name: &str, out: &mut Vec<u8>) -> Rendered {
        let Some(request) = self.exchange.request else {
            return Rendered::Absent;
        };
        match name {
            ":method" => text(request.method(), out),
            ":path" => text(request.path(), out),
            ":authority" => text(request.authority(), out),
            ":scheme" => text(request.scheme.as_str().as_bytes(), out),
            ":protocol" => text(request.protocol(), out),
            ":status" => self
                .exchange
                .response
                .map_or(Rendered::Absent, |r| number(r.status.into(), out)),
            _ => Rendered::Absent,
        }
    }

    fn path(&self, query: bool, original: OriginalPath, out: &mut Vec<u8>) -> Rendered {
        let Some(request) = self.exchange.request else {
            return Rendered::Absent;
        };
        let before = request.headers.get("x-envoy-original-path");
        let path = match original {
            OriginalPath::Current => Some(request.path()),
            OriginalPath::Original => before,
            OriginalPath::Either => before.or(Some(request.path())),
        };
        let cut = path.map(|path| {
            let end = memchr::memchr(b'?', path)
                .filter(|_| !query)
                .unwrap_or(path.len());
            &path[..end]
        });
        maybe(cut, out)
    }

    fn side(&self, side: Side) -> Option<SocketAddr> {
        let (record, connection) = (self.exchange.record, self.exchange.connection);
        match side {
            Side::DownstreamLocal => Some(connection.local),
            Side::DownstreamDirectLocal => Some(connection.direct_local),
            Side::DownstreamRemote => record.remote.or(Some(connection.direct_remote)),
            Side::DownstreamDirectRemote => Some(connection.direct_remote),
            Side::UpstreamLocal => record.upstream_local,
            Side::UpstreamRemote => record.upstream_remote,
        }
    }

    fn point(&self, point: DurationPoint) -> Option<Instant> {
        let record = self.exchange.record;
        let moments = &record.moments;
        match point {
            DurationPoint::DownstreamRxBegin => Some(record.start),
            DurationPoint::DownstreamRxEnd => moments.request_end,
            DurationPoint::UpstreamTxBegin => moments.upstream_tx_begin,
            DurationPoint::UpstreamTxEnd => moments.upstream_tx_end,
            DurationPoint::UpstreamRxBegin => moments.upstream_rx_begin,
            DurationPoint::UpstreamRxEnd => moments.upstream_rx_end,
            DurationPoint::DownstreamTxBegin => moments.downstream_tx_begin,
            DurationPoint::DownstreamTxEnd => moments.downstream_tx_end,
            DurationPoint::UpstreamConnectBegin => moments.upstream_connect_begin,
            DurationPoint::UpstreamConnectEnd => moments.upstream_connect_end,
            DurationPoint::UpstreamHandshakeEnd => moments.upstream_handshake_end,
        }
    }

    fn between(&self, from: Option<Instant>, to: Option<Instant>) -> Option<Duration> {
        Some(to?.saturating_duration_since(from?))
    }

    fn tls(&self, peer: Peer) -> Option<&TlsFacts> {
        match peer {
            Peer::DownstreamPeer | Peer::DownstreamLocal => self.exchange.connection.tls.as_deref(),
            Peer::UpstreamPeer | Peer::UpstreamLocal => {
                self.exchange.record.upstream_tls.as_deref()
            }
        }
    }

    fn facts(&self, peer: Peer) -> Option<&PeerFacts> {
        let tls = self.tls(peer)?;
        match peer {
            Peer::DownstreamPeer | Peer::UpstreamPeer => tls.peer.as_deref(),
            Peer::DownstreamLocal | Peer::UpstreamLocal => tls.local.as_deref(),
        }
    }

    fn fact(&self, peer: Peer, out: &mut Vec<u8>, get: impl Fn(&PeerFacts) -> &str) -> Rendered {
        self.facts(peer)
            .map_or(Rendered::Absent, |facts| text(get(facts).as_bytes(), out))
    }

    fn sans(
        &self,
        peer: Peer,
        out: &mut Vec<u8>,
        get: impl Fn(&PeerFacts) -> &[String],
    ) -> Rendered {
        self.facts(peer)
            .map_or(Rendered::Absent, |facts| joined(get(facts), out))
    }

    fn certificate_time(&self, peer: Peer, start: bool) -> Option<SystemTime> {
        let facts = self.facts(peer)?;
        let seconds = if start {
            facts.not_before
        } else {
            facts.not_after
        };
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
    }

    fn flags(&self, long: bool, out: &mut Vec<u8>) -> Rendered {
        let flags = self.exchange.record.flags;
        if flags.is_empty() {
            // Envoy prints a dash here in JSON, too.
            out.push(b'-');
            return Rendered::Text;
        }
        for (index, (short, name)) in flags.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(if long { name } else { short }.as_bytes());
        }
        Rendered::Text
    }

    fn grpc(&self, style: GrpcStatusStyle, out: &mut Vec<u8>) -> Rendered {
        const CAMEL: [&str; 17] = [
            "OK",
            "Canceled",
            "Unknown",
            "InvalidArgument",
            "DeadlineExceeded",
            "NotFound",
            "AlreadyExists",
            "PermissionDenied",
            "ResourceExhausted",
            "FailedPrecondition",
            "Aborted",
            "OutOfRange",
            "Unimplemented",
            "Internal",
            "Unavailable",
            "DataLoss",
            "Unauthenticated",
        ];
        let record = self.exchange.record;
        let Some(status) = record.grpc_status.filter(|_| record.is_grpc) else {
            return Rendered::Absent;
        };
        let Some(name) = CAMEL
            .get(usize::from(status))
            .filter(|_| style != GrpcStatusStyle::Number)
        else {
            return number(status.into(), out);
        };
        match style {
            GrpcStatusStyle::SnakeString => {
                for (index, c) in name.bytes().enumerate() {
                    if index > 0 && c.is_ascii_uppercase() && *name != "OK" {
                        out.push(b'_');
                    }
                    out.push(c.to_ascii_uppercase());
                }
            }
            _ => out.extend_from_slice(name.as_bytes()),
        }
        Rendered::Text
    }
}

fn metadata(
    source: Option<&Metadata>,
    op: &crate::config::format::MetadataOp,
    out: &mut Vec<u8>,
) -> Rendered {
    let path: Vec<&str> = op.path.iter().map(AsRef::as_ref).collect();
    match source.and_then(|metadata| metadata.get(&op.namespace, &path)) {
        None => Rendered::Absent,
        Some(serde_json::Value::String(value)) => text(value.as_bytes(), out),
        Some(value) => {
            let _ = write!(out, "{value}");
            Rendered::Json
        }
    }
}

impl FormatContext for ExchangeContext<'_> {
    fn render(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
        let Exchange {
            record,
            connection,
            request,
            response,
            trailers,
        } = self.exchange;
        match op {
            Operator::RequestHeader(header) => {
                self.header(request.map(|r| &r.headers), header, out)
            }
            Operator::ResponseHeader(header) => {
                self.header(response.map(|r| &r.headers), header, out)
            }
            Operator::Trailer(header) => self.header(trailers, header, out),
            Operator::RequestHeaderWithoutQuery(header) => {
                let start = out.len();
                let rendered = self.header(request.map(|r| &r.headers), header, out);
                if let Some(query) = memchr::memchr(b'?', &out[start..]) {
                    out.truncate(start + query);
                }
                rendered
            }
            Operator::QueryParam(name) => {
                let query = request.and_then(|r| r.path().split(|b| *b == b'?').nth(1));
                let value = query
                    .into_iter()
                    .flat_map(|q| q.split(|b| *b == b'&'))
                    .find_map(|pair| {
                        let mut parts = pair.splitn(2, |b| *b == b'=');
                        (parts.next() == Some(name.as_bytes()))
                            .then(|| parts.next().unwrap_or_default())
                    });
                maybe(value, out)
            }
            Operator::Path { query, original } => self.path(*query, *original, out),
            Operator::StartTime(format) | Operator::StartTimeLocal(format) => {
                formatted(record.start_wall, format, out);
                Rendered::Text
            }
            Operator::EmitTime(format) | Operator::EmitTimeLocal(format) => {
                formatted(SystemTime::now(), format, out);
                Rendered::Text
            }
            Operator::CommonDuration {
                from,
                to,
                unit_micros,
            } => match self.between(self.point(*from), self.point(*to)) {
                Some(time) => number(
                    time.as_micros() as u64 / u64::from((*unit_micros).max(1)),
                    out,
                ),
                None => Rendered::Absent,
            },
            Operator::Address { side, part } => address(self.side(*side), *part, out),
            Operator::GrpcStatus(style) => self.grpc(*style, out),
            Operator::GrpcStatusNumber => self.grpc(GrpcStatusStyle::Number, out),
            Operator::PeerCertificateStart { peer, format } => {
                self.validity(*peer, true, format, out)
            }
            Operator::PeerCertificateEnd { peer, format } => {
                self.validity(*peer, false, format, out)
            }
            Operator::ClusterMetadata(op) => {
                // The cluster's configuration outlives the request's record only by name.
                let _ = op;
                Rendered::Absent
            }
            Operator::RouteMetadata(op) => {
                metadata(record.route.as_deref().map(|r| &r.metadata), op, out)
            }
            Operator::UpstreamMetadata(op) => {
                metadata(record.host.as_deref().map(|h| &h.metadata), op, out)
            }
            Operator::ListenerMetadata(op) => {
                metadata(Some(&connection.listener.metadata), op, out)
            }
            Operator::DynamicMetadata(_) | Operator::FilterState(_) => Rendered::Absent,
            Operator::Constant(value) => maybe(value.as_deref().map(str::as_bytes), out),
            simple => self.simple(simple, out),
        }
    }
}

impl ExchangeContext<'_> {
    fn validity(
        &self,
        peer: Peer,
        start: bool,
        format: &crate::config::format::TimeFormat,
        out: &mut Vec<u8>,
    ) -> Rendered {
        match self.certificate_time(peer, start) {
            None => Rendered::Absent,
            Some(time) if *format == crate::config::format::TimeFormat::Default => {
                iso(time, out);
                Rendered::Text
            }
            Some(time) => {
                formatted(time, format, out);
                Rendered::Text
            }
        }
    }

    /// Operators without arguments about the request.
    fn simple(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
        let Exchange {
            record,
            connection,
            request,
            ..
        } = self.exchange;
        let moments = &record.moments;
        match op {
            Operator::AccessLogType => text(b"NotSet", out),
            Operator::BytesReceived => number(record.received.body, out),
            Operator::BytesSent => number(record.sent.body, out),
            Operator::ConnectionId => number(connection.id, out),
            Operator::ConnectionTerminationDetails => maybe(
                record.termination_details.as_deref().map(str::as_bytes),
                out,
            ),
            Operator::DownstreamHeaderBytesReceived
            | Operator::DownstreamDecompressedHeaderBytesReceived => {
                number(record.received.head, out)
            }
            Operator::DownstreamHeaderBytesSent
            | Operator::DownstreamDecompressedHeaderBytesSent => number(record.sent.head, out),
            Operator::DownstreamWireBytesReceived => number(record.received.wire, out),
            Operator::DownstreamWireBytesSent => number(record.sent.wire, out),
            Operator::Duration => millis(
                Some(end(&self.exchange).saturating_duration_since(record.start)),
                out,
            ),
            Operator::FilterChainName => {
                maybe(connection.chain.as_deref().map(|c| c.name.as_bytes()), out)
            }
            Operator::Hostname => text(self.hostname.as_bytes(), out),
            Operator::LocalReplyBody => maybe(record.local_reply.as_deref(), out),
            Operator::Protocol => maybe(record.protocol.map(|v| v.as_str().as_bytes()), out),
            Operator::RequestDuration => {
                millis(self.between(Some(record.start), moments.request_end), out)
            }
            Operator::RequestTxDuration => millis(
                self.between(Some(record.start), moments.upstream_tx_end),
                out,
            ),
            Operator::ResponseDuration => millis(
                self.between(Some(record.start), moments.upstream_rx_begin),
                out,
            ),
            Operator::ResponseTxDuration => millis(
                self.between(moments.upstream_rx_begin, moments.downstream_tx_end),
                out,
            ),
            Operator::RequestHeaderBytes => {
                number(request.map_or(0, |r| r.headers.byte_size() as u64), out)
            }
            Operator::ResponseHeaderBytes => number(record.sent.head, out),
            Operator::ResponseTrailerBytes => number(record.response_trailer_bytes, out),
            Operator::RequestedServerName => {
                maybe(connection.sni.as_deref().map(str::as_bytes), out)
            }
            Operator::ResponseCode => number(record.status.into(), out),
            Operator::ResponseCodeDetails => {
                // Envoy replaces blanks, so that text logs keep their columns.
                out.extend(
                    record
                        .details
                        .bytes()
                        .map(|b| if b == b' ' { b'_' } else { b }),
                );
                if record.details.is_empty() {
                    Rendered::Absent
                } else {
                    Rendered::Text
                }
            }
            Operator::ResponseFlags => self.flags(false, out),
            Operator::ResponseFlagsLong => self.flags(true, out),
            Operator::RouteName => maybe(record.route.as_deref().map(|r| r.name.as_bytes()), out),
            Operator::VirtualHostName => maybe(
                record.virtual_host.as_deref().map(|v| v.name.as_bytes()),
                out,
            ),
            Operator::StreamId => maybe(request.and_then(|r| r.headers.get("x-request-id")), out),
            Operator::UniqueId => text(uuid::Uuid::new_v4().to_string().as_bytes(), out),
            upstream => self.upstream(upstream, out),
        }
    }

    fn upstream(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
        let record = self.exchange.record;
        let host = record.host.as_deref();
        match op {
            Operator::UpstreamCluster => maybe(
                record.cluster.as_deref().map(|c| c.stat_name.as_bytes()),
                out,
            ),
            Operator::UpstreamClusterRaw => {
                maybe(record.cluster.as_deref().map(|c| c.name.as_bytes()), out)
            }
            Operator::UpstreamConnectionId => record
                .upstream_connection_id
                .map_or(Rendered::Absent, |n| number(n, out)),
            Operator::UpstreamConnectionPoolReadyDuration => millis(
                self.between(Some(record.start), record.moments.upstream_tx_begin),
                out,
            ),
            Operator::UpstreamHeaderBytesReceived
            | Operator::UpstreamDecompressedHeaderBytesReceived => {
                number(record.upstream_received.head, out)
            }
            Operator::UpstreamHeaderBytesSent | Operator::UpstreamDecompressedHeaderBytesSent => {
                number(record.upstream_sent.head, out)
            }
            Operator::UpstreamWireBytesReceived => number(record.upstream_received.wire, out),
            Operator::UpstreamWireBytesSent => number(record.upstream_sent.wire, out),
            Operator::UpstreamHost => match record.upstream_remote {
                Some(remote) => address(Some(remote), Address::WithPort, out),
                None => host.map_or(Rendered::Absent, |h| endpoint(&h.address, true, out)),
            },
            Operator::UpstreamHostName => {
                host.map_or(Rendered::Absent, |h| match h.hostname.as_ref() {
                    "" => endpoint(&h.address, true, out),
                    name => text(name.as_bytes(), out),
                })
            }
            Operator::UpstreamHostNameWithoutPort => {
                host.map_or(Rendered::Absent, |h| match h.hostname.as_ref() {
                    "" => endpoint(&h.address, false, out),
                    name => text(
                        name.rsplit_once(':').map_or(name, |(n, _)| n).as_bytes(),
                        out,
                    ),
                })
            }
            Operator::UpstreamHostsAttempted | Operator::UpstreamHostNamesAttempted => {
                self.attempted(true, out)
            }
            Operator::UpstreamHostsAttemptedWithoutPort => self.attempted(false, out),
            Operator::UpstreamProtocol => {
                maybe(record.upstream_protocol.map(|v| v.as_str().as_bytes()), out)
            }
            Operator::UpstreamRequestAttemptCount => number(record.attempts.into(), out),
            Operator::UpstreamTransportFailureReason => {
                maybe(record.upstream_failure.as_deref().map(str::as_bytes), out)
            }
            Operator::DownstreamTransportFailureReason => {
                maybe(record.downstream_failure.as_deref().map(str::as_bytes), out)
            }
            tls => self.certificates(tls, out),
        }
    }

    fn attempted(&self, port: bool, out: &mut Vec<u8>) -> Rendered {
        let record = self.exchange.record;
        let all = if record.hosts_attempted.is_empty() {
            record.host.as_slice()
        } else {
            record.hosts_attempted.as_slice()
        };
        let mut rendered = Rendered::Absent;
        for host in all {
            if rendered != Rendered::Absent {
                out.push(b',');
            }
            rendered = endpoint(&host.address, port, out);
        }
        rendered
    }

    fn certificates(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
        use Peer::{DownstreamLocal, DownstreamPeer, UpstreamLocal, UpstreamPeer};
        let version =
            |peer, out: &mut Vec<u8>| maybe(self.tls(peer).map(|t| t.version.as_bytes()), out);
        let cipher =
            |peer, out: &mut Vec<u8>| maybe(self.tls(peer).map(|t| t.cipher.as_bytes()), out);
        match op {
            Operator::DownstreamTlsVersion => version(DownstreamPeer, out),
            Operator::DownstreamTlsCipher => cipher(DownstreamPeer, out),
            Operator::UpstreamTlsVersion => version(UpstreamPeer, out),
            Operator::UpstreamTlsCipher => cipher(UpstreamPeer, out),
            Operator::DownstreamPeerUriSan => self.sans(DownstreamPeer, out, |f| &f.uri_sans),
            Operator::DownstreamPeerDnsSan => self.sans(DownstreamPeer, out, |f| &f.dns_sans),
            Operator::DownstreamPeerSubject => self.fact(DownstreamPeer, out, |f| &f.subject),
            Operator::DownstreamPeerIssuer => self.fact(DownstreamPeer, out, |f| &f.issuer),
            Operator::DownstreamPeerSerial => self.fact(DownstreamPeer, out, |f| &f.serial),
            Operator::DownstreamPeerFingerprint256 => {
                self.fact(DownstreamPeer, out, |f| &f.fingerprint_sha256)
            }
            Operator::DownstreamLocalUriSan => self.sans(DownstreamLocal, out, |f| &f.uri_sans),
            Operator::DownstreamLocalDnsSan => self.sans(DownstreamLocal, out, |f| &f.dns_sans),
            Operator::DownstreamLocalSubject => self.fact(DownstreamLocal, out, |f| &f.subject),
            Operator::UpstreamPeerUriSan => self.sans(UpstreamPeer, out, |f| &f.uri_sans),
            Operator::UpstreamPeerDnsSan => self.sans(UpstreamPeer, out, |f| &f.dns_sans),
            Operator::UpstreamPeerSubject => self.fact(UpstreamPeer, out, |f| &f.subject),
            Operator::UpstreamPeerIssuer => self.fact(UpstreamPeer, out, |f| &f.issuer),
            Operator::UpstreamLocalUriSan => self.sans(UpstreamLocal, out, |f| &f.uri_sans),
            Operator::UpstreamLocalDnsSan => self.sans(UpstreamLocal, out, |f| &f.dns_sans),
            Operator::UpstreamLocalSubject => self.fact(UpstreamLocal, out, |f| &f.subject),
            // Facts that rustls and the kernel do not give us: absent, as in Envoy without them.
            _ => Rendered::Absent,
        }
    }
}
