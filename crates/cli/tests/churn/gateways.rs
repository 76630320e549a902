//! The control plane in this process, and the two engines as gateways of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::identity::Material;
use agent::node::{Files, NodeEnv, Role};
use base::SpiffeId;
use control::{InMemory, Planner, PlannerOptions};
use proxy::bootstrap::Bootstrap;
use proxy::instance::{Instance, InstanceOptions, LocalSecret};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use xds::View;
use xds::server::{AdsOptions, ConnId, ConnInfo, Event, Planner as Plans, ads_service};

use crate::mesh::Snapshots;

/// What proxies answered.
#[derive(Default)]
pub struct Answers {
    pub accepted: BTreeMap<String, usize>,
    pub refused: Vec<String>,
}

struct Recorder {
    planner: Arc<Planner>,
    answers: Arc<Mutex<Answers>>,
}

#[async_trait::async_trait]
impl Plans for Recorder {
    async fn connect(
        &self,
        mut conn: ConnInfo,
    ) -> Result<watch::Receiver<Arc<View>>, tonic::Status> {
        // What the TLS of 15012 would have said.
        conn.peer.spiffe = Some(SpiffeId::new("cluster.local", "istio-system", "gateway"));
        self.planner.connect(conn).await
    }

    fn event(&self, conn: ConnId, event: Event) {
        let mut answers = self.answers.lock().unwrap();
        match &event {
            Event::Ack { type_url, .. } => {
                let short = type_url.rsplit('.').next().unwrap_or_default();
                *answers.accepted.entry(short.to_owned()).or_default() += 1;
            }
            Event::Nack {
                type_url, message, ..
            } => {
                answers.refused.push(format!("{type_url}: {message}"));
            }
            Event::Subscribed { .. } | Event::Sent { .. } => {}
        }
        drop(answers);
        self.planner.event(conn, event);
    }

    fn closed(&self, conn: ConnId) {
        self.planner.closed(conn);
    }
}

/// Serves the mesh on a socket in `directory`.
pub fn control_plane(snapshots: Snapshots, directory: &Path) -> Arc<Mutex<Answers>> {
    let options = PlannerOptions {
        istiod: "test".into(),
        last_resolved: Arc::new(InMemory::default()),
        authenticator: None,
    };
    let (planner, mut reports) = Planner::start(snapshots, options);
    tokio::spawn(async move { while reports.recv().await.is_some() {} });
    let answers = Arc::new(Mutex::new(Answers::default()));
    let recorder = Arc::new(Recorder {
        planner,
        answers: answers.clone(),
    });
    let listener = tokio::net::UnixListener::bind(directory.join("xds")).unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(ads_service(recorder, AdsOptions::default()))
        .serve_with_incoming(UnixListenerStream::new(listener));
    tokio::spawn(server);
    answers
}

/// The bootstrap of a gateway whose pod is `name`.
fn bootstrap(directory: &Path, name: &str, ip: &str, admin: u16, ours: bool) -> Value {
    let vars = [
        ("POD_NAME", name),
        ("POD_NAMESPACE", "istio-system"),
        ("INSTANCE_IP", ip),
        ("SERVICE_ACCOUNT", "gateway"),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let files = Files {
        labels: format!("istio=\"{name}\"\n"),
        ..Files::default()
    };
    let env = NodeEnv::read(Role::Gateway, &vars.into(), &files).unwrap();
    let source = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"});
    let cluster = |name: &str, socket: &str| {
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "5s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"pipe": {"path": directory.join(socket)}}}}]}]},
        })
    };
    json!({
        "node": env.node(ours),
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
            "lds_config": source, "cds_config": source,
        },
        "static_resources": {"clusters": [cluster("xds-grpc", "xds"), cluster("sds-grpc", "sds")]},
    })
}

/// A gateway of either engine.
pub enum Gateway {
    Ours(Box<Instance>, u16),
    Envoy(Child, u16),
}

impl Gateway {
    /// Our own proxy, in this process.
    pub fn ours(directory: &Path, material: watch::Receiver<Option<Material>>) -> Self {
        let admin = testkit::free_port();
        let document = bootstrap(directory, "ours", "127.0.2.1", admin, true);
        let instance = Instance::start(InstanceOptions {
            bootstrap: Bootstrap::parse(&document.to_string()).unwrap(),
            concurrency: 2,
            local_secrets: Some(local_secrets(material)),
            state_dir: None,
            drain_time: Duration::from_secs(45),
            logging: Box::new(|_| Ok("info".into())),
        });
        Self::Ours(Box::new(instance.unwrap()), admin)
    }

    /// Stock Envoy, with its certificate from the agent's SDS.
    pub fn envoy(
        program: &Path,
        directory: &Path,
        material: watch::Receiver<Option<Material>>,
    ) -> Self {
        let socket = directory.join("sds");
        tokio::spawn(async move { agent::envoy::serve_sds(&socket, material).await });
        let admin = testkit::free_port();
        let document = bootstrap(directory, "envoy", "127.0.2.2", admin, false);
        let file = directory.join("envoy.json");
        std::fs::write(&file, document.to_string()).unwrap();
        let log = std::fs::File::create(directory.join("envoy.log")).unwrap();
        let child = Command::new(program)
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "2",
                "-l",
                "warn",
                "-c",
            ])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Self::Envoy(child.unwrap(), admin)
    }

    /// What its admin interface says.
    pub async fn admin(&self, path: &str) -> String {
        let (Self::Ours(_, port) | Self::Envoy(_, port)) = self;
        let admin = agent::admin::Admin::local(*port);
        match admin.call(http::Method::GET, path).await {
            Ok((_, body)) => String::from_utf8_lossy(&body).into_owned(),
            Err(why) => why,
        }
    }

    pub fn stop(self) {
        match self {
            Self::Ours(instance, _) => instance.stop(),
            Self::Envoy(mut child, _) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn local_secrets(
    mut material: watch::Receiver<Option<Material>>,
) -> watch::Receiver<Vec<LocalSecret>> {
    let convert = |material: &Material| {
        vec![
            LocalSecret::Certificate {
                name: "default".into(),
                chain_pem: material.chain_pem().into(),
                key_pem: material.key_pem().into(),
            },
            LocalSecret::Roots {
                name: "ROOTCA".into(),
                pem: material.roots_pem().into(),
            },
        ]
    };
    let (sender, receiver) = watch::channel(Vec::new());
    tokio::spawn(async move {
        loop {
            let now = material.borrow_and_update().as_ref().map(convert);
            sender.send_replace(now.unwrap_or_default());
            if material.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}
