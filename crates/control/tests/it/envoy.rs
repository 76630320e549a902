//! Stock Envoy takes everything that is generated: no resource is refused, in either form of the protocol.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base::SpiffeId;
use control::{InMemory, Planner, PlannerOptions};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use xds::View;
use xds::envoy::config::core::v3::{DataSource, Node, data_source::Specifier};
use xds::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret,
};
use xds::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use xds::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use xds::server::{ConnId, ConnInfo, Event, Planner as Plans, ads_service};

use crate::gateway::{HTTPS, secret as tls_secret};
use crate::support::{CANARY, Mesh, bookinfo, ingress, productpage};

/// Everything that the tests of this crate generate, in one mesh.
fn everything() -> Mesh {
    bookinfo()
        .object(tls_secret("cert-a", "istio-system"))
        .object(tls_secret("cert-b", "istio-system"))
        .yaml(CANARY)
        .yaml(HTTPS)
        .yaml(include_str!("everything.yaml"))
        .mesh_config(&json!({
            "accessLogFile": "/dev/null", "accessLogEncoding": "JSON",
            "pathNormalization": {"normalization": "DECODE_AND_MERGE_SLASHES"},
        }))
}

/// Tells a channel what Envoy answered.
struct Recorder {
    planner: Arc<Planner>,
    events: mpsc::UnboundedSender<Event>,
    identity: SpiffeId,
}

#[async_trait::async_trait]
impl Plans for Recorder {
    async fn connect(
        &self,
        mut conn: ConnInfo,
    ) -> Result<watch::Receiver<Arc<View>>, tonic::Status> {
        conn.peer.spiffe = Some(self.identity.clone());
        self.planner.connect(conn).await
    }

    fn event(&self, conn: ConnId, event: Event) {
        self.planner.event(conn, event.clone());
        let _ = self.events.send(event);
    }

    fn closed(&self, conn: ConnId) {
        self.planner.closed(conn);
    }
}

/// The agent beside Envoy: certificate and trust bundle, as soon as they are asked for.
struct LocalSecrets;

type Secrets = std::pin::Pin<
    Box<dyn tokio_stream::Stream<Item = Result<DiscoveryResponse, tonic::Status>> + Send>,
>;
type DeltaSecrets = std::pin::Pin<
    Box<dyn tokio_stream::Stream<Item = Result<DeltaDiscoveryResponse, tonic::Status>> + Send>,
>;

#[async_trait::async_trait]
impl SecretDiscoveryService for LocalSecrets {
    type StreamSecretsStream = Secrets;
    type DeltaSecretsStream = DeltaSecrets;

    async fn stream_secrets(
        &self,
        request: tonic::Request<tonic::Streaming<DiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::StreamSecretsStream>, tonic::Status> {
        let requests = request.into_inner().filter_map(|request| {
            let request = request.ok()?;
            // An answer to an answer.
            request.response_nonce.is_empty().then(|| {
                Ok(DiscoveryResponse {
                    version_info: "1".into(),
                    resources: request
                        .resource_names
                        .iter()
                        .map(|name| xds::any::pack(&local_secret(name)))
                        .collect(),
                    type_url: request.type_url,
                    nonce: "1".into(),
                    ..Default::default()
                })
            })
        });
        Ok(tonic::Response::new(Box::pin(requests)))
    }

    async fn delta_secrets(
        &self,
        _request: tonic::Request<tonic::Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::DeltaSecretsStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("not asked for"))
    }

    async fn fetch_secrets(
        &self,
        _request: tonic::Request<DiscoveryRequest>,
    ) -> Result<tonic::Response<DiscoveryResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not asked for"))
    }
}

fn local_secret(name: &str) -> Secret {
    let inline = |text: &str| {
        Some(DataSource {
            specifier: Some(Specifier::InlineString(text.to_owned())),
            ..Default::default()
        })
    };
    let authority = testkit::pki::Authority::root("mesh");
    let content = if name == "default" {
        let pair = authority.workload(
            "spiffe://cluster.local/ns/default/sa/x",
            testkit::pki::Validity::default(),
        );
        secret::Type::TlsCertificate(TlsCertificate {
            certificate_chain: inline(&pair.chain),
            private_key: inline(&pair.key),
            ..Default::default()
        })
    } else {
        secret::Type::ValidationContext(CertificateValidationContext {
            trusted_ca: inline(&authority.pem),
            ..Default::default()
        })
    };
    Secret {
        name: name.to_owned(),
        r#type: Some(content),
    }
}

/// An Envoy of its own network namespace, ended with the test.
struct Envoy(Child);

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn envoy() -> Option<PathBuf> {
    let envoy = testkit::peer("envoy")?;
    let namespaces = Command::new("unshare")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status();
    if !namespaces.is_ok_and(|status| status.success()) {
        testkit::skipped("network namespaces need root");
        return None;
    }
    Some(envoy)
}

fn start(program: &Path, directory: &Path, node: &Node, delta: bool) -> Envoy {
    let fields: serde_json::Map<String, serde_json::Value> = node
        .metadata
        .iter()
        .flat_map(|metadata| &metadata.fields)
        .map(|(key, value)| {
            use xds::google::protobuf::value::Kind;
            let value = match &value.kind {
                Some(Kind::StringValue(text)) => json!(text),
                Some(Kind::StructValue(fields)) if fields.fields.is_empty() => json!({}),
                other => panic!("not used here: {other:?}"),
            };
            (key.clone(), value)
        })
        .collect();
    let source = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"});
    let cluster = |name: &str, socket: &str| {
        let path = directory.join(socket);
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "5s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"pipe": {"path": path}}}}]}]},
        })
    };
    let bootstrap = json!({
        "node": {"id": node.id, "cluster": node.cluster, "metadata": fields},
        "dynamic_resources": {
            "ads_config": {
                "api_type": if delta { "DELTA_GRPC" } else { "GRPC" }, "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
            "lds_config": source, "cds_config": source,
        },
        "static_resources": {"clusters": [cluster("xds-grpc", "xds"), cluster("sds-grpc", "sds")]},
    });
    let file = directory.join("bootstrap.json");
    std::fs::write(&file, bootstrap.to_string()).expect("written");
    let log = std::fs::File::create(directory.join("envoy.log")).expect("a log");
    let child = Command::new("unshare")
        .args(["-n", "--"])
        .arg(program)
        .args(["--disable-hot-restart", "--log-level", "info", "-c"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("envoy starts");
    Envoy(child)
}

/// Serves Envoy until it has acknowledged every resource of its view.
async fn accepts_everything(node: Node, account: &str, delta: bool) {
    let Some(program) = envoy() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let (_snapshots, receiver) = watch::channel(None);
    let options = PlannerOptions {
        istiod: "test".into(),
        last_resolved: Arc::new(InMemory::default()),
        authenticator: None,
    };
    let (planner, _reports) = Planner::start(receiver, options);
    planner.plan(&everything().snapshot());
    let info = control::NodeInfo::parse(&node).expect("a node");
    let generated = control::generate(&planner.mesh_view().expect("planned"), &info, true);
    let mut missing: BTreeSet<(String, String)> = generated
        .view
        .resources()
        .map(|resource| (resource.type_url.to_owned(), resource.name.to_string()))
        .collect();
    assert!(missing.len() > 10);
    let (events, mut answers) = mpsc::unbounded_channel();
    let recorder = Arc::new(Recorder {
        planner: Arc::clone(&planner),
        events,
        identity: SpiffeId::new("cluster.local", &*info.namespace, account),
    });
    let listener = tokio::net::UnixListener::bind(directory.path().join("xds")).expect("a socket");
    let server = tonic::transport::Server::builder()
        .add_service(ads_service(recorder, xds::server::AdsOptions::default()))
        .serve_with_incoming(UnixListenerStream::new(listener));
    let server = tokio::spawn(server);
    let listener = tokio::net::UnixListener::bind(directory.path().join("sds")).expect("a socket");
    let agent = tonic::transport::Server::builder()
        .add_service(SecretDiscoveryServiceServer::new(LocalSecrets))
        .serve_with_incoming(UnixListenerStream::new(listener));
    let agent = tokio::spawn(agent);
    let envoy = start(&program, directory.path(), &node, delta);
    while !missing.is_empty() {
        let answer = tokio::time::timeout(Duration::from_secs(60), answers.recv()).await;
        match answer {
            Ok(Some(Event::Ack {
                type_url,
                resources,
                ..
            })) => {
                for resource in resources.iter() {
                    missing.remove(&(type_url.to_string(), resource.name.to_string()));
                }
            }
            Ok(Some(Event::Nack {
                type_url, message, ..
            })) => panic!("{type_url}: {message}"),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let log =
                    std::fs::read_to_string(directory.path().join("envoy.log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                panic!("not acknowledged: {missing:#?}\n{tail:#?}");
            }
        }
    }
    drop(envoy);
    server.abort();
    agent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_envoy_as_a_sidecar_accepts_every_resource_in_delta_form() {
    accepts_everything(productpage(), "productpage", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_envoy_as_a_sidecar_accepts_every_resource_as_state_of_the_world() {
    accepts_everything(productpage(), "productpage", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_envoy_as_a_gateway_accepts_every_resource_in_delta_form() {
    accepts_everything(ingress(), "istio-ingressgateway", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_envoy_as_a_gateway_accepts_every_resource_as_state_of_the_world() {
    accepts_everything(ingress(), "istio-ingressgateway", false).await;
}
