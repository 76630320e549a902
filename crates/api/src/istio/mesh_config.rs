//! MeshConfig: settings of the whole mesh.

use std::collections::BTreeMap;

use super::destination_rule::{
    ClientTlsSettings, ConnectionPoolSettings, LocalityLoadBalancerSetting, OutlierDetection,
    TcpKeepalive, ZoneAwareLoadBalancerSetting,
};
use super::extension_provider::ExtensionProvider;
use super::macros::choice;
use super::macros::message;
use super::mesh_proxy_config::ProxyConfig;
use super::virtual_service::HttpRetry;
use crate::Duration;

choice! {
    /// `Resource`.
    pub enum SubscribedResource {
        /// `SERVICE_REGISTRY`.
        ServiceRegistry = "SERVICE_REGISTRY",
    }
}

message! {
    /// `MeshConfig`.
    pub struct MeshConfig {
        /// TODO-DOC MeshConfig.proxy_listen_port
        pub proxy_listen_port: i32,
        /// TODO-DOC MeshConfig.proxy_inbound_listen_port
        pub proxy_inbound_listen_port: i32,
        /// TODO-DOC MeshConfig.proxy_http_port
        pub proxy_http_port: i32,
        /// TODO-DOC MeshConfig.connect_timeout
        pub connect_timeout: Option<Duration>,
        /// TODO-DOC MeshConfig.hbone_idle_timeout
        pub hbone_idle_timeout: Option<Duration>,
        /// TODO-DOC MeshConfig.protocol_detection_timeout
        pub protocol_detection_timeout: Option<Duration>,
        /// TODO-DOC MeshConfig.tcp_keepalive
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// TODO-DOC MeshConfig.ingress_class
        pub ingress_class: String,
        /// TODO-DOC MeshConfig.ingress_service
        pub ingress_service: String,
        /// TODO-DOC MeshConfig.ingress_controller_mode
        pub ingress_controller_mode: IngressControllerMode,
        /// TODO-DOC MeshConfig.ingress_selector
        pub ingress_selector: String,
        /// TODO-DOC MeshConfig.enable_tracing
        pub enable_tracing: bool,
        /// TODO-DOC MeshConfig.access_log_file
        pub access_log_file: String,
        /// TODO-DOC MeshConfig.access_log_format
        pub access_log_format: String,
        /// TODO-DOC MeshConfig.access_log_encoding
        pub access_log_encoding: AccessLogEncoding,
        /// TODO-DOC MeshConfig.enable_envoy_access_log_service
        pub enable_envoy_access_log_service: bool,
        /// TODO-DOC MeshConfig.disable_envoy_listener_log
        pub disable_envoy_listener_log: bool,
        /// TODO-DOC MeshConfig.default_config
        pub default_config: Option<ProxyConfig>,
        /// TODO-DOC MeshConfig.outbound_traffic_policy
        pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
        /// TODO-DOC MeshConfig.inbound_traffic_policy
        pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
        /// TODO-DOC MeshConfig.config_sources
        pub config_sources: Vec<ConfigSource>,
        /// TODO-DOC MeshConfig.enable_auto_mtls
        pub enable_auto_mtls: Option<bool>,
        /// TODO-DOC MeshConfig.trust_domain
        pub trust_domain: String,
        /// TODO-DOC MeshConfig.trust_domain_aliases
        pub trust_domain_aliases: Vec<String>,
        /// TODO-DOC MeshConfig.ca_certificates
        pub ca_certificates: Vec<CertificateData>,
        /// TODO-DOC MeshConfig.default_service_export_to
        pub default_service_export_to: Vec<String>,
        /// TODO-DOC MeshConfig.default_virtual_service_export_to
        pub default_virtual_service_export_to: Vec<String>,
        /// TODO-DOC MeshConfig.default_destination_rule_export_to
        pub default_destination_rule_export_to: Vec<String>,
        /// TODO-DOC MeshConfig.root_namespace
        pub root_namespace: String,
        /// TODO-DOC MeshConfig.locality_lb_setting
        pub locality_lb_setting: Option<LocalityLoadBalancerSetting>,
        /// TODO-DOC MeshConfig.zone_aware_lb_setting
        pub zone_aware_lb_setting: Option<ZoneAwareLoadBalancerSetting>,
        /// TODO-DOC MeshConfig.dns_refresh_rate
        pub dns_refresh_rate: Option<Duration>,
        /// TODO-DOC MeshConfig.h2_upgrade_policy
        pub h2_upgrade_policy: MeshH2UpgradePolicy,
        /// TODO-DOC MeshConfig.inbound_cluster_stat_name
        pub inbound_cluster_stat_name: String,
        /// TODO-DOC MeshConfig.outbound_cluster_stat_name
        pub outbound_cluster_stat_name: String,
        /// TODO-DOC MeshConfig.certificates
        pub certificates: Vec<Certificate>,
        /// TODO-DOC MeshConfig.service_settings
        pub service_settings: Vec<ServiceSettings>,
        /// TODO-DOC MeshConfig.service_scope_configs
        pub service_scope_configs: Vec<ServiceScopeConfigs>,
        /// TODO-DOC MeshConfig.enable_prometheus_merge
        pub enable_prometheus_merge: Option<bool>,
        /// TODO-DOC MeshConfig.verify_certificate_at_client
        pub verify_certificate_at_client: Option<bool>,
        /// TODO-DOC MeshConfig.ca
        pub ca: Option<CertificateAuthority>,
        /// TODO-DOC MeshConfig.extension_providers
        pub extension_providers: Vec<ExtensionProvider>,
        /// TODO-DOC MeshConfig.default_providers
        pub default_providers: Option<DefaultProviders>,
        /// TODO-DOC MeshConfig.discovery_selectors
        pub discovery_selectors: Vec<LabelSelector>,
        /// TODO-DOC MeshConfig.path_normalization
        pub path_normalization: Option<ProxyPathNormalization>,
        /// TODO-DOC MeshConfig.default_http_retry_policy
        pub default_http_retry_policy: Option<HttpRetry>,
        #[serde(rename = "meshMTLS")]
        /// TODO-DOC MeshConfig.mesh_mTLS
        pub mesh_mtls: Option<TlsConfig>,
        /// TODO-DOC MeshConfig.tls_defaults
        pub tls_defaults: Option<TlsConfig>,
        /// TODO-DOC MeshConfig.default_traffic_policy
        pub default_traffic_policy: Option<DefaultTrafficPolicy>,
        /// TODO-DOC MeshConfig.service_entry_visibility
        pub service_entry_visibility: Option<ServiceEntryVisibility>,
    }
}

choice! {
    /// `MeshConfig.IngressControllerMode`.
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
    /// `MeshConfig.AccessLogEncoding`.
    pub enum AccessLogEncoding {
        /// `TEXT`.
        Text = "TEXT",
        /// `JSON`.
        Json = "JSON",
    }
}

choice! {
    /// `MeshConfig.H2UpgradePolicy`.
    pub enum MeshH2UpgradePolicy {
        /// `DO_NOT_UPGRADE`.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// `UPGRADE`.
        Upgrade = "UPGRADE",
    }
}

message! {
    /// `MeshConfig.OutboundTrafficPolicy`.
    pub struct OutboundTrafficPolicy {
        /// TODO-DOC OutboundTrafficPolicy.mode
        pub mode: OutboundTrafficPolicyMode,
        /// TODO-DOC OutboundTrafficPolicy.tls
        pub tls: Option<ClientTlsSettings>,
    }
}

choice! {
    /// `MeshConfig.OutboundTrafficPolicy.Mode`.
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
    /// `MeshConfig.InboundTrafficPolicy`.
    pub struct InboundTrafficPolicy {
        /// TODO-DOC InboundTrafficPolicy.mode
        pub mode: InboundTrafficPolicyMode,
    }
}

choice! {
    /// `MeshConfig.InboundTrafficPolicy.Mode`.
    pub enum InboundTrafficPolicyMode {
        /// `PASSTHROUGH`.
        Passthrough = "PASSTHROUGH",
        /// `LOCALHOST`.
        Localhost = "LOCALHOST",
    }
}

message! {
    /// `MeshConfig.CertificateData`.
    pub struct CertificateData {
        /// TODO-DOC CertificateData.pem
        pub pem: Option<String>,
        /// TODO-DOC CertificateData.spiffe_bundle_url
        pub spiffe_bundle_url: Option<String>,
        /// TODO-DOC CertificateData.cert_signers
        pub cert_signers: Vec<String>,
        /// TODO-DOC CertificateData.trust_domains
        pub trust_domains: Vec<String>,
    }
}

message! {
    /// `MeshConfig.ServiceSettings`.
    pub struct ServiceSettings {
        /// TODO-DOC ServiceSettings.settings
        pub settings: Option<ServiceSettingsFlags>,
        /// TODO-DOC ServiceSettings.hosts
        pub hosts: Vec<String>,
    }
}

message! {
    /// `MeshConfig.ServiceSettings.Settings`.
    pub struct ServiceSettingsFlags {
        /// TODO-DOC Settings.cluster_local
        pub cluster_local: bool,
    }
}

message! {
    /// `MeshConfig.ServiceScopeConfigs`.
    pub struct ServiceScopeConfigs {
        /// TODO-DOC ServiceScopeConfigs.namespace_selector
        pub namespace_selector: Option<LabelSelector>,
        /// TODO-DOC ServiceScopeConfigs.services_selector
        pub services_selector: Option<LabelSelector>,
        /// TODO-DOC ServiceScopeConfigs.scope
        pub scope: ServiceScopeConfigsScope,
    }
}

choice! {
    /// `MeshConfig.ServiceScopeConfigs.Scope`.
    pub enum ServiceScopeConfigsScope {
        /// `LOCAL`.
        Local = "LOCAL",
        /// `GLOBAL`.
        Global = "GLOBAL",
    }
}

message! {
    /// `MeshConfig.CA`.
    pub struct CertificateAuthority {
        /// TODO-DOC CA.address
        pub address: String,
        /// TODO-DOC CA.tls_settings
        pub tls_settings: Option<ClientTlsSettings>,
        /// TODO-DOC CA.request_timeout
        pub request_timeout: Option<Duration>,
        /// TODO-DOC CA.istiod_side
        pub istiod_side: bool,
    }
}

message! {
    /// `MeshConfig.DefaultProviders`.
    pub struct DefaultProviders {
        /// TODO-DOC DefaultProviders.tracing
        pub tracing: Vec<String>,
        /// TODO-DOC DefaultProviders.metrics
        pub metrics: Vec<String>,
        /// TODO-DOC DefaultProviders.access_logging
        pub access_logging: Vec<String>,
    }
}

message! {
    /// `MeshConfig.ProxyPathNormalization`.
    pub struct ProxyPathNormalization {
        /// TODO-DOC ProxyPathNormalization.normalization
        pub normalization: NormalizationType,
    }
}

choice! {
    /// `MeshConfig.ProxyPathNormalization.NormalizationType`.
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
    /// `MeshConfig.TLSConfig`.
    pub struct TlsConfig {
        /// TODO-DOC TLSConfig.min_protocol_version
        pub min_protocol_version: MeshTlsProtocol,
        /// TODO-DOC TLSConfig.ecdh_curves
        pub ecdh_curves: Vec<String>,
        /// TODO-DOC TLSConfig.cipher_suites
        pub cipher_suites: Vec<String>,
    }
}

choice! {
    /// `MeshConfig.TLSConfig.TLSProtocol`.
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
    /// `MeshConfig.DefaultTrafficPolicy`.
    pub struct DefaultTrafficPolicy {
        /// TODO-DOC DefaultTrafficPolicy.connection_pool
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// TODO-DOC DefaultTrafficPolicy.outlier_detection
        pub outlier_detection: Option<OutlierDetection>,
    }
}

message! {
    /// `LabelSelector`.
    pub struct LabelSelector {
        /// TODO-DOC LabelSelector.matchLabels
        pub match_labels: BTreeMap<String, String>,
        /// TODO-DOC LabelSelector.matchExpressions
        pub match_expressions: Vec<LabelSelectorRequirement>,
    }
}

message! {
    /// `LabelSelectorRequirement`.
    pub struct LabelSelectorRequirement {
        /// TODO-DOC LabelSelectorRequirement.key
        pub key: String,
        /// TODO-DOC LabelSelectorRequirement.operator
        pub operator: String,
        /// TODO-DOC LabelSelectorRequirement.values
        pub values: Vec<String>,
    }
}

message! {
    /// `ServiceEntryVisibility`.
    pub struct ServiceEntryVisibility {
        /// TODO-DOC ServiceEntryVisibility.default_visibility
        pub default_visibility: Visibility,
        /// TODO-DOC ServiceEntryVisibility.apply_to_sidecars
        pub apply_to_sidecars: bool,
        /// TODO-DOC ServiceEntryVisibility.policies
        pub policies: Vec<VisibilityPolicy>,
    }
}

choice! {
    /// `ServiceEntryVisibility.Visibility`.
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
    /// `ServiceEntryVisibility.Policy`.
    pub struct VisibilityPolicy {
        /// TODO-DOC Policy.visibility
        pub visibility: Visibility,
        /// TODO-DOC Policy.matching_rules
        pub matching_rules: Vec<VisibilityMatchRule>,
    }
}

message! {
    /// `ServiceEntryVisibility.MatchRule`.
    pub struct VisibilityMatchRule {
        /// TODO-DOC MatchRule.namespace_selector
        pub namespace_selector: Option<LabelSelector>,
    }
}

message! {
    /// `ConfigSource`.
    pub struct ConfigSource {
        /// TODO-DOC ConfigSource.address
        pub address: String,
        /// TODO-DOC ConfigSource.tls_settings
        pub tls_settings: Option<ClientTlsSettings>,
        /// TODO-DOC ConfigSource.subscribed_resources
        pub subscribed_resources: Vec<SubscribedResource>,
    }
}

message! {
    /// `Certificate`.
    pub struct Certificate {
        /// TODO-DOC Certificate.secret_name
        pub secret_name: String,
        /// TODO-DOC Certificate.dns_names
        pub dns_names: Vec<String>,
    }
}
