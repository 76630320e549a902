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
        upstream_cx_connect_attempts_exceeded: Counter,
        upstream_cx_overflow: Counter,
        upstream_cx_none_healthy: Counter,
        upstream_cx_destroy: Counter,
        upstream_cx_destroy_local: Counter,
        upstream_cx_destroy_remote: Counter,
        upstream_cx_destroy_with_active_rq: Counter,
        upstream_cx_destroy_local_with_active_rq: Counter,
        upstream_cx_destroy_remote_with_active_rq: Counter,
        upstream_cx_idle_timeout: Counter,
        upstream_cx_max_requests: Counter,
        upstream_cx_protocol_error: Counter,
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
        upstream_rq_per_try_timeout: Counter,
        upstream_rq_per_try_idle_timeout: Counter,
        upstream_rq_max_duration_reached: Counter,
        upstream_rq_cancelled: Counter,
        upstream_rq_pending_total: Counter,
        upstream_rq_pending_active: Gauge,
        upstream_rq_pending_failure_eject: Counter,
        upstream_rq_retry: Counter,
        upstream_rq_retry_backoff_exponential: Counter,
        upstream_rq_retry_success: Counter,
        upstream_rq_retry_limit_exceeded: Counter,
        upstream_rq_retry_overflow: Counter,
        upstream_rq_pending_overflow: Counter,
        upstream_rq_active_overflow: Counter,
        lb_healthy_panic: Counter,
        upstream_rq_rx_reset: Counter,
        upstream_rq_tx_reset: Counter,
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
        downstream_cx_total: Counter,
        downstream_cx_active: Gauge,
        downstream_cx_destroy: Counter,
        downstream_cx_destroy_local: Counter,
        downstream_cx_destroy_remote: Counter,
        downstream_cx_destroy_active_rq: Counter,
        downstream_cx_destroy_remote_active_rq: Counter,
        downstream_cx_delayed_close_timeout: Counter,
        downstream_cx_upgrades_total: Counter,
        downstream_cx_upgrades_active: Gauge,
        downstream_cx_http1_total: Counter,
        downstream_cx_http1_active: Gauge,
        downstream_cx_http2_total: Counter,
        downstream_cx_http2_active: Gauge,
        downstream_cx_ssl_total: Counter,
        downstream_cx_ssl_active: Gauge,
        downstream_rq_total: Counter,
        downstream_rq_active: Gauge,
        downstream_rq_completed: Counter,
        downstream_rq_http1_total: Counter,
        downstream_rq_http2_total: Counter,
        downstream_rq_1xx: Counter,
        downstream_rq_2xx: Counter,
        downstream_rq_3xx: Counter,
        downstream_rq_4xx: Counter,
        downstream_rq_5xx: Counter,
        downstream_rq_timeout: Counter,
        downstream_rq_header_timeout: Counter,
        downstream_rq_max_duration_reached: Counter,
        downstream_rq_idle_timeout: Counter,
        downstream_rq_rx_reset: Counter,
        downstream_rq_tx_reset: Counter,
        downstream_rq_ws_on_non_ws_route: Counter,
        downstream_rq_failed_path_normalization: Counter,
        downstream_cx_protocol_error: Counter,
        downstream_cx_rx_bytes_total: Counter,
        downstream_cx_tx_bytes_total: Counter,
        no_route: Counter,
        no_cluster: Counter,
        rq_direct_response: Counter,
        rq_total: Counter,
        aborts_injected("fault.aborts_injected"): Counter,
        delays_injected("fault.delays_injected"): Counter,
        origin_valid("cors.origin_valid"): Counter,
        origin_invalid("cors.origin_invalid"): Counter,
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
    /// `listener.<address>.ssl.` and `cluster.<name>.ssl.`
    TlsGroup {
        connection_error: Counter,
        handshake: Counter,
        session_reused: Counter,
        no_certificate: Counter,
        fail_verify_no_cert: Counter,
        fail_verify_error: Counter,
        fail_verify_san: Counter,
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
