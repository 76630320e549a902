//! DestinationRule: what happens to traffic of a host after routing.

use std::collections::BTreeMap;

use super::PolicySelector;
use super::macros::{choice, message};
use super::virtual_service::PortSelector;
use crate::Duration;

message! {
    /// Istio's `DestinationRule`.
    pub struct DestinationRule {
        /// Host that the rule is about; may begin with `*`.
        pub host: String,
        /// What happens to the traffic after routing.
        pub traffic_policy: Option<TrafficPolicy>,
        /// Named groups of endpoints, by labels.
        pub subsets: Vec<Subset>,
        /// Namespaces that see it: `.`, `*` or names; empty means the mesh's default.
        pub export_to: Vec<String>,
        /// Workloads it is about.
        pub workload_selector: Option<PolicySelector>,
    }
}

message! {
    /// Istio's `TrafficPolicy`.
    pub struct TrafficPolicy {
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// Limits and time-outs of connections.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is taken out for a while.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        pub tls: Option<ClientTlsSettings>,
        /// Settings by port; each replaces those above for its port and inherits nothing.
        pub port_level_settings: Vec<PortTrafficPolicy>,
        /// Tunnels TCP through a proxy by HTTP CONNECT.
        pub tunnel: Option<TunnelSettings>,
        /// Sends the PROXY protocol first.
        pub proxy_protocol: Option<ProxyProtocol>,
        /// Limits retries to a share of the requests.
        pub retry_budget: Option<RetryBudget>,
    }
}

message! {
    /// Istio's `TrafficPolicy.PortTrafficPolicy`.
    #[serde(rename = "TrafficPolicy.PortTrafficPolicy")]
    pub struct PortTrafficPolicy {
        /// The port.
        pub port: Option<PortSelector>,
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// Limits and time-outs of connections.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is taken out for a while.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        pub tls: Option<ClientTlsSettings>,
    }
}

message! {
    /// Istio's `TrafficPolicy.TunnelSettings`.
    #[serde(rename = "TrafficPolicy.TunnelSettings")]
    pub struct TunnelSettings {
        /// `CONNECT` or `POST`.
        pub protocol: String,
        /// Host that the tunnel ends at.
        pub target_host: String,
        /// Port that the tunnel ends at.
        pub target_port: u32,
    }
}

message! {
    /// Istio's `TrafficPolicy.ProxyProtocol`.
    #[serde(rename = "TrafficPolicy.ProxyProtocol")]
    pub struct ProxyProtocol {
        /// The version.
        pub version: ProxyProtocolVersion,
    }
}

choice! {
    /// Istio's `TrafficPolicy.ProxyProtocol.VERSION`.
    pub enum ProxyProtocolVersion {
        /// `V1`.
        V1 = "V1",
        /// `V2`.
        V2 = "V2",
    }
}

message! {
    /// Istio's `TrafficPolicy.RetryBudget`.
    #[serde(rename = "TrafficPolicy.RetryBudget")]
    pub struct RetryBudget {
        /// Most retries, in percent of the requests under way.
        pub percent: Option<f64>,
        /// Retries that are always allowed.
        pub min_retry_concurrency: u32,
        /// Time over which requests are counted.
        pub budget_interval: Option<Duration>,
    }
}

message! {
    /// Istio's `Subset`.
    pub struct Subset {
        /// Its name.
        pub name: String,
        /// Labels of the endpoints, beside those of the service.
        pub labels: BTreeMap<String, String>,
        /// Overrides the rule's policy, field by field.
        pub traffic_policy: Option<TrafficPolicy>,
    }
}

message! {
    /// Istio's `LoadBalancerSettings`.
    pub struct LoadBalancerSettings {
        /// One of the plain policies.
        pub simple: Option<SimpleLb>,
        /// Chooses by a hash of the request.
        pub consistent_hash: Option<ConsistentHashLb>,
        /// Weights and failover by locality.
        pub locality_lb_setting: Option<LocalityLoadBalancerSetting>,
        /// Preference of the own zone.
        pub zone_aware_lb_setting: Option<ZoneAwareLoadBalancerSetting>,
        /// Slow start of new endpoints; deprecated.
        pub warmup_duration_secs: Option<Duration>,
        /// Slow start of new endpoints.
        pub warmup: Option<WarmupConfiguration>,
    }
}

choice! {
    /// Istio's `LoadBalancerSettings.SimpleLB`.
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
    /// Istio's `LoadBalancerSettings.ConsistentHashLB`.
    #[serde(rename = "LoadBalancerSettings.ConsistentHashLB")]
    pub struct ConsistentHashLb {
        /// Hashes this header.
        pub http_header_name: Option<String>,
        /// Hashes this cookie, which is made where missing.
        pub http_cookie: Option<HttpCookie>,
        /// Hashes the client's address.
        pub use_source_ip: Option<bool>,
        /// Hashes this parameter of the query.
        pub http_query_parameter_name: Option<String>,
        /// Ring hash.
        pub ring_hash: Option<RingHash>,
        /// Maglev.
        pub maglev: Option<MagLev>,
        /// Deprecated; see `ring_hash`.
        pub minimum_ring_size: u64,
    }
}

message! {
    /// Istio's `LoadBalancerSettings.ConsistentHashLB.RingHash`.
    #[serde(rename = "LoadBalancerSettings.ConsistentHashLB.RingHash")]
    pub struct RingHash {
        /// Fewest virtual nodes of the ring.
        pub minimum_ring_size: u64,
    }
}

message! {
    /// Istio's `LoadBalancerSettings.ConsistentHashLB.MagLev`.
    #[serde(rename = "LoadBalancerSettings.ConsistentHashLB.MagLev")]
    pub struct MagLev {
        /// Size of the table; a prime number.
        pub table_size: u64,
    }
}

message! {
    /// Istio's `LoadBalancerSettings.ConsistentHashLB.HTTPCookie`.
    #[serde(rename = "LoadBalancerSettings.ConsistentHashLB.HTTPCookie")]
    pub struct HttpCookie {
        /// Its name.
        pub name: String,
        /// Path of the cookie.
        pub path: String,
        /// Lifetime of the cookie; without one it is a session cookie.
        pub ttl: Option<Duration>,
        /// Further attributes.
        pub attributes: Vec<HttpCookieAttribute>,
    }
}

message! {
    /// Istio's `LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute`.
    #[serde(rename = "LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute")]
    pub struct HttpCookieAttribute {
        /// Its name.
        pub name: String,
        /// The value.
        pub value: String,
    }
}

message! {
    /// Istio's `WarmupConfiguration`.
    pub struct WarmupConfiguration {
        /// How long an endpoint warms up.
        pub duration: Option<Duration>,
        /// Share of its weight at the start.
        pub minimum_percent: Option<f64>,
        /// Shape of the curve; 1 is linear.
        pub aggression: Option<f64>,
    }
}

message! {
    /// Istio's `ConnectionPoolSettings`.
    pub struct ConnectionPoolSettings {
        /// TCP settings.
        pub tcp: Option<TcpSettings>,
        /// HTTP settings.
        pub http: Option<HttpSettings>,
    }
}

message! {
    /// Istio's `ConnectionPoolSettings.TCPSettings`.
    #[serde(rename = "ConnectionPoolSettings.TCPSettings")]
    pub struct TcpSettings {
        /// Most connections to the destination; 0 means no limit.
        pub max_connections: i32,
        /// How long connecting may take.
        pub connect_timeout: Option<Duration>,
        /// TCP keep-alive probes.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// How long a connection may live.
        pub max_connection_duration: Option<Duration>,
        /// How long a connection without requests stays open.
        pub idle_timeout: Option<Duration>,
    }
}

message! {
    /// Istio's `ConnectionPoolSettings.TCPSettings.TcpKeepalive`.
    #[serde(rename = "ConnectionPoolSettings.TCPSettings.TcpKeepalive")]
    pub struct TcpKeepalive {
        /// Probes without an answer until the connection is dead.
        pub probes: u32,
        /// Idle time before the first probe.
        pub time: Option<Duration>,
        /// Time between two checks.
        pub interval: Option<Duration>,
    }
}

message! {
    /// Istio's `ConnectionPoolSettings.HTTPSettings`.
    #[serde(rename = "ConnectionPoolSettings.HTTPSettings")]
    pub struct HttpSettings {
        /// Most requests that wait for a connection; 0 means no limit.
        pub http1_max_pending_requests: i32,
        /// Most requests under way; 0 means no limit.
        pub http2_max_requests: i32,
        /// Requests until a connection is closed; 0 means no limit.
        pub max_requests_per_connection: i32,
        /// Most retries under way at once.
        pub max_retries: i32,
        /// How long a connection without requests stays open.
        pub idle_timeout: Option<Duration>,
        /// Whether HTTP/1.1 is sent on as HTTP/2.
        pub h2_upgrade_policy: H2UpgradePolicy,
        /// Sends on in the client's protocol.
        pub use_client_protocol: bool,
        /// Most streams of an HTTP/2 connection; 0 means the default.
        pub max_concurrent_streams: i32,
        /// PING frames on HTTP/2 connections.
        pub http2_keep_alive: Option<ConnectionKeepalive>,
    }
}

choice! {
    /// Istio's `ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy`.
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
    /// Istio's `ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive`.
    #[serde(rename = "ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive")]
    pub struct ConnectionKeepalive {
        /// Time between two checks.
        pub interval: Option<Duration>,
        /// How long the answer may take.
        pub timeout: Option<Duration>,
    }
}

message! {
    /// Istio's `OutlierDetection`.
    pub struct OutlierDetection {
        /// Deprecated and without effect.
        pub consecutive_errors: i32,
        /// Counts errors of connecting apart from answers.
        pub split_external_local_origin_errors: bool,
        /// Failures to connect in a row until ejection.
        pub consecutive_local_origin_failures: Option<u32>,
        /// 502, 503 or 504 in a row until ejection.
        pub consecutive_gateway_errors: Option<u32>,
        /// Server errors in a row until ejection; 5 where absent.
        pub consecutive_5xx_errors: Option<u32>,
        /// Time between two sweeps; 10 s.
        pub interval: Option<Duration>,
        /// First ejection's length, multiplied by their number; 30 s.
        pub base_ejection_time: Option<Duration>,
        /// Most endpoints ejected, in percent; 10.
        pub max_ejection_percent: i32,
        /// Below this share of healthy endpoints nothing is ejected.
        pub min_health_percent: i32,
        /// Statuses that count as errors.
        pub outlier_detection_http_error_codes: Vec<u32>,
    }
}

message! {
    /// Istio's `ClientTLSSettings`.
    #[serde(rename = "ClientTLSSettings")]
    pub struct ClientTlsSettings {
        /// Whether and how TLS is spoken.
        pub mode: ClientTlsMode,
        /// File of the client's certificate.
        pub client_certificate: String,
        /// File of the private key.
        pub private_key: String,
        /// File of the trusted CA certificates.
        pub ca_certificates: String,
        /// Secret with certificate, key and CA.
        pub credential_name: String,
        /// Names of which the peer's certificate must carry one.
        pub subject_alt_names: Vec<String>,
        /// Server name that is sent.
        pub sni: String,
        /// Accepts any certificate.
        pub insecure_skip_verify: Option<bool>,
        /// File of the certificate revocation list.
        pub ca_crl: String,
    }
}

choice! {
    /// Istio's `ClientTLSSettings.TLSmode`.
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
    /// Istio's `LocalityLoadBalancerSetting`.
    pub struct LocalityLoadBalancerSetting {
        /// Shares by locality.
        pub distribute: Vec<LocalityDistribute>,
        /// Where requests go when a locality fails.
        pub failover: Vec<LocalityFailover>,
        /// Labels that order endpoints for failover.
        pub failover_priority: Vec<String>,
        /// Whether it is on; absent means the mesh's setting.
        pub enabled: Option<bool>,
    }
}

message! {
    /// Istio's `LocalityLoadBalancerSetting.Distribute`.
    #[serde(rename = "LocalityLoadBalancerSetting.Distribute")]
    pub struct LocalityDistribute {
        /// Locality of the client.
        pub from: String,
        /// Shares in percent by locality; 100 in sum.
        pub to: BTreeMap<String, u32>,
    }
}

message! {
    /// Istio's `LocalityLoadBalancerSetting.Failover`.
    #[serde(rename = "LocalityLoadBalancerSetting.Failover")]
    pub struct LocalityFailover {
        /// Region that fails.
        pub from: String,
        /// Region that takes over.
        pub to: String,
    }
}

message! {
    /// Istio's `ZoneAwareLoadBalancerSetting`.
    pub struct ZoneAwareLoadBalancerSetting {
        /// Turns it on.
        pub enabled: Option<bool>,
        /// Where requests go when a zone fails.
        pub failover: Vec<ZoneAwareFailover>,
        /// Labels that order endpoints for failover.
        pub failover_priority: Vec<String>,
        /// Fewest endpoints for it to work.
        pub min_cluster_size: Option<u32>,
    }
}

message! {
    /// Istio's `ZoneAwareLoadBalancerSetting.Failover`.
    #[serde(rename = "ZoneAwareLoadBalancerSetting.Failover")]
    pub struct ZoneAwareFailover {
        /// Region that fails.
        pub from: String,
        /// Region that takes over.
        pub to: String,
    }
}
