//! What the data plane reports as it happens. Each hook is called once for its event.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::counted::listener_name;
use super::local::{Local, with};
use super::log::ExchangeContext;
use super::record::{ConnectionFacts, Cut, Exchange, RequestRecord, ResponseFlags};
use super::recorder::Failure;
use super::stats::{ClusterGroup, HttpGroup, Slot};
use crate::config::access_log::LogView;
use crate::config::hcm::Hcm;
use crate::config::listener::TcpProxy;
use crate::config::matcher::HeaderMatcher;
use crate::config::{AccessLog, Cluster, Listener, LogFormat};
use crate::upstream::ConnectError;
use crate::worker::Worker;

/// A request is over: answered, reset, or its client is gone.
pub fn on_request_complete(_worker: &Worker, hcm: &Hcm, exchange: &Exchange<'_>) {
    with(|local| {
        count_downstream(local, hcm, exchange);
        count_upstream(local, exchange);
        log(local, &hcm.access_logs, exchange);
        record(local, exchange);
    });
}

fn count_downstream(local: &mut Local, hcm: &Hcm, exchange: &Exchange<'_>) {
    let record = exchange.record;
    let worker = local.worker;
    let slot = local.http(&hcm.stat_prefix).slot(worker);
    let group = &slot.group;
    group.downstream_cx_rx_bytes_total.add(record.received.wire);
    group.downstream_cx_tx_bytes_total.add(record.sent.wire);
    if record.status > 0 {
        group.downstream_rq_completed.inc();
        match record.status / 100 {
            1 => group.downstream_rq_1xx.inc(),
            2 => group.downstream_rq_2xx.inc(),
            3 => group.downstream_rq_3xx.inc(),
            4 => group.downstream_rq_4xx.inc(),
            _ => group.downstream_rq_5xx.inc(),
        }
    }
    let flags = record.flags;
    for (flag, cell) in [
        (ResponseFlags::NO_ROUTE_FOUND, &group.no_route),
        (ResponseFlags::NO_CLUSTER_FOUND, &group.no_cluster),
        (
            ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
            &group.downstream_cx_protocol_error,
        ),
        (
            ResponseFlags::STREAM_IDLE_TIMEOUT,
            &group.downstream_rq_idle_timeout,
        ),
    ] {
        if !flags.is_empty() && flags.contains(flag) {
            cell.inc();
        }
    }
    // Envoy counts each reset as one that was received, its own as well.
    if record.cut.is_some() {
        group.downstream_rq_rx_reset.inc();
    }
    if record.cut == Some(Cut::Proxy) {
        group.downstream_rq_tx_reset.inc();
    }
    if record.routed {
        group.rq_total.inc();
    }
    if record.details == "direct_response" {
        group.rq_direct_response.inc();
    }
    slot.time.record(elapsed(exchange));
}

fn count_upstream(local: &mut Local, exchange: &Exchange<'_>) {
    let record = exchange.record;
    let Some(cluster) = &record.cluster else {
        return;
    };
    let worker = local.worker;
    let slot = local.cluster(cluster).slot(worker);
    let group = &slot.group;
    group
        .upstream_cx_rx_bytes_total
        .add(record.upstream_received.wire);
    group
        .upstream_cx_tx_bytes_total
        .add(record.upstream_sent.wire);
    if record.replays > 0 {
        group.upstream_rq_replayed.add(record.replays.into());
    }
    if (record.status >= 200 || record.status == 101) && record.routed && record.charged {
        let status = match record.reply_status {
            0 => record.status,
            status => status,
        };
        count_response(slot, status);
        slot.time.record(elapsed(exchange));
    }
    if record
        .flags
        .contains(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED)
    {
        group.upstream_rq_retry_limit_exceeded.inc();
    }
}

fn count_response(slot: &Slot<ClusterGroup>, status: u16) {
    let group = &slot.group;
    group.upstream_rq_completed.inc();
    slot.codes.count(status);
    match status / 100 {
        1 => group.upstream_rq_1xx.inc(),
        2 => group.upstream_rq_2xx.inc(),
        3 => group.upstream_rq_3xx.inc(),
        4 => group.upstream_rq_4xx.inc(),
        _ => group.upstream_rq_5xx.inc(),
    }
}

fn elapsed(exchange: &Exchange<'_>) -> u64 {
    let end = exchange.record.moments.end.unwrap_or_else(Instant::now);
    end.saturating_duration_since(exchange.record.start)
        .as_millis() as u64
}

/// A TCP connection through `tcp_proxy` is over.
pub fn on_tcp_complete(_worker: &Worker, proxy: &TcpProxy, exchange: &Exchange<'_>) {
    with(|local| {
        let worker = local.worker;
        let group = &local.tcp(&proxy.stat_prefix).slot(worker).group;
        group.downstream_cx_total.inc();
        group
            .downstream_cx_rx_bytes_total
            .add(exchange.record.received.wire);
        group
            .downstream_cx_tx_bytes_total
            .add(exchange.record.sent.wire);
        let flags = exchange.record.flags;
        if flags.contains(ResponseFlags::NO_ROUTE_FOUND)
            || flags.contains(ResponseFlags::NO_CLUSTER_FOUND)
        {
            group.downstream_cx_no_route.inc();
        }
        log(local, &proxy.access_logs, exchange);
        log(local, &exchange.connection.listener.access_logs, exchange);
        record(local, exchange);
    });
}

fn in_cluster(cluster: &Cluster, count: impl FnOnce(&ClusterGroup)) {
    with(|local| {
        let worker = local.worker;
        count(&local.cluster(&cluster.info).slot(worker).group);
    });
}

/// A request got its connection.
pub fn on_attempt(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_rq_total.inc());
}

/// The retry policy asks for another attempt, after a response with this status or after a failure.
pub fn on_retry(_worker: &Worker, cluster: &Cluster, status: Option<u16>) {
    with(|local| {
        let worker = local.worker;
        let slot = local.cluster(&cluster.info).slot(worker);
        slot.group.upstream_rq_retry.inc();
        slot.group.upstream_rq_retry_backoff_exponential.inc();
        if let Some(status) = status {
            slot.retried.count(status);
        }
    });
}

/// An endpoint answered that whose answer is not that of the request: a copy, or in the interim.
pub fn on_response(_worker: &Worker, cluster: &Cluster, status: u16) {
    with(|local| {
        let worker = local.worker;
        count_response(local.cluster(&cluster.info).slot(worker), status);
    });
}

/// What came after a retry is not to be retried.
pub fn retry_success(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_rq_retry_success.inc());
}

/// The route's timeout passed.
pub fn response_timeout(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_rq_timeout.inc());
}

/// The limit of one attempt passed; `idle`: that between its bytes.
pub fn per_try_timeout(_worker: &Worker, cluster: &Cluster, idle: bool) {
    in_cluster(cluster, |group| {
        if idle {
            group.upstream_rq_per_try_idle_timeout.inc();
        } else {
            group.upstream_rq_per_try_timeout.inc();
        }
    });
}

/// `upstream_cx_none_healthy`
pub fn none_healthy(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_cx_none_healthy.inc());
}

/// `upstream_cx_overflow`
pub fn connection_overflow(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_cx_overflow.inc());
}

/// `upstream_rq_pending_overflow`
pub fn pending_overflow(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_rq_pending_overflow.inc());
}

/// `upstream_rq_active_overflow`
pub fn active_overflow(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_rq_active_overflow.inc());
}

/// Too few of the cluster's endpoints are healthy to go by that.
pub fn healthy_panic(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.lb_healthy_panic.inc());
}

/// `upstream_cx_connect_attempts_exceeded`
pub fn connect_attempts_exceeded(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| {
        group.upstream_cx_connect_attempts_exceeded.inc()
    });
}

/// Counts in the connection manager's group what is rare.
pub fn in_http(_worker: &Worker, hcm: &Hcm, count: impl FnOnce(&HttpGroup)) {
    with(|local| {
        let worker = local.worker;
        count(&local.http(&hcm.stat_prefix).slot(worker).group);
    });
}

/// A TCP session was idle for too long.
pub fn tcp_idle(_worker: &Worker, proxy: &TcpProxy) {
    with(|local| {
        let worker = local.worker;
        let group = &local.tcp(&proxy.stat_prefix).slot(worker).group;
        group.idle_timeout.inc();
    });
}

/// No filter chain takes the connection.
pub fn no_filter_chain(_worker: &Worker, listener: &Listener) {
    with(|local| {
        let worker = local.worker;
        let scope = local.listener(&listener_name(listener)).clone();
        scope.slot(worker).group.no_filter_chain_match.inc();
    });
}

/// `upstream_rq_retry_overflow`
pub fn retry_overflow(_worker: &Worker, cluster: &Cluster) {
    in_cluster(cluster, |group| group.upstream_rq_retry_overflow.inc());
}

/// `upstream_cx_connect_fail` and its kin.
pub fn connect_failed(_worker: &Worker, cluster: &Cluster, error: &ConnectError) {
    let timeout = error.is_timeout();
    in_cluster(cluster, |group| {
        group.upstream_cx_connect_fail.inc();
        if timeout {
            group.upstream_cx_connect_timeout.inc();
        }
    });
}

/// A connection was closed without a response; `cause` is a stable word. Nothing is closed silently.
pub fn closed_without_response(
    _worker: &Worker,
    connection: &ConnectionFacts,
    cause: &'static str,
) {
    with(|local| {
        local
            .observe
            .stats
            .add(&format!("ferromesh.closed_without_response.{cause}"), 1);
        local.observe.recorder.keep(Failure {
            request_id: String::new(),
            at_ms: unix_ms(connection.started_wall),
            listener: connection.listener.name.to_string(),
            authority: connection.sni.as_deref().unwrap_or_default().to_owned(),
            method: String::new(),
            path: String::new(),
            status: 0,
            flags: String::new(),
            details: String::new(),
            cause: cause.to_owned(),
            text: format!(
                "connection from {} closed without a response",
                connection.direct_remote
            ),
            cluster: String::new(),
            upstream: String::new(),
            attempts: 0,
            duration_ms: connection.started.elapsed().as_millis() as u64,
        });
    });
}

fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

fn log(local: &mut Local, logs: &[Arc<AccessLog>], exchange: &Exchange<'_>) {
    if logs.is_empty() {
        return;
    }
    let observe = local.observe.clone();
    let context = ExchangeContext {
        exchange: *exchange,
        hostname: &observe.hostname,
    };
    for log in logs {
        if log
            .filter
            .as_ref()
            .is_some_and(|filter| !filter.admits(&context, fastrand::u64(..)))
        {
            continue;
        }
        local.line(log, |out, scratch| match &log.format {
            LogFormat::Text(program) => program.render(&context, out),
            LogFormat::Json(template) => {
                template.render_with(&context, out, scratch);
                out.push(b'\n');
            }
        });
    }
}

/// Failures that the proxy made itself go to the flight recorder.
fn record(local: &Local, exchange: &Exchange<'_>) {
    let record = exchange.record;
    if record.flags.is_empty() && record.cause.is_none() {
        return;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = exchange.request;
    let flags: Vec<&str> = record.flags.iter().map(|(short, _)| short).collect();
    let (code, sentence) = record
        .cause
        .as_ref()
        .map_or_else(|| super::cause::of(record.flags), |c| (c.code, &*c.text));
    local.observe.recorder.keep(Failure {
        request_id: request
            .and_then(|r| r.headers.get("x-request-id"))
            .map(text)
            .unwrap_or_default(),
        at_ms: unix_ms(record.start_wall),
        listener: exchange.connection.listener.name.to_string(),
        authority: request.map(|r| text(r.authority())).unwrap_or_default(),
        method: request.map(|r| text(r.method())).unwrap_or_default(),
        path: request
            .map(|r| text(r.path().split(|b| *b == b'?').next().unwrap_or_default()))
            .unwrap_or_default(),
        status: record.status,
        flags: flags.join(","),
        details: record.details.to_string(),
        cause: code.to_owned(),
        text: sentence.to_owned(),
        cluster: record
            .cluster
            .as_ref()
            .map(|c| c.name.to_string())
            .unwrap_or_default(),
        upstream: record
            .upstream_remote
            .map(|a| a.to_string())
            .unwrap_or_default(),
        attempts: record.attempts,
        duration_ms: elapsed(exchange),
    });
}

impl LogView for ExchangeContext<'_> {
    fn status(&self) -> u64 {
        self.exchange.record.status.into()
    }

    fn duration_ms(&self) -> u64 {
        elapsed(&self.exchange)
    }

    fn is_health_check(&self) -> bool {
        self.exchange.record.healthcheck
    }

    fn stable_random(&self) -> u64 {
        self.exchange.record.random
    }

    fn has_flag(&self, short_name: &str) -> bool {
        self.exchange
            .record
            .flags
            .iter()
            .any(|(short, _)| short == short_name)
    }

    fn has_any_flag(&self) -> bool {
        !self.exchange.record.flags.is_empty()
    }

    fn grpc_status(&self) -> Option<u8> {
        self.exchange.record.grpc_status
    }

    fn log_type(&self) -> i32 {
        0
    }

    fn header_matches(&self, matcher: &HeaderMatcher) -> bool {
        matcher.matches(&self.exchange)
    }
}

/// A connection is over: its listener logs it, whatever else was logged of it. Envoy's `ActiveTcpConnection` does so for
/// every connection; Istio's filter lets through those that no filter chain took.
pub fn on_connection_end(connection: &ConnectionFacts, record: &RequestRecord) {
    let logs = &connection.listener.access_logs;
    if logs.is_empty() {
        return;
    }
    let exchange = Exchange {
        record,
        connection,
        request: None,
        response: None,
        trailers: None,
    };
    with(|local| log(local, logs, &exchange));
}
