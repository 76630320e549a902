//! HTTP and listener filters.

use super::{Message, e, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.extensions.filters.common.fault.v3.FaultDelay",
        fields: &[
            e(3, "fixed_delay"),
            m(4, "percentage", "envoy.type.v3.FractionalPercent"),
            m(
                5,
                "header_delay",
                "envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.filters.http.cors.v3.Cors",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        fields: &[
            ms(
                1,
                "allow_origin_string_match",
                "envoy.type.matcher.v3.StringMatcher",
            ),
            e(2, "allow_methods"),
            e(3, "allow_headers"),
            e(4, "expose_headers"),
            e(5, "max_age"),
            e(6, "allow_credentials"),
            m(
                7,
                "filter_enabled",
                "envoy.config.core.v3.RuntimeFractionalPercent",
            ),
            m(
                8,
                "shadow_enabled",
                "envoy.config.core.v3.RuntimeFractionalPercent",
            ),
            e(9, "allow_private_network_access"),
            e(10, "forward_not_matching_preflights"),
        ],
    },
    Message {
        name: "envoy.extensions.filters.http.fault.v3.FaultAbort",
        fields: &[
            e(2, "http_status"),
            m(3, "percentage", "envoy.type.v3.FractionalPercent"),
            m(
                4,
                "header_abort",
                "envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort",
            ),
            e(5, "grpc_status"),
        ],
    },
    Message {
        name: "envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.filters.http.fault.v3.HTTPFault",
        fields: &[
            m(
                1,
                "delay",
                "envoy.extensions.filters.common.fault.v3.FaultDelay",
            ),
            m(
                2,
                "abort",
                "envoy.extensions.filters.http.fault.v3.FaultAbort",
            ),
            e(3, "upstream_cluster"),
            ms(4, "headers", "envoy.config.route.v3.HeaderMatcher"),
            e(5, "downstream_nodes"),
            e(6, "max_active_faults"),
            h(
                8,
                "delay_percent_runtime",
                "there is no runtime to override values: the default counts",
            ),
            h(
                9,
                "abort_percent_runtime",
                "there is no runtime to override values: the default counts",
            ),
            h(
                10,
                "delay_duration_runtime",
                "there is no runtime to override values: the default counts",
            ),
            h(
                11,
                "abort_http_status_runtime",
                "there is no runtime to override values: the default counts",
            ),
            h(
                12,
                "max_active_faults_runtime",
                "there is no runtime to override values: the default counts",
            ),
            h(
                13,
                "response_rate_limit_percent_runtime",
                "there is no runtime to override values: the default counts",
            ),
            h(
                14,
                "abort_grpc_status_runtime",
                "there is no runtime to override values: the default counts",
            ),
            h(
                15,
                "disable_downstream_cluster_stats",
                "concerns statistics only",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.filters.http.router.v3.Router",
        fields: &[
            h(1, "dynamic_stats", "concerns statistics only"),
            h(2, "start_child_span", "nothing is traced"),
            e(4, "suppress_envoy_headers"),
            e(5, "strict_check_headers"),
            e(6, "respect_expected_rq_timeout"),
            h(
                7,
                "suppress_grpc_request_failure_code_stats",
                "concerns statistics only",
            ),
            h(
                10,
                "reject_connect_request_early_data",
                "early data after CONNECT is not forwarded before the 200",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        fields: &[
            h(
                1,
                "enable_ja3_fingerprinting",
                "fingerprints appear in no output that is offered",
            ),
            h(
                2,
                "initial_read_buffer_size",
                "a buffer size; the ClientHello is read whole either way",
            ),
            h(
                3,
                "enable_ja4_fingerprinting",
                "fingerprints appear in no output that is offered",
            ),
        ],
    },
];
