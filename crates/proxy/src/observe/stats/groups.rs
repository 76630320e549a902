//! The sets of stats, by what they belong to (Envoy: cluster manager, HTTP connection manager, listener
//! and TCP proxy statistics).

use super::cell::group;

group! {
    /// `cluster.<name>.`
    ClusterGroup {
        upstream_cx_total: Counter,
        upstream_cx_active: Gauge,
        upstream_cx_http1_total: Counter,
        upstream_cx_http2_total: Counter,
        upstream_cx_connect_fail: Counter,
        upstream_cx_connect_timeout: Counter,
        upstream_cx_overflow: Counter,
        upstream_cx_rx_bytes_total: Counter,
        upstream_cx_tx_bytes_total: Counter,
        upstream_rq_total: Counter,
        upstream_rq_completed: Counter,
        upstream_rq_1xx: Counter,
        upstream_rq_2xx: Counter,
        upstream_rq_3xx: Counter,
        upstream_rq_4xx: Counter,
        upstream_rq_5xx: Counter,
        upstream_rq_timeout: Counter,
        upstream_rq_retry: Counter,
        upstream_rq_retry_success: Counter,
        upstream_rq_retry_limit_exceeded: Counter,
        upstream_rq_retry_overflow: Counter,
        upstream_rq_pending_overflow: Counter,
        upstream_rq_rx_reset: Counter,
        upstream_rq_replayed: Counter,
    }
}

group! {
    /// `cluster.<name>.outlier_detection.`, written by the ejector alone.
    OutlierGroup {
        ejections_active: Gauge,
        ejections_enforced_total: Counter,
        ejections_overflow: Counter,
        ejections_detected_consecutive_5xx: Counter,
        ejections_detected_consecutive_gateway_failure: Counter,
        ejections_detected_consecutive_local_origin_failure: Counter,
        ejections_detected_success_rate: Counter,
        ejections_detected_local_origin_success_rate: Counter,
        ejections_detected_failure_percentage: Counter,
        ejections_detected_local_origin_failure_percentage: Counter,
        ejections_enforced_consecutive_5xx: Counter,
        ejections_enforced_consecutive_gateway_failure: Counter,
        ejections_enforced_consecutive_local_origin_failure: Counter,
        ejections_enforced_success_rate: Counter,
        ejections_enforced_local_origin_success_rate: Counter,
        ejections_enforced_failure_percentage: Counter,
        ejections_enforced_local_origin_failure_percentage: Counter,
    }
}

group! {
    /// `http.<stat_prefix>.`
    HttpGroup {
        downstream_rq_total: Counter,
        downstream_rq_completed: Counter,
        downstream_rq_http1_total: Counter,
        downstream_rq_http2_total: Counter,
        downstream_rq_1xx: Counter,
        downstream_rq_2xx: Counter,
        downstream_rq_3xx: Counter,
        downstream_rq_4xx: Counter,
        downstream_rq_5xx: Counter,
        downstream_rq_timeout: Counter,
        downstream_rq_idle_timeout: Counter,
        downstream_rq_rx_reset: Counter,
        downstream_cx_protocol_error: Counter,
        downstream_cx_rx_bytes_total: Counter,
        downstream_cx_tx_bytes_total: Counter,
        no_route: Counter,
        no_cluster: Counter,
        rq_direct_response: Counter,
        rq_total: Counter,
    }
}

group! {
    /// `listener.<address>.`
    ListenerGroup {
        downstream_cx_total: Counter,
        downstream_cx_active: Gauge,
        downstream_cx_destroy: Counter,
        no_filter_chain_match: Counter,
        downstream_listener_filter_error: Counter,
    }
}

group! {
    /// `tcp.<stat_prefix>.`
    TcpGroup {
        downstream_cx_total: Counter,
        downstream_cx_no_route: Counter,
        downstream_cx_rx_bytes_total: Counter,
        downstream_cx_tx_bytes_total: Counter,
        idle_timeout: Counter,
    }
}
