//! Access logs and their filters.

use super::{Message, any, e, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.config.accesslog.v3.AccessLog",
        fields: &[
            e(1, "name"),
            m(2, "filter", "envoy.config.accesslog.v3.AccessLogFilter"),
            any(4, "typed_config"),
        ],
    },
    Message {
        name: "envoy.config.accesslog.v3.AccessLogFilter",
        fields: &[
            m(
                1,
                "status_code_filter",
                "envoy.config.accesslog.v3.StatusCodeFilter",
            ),
            m(
                2,
                "duration_filter",
                "envoy.config.accesslog.v3.DurationFilter",
            ),
            m(
                3,
                "not_health_check_filter",
                "envoy.config.accesslog.v3.NotHealthCheckFilter",
            ),
            m(
                4,
                "traceable_filter",
                "envoy.config.accesslog.v3.TraceableFilter",
            ),
            m(
                5,
                "runtime_filter",
                "envoy.config.accesslog.v3.RuntimeFilter",
            ),
            m(6, "and_filter", "envoy.config.accesslog.v3.AndFilter"),
            m(7, "or_filter", "envoy.config.accesslog.v3.OrFilter"),
            m(8, "header_filter", "envoy.config.accesslog.v3.HeaderFilter"),
            m(
                9,
                "response_flag_filter",
                "envoy.config.accesslog.v3.ResponseFlagFilter",
            ),
            m(
                10,
                "grpc_status_filter",
                "envoy.config.accesslog.v3.GrpcStatusFilter",
            ),
            m(
                13,
                "log_type_filter",
                "envoy.config.accesslog.v3.LogTypeFilter",
            ),
        ],
    },
    Message {
        name: "envoy.config.accesslog.v3.AndFilter",
        fields: &[ms(
            1,
            "filters",
            "envoy.config.accesslog.v3.AccessLogFilter",
        )],
    },
    Message {
        name: "envoy.config.accesslog.v3.ComparisonFilter",
        fields: &[
            e(1, "op"),
            m(2, "value", "envoy.config.core.v3.RuntimeUInt32"),
        ],
    },
    Message {
        name: "envoy.config.accesslog.v3.DurationFilter",
        fields: &[m(
            1,
            "comparison",
            "envoy.config.accesslog.v3.ComparisonFilter",
        )],
    },
    Message {
        name: "envoy.config.accesslog.v3.GrpcStatusFilter",
        fields: &[e(1, "statuses"), e(2, "exclude")],
    },
    Message {
        name: "envoy.config.accesslog.v3.HeaderFilter",
        fields: &[m(1, "header", "envoy.config.route.v3.HeaderMatcher")],
    },
    Message {
        name: "envoy.config.accesslog.v3.LogTypeFilter",
        fields: &[e(1, "types"), e(2, "exclude")],
    },
    Message {
        name: "envoy.config.accesslog.v3.NotHealthCheckFilter",
        fields: &[],
    },
    Message {
        name: "envoy.config.accesslog.v3.OrFilter",
        fields: &[ms(
            2,
            "filters",
            "envoy.config.accesslog.v3.AccessLogFilter",
        )],
    },
    Message {
        name: "envoy.config.accesslog.v3.ResponseFlagFilter",
        fields: &[e(1, "flags")],
    },
    Message {
        name: "envoy.config.accesslog.v3.RuntimeFilter",
        fields: &[
            h(
                1,
                "runtime_key",
                "there is no runtime to override values: the default counts",
            ),
            m(2, "percent_sampled", "envoy.type.v3.FractionalPercent"),
            e(3, "use_independent_randomness"),
        ],
    },
    Message {
        name: "envoy.config.accesslog.v3.StatusCodeFilter",
        fields: &[m(
            1,
            "comparison",
            "envoy.config.accesslog.v3.ComparisonFilter",
        )],
    },
    Message {
        name: "envoy.config.accesslog.v3.TraceableFilter",
        fields: &[],
    },
];
