//! Route tables, virtual hosts and routes.

use super::{Message, any, e, h, m, map, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.config.route.v3.DirectResponseAction",
        fields: &[
            e(1, "status"),
            m(2, "body", "envoy.config.core.v3.DataSource"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.FilterConfig",
        fields: &[any(1, "config"), e(2, "is_optional"), e(3, "disabled")],
    },
    Message {
        name: "envoy.config.route.v3.HeaderMatcher",
        fields: &[
            e(1, "name"),
            e(4, "exact_match"),
            m(6, "range_match", "envoy.type.v3.Int64Range"),
            e(7, "present_match"),
            e(8, "invert_match"),
            e(9, "prefix_match"),
            e(10, "suffix_match"),
            m(11, "safe_regex_match", "envoy.type.matcher.v3.RegexMatcher"),
            e(12, "contains_match"),
            m(13, "string_match", "envoy.type.matcher.v3.StringMatcher"),
            e(14, "treat_missing_header_as_empty"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.QueryParameterMatcher",
        fields: &[
            e(1, "name"),
            m(5, "string_match", "envoy.type.matcher.v3.StringMatcher"),
            e(6, "present_match"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RedirectAction",
        fields: &[
            e(1, "host_redirect"),
            e(2, "path_redirect"),
            e(3, "response_code"),
            e(4, "https_redirect"),
            e(5, "prefix_rewrite"),
            e(6, "strip_query"),
            e(7, "scheme_redirect"),
            e(8, "port_redirect"),
            m(
                9,
                "regex_rewrite",
                "envoy.type.matcher.v3.RegexMatchAndSubstitute",
            ),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RetryPolicy",
        fields: &[
            e(1, "retry_on"),
            e(2, "num_retries"),
            e(3, "per_try_timeout"),
            ms(
                5,
                "retry_host_predicate",
                "envoy.config.route.v3.RetryPolicy.RetryHostPredicate",
            ),
            e(6, "host_selection_retry_max_attempts"),
            e(7, "retriable_status_codes"),
            m(
                8,
                "retry_back_off",
                "envoy.config.route.v3.RetryPolicy.RetryBackOff",
            ),
            ms(
                9,
                "retriable_headers",
                "envoy.config.route.v3.HeaderMatcher",
            ),
            ms(
                10,
                "retriable_request_headers",
                "envoy.config.route.v3.HeaderMatcher",
            ),
            m(
                11,
                "rate_limited_retry_back_off",
                "envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff",
            ),
            e(13, "per_try_idle_timeout"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff",
        fields: &[
            ms(
                1,
                "reset_headers",
                "envoy.config.route.v3.RetryPolicy.ResetHeader",
            ),
            e(2, "max_interval"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RetryPolicy.ResetHeader",
        fields: &[e(1, "name"), e(2, "format")],
    },
    Message {
        name: "envoy.config.route.v3.RetryPolicy.RetryBackOff",
        fields: &[e(1, "base_interval"), e(2, "max_interval")],
    },
    Message {
        name: "envoy.config.route.v3.RetryPolicy.RetryHostPredicate",
        fields: &[e(1, "name"), any(3, "typed_config")],
    },
    Message {
        name: "envoy.config.route.v3.Route",
        fields: &[
            m(1, "match", "envoy.config.route.v3.RouteMatch"),
            m(2, "route", "envoy.config.route.v3.RouteAction"),
            m(3, "redirect", "envoy.config.route.v3.RedirectAction"),
            m(4, "metadata", "envoy.config.core.v3.Metadata"),
            h(5, "decorator", "nothing is traced"),
            m(
                7,
                "direct_response",
                "envoy.config.route.v3.DirectResponseAction",
            ),
            ms(
                9,
                "request_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            ms(
                10,
                "response_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            e(11, "response_headers_to_remove"),
            e(12, "request_headers_to_remove"),
            map(13, "typed_per_filter_config"),
            e(14, "name"),
            h(15, "tracing", "nothing is traced"),
            e(16, "per_request_buffer_limit_bytes"),
            e(19, "stat_prefix"),
            e(20, "request_body_buffer_limit"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RouteAction",
        fields: &[
            e(1, "cluster"),
            e(2, "cluster_header"),
            m(
                3,
                "weighted_clusters",
                "envoy.config.route.v3.WeightedCluster",
            ),
            e(5, "prefix_rewrite"),
            e(6, "host_rewrite_literal"),
            e(7, "auto_host_rewrite"),
            e(8, "timeout"),
            m(9, "retry_policy", "envoy.config.route.v3.RetryPolicy"),
            e(11, "priority"),
            h(
                13,
                "rate_limits",
                "read by the rate limit filter, which is refused",
            ),
            h(
                14,
                "include_vh_rate_limits",
                "read by the rate limit filter, which is refused",
            ),
            e(20, "cluster_not_found_response_code"),
            e(24, "idle_timeout"),
            ms(
                25,
                "upgrade_configs",
                "envoy.config.route.v3.RouteAction.UpgradeConfig",
            ),
            e(29, "host_rewrite_header"),
            ms(
                30,
                "request_mirror_policies",
                "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
            ),
            m(
                32,
                "regex_rewrite",
                "envoy.type.matcher.v3.RegexMatchAndSubstitute",
            ),
            m(
                35,
                "host_rewrite_path_regex",
                "envoy.type.matcher.v3.RegexMatchAndSubstitute",
            ),
            e(23, "max_grpc_timeout"),
            m(
                36,
                "max_stream_duration",
                "envoy.config.route.v3.RouteAction.MaxStreamDuration",
            ),
            e(38, "append_x_forwarded_host"),
            h(
                40,
                "early_data_policy",
                "early data is not accepted on either side",
            ),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RouteAction.MaxStreamDuration",
        fields: &[
            e(1, "max_stream_duration"),
            e(2, "grpc_timeout_header_max"),
            e(3, "grpc_timeout_header_offset"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
        fields: &[
            e(1, "cluster"),
            m(
                3,
                "runtime_fraction",
                "envoy.config.core.v3.RuntimeFractionalPercent",
            ),
            h(4, "trace_sampled", "nothing is traced"),
            e(5, "cluster_header"),
            e(6, "disable_shadow_host_suffix_append"),
            e(8, "host_rewrite_literal"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RouteAction.UpgradeConfig",
        fields: &[e(1, "upgrade_type"), e(2, "enabled")],
    },
    Message {
        name: "envoy.config.route.v3.RouteConfiguration",
        fields: &[
            e(1, "name"),
            ms(2, "virtual_hosts", "envoy.config.route.v3.VirtualHost"),
            e(3, "internal_only_headers"),
            ms(
                4,
                "response_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            e(5, "response_headers_to_remove"),
            ms(
                6,
                "request_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            h(
                7,
                "validate_clusters",
                "routes may always name clusters that come later",
            ),
            e(8, "request_headers_to_remove"),
            e(10, "most_specific_header_mutations_wins"),
            e(11, "max_direct_response_body_size_bytes"),
            ms(
                13,
                "request_mirror_policies",
                "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
            ),
            e(14, "ignore_port_in_host_matching"),
            e(15, "ignore_path_parameters_in_path_matching"),
            map(16, "typed_per_filter_config"),
            m(17, "metadata", "envoy.config.core.v3.Metadata"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RouteMatch",
        fields: &[
            e(1, "prefix"),
            e(2, "path"),
            e(4, "case_sensitive"),
            ms(6, "headers", "envoy.config.route.v3.HeaderMatcher"),
            ms(
                7,
                "query_parameters",
                "envoy.config.route.v3.QueryParameterMatcher",
            ),
            m(
                8,
                "grpc",
                "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions",
            ),
            m(
                9,
                "runtime_fraction",
                "envoy.config.core.v3.RuntimeFractionalPercent",
            ),
            m(10, "safe_regex", "envoy.type.matcher.v3.RegexMatcher"),
            m(
                11,
                "tls_context",
                "envoy.config.route.v3.RouteMatch.TlsContextMatchOptions",
            ),
            m(
                12,
                "connect_matcher",
                "envoy.config.route.v3.RouteMatch.ConnectMatcher",
            ),
            e(14, "path_separated_prefix"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.RouteMatch.ConnectMatcher",
        fields: &[],
    },
    Message {
        name: "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions",
        fields: &[],
    },
    Message {
        name: "envoy.config.route.v3.RouteMatch.TlsContextMatchOptions",
        fields: &[e(1, "presented"), e(2, "validated")],
    },
    Message {
        name: "envoy.config.route.v3.VirtualHost",
        fields: &[
            e(1, "name"),
            e(2, "domains"),
            ms(3, "routes", "envoy.config.route.v3.Route"),
            e(4, "require_tls"),
            h(5, "virtual_clusters", "name statistics only"),
            ms(
                7,
                "request_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            ms(
                10,
                "response_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            e(11, "response_headers_to_remove"),
            e(13, "request_headers_to_remove"),
            e(14, "include_request_attempt_count"),
            map(15, "typed_per_filter_config"),
            m(16, "retry_policy", "envoy.config.route.v3.RetryPolicy"),
            e(18, "per_request_buffer_limit_bytes"),
            e(19, "include_attempt_count_in_response"),
            ms(
                22,
                "request_mirror_policies",
                "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
            ),
            e(23, "include_is_timeout_retry_header"),
            m(24, "metadata", "envoy.config.core.v3.Metadata"),
            e(25, "request_body_buffer_limit"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.WeightedCluster",
        fields: &[
            ms(
                1,
                "clusters",
                "envoy.config.route.v3.WeightedCluster.ClusterWeight",
            ),
            h(
                2,
                "runtime_key_prefix",
                "there is no runtime to override values: the default counts",
            ),
            h(
                3,
                "total_weight",
                "the sum of the weights counts, as in Envoy since 1.22",
            ),
            e(4, "header_name"),
        ],
    },
    Message {
        name: "envoy.config.route.v3.WeightedCluster.ClusterWeight",
        fields: &[
            e(1, "name"),
            e(2, "weight"),
            ms(
                4,
                "request_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            ms(
                5,
                "response_headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
            e(6, "response_headers_to_remove"),
            e(9, "request_headers_to_remove"),
            map(10, "typed_per_filter_config"),
            e(11, "host_rewrite_literal"),
            e(12, "cluster_header"),
        ],
    },
];
