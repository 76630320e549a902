//! The one table of what is accepted: every field of every message that is read, by its number.
//!
//! A field that is not listed is refused by name. A test holds the table against the descriptors and sets each field
//! alone.

use super::accept::{Field, Inner, Message};

const fn e(number: u32, name: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Leaf,
    }
}

const fn m(number: u32, name: &'static str, message: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Message(message),
    }
}

const fn ms(number: u32, name: &'static str, message: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Messages(message),
    }
}

const fn any(number: u32, name: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Any,
    }
}

const fn map(number: u32, name: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::AnyMap,
    }
}

const fn h(number: u32, name: &'static str, reason: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: Some(reason),
        inner: Inner::Leaf,
    }
}

/// Sorted by name.
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
    Message {
        name: "envoy.config.bootstrap.v3.Admin",
        fields: &[
            h(1, "access_log_path", "admin requests are not logged"),
            h(2, "profile_path", "there is no profiler in this process"),
            m(3, "address", "envoy.config.core.v3.Address"),
            h(5, "access_log", "admin requests are not logged"),
            h(6, "ignore_global_conn_limit", "there is no global limit"),
        ],
    },
    Message {
        name: "envoy.config.bootstrap.v3.Bootstrap",
        fields: &[
            m(1, "node", "envoy.config.core.v3.Node"),
            m(
                2,
                "static_resources",
                "envoy.config.bootstrap.v3.Bootstrap.StaticResources",
            ),
            m(
                3,
                "dynamic_resources",
                "envoy.config.bootstrap.v3.Bootstrap.DynamicResources",
            ),
            h(
                4,
                "cluster_manager",
                "outlier events go to the log; a local cluster is used for zone-aware routing only",
            ),
            h(5, "flags_path", "no flags are read"),
            h(7, "stats_flush_interval", "statistics are read on demand"),
            h(8, "watchdog", "there is no watchdog"),
            h(9, "tracing", "nothing is traced"),
            m(12, "admin", "envoy.config.bootstrap.v3.Admin"),
            h(
                13,
                "stats_config",
                "names and tags of statistics are Envoy's defaults",
            ),
            h(
                15,
                "overload_manager",
                "memory is bounded per connection; limits of connections are the listeners' own",
            ),
            h(16, "enable_dispatcher_stats", "there is no dispatcher"),
            h(
                17,
                "layered_runtime",
                "there is no runtime; values that Istio sets there do not concern this proxy",
            ),
            h(
                18,
                "header_prefix",
                "headers are named x-envoy-, as clients expect",
            ),
            h(
                19,
                "stats_server_version_override",
                "statistics report the version itself",
            ),
            h(20, "use_tcp_for_dns_lookups", "the system resolver decides"),
            h(
                26,
                "node_context_params",
                "control planes get the whole node",
            ),
            h(27, "watchdogs", "there is no watchdog"),
            h(29, "stats_flush_on_admin", "statistics are read on demand"),
            h(30, "dns_resolution_config", "the system resolver is used"),
            h(
                31,
                "typed_dns_resolver_config",
                "the system resolver is used",
            ),
            h(33, "perf_tracing_file_path", "no traces are written"),
            h(
                34,
                "default_regex_engine",
                "one engine, linear in the input, as RE2 is",
            ),
            h(
                38,
                "application_log_config",
                "the command line sets the log",
            ),
            h(39, "deferred_stat_options", "statistics are made when used"),
            h(
                40,
                "grpc_async_client_manager_config",
                "there is one discovery stream",
            ),
            h(41, "memory_allocator_manager", "an allocator's setting"),
            h(
                42,
                "stats_eviction_interval",
                "statistics are read on demand",
            ),
            h(43, "enable_worker_cpu_affinity", "the scheduler decides"),
        ],
    },
    Message {
        name: "envoy.config.bootstrap.v3.Bootstrap.DynamicResources",
        fields: &[
            m(1, "lds_config", "envoy.config.core.v3.ConfigSource"),
            m(2, "cds_config", "envoy.config.core.v3.ConfigSource"),
            m(3, "ads_config", "envoy.config.core.v3.ApiConfigSource"),
        ],
    },
    Message {
        name: "envoy.config.bootstrap.v3.Bootstrap.StaticResources",
        fields: &[
            ms(1, "listeners", "envoy.config.listener.v3.Listener"),
            ms(2, "clusters", "envoy.config.cluster.v3.Cluster"),
            ms(
                3,
                "secrets",
                "envoy.extensions.transport_sockets.tls.v3.Secret",
            ),
        ],
    },
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
    Message {
        name: "envoy.config.core.v3.Address",
        fields: &[
            m(1, "socket_address", "envoy.config.core.v3.SocketAddress"),
            m(2, "pipe", "envoy.config.core.v3.Pipe"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.AggregatedConfigSource",
        fields: &[],
    },
    Message {
        name: "envoy.config.core.v3.ApiConfigSource",
        fields: &[
            e(1, "api_type"),
            h(3, "refresh_delay", "for REST only, which is refused"),
            ms(4, "grpc_services", "envoy.config.core.v3.GrpcService"),
            h(5, "request_timeout", "for REST only, which is refused"),
            h(
                6,
                "rate_limit_settings",
                "requests follow responses one to one",
            ),
            h(
                7,
                "set_node_on_first_message_only",
                "the node is sent in the first message only, which every server accepts",
            ),
            h(8, "transport_api_version", "v3 is the only version"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.BackoffStrategy",
        fields: &[e(1, "base_interval"), e(2, "max_interval")],
    },
    Message {
        name: "envoy.config.core.v3.BindConfig",
        fields: &[
            m(1, "source_address", "envoy.config.core.v3.SocketAddress"),
            h(
                2,
                "freebind",
                "the source address is bound with IP_FREEBIND whenever it is not local",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.BuildVersion",
        fields: &[
            m(1, "version", "envoy.type.v3.SemanticVersion"),
            e(2, "metadata"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.CidrRange",
        fields: &[e(1, "address_prefix"), e(2, "prefix_len")],
    },
    Message {
        name: "envoy.config.core.v3.ConfigSource",
        fields: &[
            m(
                2,
                "api_config_source",
                "envoy.config.core.v3.ApiConfigSource",
            ),
            m(3, "ads", "envoy.config.core.v3.AggregatedConfigSource"),
            e(4, "initial_fetch_timeout"),
            h(6, "resource_api_version", "v3 is the only version"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.DataSource",
        fields: &[
            e(1, "filename"),
            e(2, "inline_bytes"),
            e(3, "inline_string"),
            e(4, "environment_variable"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.Extension",
        fields: &[
            e(1, "name"),
            e(2, "category"),
            e(3, "type_descriptor"),
            m(4, "version", "envoy.config.core.v3.BuildVersion"),
            e(5, "disabled"),
            e(6, "type_urls"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.GrpcService",
        fields: &[
            m(
                1,
                "envoy_grpc",
                "envoy.config.core.v3.GrpcService.EnvoyGrpc",
            ),
            h(3, "timeout", "discovery streams have no timeout"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.GrpcService.EnvoyGrpc",
        fields: &[
            e(1, "cluster_name"),
            h(2, "authority", "control planes do not look at it"),
            h(
                3,
                "retry_policy",
                "the stream is opened again with back-off",
            ),
            h(
                4,
                "max_receive_message_length",
                "responses are bounded by 256 MiB",
            ),
            h(
                5,
                "skip_envoy_headers",
                "no Envoy headers are added to discovery calls",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.HeaderValue",
        fields: &[e(1, "key"), e(2, "value"), e(3, "raw_value")],
    },
    Message {
        name: "envoy.config.core.v3.HeaderValueOption",
        fields: &[
            m(1, "header", "envoy.config.core.v3.HeaderValue"),
            e(2, "append"),
            e(3, "append_action"),
            e(4, "keep_empty_value"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.Http1ProtocolOptions",
        fields: &[
            e(1, "allow_absolute_url"),
            e(2, "accept_http_10"),
            e(3, "default_host_for_http_10"),
            m(
                4,
                "header_key_format",
                "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat",
            ),
            e(5, "enable_trailers"),
            e(6, "allow_chunked_length"),
            e(8, "send_fully_qualified_url"),
            h(9, "use_balsa_parser", "there is one parser"),
            e(10, "allow_custom_methods"),
            ms(
                11,
                "ignore_http_11_upgrade",
                "envoy.type.matcher.v3.StringMatcher",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat",
        fields: &[
            m(
                1,
                "proper_case_words",
                "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords",
            ),
            m(
                8,
                "stateful_formatter",
                "envoy.config.core.v3.TypedExtensionConfig",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords",
        fields: &[],
    },
    Message {
        name: "envoy.config.core.v3.Http2ProtocolOptions",
        fields: &[
            e(1, "hpack_table_size"),
            e(2, "max_concurrent_streams"),
            e(3, "initial_stream_window_size"),
            e(4, "initial_connection_window_size"),
            e(5, "allow_connect"),
            h(
                7,
                "max_outbound_frames",
                "floods are always bounded, by limits of the codec",
            ),
            h(
                8,
                "max_outbound_control_frames",
                "floods are always bounded, by limits of the codec",
            ),
            h(
                9,
                "max_consecutive_inbound_frames_with_empty_payload",
                "floods are always bounded, by limits of the codec",
            ),
            h(
                10,
                "max_inbound_priority_frames_per_stream",
                "floods are always bounded, by limits of the codec",
            ),
            h(
                11,
                "max_inbound_window_update_frames_per_data_frame_sent",
                "floods are always bounded, by limits of the codec",
            ),
            m(
                15,
                "connection_keepalive",
                "envoy.config.core.v3.KeepaliveSettings",
            ),
            h(16, "use_oghttp2_codec", "there is one codec"),
            h(17, "max_metadata_size", "METADATA frames are not accepted"),
            h(
                18,
                "enable_huffman_encoding",
                "an encoding choice that peers cannot tell",
            ),
            h(
                20,
                "disallow_obs_text",
                "header values are passed on as they are, as Envoy does by default",
            ),
            h(
                21,
                "stream_reset_burst",
                "floods are always bounded, by limits of the codec",
            ),
            h(
                22,
                "stream_reset_rate",
                "floods are always bounded, by limits of the codec",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.HttpProtocolOptions",
        fields: &[
            e(1, "idle_timeout"),
            e(2, "max_headers_count"),
            e(3, "max_connection_duration"),
            e(4, "max_stream_duration"),
            e(5, "headers_with_underscores_action"),
            e(6, "max_requests_per_connection"),
            e(7, "max_response_headers_kb"),
            h(
                8,
                "max_connection_duration_jitter",
                "spreads the end of connections; they end in time without it",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.KeepaliveSettings",
        fields: &[
            e(1, "interval"),
            e(2, "timeout"),
            m(3, "interval_jitter", "envoy.type.v3.Percent"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.Locality",
        fields: &[e(1, "region"), e(2, "zone"), e(3, "sub_zone")],
    },
    Message {
        name: "envoy.config.core.v3.Metadata",
        fields: &[
            e(1, "filter_metadata"),
            h(
                2,
                "typed_filter_metadata",
                "no filter reads typed metadata; filter_metadata carries the same",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.Node",
        fields: &[
            e(1, "id"),
            e(2, "cluster"),
            e(3, "metadata"),
            m(4, "locality", "envoy.config.core.v3.Locality"),
            e(6, "user_agent_name"),
            e(7, "user_agent_version"),
            m(
                8,
                "user_agent_build_version",
                "envoy.config.core.v3.BuildVersion",
            ),
            ms(9, "extensions", "envoy.config.core.v3.Extension"),
            e(10, "client_features"),
            ms(11, "listening_addresses", "envoy.config.core.v3.Address"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.Pipe",
        fields: &[
            e(1, "path"),
            h(2, "mode", "of listeners only, where pipes are refused"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.RuntimeDouble",
        fields: &[
            e(1, "default_value"),
            h(
                2,
                "runtime_key",
                "there is no runtime to override values: the default counts",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.RuntimeFractionalPercent",
        fields: &[
            m(1, "default_value", "envoy.type.v3.FractionalPercent"),
            h(
                2,
                "runtime_key",
                "there is no runtime to override values: the default counts",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.RuntimeUInt32",
        fields: &[
            e(2, "default_value"),
            h(
                3,
                "runtime_key",
                "there is no runtime to override values: the default counts",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.SchemeHeaderTransformation",
        fields: &[e(1, "scheme_to_overwrite"), e(2, "match_upstream")],
    },
    Message {
        name: "envoy.config.core.v3.SocketAddress",
        fields: &[
            e(1, "protocol"),
            e(2, "address"),
            e(3, "port_value"),
            h(
                6,
                "ipv4_compat",
                "IPv4-mapped addresses are understood on every IPv6 socket",
            ),
        ],
    },
    Message {
        name: "envoy.config.core.v3.SubstitutionFormatString",
        fields: &[
            e(1, "text_format"),
            e(2, "json_format"),
            e(3, "omit_empty_values"),
            e(4, "content_type"),
            m(5, "text_format_source", "envoy.config.core.v3.DataSource"),
            ms(6, "formatters", "envoy.config.core.v3.TypedExtensionConfig"),
            h(7, "json_format_options", "keys are always sorted"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.TcpKeepalive",
        fields: &[
            e(1, "keepalive_probes"),
            e(2, "keepalive_time"),
            e(3, "keepalive_interval"),
        ],
    },
    Message {
        name: "envoy.config.core.v3.TransportSocket",
        fields: &[e(1, "name"), any(3, "typed_config")],
    },
    Message {
        name: "envoy.config.core.v3.TypedExtensionConfig",
        fields: &[e(1, "name"), any(2, "typed_config")],
    },
    Message {
        name: "envoy.config.core.v3.UpstreamHttpProtocolOptions",
        fields: &[
            e(1, "auto_sni"),
            e(2, "auto_san_validation"),
            e(3, "override_auto_sni_header"),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.ClusterLoadAssignment",
        fields: &[
            h(
                1,
                "cluster_name",
                "the resource name says whose endpoints they are",
            ),
            ms(
                2,
                "endpoints",
                "envoy.config.endpoint.v3.LocalityLbEndpoints",
            ),
            m(
                4,
                "policy",
                "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
            ),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
        fields: &[
            ms(
                2,
                "drop_overloads",
                "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
            ),
            e(3, "overprovisioning_factor"),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
        fields: &[
            e(1, "category"),
            m(2, "drop_percentage", "envoy.type.v3.FractionalPercent"),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.Endpoint",
        fields: &[
            m(1, "address", "envoy.config.core.v3.Address"),
            h(
                2,
                "health_check_config",
                "there is no active health checking: health_checks are refused",
            ),
            e(3, "hostname"),
            h(
                5,
                "observability_name",
                "statistics and logs name the address",
            ),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.LbEndpoint",
        fields: &[
            m(1, "endpoint", "envoy.config.endpoint.v3.Endpoint"),
            e(2, "health_status"),
            m(3, "metadata", "envoy.config.core.v3.Metadata"),
            e(4, "load_balancing_weight"),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.LocalityLbEndpoints",
        fields: &[
            m(1, "locality", "envoy.config.core.v3.Locality"),
            ms(2, "lb_endpoints", "envoy.config.endpoint.v3.LbEndpoint"),
            e(3, "load_balancing_weight"),
            e(5, "priority"),
            h(6, "proximity", "a hint that Envoy does not read, either"),
            m(
                7,
                "load_balancer_endpoints",
                "envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList",
            ),
            h(
                9,
                "metadata",
                "of localities only subset balancing reads it, which is refused",
            ),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList",
        fields: &[ms(1, "lb_endpoints", "envoy.config.endpoint.v3.LbEndpoint")],
    },
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
    Message {
        name: "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        fields: &[
            e(1, "path"),
            e(2, "format"),
            e(3, "json_format"),
            e(4, "typed_json_format"),
            m(
                5,
                "log_format",
                "envoy.config.core.v3.SubstitutionFormatString",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
        fields: &[m(
            1,
            "log_format",
            "envoy.config.core.v3.SubstitutionFormatString",
        )],
    },
    Message {
        name: "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        fields: &[m(
            1,
            "log_format",
            "envoy.config.core.v3.SubstitutionFormatString",
        )],
    },
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
    Message {
        name: "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
        fields: &[
            h(
                1,
                "forward_reason_phrase",
                "reason phrases carry no meaning (RFC 9112 §4)",
            ),
            e(2, "formatter_type_on_envoy_headers"),
        ],
    },
    Message {
        name: "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
        fields: &[],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
        fields: &[
            m(1, "trusted_ca", "envoy.config.core.v3.DataSource"),
            e(2, "verify_certificate_hash"),
            e(3, "verify_certificate_spki"),
            m(7, "crl", "envoy.config.core.v3.DataSource"),
            e(8, "allow_expired_certificate"),
            ms(
                9,
                "match_subject_alt_names",
                "envoy.type.matcher.v3.StringMatcher",
            ),
            e(10, "trust_chain_verification"),
            h(
                14,
                "only_verify_leaf_cert_crl",
                "the whole chain is checked where issuers publish a list",
            ),
            ms(
                15,
                "match_typed_subject_alt_names",
                "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
            ),
            h(
                18,
                "suppress_client_ca_list",
                "a hint to clients that does not change what is accepted",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
        fields: &[
            m(
                1,
                "tls_params",
                "envoy.extensions.transport_sockets.tls.v3.TlsParameters",
            ),
            ms(
                2,
                "tls_certificates",
                "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
            ),
            m(
                3,
                "validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
            ),
            e(4, "alpn_protocols"),
            ms(
                6,
                "tls_certificate_sds_secret_configs",
                "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
            ),
            m(
                7,
                "validation_context_sds_secret_config",
                "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
            ),
            m(
                8,
                "combined_validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
        fields: &[
            m(
                1,
                "default_validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
            ),
            m(
                2,
                "validation_context_sds_secret_config",
                "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        fields: &[
            m(
                1,
                "common_tls_context",
                "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
            ),
            e(2, "require_client_certificate"),
            e(3, "require_sni"),
            h(
                6,
                "session_timeout",
                "tickets expire with the key that made them",
            ),
            e(7, "disable_stateless_session_resumption"),
            h(
                8,
                "ocsp_staple_policy",
                "certificates carry no staple: ocsp_staple is refused",
            ),
            h(
                9,
                "full_scan_certs_on_sni_mismatch",
                "all certificates of a chain are looked at",
            ),
            e(10, "disable_stateful_session_resumption"),
            h(
                11,
                "prefer_client_ciphers",
                "TLS 1.3 suites are equally strong; of TLS 1.2 the server chooses",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
        fields: &[
            e(1, "name"),
            m(2, "sds_config", "envoy.config.core.v3.ConfigSource"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.Secret",
        fields: &[
            e(1, "name"),
            m(
                2,
                "tls_certificate",
                "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
            ),
            m(
                4,
                "validation_context",
                "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
        fields: &[
            e(1, "san_type"),
            m(2, "matcher", "envoy.type.matcher.v3.StringMatcher"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
        fields: &[
            m(1, "certificate_chain", "envoy.config.core.v3.DataSource"),
            m(2, "private_key", "envoy.config.core.v3.DataSource"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.TlsParameters",
        fields: &[
            e(1, "tls_minimum_protocol_version"),
            e(2, "tls_maximum_protocol_version"),
            e(3, "cipher_suites"),
            e(4, "ecdh_curves"),
        ],
    },
    Message {
        name: "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        fields: &[
            m(
                1,
                "common_tls_context",
                "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
            ),
            e(2, "sni"),
            e(4, "max_session_keys"),
            h(5, "enforce_rsa_key_usage", "key usage is always checked"),
            e(6, "auto_host_sni"),
            e(7, "auto_sni_san_validation"),
        ],
    },
    Message {
        name: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        fields: &[
            m(
                1,
                "common_http_protocol_options",
                "envoy.config.core.v3.HttpProtocolOptions",
            ),
            m(
                2,
                "upstream_http_protocol_options",
                "envoy.config.core.v3.UpstreamHttpProtocolOptions",
            ),
            m(
                3,
                "explicit_http_config",
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
            ),
            m(
                4,
                "use_downstream_protocol_config",
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig",
            ),
            m(
                5,
                "auto_config",
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig",
        fields: &[
            m(
                1,
                "http_protocol_options",
                "envoy.config.core.v3.Http1ProtocolOptions",
            ),
            m(
                2,
                "http2_protocol_options",
                "envoy.config.core.v3.Http2ProtocolOptions",
            ),
            h(
                4,
                "alternate_protocols_cache_options",
                "it remembers HTTP/3, which is refused",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
        fields: &[
            m(
                1,
                "http_protocol_options",
                "envoy.config.core.v3.Http1ProtocolOptions",
            ),
            m(
                2,
                "http2_protocol_options",
                "envoy.config.core.v3.Http2ProtocolOptions",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig",
        fields: &[
            m(
                1,
                "http_protocol_options",
                "envoy.config.core.v3.Http1ProtocolOptions",
            ),
            m(
                2,
                "http2_protocol_options",
                "envoy.config.core.v3.Http2ProtocolOptions",
            ),
        ],
    },
    Message {
        name: "envoy.type.matcher.v3.RegexMatchAndSubstitute",
        fields: &[
            m(1, "pattern", "envoy.type.matcher.v3.RegexMatcher"),
            e(2, "substitution"),
        ],
    },
    Message {
        name: "envoy.type.matcher.v3.RegexMatcher",
        fields: &[
            h(
                1,
                "google_re2",
                "one engine, linear in the input, as RE2 is",
            ),
            e(2, "regex"),
        ],
    },
    Message {
        name: "envoy.type.matcher.v3.StringMatcher",
        fields: &[
            e(1, "exact"),
            e(2, "prefix"),
            e(3, "suffix"),
            m(5, "safe_regex", "envoy.type.matcher.v3.RegexMatcher"),
            e(6, "ignore_case"),
            e(7, "contains"),
        ],
    },
    Message {
        name: "envoy.type.v3.FractionalPercent",
        fields: &[e(1, "numerator"), e(2, "denominator")],
    },
    Message {
        name: "envoy.type.v3.Int32Range",
        fields: &[e(1, "start"), e(2, "end")],
    },
    Message {
        name: "envoy.type.v3.Int64Range",
        fields: &[e(1, "start"), e(2, "end")],
    },
    Message {
        name: "envoy.type.v3.Percent",
        fields: &[e(1, "value")],
    },
    Message {
        name: "envoy.type.v3.SemanticVersion",
        fields: &[e(1, "major_number"), e(2, "minor_number"), e(3, "patch")],
    },
];
