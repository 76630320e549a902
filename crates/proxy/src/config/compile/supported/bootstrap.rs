//! The bootstrap.

use super::{Message, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
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
];
