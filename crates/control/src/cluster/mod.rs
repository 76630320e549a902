//! Clusters of services, one for each port and subset (`pilot/pkg/networking/core/cluster.go`, `cluster_builder.go`).

pub(crate) mod fixed;
pub(crate) mod policy;

use api::istio::{ClientTlsMode, ClientTlsSettings, SimpleLb, Subset};
use base::ObjectRef;

use self::policy::{HttpOptions, HttpVersion};
use crate::generate::{Scope, Warning};
use crate::mesh_view::destination_rule::{ClusterPolicy, EffectiveRule};
use crate::mesh_view::model::{MtlsMode, Port, Resolution, Service};
use crate::names;
use crate::node::NodeKind;
use crate::pb::{
    self, Struct, cluster_v3, config_path, core_v3, list_value, metadata, string_value,
    struct_value, structure, transport_socket,
};
use crate::tls::{self, ClientSecrets, ExternalClient, MeshClient};
use cluster_v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbPolicy, TransportSocketMatch,
};
use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;

/// What a cluster stands for, and all that its message depends on beside the client.
pub(crate) struct Target<'a> {
    pub(crate) service: &'a Service,
    pub(crate) port: &'a Port,
    pub(crate) subset: Option<&'a Subset>,
    pub(crate) rule: Option<&'a EffectiveRule>,
    /// Identities of the service's workloads.
    pub(crate) identities: &'a [String],
    /// For services whose endpoints the control plane does not choose: whether all of them take mutual TLS.
    pub(crate) all_take_mtls: bool,
}

impl Target<'_> {
    pub(crate) fn name(&self) -> String {
        names::outbound_cluster(self.port.number, self.subset_name(), &self.service.hostname)
    }

    fn subset_name(&self) -> &str {
        self.subset.map_or("", |subset| &subset.name)
    }

    pub(crate) fn policy(&self) -> ClusterPolicy {
        self.rule
            .map(|rule| rule.policy_of(self.port.number, self.subset))
            .unwrap_or_default()
    }

    /// The objects that the cluster is made from, beside Kubernetes' own.
    pub(crate) fn provenance(&self) -> Vec<ObjectRef> {
        let mut sources = self
            .rule
            .map(|rule| rule.sources.clone())
            .unwrap_or_default();
        if !self.service.is_kubernetes() {
            sources.push(self.service.origin.clone());
        }
        sources
    }

    /// Whether the proxy gets the endpoints from us.
    pub(crate) fn has_endpoints(&self, kind: NodeKind, policy: &ClusterPolicy) -> bool {
        let passthrough =
            policy.load_balancer.as_ref().and_then(|lb| lb.simple) == Some(SimpleLb::Passthrough);
        match self.service.resolution {
            Resolution::Endpoints => !passthrough,
            // A gateway has no original destination: headless services are balanced there (`convertResolution`).
            Resolution::Passthrough => {
                kind == NodeKind::Router && self.service.headless && !passthrough
            }
        }
    }
}

/// The cluster of a target for a proxy.
pub(crate) fn outbound(scope: &Scope<'_>, target: &Target<'_>) -> cluster_v3::Cluster {
    let policy = target.policy();
    let name = target.name();
    let mut cluster = cluster_v3::Cluster {
        common_lb_config: Some(cluster_v3::cluster::CommonLbConfig::default()),
        metadata: cluster_metadata(target),
        ..Default::default()
    };
    if target.has_endpoints(scope.node.kind, &policy) {
        cluster.cluster_discovery_type =
            Some(ClusterDiscoveryType::Type(DiscoveryType::Eds as i32));
        cluster.eds_cluster_config = Some(EdsClusterConfig {
            eds_config: pb::ads(),
            service_name: name.clone(),
        });
    } else {
        policy::original_destination(&mut cluster);
    }
    cluster.name = name;
    let pool = policy.connection_pool.as_ref();
    let mut options = HttpOptions::new(HttpVersion::of(target.port.protocol));
    policy::connection_pool(&mut cluster, &mut options, pool, scope.settings());
    policy::upgrade_to_http2(&mut options, pool, target.port.protocol, scope.settings());
    if let Some(outlier) = &policy.outlier_detection {
        policy::outlier_detection(&mut cluster, outlier);
    }
    policy::load_balancer(&mut cluster, policy.load_balancer.as_ref());
    Security { scope, target }.apply(&mut cluster, &mut options, policy.tls.as_ref());
    options.finish(&mut cluster);
    cluster
}

fn cluster_metadata(target: &Target<'_>) -> Option<core_v3::Metadata> {
    let service = struct_value(vec![
        ("host", string_value(&*target.service.hostname)),
        ("name", string_value(&*target.service.name)),
        ("namespace", string_value(&*target.service.namespace)),
    ]);
    let mut fields = vec![("services", list_value(vec![service]))];
    if let Some(source) = target.rule.and_then(|rule| rule.sources.first()) {
        let path = config_path("destination-rule", &source.key.namespace, &source.key.name);
        fields.push(("config", string_value(path)));
    }
    if let Some(subset) = target.subset {
        fields.push(("subset", string_value(&subset.name)));
    }
    metadata(vec![("istio", structure(fields))])
}

/// TLS towards a target.
struct Security<'a> {
    scope: &'a Scope<'a>,
    target: &'a Target<'a>,
}

impl Security<'_> {
    fn apply(
        &self,
        cluster: &mut cluster_v3::Cluster,
        options: &mut HttpOptions,
        settings: Option<&ClientTlsSettings>,
    ) {
        let original = cluster.lb_policy == LbPolicy::ClusterProvided as i32;
        match settings.map(|settings| (settings.mode, settings)) {
            Some((ClientTlsMode::Disable, _)) => {}
            Some((ClientTlsMode::IstioMutual, settings)) => {
                cluster.transport_socket = Some(self.mesh(options, Some(settings)));
            }
            Some((ClientTlsMode::Simple, settings)) => {
                self.external(cluster, options, settings, false);
            }
            Some((ClientTlsMode::Mutual, settings)) => {
                self.external(cluster, options, settings, true);
            }
            None if !self.scope.settings().auto_mtls || self.target.service.external => {}
            None if !self.scope.node.has_agent => {}
            // Nothing says which endpoint a connection goes to, so all have to agree (`BestEffortInferServiceMTLSMode`).
            None if original => {
                if self.target.all_take_mtls {
                    cluster.transport_socket = Some(self.mesh(options, None));
                }
            }
            None => cluster.transport_socket_matches = self.automatic(options),
        }
    }

    /// Endpoints that announce it get mutual TLS, the others plain text.
    fn automatic(&self, options: &HttpOptions) -> Vec<TransportSocketMatch> {
        vec![
            TransportSocketMatch {
                name: "tlsMode-istio".to_owned(),
                r#match: Some(structure(vec![("tlsMode", string_value("istio"))])),
                transport_socket: Some(self.mesh(options, None)),
            },
            TransportSocketMatch {
                name: "tlsMode-disabled".to_owned(),
                r#match: Some(Struct::default()),
                transport_socket: Some(transport_socket(
                    "envoy.transport_sockets.raw_buffer",
                    &RawBuffer {},
                )),
            },
        ]
    }

    fn mesh(
        &self,
        options: &HttpOptions,
        settings: Option<&ClientTlsSettings>,
    ) -> core_v3::TransportSocket {
        let sni = names::outbound_sni(
            self.target.port.number,
            self.target.subset_name(),
            &self.target.service.hostname,
        );
        let own_names = settings
            .map(|settings| settings.subject_alt_names.as_slice())
            .filter(|names| !names.is_empty());
        let own_sni = settings
            .map(|settings| settings.sni.as_str())
            .filter(|sni| !sni.is_empty());
        let of_service = Some(self.target.service.subject_alt_names.as_slice())
            .filter(|names| !names.is_empty());
        tls::mesh_client(&MeshClient {
            sni: own_sni.unwrap_or(&sni),
            identities: own_names.or(of_service).unwrap_or(self.target.identities),
            http2: options.is_http2(),
            metadata_exchange: self.scope.node.istio_filters.metadata_exchange,
        })
    }

    fn external(
        &self,
        cluster: &mut cluster_v3::Cluster,
        options: &mut HttpOptions,
        settings: &ClientTlsSettings,
        mutual: bool,
    ) {
        let skip_verify = settings.insecure_skip_verify == Some(true);
        let names = if settings.subject_alt_names.is_empty() {
            &self.target.service.subject_alt_names
        } else {
            &settings.subject_alt_names
        };
        if settings.sni.is_empty() {
            options.follow_authority(settings.subject_alt_names.is_empty() && !skip_verify);
        }
        let source = if settings.credential_name.is_empty() {
            ClientSecrets::Files {
                certificate: mutual.then_some((
                    settings.client_certificate.as_str(),
                    settings.private_key.as_str(),
                )),
                ca: &settings.ca_certificates,
            }
        } else if self.scope.node.kind == NodeKind::Router {
            ClientSecrets::Credential {
                name: &settings.credential_name,
                mutual,
            }
        } else {
            // Without the credential a sidecar must not fall back to plain text; `credential_warning` says so.
            ClientSecrets::Files {
                certificate: None,
                ca: "",
            }
        };
        cluster.transport_socket = Some(tls::external_client(&ExternalClient {
            sni: &settings.sni,
            names,
            http2: options.is_http2(),
            source,
            skip_verify,
        }));
    }
}

/// A credential that the proxy cannot have: only gateways get any.
pub(crate) fn credential_warning(scope: &Scope<'_>, target: &Target<'_>) -> Option<Warning> {
    let credential = target.policy().tls?.credential_name;
    let source = target.rule.and_then(|rule| rule.sources.first())?;
    (scope.node.kind == NodeKind::Sidecar && !credential.is_empty()).then(|| Warning {
        object: source.clone(),
        reason: "CredentialOnSidecar",
        message: format!(
            "tls.credentialName {credential:?} is used by gateways only; sidecars verify the server with the system's \
             certificates and present none"
        ),
    })
}

/// Whether every endpoint of a port takes mutual TLS; with none, no.
pub(crate) fn all_take_mtls(scope: &Scope<'_>, service: &Service, port: &Port) -> bool {
    let endpoints = scope.view.endpoints(service).of(port.number);
    !endpoints.is_empty()
        && endpoints.iter().all(|endpoint| {
            let workload = &endpoint.workload;
            workload.mesh_tls
                && scope
                    .view
                    .mtls_mode(&workload.namespace, &workload.labels, endpoint.port)
                    != MtlsMode::Disable
        })
}
