//! DestinationRule: what happens to traffic of a host after routing.

use std::collections::BTreeMap;

use super::PolicySelector;
use super::macros::choice;
use super::macros::message;
use super::virtual_service::PortSelector;
use crate::Duration;

message! {
    /// `DestinationRule`.
    pub struct DestinationRule {
        /// TODO-DOC DestinationRule.host
        pub host: String,
        /// TODO-DOC DestinationRule.traffic_policy
        pub traffic_policy: Option<TrafficPolicy>,
        /// TODO-DOC DestinationRule.subsets
        pub subsets: Vec<Subset>,
        /// TODO-DOC DestinationRule.export_to
        pub export_to: Vec<String>,
        /// TODO-DOC DestinationRule.workload_selector
        pub workload_selector: Option<PolicySelector>,
    }
}

message! {
    /// `TrafficPolicy`.
    pub struct TrafficPolicy {
        /// TODO-DOC TrafficPolicy.load_balancer
        pub load_balancer: Option<LoadBalancerSettings>,
        /// TODO-DOC TrafficPolicy.connection_pool
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// TODO-DOC TrafficPolicy.outlier_detection
        pub outlier_detection: Option<OutlierDetection>,
        /// TODO-DOC TrafficPolicy.tls
        pub tls: Option<ClientTlsSettings>,
        /// TODO-DOC TrafficPolicy.port_level_settings
        pub port_level_settings: Vec<PortTrafficPolicy>,
        /// TODO-DOC TrafficPolicy.tunnel
        pub tunnel: Option<TunnelSettings>,
        /// TODO-DOC TrafficPolicy.proxy_protocol
        pub proxy_protocol: Option<ProxyProtocol>,
        /// TODO-DOC TrafficPolicy.retry_budget
        pub retry_budget: Option<RetryBudget>,
    }
}

message! {
    /// `TrafficPolicy.PortTrafficPolicy`.
    pub struct PortTrafficPolicy {
        /// TODO-DOC PortTrafficPolicy.port
        pub port: Option<PortSelector>,
        /// TODO-DOC PortTrafficPolicy.load_balancer
        pub load_balancer: Option<LoadBalancerSettings>,
        /// TODO-DOC PortTrafficPolicy.connection_pool
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// TODO-DOC PortTrafficPolicy.outlier_detection
        pub outlier_detection: Option<OutlierDetection>,
        /// TODO-DOC PortTrafficPolicy.tls
        pub tls: Option<ClientTlsSettings>,
    }
}

message! {
    /// `TrafficPolicy.TunnelSettings`.
    pub struct TunnelSettings {
        /// TODO-DOC TunnelSettings.protocol
        pub protocol: String,
        /// TODO-DOC TunnelSettings.target_host
        pub target_host: String,
        /// TODO-DOC TunnelSettings.target_port
        pub target_port: u32,
    }
}

message! {
    /// `TrafficPolicy.ProxyProtocol`.
    pub struct ProxyProtocol {
        /// TODO-DOC ProxyProtocol.version
        pub version: ProxyProtocolVersion,
    }
}

choice! {
    /// `TrafficPolicy.ProxyProtocol.VERSION`.
    pub enum ProxyProtocolVersion {
        /// `V1`.
        V1 = "V1",
        /// `V2`.
        V2 = "V2",
    }
}

message! {
    /// `TrafficPolicy.RetryBudget`.
    pub struct RetryBudget {
        /// TODO-DOC RetryBudget.percent
        pub percent: Option<f64>,
        /// TODO-DOC RetryBudget.min_retry_concurrency
        pub min_retry_concurrency: u32,
        /// TODO-DOC RetryBudget.budget_interval
        pub budget_interval: Option<Duration>,
    }
}

message! {
    /// `Subset`.
    pub struct Subset {
        /// TODO-DOC Subset.name
        pub name: String,
        /// TODO-DOC Subset.labels
        pub labels: BTreeMap<String, String>,
        /// TODO-DOC Subset.traffic_policy
        pub traffic_policy: Option<TrafficPolicy>,
    }
}

message! {
    /// `LoadBalancerSettings`.
    pub struct LoadBalancerSettings {
        /// TODO-DOC LoadBalancerSettings.simple
        pub simple: Option<SimpleLb>,
        /// TODO-DOC LoadBalancerSettings.consistent_hash
        pub consistent_hash: Option<ConsistentHashLb>,
        /// TODO-DOC LoadBalancerSettings.locality_lb_setting
        pub locality_lb_setting: Option<LocalityLoadBalancerSetting>,
        /// TODO-DOC LoadBalancerSettings.zone_aware_lb_setting
        pub zone_aware_lb_setting: Option<ZoneAwareLoadBalancerSetting>,
        /// TODO-DOC LoadBalancerSettings.warmup_duration_secs
        pub warmup_duration_secs: Option<Duration>,
        /// TODO-DOC LoadBalancerSettings.warmup
        pub warmup: Option<WarmupConfiguration>,
    }
}

choice! {
    /// `LoadBalancerSettings.SimpleLB`.
    pub enum SimpleLb {
        /// `UNSPECIFIED`.
        Unspecified = "UNSPECIFIED",
        /// `LEAST_CONN`.
        LeastConn = "LEAST_CONN",
        /// `RANDOM`.
        Random = "RANDOM",
        /// `PASSTHROUGH`.
        Passthrough = "PASSTHROUGH",
        /// `ROUND_ROBIN`.
        RoundRobin = "ROUND_ROBIN",
        /// `LEAST_REQUEST`.
        LeastRequest = "LEAST_REQUEST",
    }
}

message! {
    /// `LoadBalancerSettings.ConsistentHashLB`.
    pub struct ConsistentHashLb {
        /// TODO-DOC ConsistentHashLB.http_header_name
        pub http_header_name: Option<String>,
        /// TODO-DOC ConsistentHashLB.http_cookie
        pub http_cookie: Option<HttpCookie>,
        /// TODO-DOC ConsistentHashLB.use_source_ip
        pub use_source_ip: Option<bool>,
        /// TODO-DOC ConsistentHashLB.http_query_parameter_name
        pub http_query_parameter_name: Option<String>,
        /// TODO-DOC ConsistentHashLB.ring_hash
        pub ring_hash: Option<RingHash>,
        /// TODO-DOC ConsistentHashLB.maglev
        pub maglev: Option<MagLev>,
        /// TODO-DOC ConsistentHashLB.minimum_ring_size
        pub minimum_ring_size: u64,
    }
}

message! {
    /// `LoadBalancerSettings.ConsistentHashLB.RingHash`.
    pub struct RingHash {
        /// TODO-DOC RingHash.minimum_ring_size
        pub minimum_ring_size: u64,
    }
}

message! {
    /// `LoadBalancerSettings.ConsistentHashLB.MagLev`.
    pub struct MagLev {
        /// TODO-DOC MagLev.table_size
        pub table_size: u64,
    }
}

message! {
    /// `LoadBalancerSettings.ConsistentHashLB.HTTPCookie`.
    pub struct HttpCookie {
        /// TODO-DOC HTTPCookie.name
        pub name: String,
        /// TODO-DOC HTTPCookie.path
        pub path: String,
        /// TODO-DOC HTTPCookie.ttl
        pub ttl: Option<Duration>,
        /// TODO-DOC HTTPCookie.attributes
        pub attributes: Vec<HttpCookieAttribute>,
    }
}

message! {
    /// `LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute`.
    pub struct HttpCookieAttribute {
        /// TODO-DOC Attribute.name
        pub name: String,
        /// TODO-DOC Attribute.value
        pub value: String,
    }
}

message! {
    /// `WarmupConfiguration`.
    pub struct WarmupConfiguration {
        /// TODO-DOC WarmupConfiguration.duration
        pub duration: Option<Duration>,
        /// TODO-DOC WarmupConfiguration.minimum_percent
        pub minimum_percent: Option<f64>,
        /// TODO-DOC WarmupConfiguration.aggression
        pub aggression: Option<f64>,
    }
}

message! {
    /// `ConnectionPoolSettings`.
    pub struct ConnectionPoolSettings {
        /// TODO-DOC ConnectionPoolSettings.tcp
        pub tcp: Option<TcpSettings>,
        /// TODO-DOC ConnectionPoolSettings.http
        pub http: Option<HttpSettings>,
    }
}

message! {
    /// `ConnectionPoolSettings.TCPSettings`.
    pub struct TcpSettings {
        /// TODO-DOC TCPSettings.max_connections
        pub max_connections: i32,
        /// TODO-DOC TCPSettings.connect_timeout
        pub connect_timeout: Option<Duration>,
        /// TODO-DOC TCPSettings.tcp_keepalive
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// TODO-DOC TCPSettings.max_connection_duration
        pub max_connection_duration: Option<Duration>,
        /// TODO-DOC TCPSettings.idle_timeout
        pub idle_timeout: Option<Duration>,
    }
}

message! {
    /// `ConnectionPoolSettings.TCPSettings.TcpKeepalive`.
    pub struct TcpKeepalive {
        /// TODO-DOC TcpKeepalive.probes
        pub probes: u32,
        /// TODO-DOC TcpKeepalive.time
        pub time: Option<Duration>,
        /// TODO-DOC TcpKeepalive.interval
        pub interval: Option<Duration>,
    }
}

message! {
    /// `ConnectionPoolSettings.HTTPSettings`.
    pub struct HttpSettings {
        /// TODO-DOC HTTPSettings.http1_max_pending_requests
        pub http1_max_pending_requests: i32,
        /// TODO-DOC HTTPSettings.http2_max_requests
        pub http2_max_requests: i32,
        /// TODO-DOC HTTPSettings.max_requests_per_connection
        pub max_requests_per_connection: i32,
        /// TODO-DOC HTTPSettings.max_retries
        pub max_retries: i32,
        /// TODO-DOC HTTPSettings.idle_timeout
        pub idle_timeout: Option<Duration>,
        /// TODO-DOC HTTPSettings.h2_upgrade_policy
        pub h2_upgrade_policy: H2UpgradePolicy,
        /// TODO-DOC HTTPSettings.use_client_protocol
        pub use_client_protocol: bool,
        /// TODO-DOC HTTPSettings.max_concurrent_streams
        pub max_concurrent_streams: i32,
        /// TODO-DOC HTTPSettings.http2_keep_alive
        pub http2_keep_alive: Option<ConnectionKeepalive>,
    }
}

choice! {
    /// `ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy`.
    pub enum H2UpgradePolicy {
        /// `DEFAULT`.
        Default = "DEFAULT",
        /// `DO_NOT_UPGRADE`.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// `UPGRADE`.
        Upgrade = "UPGRADE",
    }
}

message! {
    /// `ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive`.
    pub struct ConnectionKeepalive {
        /// TODO-DOC ConnectionKeepalive.interval
        pub interval: Option<Duration>,
        /// TODO-DOC ConnectionKeepalive.timeout
        pub timeout: Option<Duration>,
    }
}

message! {
    /// `OutlierDetection`.
    pub struct OutlierDetection {
        /// TODO-DOC OutlierDetection.consecutive_errors
        pub consecutive_errors: i32,
        /// TODO-DOC OutlierDetection.split_external_local_origin_errors
        pub split_external_local_origin_errors: bool,
        /// TODO-DOC OutlierDetection.consecutive_local_origin_failures
        pub consecutive_local_origin_failures: Option<u32>,
        /// TODO-DOC OutlierDetection.consecutive_gateway_errors
        pub consecutive_gateway_errors: Option<u32>,
        /// TODO-DOC OutlierDetection.consecutive_5xx_errors
        pub consecutive_5xx_errors: Option<u32>,
        /// TODO-DOC OutlierDetection.interval
        pub interval: Option<Duration>,
        /// TODO-DOC OutlierDetection.base_ejection_time
        pub base_ejection_time: Option<Duration>,
        /// TODO-DOC OutlierDetection.max_ejection_percent
        pub max_ejection_percent: i32,
        /// TODO-DOC OutlierDetection.min_health_percent
        pub min_health_percent: i32,
        /// TODO-DOC OutlierDetection.outlier_detection_http_error_codes
        pub outlier_detection_http_error_codes: Vec<u32>,
    }
}

message! {
    /// `ClientTLSSettings`.
    pub struct ClientTlsSettings {
        /// TODO-DOC ClientTLSSettings.mode
        pub mode: ClientTlsMode,
        /// TODO-DOC ClientTLSSettings.client_certificate
        pub client_certificate: String,
        /// TODO-DOC ClientTLSSettings.private_key
        pub private_key: String,
        /// TODO-DOC ClientTLSSettings.ca_certificates
        pub ca_certificates: String,
        /// TODO-DOC ClientTLSSettings.credential_name
        pub credential_name: String,
        /// TODO-DOC ClientTLSSettings.subject_alt_names
        pub subject_alt_names: Vec<String>,
        /// TODO-DOC ClientTLSSettings.sni
        pub sni: String,
        /// TODO-DOC ClientTLSSettings.insecure_skip_verify
        pub insecure_skip_verify: Option<bool>,
        /// TODO-DOC ClientTLSSettings.ca_crl
        pub ca_crl: String,
    }
}

choice! {
    /// `ClientTLSSettings.TLSmode`.
    pub enum ClientTlsMode {
        /// `DISABLE`.
        Disable = "DISABLE",
        /// `SIMPLE`.
        Simple = "SIMPLE",
        /// `MUTUAL`.
        Mutual = "MUTUAL",
        /// `ISTIO_MUTUAL`.
        IstioMutual = "ISTIO_MUTUAL",
    }
}

message! {
    /// `LocalityLoadBalancerSetting`.
    pub struct LocalityLoadBalancerSetting {
        /// TODO-DOC LocalityLoadBalancerSetting.distribute
        pub distribute: Vec<LocalityDistribute>,
        /// TODO-DOC LocalityLoadBalancerSetting.failover
        pub failover: Vec<LocalityFailover>,
        /// TODO-DOC LocalityLoadBalancerSetting.failover_priority
        pub failover_priority: Vec<String>,
        /// TODO-DOC LocalityLoadBalancerSetting.enabled
        pub enabled: Option<bool>,
    }
}

message! {
    /// `LocalityLoadBalancerSetting.Distribute`.
    pub struct LocalityDistribute {
        /// TODO-DOC Distribute.from
        pub from: String,
        /// TODO-DOC Distribute.to
        pub to: BTreeMap<String, u32>,
    }
}

message! {
    /// `LocalityLoadBalancerSetting.Failover`.
    pub struct LocalityFailover {
        /// TODO-DOC Failover.from
        pub from: String,
        /// TODO-DOC Failover.to
        pub to: String,
    }
}

message! {
    /// `ZoneAwareLoadBalancerSetting`.
    pub struct ZoneAwareLoadBalancerSetting {
        /// TODO-DOC ZoneAwareLoadBalancerSetting.enabled
        pub enabled: Option<bool>,
        /// TODO-DOC ZoneAwareLoadBalancerSetting.failover
        pub failover: Vec<ZoneAwareFailover>,
        /// TODO-DOC ZoneAwareLoadBalancerSetting.failover_priority
        pub failover_priority: Vec<String>,
        /// TODO-DOC ZoneAwareLoadBalancerSetting.min_cluster_size
        pub min_cluster_size: Option<u32>,
    }
}

message! {
    /// `ZoneAwareLoadBalancerSetting.Failover`.
    pub struct ZoneAwareFailover {
        /// TODO-DOC Failover.from
        pub from: String,
        /// TODO-DOC Failover.to
        pub to: String,
    }
}
