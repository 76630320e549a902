//! Listeners, filter chains and what they match.

use super::{Message, any, e, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.config.listener.v3.AdditionalAddress",
        fields: &[m(1, "address", "envoy.config.core.v3.Address")],
    },
    Message {
        name: "envoy.config.listener.v3.Filter",
        fields: &[
            h(
                1,
                "name",
                "the type of typed_config says which filter it is",
            ),
            any(4, "typed_config"),
        ],
    },
    Message {
        name: "envoy.config.listener.v3.FilterChain",
        fields: &[
            m(
                1,
                "filter_chain_match",
                "envoy.config.listener.v3.FilterChainMatch",
            ),
            ms(3, "filters", "envoy.config.listener.v3.Filter"),
            m(5, "metadata", "envoy.config.core.v3.Metadata"),
            m(
                6,
                "transport_socket",
                "envoy.config.core.v3.TransportSocket",
            ),
            e(7, "name"),
            e(9, "transport_socket_connect_timeout"),
        ],
    },
    Message {
        name: "envoy.config.listener.v3.FilterChainMatch",
        fields: &[
            ms(3, "prefix_ranges", "envoy.config.core.v3.CidrRange"),
            ms(6, "source_prefix_ranges", "envoy.config.core.v3.CidrRange"),
            e(7, "source_ports"),
            e(8, "destination_port"),
            e(9, "transport_protocol"),
            e(10, "application_protocols"),
            e(11, "server_names"),
            e(12, "source_type"),
            ms(
                13,
                "direct_source_prefix_ranges",
                "envoy.config.core.v3.CidrRange",
            ),
        ],
    },
    Message {
        name: "envoy.config.listener.v3.Listener",
        fields: &[
            e(1, "name"),
            m(2, "address", "envoy.config.core.v3.Address"),
            ms(3, "filter_chains", "envoy.config.listener.v3.FilterChain"),
            e(4, "use_original_dst"),
            e(5, "per_connection_buffer_limit_bytes"),
            m(6, "metadata", "envoy.config.core.v3.Metadata"),
            m(
                7,
                "deprecated_v1",
                "envoy.config.listener.v3.Listener.DeprecatedV1",
            ),
            h(
                8,
                "drain_type",
                "connections are drained when their listener changes, never for failed health checks: there are none",
            ),
            ms(
                9,
                "listener_filters",
                "envoy.config.listener.v3.ListenerFilter",
            ),
            h(
                12,
                "tcp_fast_open_queue_length",
                "a hint to the kernel; connections work the same without it",
            ),
            e(15, "listener_filters_timeout"),
            e(16, "traffic_direction"),
            e(17, "continue_on_listener_filters_timeout"),
            h(
                20,
                "connection_balance_config",
                "the kernel spreads connections over the workers' own sockets",
            ),
            h(21, "reuse_port", "each worker always has its own socket"),
            ms(22, "access_log", "envoy.config.accesslog.v3.AccessLog"),
            e(24, "tcp_backlog_size"),
            m(
                25,
                "default_filter_chain",
                "envoy.config.listener.v3.FilterChain",
            ),
            e(26, "bind_to_port"),
            e(28, "stat_prefix"),
            h(
                29,
                "enable_reuse_port",
                "each worker always has its own socket",
            ),
            h(31, "ignore_global_conn_limit", "there is no global limit"),
            ms(
                33,
                "additional_addresses",
                "envoy.config.listener.v3.AdditionalAddress",
            ),
            h(
                34,
                "max_connections_to_accept_per_socket_event",
                "workers accept one connection at a time and return to their others",
            ),
            h(
                35,
                "bypass_overload_manager",
                "there is no overload manager to bypass",
            ),
            m(37, "tcp_keepalive", "envoy.config.core.v3.TcpKeepalive"),
        ],
    },
    Message {
        name: "envoy.config.listener.v3.Listener.DeprecatedV1",
        fields: &[e(1, "bind_to_port")],
    },
    Message {
        name: "envoy.config.listener.v3.ListenerFilter",
        fields: &[
            h(
                1,
                "name",
                "the type of typed_config says which filter it is",
            ),
            any(3, "typed_config"),
            m(
                4,
                "filter_disabled",
                "envoy.config.listener.v3.ListenerFilterChainMatchPredicate",
            ),
        ],
    },
    Message {
        name: "envoy.config.listener.v3.ListenerFilterChainMatchPredicate",
        fields: &[
            m(
                1,
                "or_match",
                "envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet",
            ),
            m(
                2,
                "and_match",
                "envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet",
            ),
            m(
                3,
                "not_match",
                "envoy.config.listener.v3.ListenerFilterChainMatchPredicate",
            ),
            e(4, "any_match"),
            m(5, "destination_port_range", "envoy.type.v3.Int32Range"),
        ],
    },
    Message {
        name: "envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet",
        fields: &[ms(
            1,
            "rules",
            "envoy.config.listener.v3.ListenerFilterChainMatchPredicate",
        )],
    },
];
