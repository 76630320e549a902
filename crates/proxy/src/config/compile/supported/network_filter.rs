//! Network filters: the HTTP connection manager and the TCP proxy.

use super::{Message, any, e, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        fields: &[
            e(1, "codec_type"),
            e(2, "stat_prefix"),
            m(
                3,
                "rds",
                "envoy.extensions.filters.network.http_connection_manager.v3.Rds",
            ),
            m(
                4,
                "route_config",
                "envoy.config.route.v3.RouteConfiguration",
            ),
            ms(
                5,
                "http_filters",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
            ),
            e(6, "add_user_agent"),
            h(
                7,
                "tracing",
                "nothing is traced; trace headers are passed on",
            ),
            m(
                8,
                "http_protocol_options",
                "envoy.config.core.v3.Http1ProtocolOptions",
            ),
            m(
                9,
                "http2_protocol_options",
                "envoy.config.core.v3.Http2ProtocolOptions",
            ),
            e(10, "server_name"),
            e(12, "drain_timeout"),
            ms(13, "access_log", "envoy.config.accesslog.v3.AccessLog"),
            e(14, "use_remote_address"),
            e(15, "generate_request_id"),
            e(16, "forward_client_cert_details"),
            m(
                17,
                "set_current_client_cert_details",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails",
            ),
            e(18, "proxy_100_continue"),
            e(19, "xff_num_trusted_hops"),
            e(20, "represent_ipv4_remote_address_as_ipv4_mapped_ipv6"),
            e(21, "skip_xff_append"),
            e(22, "via"),
            ms(
                23,
                "upgrade_configs",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig",
            ),
            e(24, "stream_idle_timeout"),
            m(
                25,
                "internal_address_config",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig",
            ),
            e(26, "delayed_close_timeout"),
            e(28, "request_timeout"),
            e(29, "max_request_headers_kb"),
            e(30, "normalize_path"),
            e(32, "preserve_external_request_id"),
            e(33, "merge_slashes"),
            e(34, "server_header_transformation"),
            m(
                35,
                "common_http_protocol_options",
                "envoy.config.core.v3.HttpProtocolOptions",
            ),
            h(
                36,
                "request_id_extension",
                "request ids are UUIDs, which is the only extension accepted",
            ),
            e(37, "always_set_request_id_in_response"),
            m(
                38,
                "local_reply_config",
                "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig",
            ),
            e(39, "strip_matching_host_port"),
            e(41, "request_headers_timeout"),
            e(42, "strip_any_host_port"),
            e(45, "path_with_escaped_slashes_action"),
            e(47, "strip_trailing_host_dot"),
            m(
                48,
                "scheme_header_transformation",
                "envoy.config.core.v3.SchemeHeaderTransformation",
            ),
            e(51, "append_x_forwarded_port"),
            h(
                53,
                "add_proxy_protocol_connection_state",
                "PROXY protocol is refused where it would be accepted",
            ),
            h(57, "append_local_overload", "there is no overload manager"),
            h(
                58,
                "http1_safe_max_connection_duration",
                "connections always end between requests",
            ),
            e(59, "stream_flush_timeout"),
            h(
                62,
                "drain_timeout_jitter",
                "spreads drains; they end in time without it",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig",
        fields: &[
            h(1, "unix_sockets", "listeners on Unix sockets are refused"),
            ms(2, "cidr_ranges", "envoy.config.core.v3.CidrRange"),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails",
        fields: &[
            e(1, "subject"),
            e(3, "cert"),
            e(4, "dns"),
            e(5, "uri"),
            e(6, "chain"),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig",
        fields: &[
            e(1, "upgrade_type"),
            ms(
                2,
                "filters",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
            ),
            e(3, "enabled"),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
        fields: &[
            e(1, "name"),
            any(4, "typed_config"),
            e(6, "is_optional"),
            e(7, "disabled"),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig",
        fields: &[
            ms(
                1,
                "mappers",
                "envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper",
            ),
            m(
                2,
                "body_format",
                "envoy.config.core.v3.SubstitutionFormatString",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.Rds",
        fields: &[
            m(1, "config_source", "envoy.config.core.v3.ConfigSource"),
            e(2, "route_config_name"),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper",
        fields: &[
            m(1, "filter", "envoy.config.accesslog.v3.AccessLogFilter"),
            e(2, "status_code"),
            m(3, "body", "envoy.config.core.v3.DataSource"),
            m(
                4,
                "body_format_override",
                "envoy.config.core.v3.SubstitutionFormatString",
            ),
            ms(
                5,
                "headers_to_add",
                "envoy.config.core.v3.HeaderValueOption",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        fields: &[
            e(1, "stat_prefix"),
            e(2, "cluster"),
            ms(5, "access_log", "envoy.config.accesslog.v3.AccessLog"),
            e(7, "max_connect_attempts"),
            e(8, "idle_timeout"),
            m(
                10,
                "weighted_clusters",
                "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster",
            ),
            e(13, "max_downstream_connection_duration"),
            m(
                18,
                "backoff_options",
                "envoy.config.core.v3.BackoffStrategy",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster",
        fields: &[ms(
            1,
            "clusters",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
        )],
    },
    Message {
        name: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
        fields: &[e(1, "name"), e(2, "weight")],
    },
];
