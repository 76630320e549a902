//! What the other families are made of: addresses, config sources, protocol options.

use super::{Message, any, e, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
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
];
