//! TLS contexts: mutual TLS inside the mesh, and what gateways terminate.

use std::time::Duration;

use crate::mesh_view::settings::MeshSettings;
use crate::pb::{self, boolean, core_v3, duration, exact, matcher_v3, tls_v3, transport_socket};
use tls_v3::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};

/// Certificate and key of the workload; served to the proxy locally, never by the control plane.
pub(crate) const WORKLOAD_CERTIFICATE: &str = "default";
/// The mesh's trust bundle; served locally too.
pub(crate) const TRUST_BUNDLE: &str = "ROOTCA";
/// The bootstrap's cluster for local secrets (`pilot/pkg/security/model/authentication.go`, `SDSClusterName`).
const LOCAL_SECRETS_CLUSTER: &str = "sds-grpc";

/// What TLS 1.2 may use inside the mesh and at gateways: the forward-secret half of Istio's list
/// (`pilot/pkg/networking/core/listener_builder.go`, `SupportedCiphers`).
const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
];

/// A secret that the agent beside the proxy holds.
fn local_secret(name: &str) -> tls_v3::SdsSecretConfig {
    use core_v3::{
        ApiConfigSource, ApiVersion, ConfigSource, GrpcService,
        api_config_source::ApiType,
        config_source::ConfigSourceSpecifier,
        grpc_service::{EnvoyGrpc, TargetSpecifier},
    };
    tls_v3::SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(ConfigSource {
            initial_fetch_timeout: duration(Duration::ZERO),
            resource_api_version: ApiVersion::V3 as i32,
            config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(
                ApiConfigSource {
                    api_type: ApiType::Grpc as i32,
                    transport_api_version: ApiVersion::V3 as i32,
                    set_node_on_first_message_only: true,
                    grpc_services: vec![GrpcService {
                        target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                            cluster_name: LOCAL_SECRETS_CLUSTER.to_owned(),
                            ..Default::default()
                        })),
                        ..Default::default()
                    }],
                    ..Default::default()
                },
            )),
            ..Default::default()
        }),
    }
}

/// A secret that the control plane serves.
fn served_secret(name: String) -> tls_v3::SdsSecretConfig {
    tls_v3::SdsSecretConfig {
        name,
        sds_config: pb::ads(),
    }
}

fn validated_by(
    bundle: tls_v3::SdsSecretConfig,
    names: Vec<tls_v3::SubjectAltNameMatcher>,
) -> Option<ValidationContextType> {
    let default = tls_v3::CertificateValidationContext {
        match_typed_subject_alt_names: names,
        ..Default::default()
    };
    Some(ValidationContextType::CombinedValidationContext(
        CombinedCertificateValidationContext {
            default_validation_context: Some(default),
            validation_context_sds_secret_config: Some(bundle),
            ..Default::default()
        },
    ))
}

/// A name that a certificate must have. Istio leaves the kind open, in a list that Envoy has deprecated; the form of a
/// name tells its kind.
fn alternative_name(name: &String) -> tls_v3::SubjectAltNameMatcher {
    use tls_v3::subject_alt_name_matcher::SanType;
    let kind = if name.contains("://") {
        SanType::Uri
    } else if name.parse::<std::net::IpAddr>().is_ok() {
        SanType::IpAddress
    } else if name.contains('@') {
        SanType::Email
    } else {
        SanType::Dns
    };
    typed(kind, exact(name))
}

fn typed(
    kind: tls_v3::subject_alt_name_matcher::SanType,
    matcher: matcher_v3::StringMatcher,
) -> tls_v3::SubjectAltNameMatcher {
    tls_v3::SubjectAltNameMatcher {
        san_type: kind as i32,
        matcher: Some(matcher),
        ..Default::default()
    }
}

fn server_parameters() -> Option<tls_v3::TlsParameters> {
    Some(tls_v3::TlsParameters {
        tls_minimum_protocol_version: tls_v3::tls_parameters::TlsProtocol::TlSv12 as i32,
        cipher_suites: CIPHER_SUITES
            .iter()
            .map(|suite| (*suite).to_owned())
            .collect(),
        ..Default::default()
    })
}

fn protocols(alpn: &[&str]) -> Vec<String> {
    alpn.iter().map(|protocol| (*protocol).to_owned()).collect()
}

/// What a workload's inbound port requires of its callers: a certificate of this trust domain or of an alias
/// (`pilot/pkg/security/authn/utils.BuildInboundTLS`).
pub(crate) fn inbound(
    http: bool,
    metadata_exchange: bool,
    mesh: &MeshSettings,
) -> core_v3::TransportSocket {
    let names = mesh
        .trust_domains()
        .map(|domain| {
            let prefix =
                matcher_v3::string_matcher::MatchPattern::Prefix(format!("spiffe://{domain}/"));
            typed(
                tls_v3::subject_alt_name_matcher::SanType::Uri,
                pb::string_matcher(prefix),
            )
        })
        .collect();
    let alpn: &[&str] = match (http, metadata_exchange) {
        (false, true) => &["istio-peer-exchange", "h2", "http/1.1"],
        _ => &["h2", "http/1.1"],
    };
    let context = tls_v3::DownstreamTlsContext {
        common_tls_context: Some(tls_v3::CommonTlsContext {
            tls_params: server_parameters(),
            tls_certificate_sds_secret_configs: vec![local_secret(WORKLOAD_CERTIFICATE)],
            validation_context_type: validated_by(local_secret(TRUST_BUNDLE), names),
            alpn_protocols: protocols(alpn),
            ..Default::default()
        }),
        require_client_certificate: boolean(true),
        ..Default::default()
    };
    transport_socket("envoy.transport_sockets.tls", &context)
}

/// How a client authenticates itself and its peer inside the mesh.
pub(crate) struct MeshClient<'a> {
    pub(crate) sni: &'a str,
    /// Identities that the server may have; empty accepts every identity of the mesh.
    pub(crate) identities: &'a [String],
    pub(crate) http2: bool,
    pub(crate) metadata_exchange: bool,
}

/// Mutual TLS with the workload's identity (`ISTIO_MUTUAL`; `pilot/pkg/networking/core/cluster_tls.go`).
pub(crate) fn mesh_client(options: &MeshClient<'_>) -> core_v3::TransportSocket {
    let mut alpn = Vec::with_capacity(3);
    if options.metadata_exchange {
        alpn.push("istio-peer-exchange");
    }
    alpn.push("istio");
    if options.http2 {
        alpn.push("h2");
    }
    let names = options.identities.iter().map(alternative_name).collect();
    let context = tls_v3::UpstreamTlsContext {
        common_tls_context: Some(tls_v3::CommonTlsContext {
            tls_params: client_parameters(),
            tls_certificate_sds_secret_configs: vec![local_secret(WORKLOAD_CERTIFICATE)],
            validation_context_type: validated_by(local_secret(TRUST_BUNDLE), names),
            alpn_protocols: protocols(&alpn),
            ..Default::default()
        }),
        sni: options.sni.to_owned(),
        ..Default::default()
    };
    transport_socket("envoy.transport_sockets.tls", &context)
}

/// Both versions that the mesh speaks: 1.2 is Envoy's default maximum for clients
/// (`pilot/pkg/networking/core/cluster_tls.go`, `defaultUpstreamCommonTLSContext`).
fn client_parameters() -> Option<tls_v3::TlsParameters> {
    use tls_v3::tls_parameters::TlsProtocol;
    Some(tls_v3::TlsParameters {
        tls_minimum_protocol_version: TlsProtocol::TlSv12 as i32,
        tls_maximum_protocol_version: TlsProtocol::TlSv13 as i32,
        ..Default::default()
    })
}

/// TLS that a DestinationRule asks for towards a server outside the mesh.
pub(crate) struct ExternalClient<'a> {
    pub(crate) sni: &'a str,
    pub(crate) names: &'a [String],
    pub(crate) http2: bool,
    pub(crate) source: ClientSecrets<'a>,
    pub(crate) skip_verify: bool,
}

/// Where the certificates of an external client come from.
pub(crate) enum ClientSecrets<'a> {
    /// Files in the proxy's pod; an empty CA means the system's.
    Files {
        certificate: Option<(&'a str, &'a str)>,
        ca: &'a str,
    },
    /// A Secret in the proxy's namespace, served by the control plane.
    Credential { name: &'a str, mutual: bool },
}

/// `SIMPLE` and `MUTUAL` of a DestinationRule. Files are read through the agent, under Istio's resource names
/// (`file-cert:cert~key`, `file-root:ca`, `pkg/security/security.go`), so that they rotate.
pub(crate) fn external_client(options: &ExternalClient<'_>) -> core_v3::TransportSocket {
    let names: Vec<_> = options.names.iter().map(alternative_name).collect();
    let (certificate, bundle) = match options.source {
        ClientSecrets::Files { certificate, ca } => (
            certificate.map(|(cert, key)| local_secret(&format!("file-cert:{cert}~{key}"))),
            local_secret(&format!(
                "file-root:{}",
                if ca.is_empty() { "system" } else { ca }
            )),
        ),
        ClientSecrets::Credential { name, mutual } => (
            mutual.then(|| served_secret(credential(name))),
            served_secret(credential_ca(name)),
        ),
    };
    let validation = if options.skip_verify {
        Some(ValidationContextType::ValidationContext(
            tls_v3::CertificateValidationContext::default(),
        ))
    } else {
        validated_by(bundle, names)
    };
    let context = tls_v3::UpstreamTlsContext {
        common_tls_context: Some(tls_v3::CommonTlsContext {
            tls_params: client_parameters(),
            tls_certificate_sds_secret_configs: certificate.into_iter().collect(),
            validation_context_type: validation,
            alpn_protocols: if options.http2 {
                protocols(&["h2"])
            } else {
                Vec::new()
            },
            ..Default::default()
        }),
        sni: options.sni.to_owned(),
        ..Default::default()
    };
    transport_socket("envoy.transport_sockets.tls", &context)
}

/// Resource name of a gateway's certificate (`pilot/pkg/model/credentials`, `ToKubernetesGatewayResource`).
pub(crate) fn credential(name: &str) -> String {
    format!("kubernetes://{name}")
}

/// Resource name of the CA that verifies a gateway's clients.
pub(crate) fn credential_ca(name: &str) -> String {
    format!("kubernetes://{name}-cacert")
}

/// What a gateway server terminates.
pub(crate) struct GatewayServer<'a> {
    pub(crate) credential: &'a str,
    /// `MUTUAL`: the client must present a certificate.
    pub(crate) verify_client: bool,
    pub(crate) client_names: &'a [String],
    pub(crate) min_version: Option<tls_v3::tls_parameters::TlsProtocol>,
    pub(crate) max_version: Option<tls_v3::tls_parameters::TlsProtocol>,
    pub(crate) cipher_suites: &'a [String],
    pub(crate) http: bool,
}

/// TLS of one gateway server (`pilot/pkg/networking/core/listener.go`, `BuildListenerTLSContext`).
pub(crate) fn gateway_server(server: &GatewayServer<'_>) -> core_v3::TransportSocket {
    let validation = server.verify_client.then(|| {
        validated_by(
            served_secret(credential_ca(server.credential)),
            server.client_names.iter().map(alternative_name).collect(),
        )
    });
    let params = (server.min_version.is_some()
        || server.max_version.is_some()
        || !server.cipher_suites.is_empty())
    .then(|| tls_v3::TlsParameters {
        tls_minimum_protocol_version: server.min_version.map_or(0, |version| version as i32),
        tls_maximum_protocol_version: server.max_version.map_or(0, |version| version as i32),
        cipher_suites: server.cipher_suites.to_vec(),
        ..Default::default()
    });
    let context = tls_v3::DownstreamTlsContext {
        common_tls_context: Some(tls_v3::CommonTlsContext {
            tls_params: params,
            tls_certificate_sds_secret_configs: vec![served_secret(credential(server.credential))],
            validation_context_type: validation.flatten(),
            alpn_protocols: if server.http {
                protocols(&["h2", "http/1.1"])
            } else {
                Vec::new()
            },
            ..Default::default()
        }),
        require_client_certificate: boolean(server.verify_client),
        ..Default::default()
    };
    transport_socket("envoy.transport_sockets.tls", &context)
}
