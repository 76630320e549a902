//! Settings of the whole mesh, with Istio's defaults filled in (`pkg/config/mesh/mesh.go`, `DefaultMeshConfig`).

use std::sync::Arc;
use std::time::Duration;

use api::istio::mesh_config::{MeshH2UpgradePolicy, NormalizationType, OutboundTrafficPolicyMode};
use api::istio::{HttpRetry, MeshConfig, TcpKeepalive};
use base::{ContentHash, ContentHasher};

/// How request paths are normalised before they are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathNormalization {
    None,
    /// RFC 3986 dot segments; Istio's default.
    Base,
    MergeSlashes,
    DecodeAndMergeSlashes,
}

/// Mesh-wide settings that generation reads.
#[derive(Debug, Clone)]
pub struct MeshSettings {
    pub trust_domain: Arc<str>,
    pub trust_domain_aliases: Vec<Arc<str>>,
    /// Policies and rules in this namespace are everybody's defaults.
    pub root_namespace: Arc<str>,
    /// DNS suffix of Kubernetes services.
    pub domain_suffix: Arc<str>,
    /// Ten seconds.
    pub connect_timeout: Duration,
    /// Zero: sniffing waits for as long as the client does.
    pub protocol_detection_timeout: Duration,
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Whether hosts that the mesh does not know may be called; `ALLOW_ANY` by default.
    pub allow_any: bool,
    pub auto_mtls: bool,
    pub h2_upgrade: bool,
    pub path_normalization: PathNormalization,
    pub default_retries: Option<HttpRetry>,
    pub service_export_to: Vec<String>,
    pub virtual_service_export_to: Vec<String>,
    pub destination_rule_export_to: Vec<String>,
    /// Whether endpoints of other localities are kept in reserve where outlier detection can tell that they are needed.
    pub locality_failover: bool,
    pub hash: ContentHash,
}

impl MeshSettings {
    /// Reads the mesh's configuration.
    #[must_use]
    pub fn new(config: &MeshConfig) -> Self {
        let or = |text: &str, default: &str| -> Arc<str> {
            if text.is_empty() {
                default.into()
            } else {
                text.into()
            }
        };
        let mut hasher = ContentHasher::default();
        hasher.write(&serde_json::to_vec(config).unwrap_or_default());
        Self {
            trust_domain: or(&config.trust_domain, "cluster.local"),
            trust_domain_aliases: config
                .trust_domain_aliases
                .iter()
                .map(|alias| alias.as_str().into())
                .collect(),
            root_namespace: or(&config.root_namespace, "istio-system"),
            domain_suffix: "cluster.local".into(),
            connect_timeout: config
                .connect_timeout
                .map_or(Duration::from_secs(10), |timeout| timeout.0),
            protocol_detection_timeout: config
                .protocol_detection_timeout
                .map_or(Duration::ZERO, |timeout| timeout.0),
            tcp_keepalive: config.tcp_keepalive.clone(),
            allow_any: config
                .outbound_traffic_policy
                .as_ref()
                .is_none_or(|policy| policy.mode != OutboundTrafficPolicyMode::RegistryOnly),
            auto_mtls: config.enable_auto_mtls.unwrap_or(true),
            h2_upgrade: config.h2_upgrade_policy == MeshH2UpgradePolicy::Upgrade,
            path_normalization: match config
                .path_normalization
                .as_ref()
                .map(|path| path.normalization)
            {
                None | Some(NormalizationType::Default | NormalizationType::Base) => {
                    PathNormalization::Base
                }
                Some(NormalizationType::None) => PathNormalization::None,
                Some(NormalizationType::MergeSlashes) => PathNormalization::MergeSlashes,
                Some(NormalizationType::DecodeAndMergeSlashes) => {
                    PathNormalization::DecodeAndMergeSlashes
                }
            },
            default_retries: config.default_http_retry_policy.clone(),
            service_export_to: config.default_service_export_to.clone(),
            virtual_service_export_to: config.default_virtual_service_export_to.clone(),
            destination_rule_export_to: config.default_destination_rule_export_to.clone(),
            locality_failover: config
                .locality_lb_setting
                .as_ref()
                .is_none_or(|setting| setting.enabled.unwrap_or(true)),
            hash: hasher.finish(),
        }
    }

    /// The trust domain and its aliases.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.trust_domain)
            .chain(self.trust_domain_aliases.iter().map(|alias| &**alias))
    }
}

/// A host as a resource in `namespace` means it: names without a dot are services of that namespace
/// (`pilot/pkg/model/config.go`, `ResolveShortnameToFQDN`).
#[must_use]
pub fn resolve_host(host: &str, namespace: &str, domain_suffix: &str) -> String {
    let host = host.to_ascii_lowercase();
    if host.contains('.') || host.starts_with('*') || host.is_empty() {
        host
    } else {
        format!("{host}.{namespace}.svc.{domain_suffix}")
    }
}
