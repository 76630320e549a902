//! Client and server through tonic, over a socket.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use support::*;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::TcpListenerStream;
use xds::View;
use xds::client::{
    self, ClientOptions, Connect, Handler, Nack, SessionError, Subscriptions, Update,
};
use xds::envoy::config::core::v3::Node;
use xds::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use xds::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use xds::server::{AdsOptions, ConnId, ConnInfo, Event, PeerIdentity, Planner, ads_service};
use xds::type_url::{CLUSTER, ENDPOINT};

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq)]
enum Heard {
    Connected {
        node: String,
        bearer: Option<String>,
        peer: PeerIdentity,
    },
    Event(Event),
    Closed,
}

struct Recorder {
    views: watch::Sender<Arc<View>>,
    heard: mpsc::UnboundedSender<Heard>,
}

#[async_trait]
impl Planner for Recorder {
    async fn connect(&self, conn: ConnInfo) -> Result<watch::Receiver<Arc<View>>, tonic::Status> {
        if conn.node.id == "stranger" {
            return Err(tonic::Status::permission_denied("not you"));
        }
        let bearer = conn.bearer.map(|token| token.0);
        let _ = self.heard.send(Heard::Connected {
            node: conn.node.id,
            bearer,
            peer: conn.peer,
        });
        Ok(self.views.subscribe())
    }

    fn event(&self, _: ConnId, event: Event) {
        let _ = self.heard.send(Heard::Event(event));
    }

    fn closed(&self, _: ConnId) {
        let _ = self.heard.send(Heard::Closed);
    }
}

struct Server {
    planner: Arc<Recorder>,
    heard: mpsc::UnboundedReceiver<Heard>,
    drain: watch::Sender<bool>,
    uri: tonic::transport::Uri,
}

impl Server {
    async fn start(view: Arc<View>) -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        let planner = Arc::new(Recorder {
            views: watch::channel(view).0,
            heard: sender,
        });
        let (drain, draining) = watch::channel(false);
        let options = AdsOptions {
            identifier: "test".into(),
            drain: Some(draining),
            ..AdsOptions::default()
        };
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", socket.local_addr().unwrap())
            .parse()
            .unwrap();
        let service = ads_service(Arc::clone(&planner) as Arc<dyn Planner>, options);
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(socket)));
        Self {
            planner,
            heard,
            drain,
            uri,
        }
    }

    async fn hear(&mut self) -> Heard {
        tokio::time::timeout(LIMIT, self.heard.recv())
            .await
            .expect("nothing happened")
            .unwrap()
    }

    /// Waits for an event of one kind, and passes over others.
    async fn hear_until<T>(&mut self, pick: impl Fn(&Heard) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(&self.hear().await) {
                return found;
            }
        }
    }
}

/// Subscribes to the endpoints of each cluster and refuses clusters named `bad`.
struct Follower(mpsc::UnboundedSender<String>);

impl Handler for Follower {
    fn apply(&mut self, update: Update, subscriptions: &mut Subscriptions) -> Result<(), Nack> {
        let mut nack = Nack::default();
        for resource in &update.added {
            let _ = self.0.send(format!(
                "{} {}",
                if &*update.type_url == CLUSTER {
                    "CDS"
                } else {
                    "EDS"
                },
                resource.name
            ));
            if &*resource.name == "bad" {
                nack.reject("bad", "type: not supported");
            } else if &*update.type_url == CLUSTER {
                subscriptions.subscribe(ENDPOINT, [Arc::clone(&resource.name)]);
            }
        }
        nack.unless_empty()
    }

    fn disconnected(&mut self, error: &SessionError, _: Duration) {
        let _ = self.0.send(format!("lost: {error}"));
    }
}

async fn next(updates: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(LIMIT, updates.recv())
        .await
        .expect("no update came")
        .unwrap()
}

/// A client whose server can be replaced, as on a restart.
fn connect(target: &Arc<Mutex<tonic::transport::Uri>>) -> Connect {
    let target = Arc::clone(target);
    Arc::new(move || {
        let endpoint = client::endpoint(target.lock().unwrap().clone());
        Box::pin(async move { Ok(endpoint.connect().await?) })
    })
}

#[tokio::test]
async fn a_client_follows_its_server_and_survives_its_restart() {
    let world = view([cluster("a", 1), endpoints("a", 1), cluster("bad", 1)]);
    let mut server = Server::start(Arc::clone(&world)).await;
    let target = Arc::new(Mutex::new(server.uri.clone()));
    let mut options = ClientOptions::new(
        connect(&target),
        Node {
            id: "me".into(),
            ..Node::default()
        },
    );
    options.token = Some(Arc::new(|| Some("secret-token".into())));
    options.backoff = client::Backoff::new(Duration::from_millis(1), Duration::from_millis(20));
    let (sender, mut updates) = mpsc::unbounded_channel();
    let (_subscriber, changes) = client::subscriber();
    let wanted = std::mem::take(Subscriptions::new().wildcard(CLUSTER));
    let running = tokio::spawn(client::run(options, Follower(sender), wanted, changes));

    let Heard::Connected { node, bearer, peer } = server.hear().await else {
        panic!()
    };
    assert_eq!(
        (node.as_str(), bearer.as_deref()),
        ("me", Some("secret-token"))
    );
    assert!(peer.addr.is_some_and(|addr| addr.ip().is_loopback()));
    let message = server.hear_until(|heard| match heard {
        Heard::Event(Event::Nack { message, .. }) => Some(message.clone()),
        _ => None,
    });
    assert_eq!(message.await, "bad: type: not supported");
    assert_eq!(
        [next(&mut updates).await, next(&mut updates).await],
        ["CDS a", "CDS bad"]
    );
    assert_eq!(next(&mut updates).await, "EDS a");

    // Another control plane, the same configuration: only what was refused is sent again.
    let mut other = Server::start(Arc::clone(&world)).await;
    *target.lock().unwrap() = other.uri.clone();
    server.drain.send_replace(true);
    server
        .hear_until(|heard| (*heard == Heard::Closed).then_some(()))
        .await;
    assert!(next(&mut updates).await.contains("draining"));
    other
        .hear_until(|heard| matches!(heard, Heard::Event(Event::Nack { .. })).then_some(()))
        .await;
    assert_eq!(next(&mut updates).await, "CDS bad");
    other
        .planner
        .views
        .send_replace(view([cluster("a", 1), endpoints("a", 2)]));
    assert_eq!(next(&mut updates).await, "EDS a");

    running.abort();
    other
        .hear_until(|heard| (*heard == Heard::Closed).then_some(()))
        .await;
}

async fn first_response(
    server: &Server,
    requests: Vec<DeltaDiscoveryRequest>,
) -> Result<(), tonic::Status> {
    let channel = client::endpoint(server.uri.clone())
        .connect()
        .await
        .unwrap();
    let mut client =
        AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(64 << 20);
    let stream =
        futures::StreamExt::chain(tokio_stream::iter(requests), futures::stream::pending());
    let mut inbound = client
        .delta_aggregated_resources(stream)
        .await?
        .into_inner();
    tokio::time::timeout(LIMIT, inbound.message())
        .await
        .expect("no answer")?;
    Ok(())
}

#[tokio::test]
async fn streams_without_node_strangers_and_nonsense_are_refused() {
    let server = Server::start(view([cluster("a", 1)])).await;
    let node = |id: &str| {
        Some(Node {
            id: id.into(),
            ..Node::default()
        })
    };
    let request = |node, type_url: &str| DeltaDiscoveryRequest {
        node,
        type_url: type_url.into(),
        ..Default::default()
    };
    let code = async |request| {
        first_response(&server, vec![request])
            .await
            .map_err(|status| status.code())
    };
    assert_eq!(
        code(request(None, CLUSTER)).await,
        Err(tonic::Code::InvalidArgument)
    );
    assert_eq!(
        code(request(node("stranger"), CLUSTER)).await,
        Err(tonic::Code::PermissionDenied)
    );
    assert_eq!(
        code(request(node("me"), "")).await,
        Err(tonic::Code::InvalidArgument)
    );
    assert_eq!(code(request(node("me"), CLUSTER)).await, Ok(()));
}

#[tokio::test]
async fn requests_larger_than_grpcs_default_are_read() {
    let server = Server::start(view([])).await;
    let node = Some(Node {
        id: "me".into(),
        ..Node::default()
    });
    let names =
        (0..60_000).map(|i| format!("outbound|80||{i}.{}.svc.cluster.local", "n".repeat(60)));
    let request = DeltaDiscoveryRequest {
        node,
        type_url: ENDPOINT.into(),
        resource_names_subscribe: names.collect(),
        ..Default::default()
    };
    assert!(prost::Message::encoded_len(&request) > 5 << 20);
    assert!(first_response(&server, vec![request]).await.is_ok());
}
