//! What the connection manager does to request headers before routing, in Envoy's order
//! (`ConnectionManagerUtility::mutateRequestHeaders`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

use super::request_id;
use crate::config::Hcm;
use crate::config::hcm::{ForwardClientCert, StripPort, Underscores};
use crate::http::{HeaderId, RequestHead, Scheme, Version, has_token};
use crate::observe::record::{ConnectionFacts, RequestRecord, ResponseFlags};

/// Why a request is refused before routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) details: &'static str,
    pub(crate) body: &'static str,
    pub(crate) flags: ResponseFlags,
    /// The connection is closed after the answer.
    pub(crate) close: bool,
}

fn refuse(status: u16, details: &'static str) -> Refusal {
    Refusal {
        status,
        details,
        body: "",
        flags: ResponseFlags::default(),
        close: true,
    }
}

/// Checks and rewrites the headers of a request from `connection`.
pub(crate) fn process(
    hcm: &Hcm,
    connection: &ConnectionFacts,
    head: &mut RequestHead,
    record: &mut RequestRecord,
    random: impl FnMut() -> u64,
) -> Result<(), Refusal> {
    record.is_grpc = head.is_grpc();
    check_host(hcm, head)?;
    check_path(head)?;
    check_underscores(hcm, head)?;
    strip_host(hcm, connection, head);
    ignore_upgrades(hcm, head);
    remove_hop_by_hop(head)?;
    let edge = set_origin(hcm, connection, head, record);
    if hcm.add_user_agent {
        add_user_agent(hcm, head);
    }
    request_id::set(hcm, head, edge, random);
    if hcm.forward_client_cert != ForwardClientCert::AlwaysForwardOnly {
        super::xfcc::mutate(hcm, connection, head);
    }
    Ok(())
}

fn check_host(hcm: &Hcm, head: &mut RequestHead) -> Result<(), Refusal> {
    if head.host_present {
        return Ok(());
    }
    match &hcm.http1.default_host_for_http_10 {
        Some(host) if head.version == Version::Http10 => {
            head.set_authority(host.as_bytes());
            head.host_present = true;
            Ok(())
        }
        _ => Err(refuse(400, "missing_host_header")),
    }
}

fn check_path(head: &RequestHead) -> Result<(), Refusal> {
    let path = head.path();
    if head.is_connect() && head.protocol().is_empty() {
        return Ok(());
    }
    if path.first() != Some(&b'/') {
        return Err(Refusal {
            close: false,
            ..refuse(404, "absolute_path_rejected")
        });
    }
    if path.contains(&b'#') {
        return Err(refuse(400, "path_normalization_failed"));
    }
    Ok(())
}

fn check_underscores(hcm: &Hcm, head: &mut RequestHead) -> Result<(), Refusal> {
    match hcm.underscores {
        Underscores::Allow => Ok(()),
        Underscores::Drop => {
            head.headers.retain(|name, _| !name.contains(&b'_'));
            Ok(())
        }
        Underscores::Reject if head.headers.iter().any(|(_, name, _)| name.contains(&b'_')) => {
            Err(refuse(400, "http1.unexpected_underscore"))
        }
        Underscores::Reject => Ok(()),
    }
}

/// Upgrades that are answered as if they had not been asked for.
fn ignore_upgrades(hcm: &Hcm, head: &mut RequestHead) {
    if hcm.http1.ignore_upgrade.is_empty() || !head.protocol().is_empty() {
        return;
    }
    let ignored = head.upgrade().is_some_and(|kind| {
        hcm.http1
            .ignore_upgrade
            .iter()
            .any(|rule| rule.matches(kind))
    });
    if ignored {
        head.headers.retain_ids(|id| {
            !matches!(
                id,
                HeaderId::Upgrade | HeaderId::Connection | HeaderId::Http2Settings
            )
        });
    }
}

fn strip_host(hcm: &Hcm, connection: &ConnectionFacts, head: &mut RequestHead) {
    if hcm.strip_port == StripPort::Keep && !hcm.strip_trailing_host_dot {
        return;
    }
    let authority = head.authority();
    let bare = crate::config::route_match::without_port(authority);
    let port = authority
        .get(bare.len() + 1..)
        .and_then(|port| std::str::from_utf8(port).ok()?.parse::<u16>().ok());
    let strip = match hcm.strip_port {
        StripPort::Keep => false,
        StripPort::Matching => port == Some(connection.local.port()) && !head.is_connect(),
        StripPort::Any => port.is_some() && !head.is_connect(),
    };
    let name = if hcm.strip_trailing_host_dot {
        bare.strip_suffix(b".").unwrap_or(bare)
    } else {
        bare
    };
    let mut wanted = name.to_vec();
    if !strip {
        wanted.extend_from_slice(&authority[bare.len()..]);
    }
    if wanted != authority {
        head.set_authority(&wanted);
    }
}

/// RFC 9110 §7.6.1. An upgrade keeps its two fields until the route has allowed it.
fn remove_hop_by_hop(head: &mut RequestHead) -> Result<(), Refusal> {
    if head.headers.has_id(HeaderId::Connection) {
        remove_nominated(head)?;
    }
    let upgrade = head.upgrade().is_some();
    let trailers =
        head.headers.has_id(HeaderId::Te) && has_token(&head.headers, HeaderId::Te, b"trailers");
    head.headers.retain_ids(|id| match id {
        HeaderId::Connection | HeaderId::Upgrade => upgrade,
        HeaderId::KeepAlive
        | HeaderId::ProxyConnection
        | HeaderId::TransferEncoding
        | HeaderId::Http2Settings
        | HeaderId::XEnvoyInternal => false,
        HeaderId::Te => trailers,
        _ => true,
    });
    if trailers {
        head.headers.set_id(HeaderId::Te, b"trailers");
    }
    Ok(())
}

fn remove_nominated(head: &mut RequestHead) -> Result<(), Refusal> {
    let mut names: smallvec::SmallVec<[String; 4]> = smallvec::SmallVec::new();
    for value in head.headers.all_id(HeaderId::Connection) {
        for token in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            let known = [
                &b"close"[..],
                b"keep-alive",
                b"upgrade",
                b"te",
                b"http2-settings",
            ];
            if token.is_empty() || known.iter().any(|name| token.eq_ignore_ascii_case(name)) {
                continue;
            }
            names.push(String::from_utf8_lossy(token).to_ascii_lowercase());
        }
    }
    for name in names {
        match name.as_str() {
            // As Envoy: what a sender calls a connection option is not for the next hop, the host included.
            "host" => {
                head.set_authority(b"");
                return Err(refuse(400, "missing_host_header"));
            }
            // What the proxies in front have said is not the sender's to take away.
            "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" => {
                // Envoy's codec refuses the head, which the log then does not show.
                head.clear();
                return Err(Refusal {
                    status: 400,
                    details: "http1.connection_header_rejected",
                    body: "Bad Request",
                    flags: ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
                    close: true,
                });
            }
            name => {
                head.headers.remove(name);
            }
        }
    }
    Ok(())
}

/// Client address, `x-forwarded-for`, `x-forwarded-proto`, internal or external. Says whether this is an edge request.
fn set_origin(
    hcm: &Hcm,
    connection: &ConnectionFacts,
    head: &mut RequestHead,
    record: &mut RequestRecord,
) -> bool {
    let peer = connection.direct_remote;
    let scheme = if connection.tls.is_some() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let (remote, single) = if hcm.use_remote_address {
        let hops = hcm.xff_num_trusted_hops as usize;
        let single = !head.headers.has_id(HeaderId::XForwardedFor);
        let trusted = hops
            .checked_sub(1)
            .and_then(|skip| from_xff(head, skip))
            .map(|(address, _)| address);
        if !hcm.skip_xff_append {
            append_xff(hcm, forwarded_for(peer.ip()), head);
        }
        if hops == 0 || !head.headers.has_id(HeaderId::XForwardedProto) {
            head.headers
                .set_id(HeaderId::XForwardedProto, scheme.as_str().as_bytes());
        }
        if hcm.append_x_forwarded_port
            && (hops == 0 || !head.headers.has_id(HeaderId::XForwardedPort))
        {
            let mut digits = itoa::Buffer::new();
            let port = digits.format(connection.local.port());
            head.headers
                .set_id(HeaderId::XForwardedPort, port.as_bytes());
        }
        (
            trusted.map_or(Some(peer), |ip| Some(SocketAddr::new(ip, 0))),
            single,
        )
    } else {
        match from_xff(head, hcm.xff_num_trusted_hops as usize) {
            Some((address, single)) => (Some(SocketAddr::new(address, 0)), single),
            None => (None, false),
        }
    };
    if !head.headers.has_id(HeaderId::XForwardedProto) {
        head.headers
            .append_id(HeaderId::XForwardedProto, scheme.as_str().as_bytes());
    }
    head.scheme = match &hcm.scheme_to_overwrite {
        Some(scheme) if &**scheme == "https" => Scheme::Https,
        Some(_) => Scheme::Http,
        None => match head.headers.get_id(HeaderId::XForwardedProto) {
            Some(b"https") => Scheme::Https,
            Some(b"http") => Scheme::Http,
            _ => scheme,
        },
    };
    if let Some(via) = &hcm.via {
        head.headers.join_id(HeaderId::Via, ", ", via.as_bytes());
    }
    let internal =
        single && remote.is_some_and(|remote| hcm.internal_addresses.contains(remote.ip()));
    let edge = !internal && hcm.use_remote_address;
    record.internal = internal;
    record.remote = Some(remote.unwrap_or(peer));
    if internal {
        head.headers.append_id(HeaderId::XEnvoyInternal, b"true");
    } else {
        clean_internal(head, edge);
    }
    if edge {
        let address = remote.unwrap_or(peer).ip().to_string();
        head.headers
            .set_id(HeaderId::XEnvoyExternalAddress, address.as_bytes());
    }
    edge
}

/// This host's own address, found out once.
fn host_address() -> IpAddr {
    static HOST: LazyLock<IpAddr> = LazyLock::new(net::socket::host_address);
    *HOST
}

/// A client on this host is passed on by the host's own address, as in Envoy.
fn forwarded_for(peer: IpAddr) -> IpAddr {
    if peer == IpAddr::V4(Ipv4Addr::LOCALHOST) || peer == IpAddr::V6(Ipv6Addr::LOCALHOST) {
        host_address()
    } else {
        peer
    }
}

/// A copy of a request comes from this host and from inside, whoever sent the original (Envoy's `AsyncStreamImpl`).
pub(crate) fn sign_copy(head: &mut RequestHead) {
    let address = host_address().to_string();
    head.headers
        .join_id(HeaderId::XForwardedFor, ",", address.as_bytes());
    head.headers.set_id(HeaderId::XEnvoyInternal, b"true");
}

fn append_xff(hcm: &Hcm, address: IpAddr, head: &mut RequestHead) {
    use std::io::Write;
    let mut text = [0_u8; 64];
    let mut out = &mut text[..];
    let written = match address {
        IpAddr::V4(v4) if hcm.represent_ipv4_as_mapped_ipv6 => {
            write!(out, "{}", v4.to_ipv6_mapped())
        }
        other => write!(out, "{other}"),
    };
    let left = out.len();
    if written.is_ok() {
        let n = text.len() - left;
        head.headers
            .join_id(HeaderId::XForwardedFor, ",", &text[..n]);
    }
}

/// The address `skip` places from the end of `x-forwarded-for`, and whether it is the only one.
fn from_xff(head: &RequestHead, skip: usize) -> Option<(IpAddr, bool)> {
    let value = std::str::from_utf8(head.headers.all_id(HeaderId::XForwardedFor).last()?).ok()?;
    let single = !value.contains(',') && head.headers.all_id(HeaderId::XForwardedFor).count() == 1;
    let text = value.rsplit(',').nth(skip)?.trim();
    text.parse().ok().map(|address: IpAddr| (address, single))
}

/// Fields that only internal clients may set.
fn clean_internal(head: &mut RequestHead, edge: bool) {
    head.headers.retain_ids(|id| match id {
        HeaderId::XEnvoyDecoratorOperation
        | HeaderId::XEnvoyDownstreamServiceCluster
        | HeaderId::XEnvoyDownstreamServiceNode => !edge,
        HeaderId::XEnvoyRetryOn
        | HeaderId::XEnvoyRetryGrpcOn
        | HeaderId::XEnvoyMaxRetries
        | HeaderId::XEnvoyUpstreamAltStatName
        | HeaderId::XEnvoyUpstreamRqTimeoutMs
        | HeaderId::XEnvoyUpstreamRqPerTryTimeoutMs
        | HeaderId::XEnvoyUpstreamRqTimeoutAltResponse
        | HeaderId::XEnvoyExpectedRqTimeoutMs
        | HeaderId::XEnvoyForceTrace
        | HeaderId::XEnvoyIpTags
        | HeaderId::XEnvoyOriginalPath
        | HeaderId::XEnvoyOriginalHost
        | HeaderId::XEnvoyRetriableStatusCodes
        | HeaderId::XEnvoyRetriableHeaderNames
        | HeaderId::XEnvoyHedgeOnPerTryTimeout => false,
        _ => true,
    });
}

fn add_user_agent(hcm: &Hcm, head: &mut RequestHead) {
    let name = hcm.server_name.as_bytes();
    head.headers
        .set_id(HeaderId::XEnvoyDownstreamServiceCluster, name);
    if !head.headers.has_id(HeaderId::UserAgent) {
        head.headers.append_id(HeaderId::UserAgent, name);
    }
}
