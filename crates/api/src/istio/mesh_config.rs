//! MeshConfig: settings of the whole mesh.

use std::collections::BTreeMap;

use super::destination_rule::{
    ClientTlsSettings, ConnectionPoolSettings, LocalityLoadBalancerSetting, OutlierDetection,
    TcpKeepalive, ZoneAwareLoadBalancerSetting,
};
use super::extension_provider::ExtensionProvider;
use super::macros::{choice, message};
use super::mesh_proxy_config::ProxyConfig;
use super::virtual_service::HttpRetry;
use crate::Duration;

choice! {
    /// Istio's `Resource`.
    pub enum SubscribedResource {
        /// `SERVICE_REGISTRY`.
        ServiceRegistry = "SERVICE_REGISTRY",
    }
}

message! {
    /// Istio's `MeshConfig`.
    pub struct MeshConfig {
        /// Port for captured outgoing traffic; 15001.
        pub proxy_listen_port: i32,
        /// Port for captured incoming traffic; 15006.
        pub proxy_inbound_listen_port: i32,
        /// Port of an HTTP proxy for applications; none.
        pub proxy_http_port: i32,
        /// How long proxies may take to connect; 10 s.
        pub connect_timeout: Option<Duration>,
        /// How long HBONE connections stay open.
        pub hbone_idle_timeout: Option<Duration>,
        /// How long sniffing waits; 0 means without end.
        pub protocol_detection_timeout: Option<Duration>,
        /// TCP keep-alive probes.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// Class of Ingress resources.
        pub ingress_class: String,
        /// Service of the ingress gateway.
        pub ingress_service: String,
        /// Which Ingress resources are served.
        pub ingress_controller_mode: IngressControllerMode,
        /// Label of the ingress gateway.
        pub ingress_selector: String,
        /// Whether spans are made.
        pub enable_tracing: bool,
        /// File of the access log; none where empty.
        pub access_log_file: String,
        /// Format of the access log; Istio's where empty.
        pub access_log_format: String,
        /// Text or JSON.
        pub access_log_encoding: AccessLogEncoding,
        /// Sends access logs to a service.
        pub enable_envoy_access_log_service: bool,
        /// Leaves out the log of connections that no route took.
        pub disable_envoy_listener_log: bool,
        /// Settings of every proxy.
        pub default_config: Option<ProxyConfig>,
        /// What happens to calls of unknown hosts.
        pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
        /// Where incoming traffic is sent.
        pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
        /// Where configuration comes from, beside the API server.
        pub config_sources: Vec<ConfigSource>,
        /// Whether clients use mutual TLS where the server can; true.
        pub enable_auto_mtls: Option<bool>,
        /// Trust domain of all identities; `cluster.local`.
        pub trust_domain: String,
        /// Trust domains that count as the own one.
        pub trust_domain_aliases: Vec<String>,
        /// Further trusted roots.
        pub ca_certificates: Vec<CertificateData>,
        /// `exportTo` of services that have none.
        pub default_service_export_to: Vec<String>,
        /// `exportTo` of VirtualServices that have none.
        pub default_virtual_service_export_to: Vec<String>,
        /// `exportTo` of DestinationRules that have none.
        pub default_destination_rule_export_to: Vec<String>,
        /// Namespace whose policies hold everywhere; `istio-system`.
        pub root_namespace: String,
        /// Weights and failover by locality.
        pub locality_lb_setting: Option<LocalityLoadBalancerSetting>,
        /// Preference of the own zone.
        pub zone_aware_lb_setting: Option<ZoneAwareLoadBalancerSetting>,
        /// How often names are resolved again.
        pub dns_refresh_rate: Option<Duration>,
        /// Whether HTTP/1.1 is sent on as HTTP/2.
        pub h2_upgrade_policy: MeshH2UpgradePolicy,
        /// Pattern of statistics of incoming clusters.
        pub inbound_cluster_stat_name: String,
        /// Pattern of statistics of outgoing clusters.
        pub outbound_cluster_stat_name: String,
        /// Deprecated.
        pub certificates: Vec<Certificate>,
        /// Settings of some services.
        pub service_settings: Vec<ServiceSettings>,
        /// Which services other clusters see.
        pub service_scope_configs: Vec<ServiceScopeConfigs>,
        /// Serves the application's metrics with the proxy's; true.
        pub enable_prometheus_merge: Option<bool>,
        /// Deprecated.
        pub verify_certificate_at_client: Option<bool>,
        /// Another certificate authority.
        pub ca: Option<CertificateAuthority>,
        /// Providers that policies name.
        pub extension_providers: Vec<ExtensionProvider>,
        /// Providers of workloads without a Telemetry.
        pub default_providers: Option<DefaultProviders>,
        /// Namespaces that are watched.
        pub discovery_selectors: Vec<LabelSelector>,
        /// How request paths are made canonical.
        pub path_normalization: Option<ProxyPathNormalization>,
        /// Retries of routes that say nothing.
        pub default_http_retry_policy: Option<HttpRetry>,
        #[serde(rename = "meshMTLS")]
        /// TLS between workloads.
        pub mesh_mtls: Option<TlsConfig>,
        /// TLS elsewhere.
        pub tls_defaults: Option<TlsConfig>,
        /// Traffic policy of every host.
        pub default_traffic_policy: Option<DefaultTrafficPolicy>,
        /// Who sees ServiceEntries.
        pub service_entry_visibility: Option<ServiceEntryVisibility>,
    }
}

choice! {
    /// Istio's `MeshConfig.IngressControllerMode`.
    pub enum IngressControllerMode {
        /// `UNSPECIFIED`.
        Unspecified = "UNSPECIFIED",
        /// `OFF`.
        Off = "OFF",
        /// `DEFAULT`.
        Default = "DEFAULT",
        /// `STRICT`.
        Strict = "STRICT",
    }
}

choice! {
    /// Istio's `MeshConfig.AccessLogEncoding`.
    pub enum AccessLogEncoding {
        /// `TEXT`.
        Text = "TEXT",
        /// `JSON`.
        Json = "JSON",
    }
}

choice! {
    /// Istio's `MeshConfig.H2UpgradePolicy`.
    pub enum MeshH2UpgradePolicy {
        /// `DO_NOT_UPGRADE`.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// `UPGRADE`.
        Upgrade = "UPGRADE",
    }
}

message! {
    /// Istio's `MeshConfig.OutboundTrafficPolicy`.
    #[serde(rename = "MeshConfig.OutboundTrafficPolicy")]
    pub struct OutboundTrafficPolicy {
        /// The mode.
        pub mode: OutboundTrafficPolicyMode,
        /// TLS towards unknown hosts.
        pub tls: Option<ClientTlsSettings>,
    }
}

choice! {
    /// Istio's `MeshConfig.OutboundTrafficPolicy.Mode`.
    pub enum OutboundTrafficPolicyMode {
        /// `REGISTRY_ONLY`.
        RegistryOnly = "REGISTRY_ONLY",
        /// `ALLOW_ANY`.
        AllowAny = "ALLOW_ANY",
        /// `ALLOW_ANY_DYNAMIC_DNS`.
        AllowAnyDynamicDns = "ALLOW_ANY_DYNAMIC_DNS",
    }
}

message! {
    /// Istio's `MeshConfig.InboundTrafficPolicy`.
    #[serde(rename = "MeshConfig.InboundTrafficPolicy")]
    pub struct InboundTrafficPolicy {
        /// The mode.
        pub mode: InboundTrafficPolicyMode,
    }
}

choice! {
    /// Istio's `MeshConfig.InboundTrafficPolicy.Mode`.
    pub enum InboundTrafficPolicyMode {
        /// `PASSTHROUGH`.
        Passthrough = "PASSTHROUGH",
        /// `LOCALHOST`.
        Localhost = "LOCALHOST",
    }
}

message! {
    /// Istio's `MeshConfig.CertificateData`.
    #[serde(rename = "MeshConfig.CertificateData")]
    pub struct CertificateData {
        /// The certificate, as PEM.
        pub pem: Option<String>,
        /// Where the bundle is fetched.
        pub spiffe_bundle_url: Option<String>,
        /// Signers that use it.
        pub cert_signers: Vec<String>,
        /// Trust domains that it is for.
        pub trust_domains: Vec<String>,
    }
}

message! {
    /// Istio's `MeshConfig.ServiceSettings`.
    #[serde(rename = "MeshConfig.ServiceSettings")]
    pub struct ServiceSettings {
        /// The settings.
        pub settings: Option<ServiceSettingsFlags>,
        /// Hosts that they are for.
        pub hosts: Vec<String>,
    }
}

message! {
    /// Istio's `MeshConfig.ServiceSettings.Settings`.
    #[serde(rename = "MeshConfig.ServiceSettings.Settings")]
    pub struct ServiceSettingsFlags {
        /// Whether the service stays in its cluster.
        pub cluster_local: bool,
    }
}

message! {
    /// Istio's `MeshConfig.ServiceScopeConfigs`.
    #[serde(rename = "MeshConfig.ServiceScopeConfigs")]
    pub struct ServiceScopeConfigs {
        /// Namespaces.
        pub namespace_selector: Option<LabelSelector>,
        /// Services.
        pub services_selector: Option<LabelSelector>,
        /// Their scope.
        pub scope: ServiceScopeConfigsScope,
    }
}

choice! {
    /// Istio's `MeshConfig.ServiceScopeConfigs.Scope`.
    pub enum ServiceScopeConfigsScope {
        /// `LOCAL`.
        Local = "LOCAL",
        /// `GLOBAL`.
        Global = "GLOBAL",
    }
}

message! {
    /// Istio's `MeshConfig.CA`.
    #[serde(rename = "MeshConfig.CA")]
    pub struct CertificateAuthority {
        /// Address.
        pub address: String,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// How long a request may take.
        pub request_timeout: Option<Duration>,
        /// Whether istiod asks it.
        pub istiod_side: bool,
    }
}

message! {
    /// Istio's `MeshConfig.DefaultProviders`.
    #[serde(rename = "MeshConfig.DefaultProviders")]
    pub struct DefaultProviders {
        /// For traces.
        pub tracing: Vec<String>,
        /// For metrics.
        pub metrics: Vec<String>,
        /// For access logs.
        pub access_logging: Vec<String>,
    }
}

message! {
    /// Istio's `MeshConfig.ProxyPathNormalization`.
    #[serde(rename = "MeshConfig.ProxyPathNormalization")]
    pub struct ProxyPathNormalization {
        /// The kind of normalisation.
        pub normalization: NormalizationType,
    }
}

choice! {
    /// Istio's `MeshConfig.ProxyPathNormalization.NormalizationType`.
    pub enum NormalizationType {
        /// `DEFAULT`.
        Default = "DEFAULT",
        /// `NONE`.
        None = "NONE",
        /// `BASE`.
        Base = "BASE",
        /// `MERGE_SLASHES`.
        MergeSlashes = "MERGE_SLASHES",
        /// `DECODE_AND_MERGE_SLASHES`.
        DecodeAndMergeSlashes = "DECODE_AND_MERGE_SLASHES",
    }
}

message! {
    /// Istio's `MeshConfig.TLSConfig`.
    #[serde(rename = "MeshConfig.TLSConfig")]
    pub struct TlsConfig {
        /// Lowest version of TLS.
        pub min_protocol_version: MeshTlsProtocol,
        /// Allowed curves.
        pub ecdh_curves: Vec<String>,
        /// Allowed cipher suites of TLS 1.2.
        pub cipher_suites: Vec<String>,
    }
}

choice! {
    /// Istio's `MeshConfig.TLSConfig.TLSProtocol`.
    pub enum MeshTlsProtocol {
        /// `TLS_AUTO`.
        Auto = "TLS_AUTO",
        /// `TLSV1_2`.
        V1_2 = "TLSV1_2",
        /// `TLSV1_3`.
        V1_3 = "TLSV1_3",
    }
}

message! {
    /// Istio's `MeshConfig.DefaultTrafficPolicy`.
    #[serde(rename = "MeshConfig.DefaultTrafficPolicy")]
    pub struct DefaultTrafficPolicy {
        /// Limits and time-outs of connections.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is taken out for a while.
        pub outlier_detection: Option<OutlierDetection>,
    }
}

message! {
    /// Istio's `LabelSelector`.
    pub struct LabelSelector {
        /// Labels, all of them.
        pub match_labels: BTreeMap<String, String>,
        /// Conditions, all of them.
        pub match_expressions: Vec<LabelSelectorRequirement>,
    }
}

message! {
    /// Istio's `LabelSelectorRequirement`.
    pub struct LabelSelectorRequirement {
        /// The label.
        pub key: String,
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        pub operator: String,
        /// Values.
        pub values: Vec<String>,
    }
}

message! {
    /// Istio's `ServiceEntryVisibility`.
    pub struct ServiceEntryVisibility {
        /// Where no policy matches.
        pub default_visibility: Visibility,
        /// Whether sidecars follow it too.
        pub apply_to_sidecars: bool,
        /// Policies; the first that matches.
        pub policies: Vec<VisibilityPolicy>,
    }
}

choice! {
    /// Istio's `ServiceEntryVisibility.Visibility`.
    pub enum Visibility {
        /// `VISIBILITY_UNSPECIFIED`.
        Unspecified = "VISIBILITY_UNSPECIFIED",
        /// `NONE`.
        None = "NONE",
        /// `NAMESPACE`.
        Namespace = "NAMESPACE",
        /// `PUBLIC`.
        Public = "PUBLIC",
    }
}

message! {
    /// Istio's `ServiceEntryVisibility.Policy`.
    #[serde(rename = "ServiceEntryVisibility.Policy")]
    pub struct VisibilityPolicy {
        /// The visibility.
        pub visibility: Visibility,
        /// Which ServiceEntries.
        pub matching_rules: Vec<VisibilityMatchRule>,
    }
}

message! {
    /// Istio's `ServiceEntryVisibility.MatchRule`.
    #[serde(rename = "ServiceEntryVisibility.MatchRule")]
    pub struct VisibilityMatchRule {
        /// By namespace.
        pub namespace_selector: Option<LabelSelector>,
    }
}

message! {
    /// Istio's `ConfigSource`.
    pub struct ConfigSource {
        /// Address.
        pub address: String,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// What it gives.
        pub subscribed_resources: Vec<SubscribedResource>,
    }
}

message! {
    /// Istio's `Certificate`.
    pub struct Certificate {
        /// The secret.
        pub secret_name: String,
        /// Its names.
        pub dns_names: Vec<String>,
    }
}
