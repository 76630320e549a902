//! The type URLs that ferromesh speaks, as constants that can be matched on.

/// What precedes the message's full name in every type URL that Envoy uses.
pub const PREFIX: &str = "type.googleapis.com/";

macro_rules! type_urls {
    ($($(#[$doc:meta])* $constant:ident = $package:literal $name:literal, $($path:ident)::+;)+) => {
        $($(#[$doc])* pub const $constant: &str = concat!("type.googleapis.com/", $package, ".", $name);)+

        #[cfg(test)]
        pub(crate) const ALL: &[(&str, fn() -> String)] = &[
            $(($constant, <envoy_types::pb::$($path)::+ as prost::Name>::type_url)),+
        ];
    };
}

type_urls! {
    /// CDS.
    CLUSTER = "envoy.config.cluster.v3" "Cluster", envoy::config::cluster::v3::Cluster;
    /// EDS.
    ENDPOINT = "envoy.config.endpoint.v3" "ClusterLoadAssignment", envoy::config::endpoint::v3::ClusterLoadAssignment;
    /// LDS.
    LISTENER = "envoy.config.listener.v3" "Listener", envoy::config::listener::v3::Listener;
    /// RDS.
    ROUTE = "envoy.config.route.v3" "RouteConfiguration", envoy::config::route::v3::RouteConfiguration;
    /// SDS.
    SECRET = "envoy.extensions.transport_sockets.tls.v3" "Secret", envoy::extensions::transport_sockets::tls::v3::Secret;
    /// ECDS.
    EXTENSION_CONFIG = "envoy.config.core.v3" "TypedExtensionConfig", envoy::config::core::v3::TypedExtensionConfig;

    HTTP_CONNECTION_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3" "HttpConnectionManager", envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
    TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3" "TcpProxy", envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
    SNI_CLUSTER = "envoy.extensions.filters.network.sni_cluster.v3" "SniCluster", envoy::extensions::filters::network::sni_cluster::v3::SniCluster;
    ROUTER = "envoy.extensions.filters.http.router.v3" "Router", envoy::extensions::filters::http::router::v3::Router;
    CORS = "envoy.extensions.filters.http.cors.v3" "Cors", envoy::extensions::filters::http::cors::v3::Cors;
    CORS_POLICY = "envoy.extensions.filters.http.cors.v3" "CorsPolicy", envoy::extensions::filters::http::cors::v3::CorsPolicy;
    FAULT = "envoy.extensions.filters.http.fault.v3" "HTTPFault", envoy::extensions::filters::http::fault::v3::HttpFault;
    GRPC_STATS = "envoy.extensions.filters.http.grpc_stats.v3" "FilterConfig", envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;
    FILTER_CONFIG = "envoy.config.route.v3" "FilterConfig", envoy::config::route::v3::FilterConfig;
    TLS_INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3" "TlsInspector", envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
    HTTP_INSPECTOR = "envoy.extensions.filters.listener.http_inspector.v3" "HttpInspector", envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
    ORIGINAL_DST = "envoy.extensions.filters.listener.original_dst.v3" "OriginalDst", envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
    PROXY_PROTOCOL = "envoy.extensions.filters.listener.proxy_protocol.v3" "ProxyProtocol", envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;
    DOWNSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3" "DownstreamTlsContext", envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
    UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3" "UpstreamTlsContext", envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;
    RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3" "RawBuffer", envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
    FILE_ACCESS_LOG = "envoy.extensions.access_loggers.file.v3" "FileAccessLog", envoy::extensions::access_loggers::file::v3::FileAccessLog;
    STDOUT_ACCESS_LOG = "envoy.extensions.access_loggers.stream.v3" "StdoutAccessLog", envoy::extensions::access_loggers::stream::v3::StdoutAccessLog;
    STDERR_ACCESS_LOG = "envoy.extensions.access_loggers.stream.v3" "StderrAccessLog", envoy::extensions::access_loggers::stream::v3::StderrAccessLog;
    HTTP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3" "HttpProtocolOptions", envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
    PRESERVE_CASE = "envoy.extensions.http.header_formatters.preserve_case.v3" "PreserveCaseFormatterConfig", envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
    PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3" "PreviousHostsPredicate", envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
    UUID_REQUEST_ID = "envoy.extensions.request_id.uuid.v3" "UuidRequestIdConfig", envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
    ROUND_ROBIN = "envoy.extensions.load_balancing_policies.round_robin.v3" "RoundRobin", envoy::extensions::load_balancing_policies::round_robin::v3::RoundRobin;
    LEAST_REQUEST = "envoy.extensions.load_balancing_policies.least_request.v3" "LeastRequest", envoy::extensions::load_balancing_policies::least_request::v3::LeastRequest;
    RANDOM = "envoy.extensions.load_balancing_policies.random.v3" "Random", envoy::extensions::load_balancing_policies::random::v3::Random;

    BOOTSTRAP = "envoy.config.bootstrap.v3" "Bootstrap", envoy::config::bootstrap::v3::Bootstrap;
    CONFIG_DUMP = "envoy.admin.v3" "ConfigDump", envoy::admin::v3::ConfigDump;
    BOOTSTRAP_CONFIG_DUMP = "envoy.admin.v3" "BootstrapConfigDump", envoy::admin::v3::BootstrapConfigDump;
    CLUSTERS_CONFIG_DUMP = "envoy.admin.v3" "ClustersConfigDump", envoy::admin::v3::ClustersConfigDump;
    LISTENERS_CONFIG_DUMP = "envoy.admin.v3" "ListenersConfigDump", envoy::admin::v3::ListenersConfigDump;
    ROUTES_CONFIG_DUMP = "envoy.admin.v3" "RoutesConfigDump", envoy::admin::v3::RoutesConfigDump;
    SCOPED_ROUTES_CONFIG_DUMP = "envoy.admin.v3" "ScopedRoutesConfigDump", envoy::admin::v3::ScopedRoutesConfigDump;
    ENDPOINTS_CONFIG_DUMP = "envoy.admin.v3" "EndpointsConfigDump", envoy::admin::v3::EndpointsConfigDump;
    SECRETS_CONFIG_DUMP = "envoy.admin.v3" "SecretsConfigDump", envoy::admin::v3::SecretsConfigDump;
    ECDS_CONFIG_DUMP = "envoy.admin.v3" "EcdsConfigDump", envoy::admin::v3::EcdsConfigDump;
}

/// The resource types in the order in which a server pushes them: what is referred to comes before what refers
/// to it. Other types follow in the order of their names.
pub const PUSH_ORDER: [&str; 6] = [CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION_CONFIG];

/// The full message name in a type URL: everything after the last `/`.
#[must_use]
pub fn message_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

/// The constant of [`PUSH_ORDER`] that equals `type_url`.
#[must_use]
pub fn known(type_url: &str) -> Option<&'static str> {
    PUSH_ORDER.into_iter().find(|known| *known == type_url)
}

/// Whether an empty list of names subscribes to everything (LDS, CDS) or to nothing.
#[must_use]
pub fn is_wildcard(type_url: &str) -> bool {
    type_url == LISTENER || type_url == CLUSTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_the_messages_own_names() {
        for (constant, generated) in ALL {
            assert_eq!(*constant, generated());
            assert!(constant.starts_with(PREFIX));
        }
    }

    #[test]
    fn message_name_is_what_follows_the_last_slash() {
        assert_eq!(message_name(LISTENER), "envoy.config.listener.v3.Listener");
        assert_eq!(message_name("no-slash"), "no-slash");
    }
}
