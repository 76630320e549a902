//! How HTTP is spoken upstream.

use super::{Message, h, m};

pub(super) const MESSAGES: &[Message] = &[
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
];
