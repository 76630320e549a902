//! Clusters.

use super::{Message, e, h, m, map, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.config.cluster.v3.CircuitBreakers",
        fields: &[ms(
            1,
            "thresholds",
            "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
        )],
    },
    Message {
        name: "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
        fields: &[
            e(1, "priority"),
            e(2, "max_connections"),
            e(3, "max_pending_requests"),
            e(4, "max_requests"),
            e(5, "max_retries"),
            h(6, "track_remaining", "adds gauges only"),
            m(
                8,
                "retry_budget",
                "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget",
            ),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget",
        fields: &[
            m(1, "budget_percent", "envoy.type.v3.Percent"),
            e(2, "min_retry_concurrency"),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster",
        fields: &[
            e(1, "name"),
            e(2, "type"),
            m(
                3,
                "eds_cluster_config",
                "envoy.config.cluster.v3.Cluster.EdsClusterConfig",
            ),
            e(4, "connect_timeout"),
            e(5, "per_connection_buffer_limit_bytes"),
            e(6, "lb_policy"),
            m(
                10,
                "circuit_breakers",
                "envoy.config.cluster.v3.CircuitBreakers",
            ),
            e(16, "dns_refresh_rate"),
            e(17, "dns_lookup_family"),
            h(18, "dns_resolvers", "the system resolver is used"),
            m(
                19,
                "outlier_detection",
                "envoy.config.cluster.v3.OutlierDetection",
            ),
            e(20, "cleanup_interval"),
            m(
                21,
                "upstream_bind_config",
                "envoy.config.core.v3.BindConfig",
            ),
            m(
                24,
                "transport_socket",
                "envoy.config.core.v3.TransportSocket",
            ),
            m(25, "metadata", "envoy.config.core.v3.Metadata"),
            m(
                27,
                "common_lb_config",
                "envoy.config.cluster.v3.Cluster.CommonLbConfig",
            ),
            e(28, "alt_stat_name"),
            m(
                30,
                "upstream_connection_options",
                "envoy.config.cluster.v3.UpstreamConnectionOptions",
            ),
            h(
                32,
                "ignore_health_on_host_removal",
                "hosts that discovery removed get no requests, whatever their health",
            ),
            m(
                33,
                "load_assignment",
                "envoy.config.endpoint.v3.ClusterLoadAssignment",
            ),
            m(
                34,
                "original_dst_lb_config",
                "envoy.config.cluster.v3.Cluster.OriginalDstLbConfig",
            ),
            map(36, "typed_extension_protocol_options"),
            m(
                37,
                "least_request_lb_config",
                "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig",
            ),
            e(39, "respect_dns_ttl"),
            ms(
                43,
                "transport_socket_matches",
                "envoy.config.cluster.v3.Cluster.TransportSocketMatch",
            ),
            h(
                44,
                "dns_failure_refresh_rate",
                "failed look-ups are repeated at dns_refresh_rate",
            ),
            h(45, "use_tcp_for_dns_lookups", "the system resolver decides"),
            h(47, "track_timeout_budgets", "adds histograms only"),
            h(49, "track_cluster_stats", "adds statistics only"),
            h(
                50,
                "preconnect_policy",
                "an optimisation: connections are made when needed",
            ),
            e(51, "connection_pool_per_downstream_connection"),
            h(53, "dns_resolution_config", "the system resolver is used"),
            e(54, "wait_for_warm_on_init"),
            h(
                55,
                "typed_dns_resolver_config",
                "the system resolver is used",
            ),
            m(
                56,
                "round_robin_lb_config",
                "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig",
            ),
            h(
                57,
                "lrs_report_endpoint_metrics",
                "load reports are not sent, and lrs_server is refused",
            ),
            h(
                58,
                "dns_jitter",
                "spreads look-ups; the addresses are the same",
            ),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.CommonLbConfig",
        fields: &[
            m(1, "healthy_panic_threshold", "envoy.type.v3.Percent"),
            m(
                2,
                "zone_aware_lb_config",
                "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig",
            ),
            m(
                3,
                "locality_weighted_lb_config",
                "envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig",
            ),
            h(
                4,
                "update_merge_window",
                "each change of endpoints is applied at once",
            ),
            h(
                5,
                "ignore_new_hosts_until_first_hc",
                "there is no active health checking: health_checks are refused",
            ),
            h(
                8,
                "override_host_status",
                "there are no stateful sessions to override hosts",
            ),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig",
        fields: &[],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig",
        fields: &[
            h(
                1,
                "routing_enabled",
                "zone-aware routing needs a local cluster, which cluster_manager.local_cluster_name would name and which is refused",
            ),
            h(2, "min_cluster_size", "see routing_enabled"),
            e(3, "fail_traffic_on_panic"),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.EdsClusterConfig",
        fields: &[
            m(1, "eds_config", "envoy.config.core.v3.ConfigSource"),
            e(2, "service_name"),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig",
        fields: &[
            e(1, "choice_count"),
            m(
                2,
                "active_request_bias",
                "envoy.config.core.v3.RuntimeDouble",
            ),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.OriginalDstLbConfig",
        fields: &[
            e(1, "use_http_header"),
            e(2, "http_header_name"),
            e(3, "upstream_port_override"),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig",
        fields: &[],
    },
    Message {
        name: "envoy.config.cluster.v3.Cluster.TransportSocketMatch",
        fields: &[
            e(1, "name"),
            e(2, "match"),
            m(
                3,
                "transport_socket",
                "envoy.config.core.v3.TransportSocket",
            ),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.OutlierDetection",
        fields: &[
            e(1, "consecutive_5xx"),
            e(2, "interval"),
            e(3, "base_ejection_time"),
            e(4, "max_ejection_percent"),
            e(5, "enforcing_consecutive_5xx"),
            e(6, "enforcing_success_rate"),
            e(7, "success_rate_minimum_hosts"),
            e(8, "success_rate_request_volume"),
            e(9, "success_rate_stdev_factor"),
            e(10, "consecutive_gateway_failure"),
            e(11, "enforcing_consecutive_gateway_failure"),
            e(12, "split_external_local_origin_errors"),
            e(13, "consecutive_local_origin_failure"),
            e(14, "enforcing_consecutive_local_origin_failure"),
            e(15, "enforcing_local_origin_success_rate"),
            e(16, "failure_percentage_threshold"),
            e(17, "enforcing_failure_percentage"),
            e(18, "enforcing_failure_percentage_local_origin"),
            e(19, "failure_percentage_minimum_hosts"),
            e(20, "failure_percentage_request_volume"),
            e(21, "max_ejection_time"),
            e(22, "max_ejection_time_jitter"),
            h(
                23,
                "successful_active_health_check_uneject_host",
                "there is no active health checking: health_checks are refused",
            ),
            e(25, "always_eject_one_host"),
        ],
    },
    Message {
        name: "envoy.config.cluster.v3.UpstreamConnectionOptions",
        fields: &[
            m(1, "tcp_keepalive", "envoy.config.core.v3.TcpKeepalive"),
            h(
                2,
                "set_local_interface_name_on_upstream_connections",
                "no output that is offered names interfaces",
            ),
            h(
                3,
                "happy_eyeballs_config",
                "endpoints have one address each",
            ),
        ],
    },
];
