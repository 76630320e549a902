//! SDS for the workload's own secrets, `default` and `ROOTCA`, over a socket that only the proxy's user
//! can open. Keys stay in this process and the proxy's memory.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::pin::Pin;

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use futures::{Stream, StreamExt};
use prost::Message;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, Streaming};

use crate::identity::Material;

const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// The secrets, as they change.
pub type LocalSecrets = watch::Receiver<Option<Material>>;

/// Serves SDS on the socket at `path` until it is dropped.
pub async fn serve(path: &Path, secrets: LocalSecrets) -> io::Result<()> {
    let listener = private_socket(path)?;
    tonic::transport::Server::builder()
        .add_service(SecretDiscoveryServiceServer::new(Sds { secrets }))
        .serve_with_incoming(UnixListenerStream::new(listener))
        .await
        .map_err(io::Error::other)
}

/// Binds a Unix socket, mode 0600, replacing one left behind. It is made in a directory that is closed to
/// others and moved from there, so that at no time anybody else can connect.
pub(super) fn private_socket(path: &Path) -> io::Result<UnixListener> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let closed = path.with_file_name(format!(".{name}.new"));
    match std::fs::remove_dir_all(&closed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o700).create(&closed)?;
    let fresh = closed.join("socket");
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    std::fs::remove_dir(&closed)?;
    Ok(listener)
}

struct Sds {
    secrets: LocalSecrets,
}

type Responses = Pin<Box<dyn Stream<Item = Result<DiscoveryResponse, Status>> + Send>>;
type DeltaResponses = Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

#[tonic::async_trait]
impl SecretDiscoveryService for Sds {
    type StreamSecretsStream = Responses;
    type DeltaSecretsStream = DeltaResponses;

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let mut requests = request.into_inner();
        let mut secrets = self.secrets.clone();
        let stream = async_stream(move |sender| async move {
            let mut names: Vec<String> = Vec::new();
            let mut version = 0_u64;
            loop {
                let push = tokio::select! {
                    request = requests.next() => match request {
                        Some(Ok(request)) => {
                            if let Some(error) = request.error_detail {
                                tracing::warn!(message = %error.message, "the proxy refused a secret");
                            }
                            let changed = request.resource_names != names;
                            names = request.resource_names;
                            changed
                        }
                        _ => return,
                    },
                    changed = secrets.changed() => match changed {
                        Ok(()) => true,
                        Err(_) => return,
                    },
                };
                if !push {
                    continue;
                }
                let resources = resources(&names, secrets.borrow_and_update().as_ref());
                if resources.is_empty() {
                    continue;
                }
                version += 1;
                let response = DiscoveryResponse {
                    version_info: version.to_string(),
                    nonce: version.to_string(),
                    type_url: SECRET.into(),
                    resources,
                    ..DiscoveryResponse::default()
                };
                if sender.send(Ok(response)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(stream))
    }

    async fn delta_secrets(
        &self,
        _request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<DeltaResponses>, Status> {
        Err(Status::unimplemented(
            "the bootstrap asks for StreamSecrets",
        ))
    }

    async fn fetch_secrets(
        &self,
        _request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented(
            "the bootstrap asks for StreamSecrets",
        ))
    }
}

fn async_stream<F, Fut>(body: F) -> Responses
where
    F: FnOnce(tokio::sync::mpsc::Sender<Result<DiscoveryResponse, Status>>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(body(sender));
    Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver))
}

fn resources(
    names: &[String],
    material: Option<&Material>,
) -> Vec<envoy_types::pb::google::protobuf::Any> {
    let Some(material) = material else {
        return Vec::new();
    };
    names
        .iter()
        .filter_map(|name| {
            let kind = match name.as_str() {
                "default" => secret::Type::TlsCertificate(TlsCertificate {
                    certificate_chain: Some(inline(material.chain_pem())),
                    private_key: Some(inline(material.key_pem())),
                    ..TlsCertificate::default()
                }),
                "ROOTCA" => secret::Type::ValidationContext(CertificateValidationContext {
                    trusted_ca: Some(inline(material.roots_pem())),
                    ..CertificateValidationContext::default()
                }),
                _ => return None,
            };
            let secret = Secret {
                name: name.clone(),
                r#type: Some(kind),
            };
            Some(envoy_types::pb::google::protobuf::Any {
                type_url: SECRET.into(),
                value: secret.encode_to_vec(),
            })
        })
        .collect()
}

fn inline(text: &str) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(text.as_bytes().to_vec())),
        ..DataSource::default()
    }
}
