//! What a proxy counts while a case runs: the counters of `/stats`, summed over clusters, connection managers, listeners
//! and TCP proxies.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::http1::Conn;
use super::net::{ADMIN, MARK};

/// Counts by `domain.stat`.
pub(crate) type Counts = BTreeMap<String, i64>;

/// Scopes that are not the case's: the admin interface, the marks between cases, the control plane, Envoy's own client.
const OTHERS: &[&str] = &["admin", "mark", "xds-grpc", "async-client"];

/// What is not compared: by how a stat's name begins or ends.
const LEFT_OUT: &[(&str, &str)] = &[
    // Lengths of numbers and dates vary; so do times, and how bytes come in pieces.
    ("", "bytes_total"),
    ("", "bytes_buffered"),
    ("", "_ms"),
    ("", "_time"),
    ("", "_per_cx"),
    ("", "_per_socket_event"),
    ("upstream_flow_control_", ""),
    ("downstream_flow_control_", ""),
    ("upstream_flush_", ""),
    // Configuration, which the exact pushes are about.
    ("version", ""),
    ("update_", ""),
    ("max_host_weight", ""),
    // That an idle connection ended is noticed at once by Envoy, and when it is next looked at, or within a second, by
    // ours: either may fall into the next case.
    ("upstream_cx_active", ""),
    ("upstream_cx_destroy", "destroy"),
    ("upstream_cx_destroy_local", "local"),
    ("upstream_cx_destroy_remote", "remote"),
    ("upstream_cx_close_notify", ""),
    ("downstream_cx_delayed_close_timeout", ""),
    ("circuit_breakers.", ""),
    // Our pools learn how long a peer keeps idle connections, and do not reuse older ones: whether a case begins with a
    // new one depends on what came before.
    ("upstream_cx_total", ""),
    ("upstream_cx_http1_total", ""),
    ("upstream_cx_http2_total", ""),
    ("upstream_rq_pending_total", ""),
    // Depends on the order in which Envoy's own parts hear of an end.
    ("downstream_rq_response_before_rq_complete", ""),
    // What rustls does not tell, and OCSP, which is off.
    ("ssl.sigalgs.", ""),
    ("ssl.ocsp_", ""),
    // The engines prefer other groups and suites among those that are allowed.
    ("ssl.curves.", ""),
    ("ssl.ciphers.", ""),
    ("ssl.versions.", ""),
];

/// Everything counted so far.
pub(crate) fn read(proxy: Ipv4Addr) -> Counts {
    let mut counts = Counts::new();
    for (name, value) in fetch(proxy) {
        if let Some(stat) = stat(&name) {
            *counts.entry(stat).or_default() += value;
        }
    }
    counts
}

/// What came since.
pub(crate) fn since(before: &Counts, now: &Counts) -> Counts {
    now.iter()
        .map(|(name, value)| (name, value - before.get(name).copied().unwrap_or(0)))
        .filter(|(_, more)| *more != 0)
        .map(|(name, more)| (name.clone(), more))
        .collect()
}

/// The domain and the stat of a full name; `None` where it is not compared.
fn stat(name: &str) -> Option<String> {
    let (domain, rest) = name.split_once('.')?;
    if !matches!(domain, "cluster" | "http" | "listener" | "tcp") {
        return None;
    }
    let mark = format!("_{MARK}.");
    let of_others = OTHERS.iter().any(|scope| {
        rest.strip_prefix(scope)
            .is_some_and(|rest| rest.starts_with('.'))
    });
    // Envoy counts these once more by worker, by listener and by the side that the request came from.
    let again = [".worker_", ".http.", ".internal.", ".external."]
        .iter()
        .any(|part| rest.contains(part));
    // Groups within a scope keep their name.
    let groups = [
        ".retry.",
        ".outlier_detection.",
        ".ssl.",
        ".circuit_breakers.",
    ];
    let group = groups.iter().find_map(|group| rest.find(group));
    let stat = match group {
        Some(at) => &rest[at + 1..],
        None => rest.rsplit('.').next()?,
    };
    let left_out = LEFT_OUT
        .iter()
        .any(|(start, end)| stat.starts_with(start) && stat.ends_with(end));
    if of_others || again || left_out || rest.contains(&mark) {
        return None;
    }
    Some(format!("{domain}.{stat}"))
}

fn fetch(proxy: Ipv4Addr) -> Vec<(String, i64)> {
    let mut admin = Conn::connect(proxy, (proxy, ADMIN)).expect("the admin interface");
    admin.send(b"GET /stats HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    let mut answer = admin.head().expect("an answer of the admin interface");
    admin.response_body(&mut answer, "GET");
    assert!(answer.complete, "stats are cut short");
    String::from_utf8_lossy(&answer.body)
        .lines()
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}
