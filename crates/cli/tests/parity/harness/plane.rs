//! Serves each proxy its view, and fails when one of them refuses a resource.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use xds::View;
use xds::server::{AdsOptions, ConnId, ConnInfo, Event, Form, Planner, ads_service};

use super::backend::lock;

const PATIENCE: Duration = Duration::from_secs(30);

/// How one proxy stands.
struct Peer {
    view: watch::Sender<Arc<View>>,
    /// Type and name of what it has not acknowledged yet.
    missing: BTreeSet<(String, String)>,
    refused: Vec<String>,
    form: Option<Form>,
}

/// The discovery server of a class.
pub(crate) struct Plane {
    pub(crate) address: SocketAddr,
    peers: Arc<Peers>,
}

#[derive(Default)]
struct Peers {
    by_node: Mutex<HashMap<String, Peer>>,
    nodes: Mutex<HashMap<ConnId, String>>,
}

impl Plane {
    /// Serves these views by node id.
    pub(crate) fn serve(runtime: &tokio::runtime::Runtime, views: Vec<(String, View)>) -> Self {
        let peers = Arc::new(Peers::default());
        for (node, view) in views {
            let missing = view
                .resources()
                .map(|resource| (resource.type_url.to_owned(), resource.name.to_string()))
                .collect();
            let peer = Peer {
                view: watch::channel(Arc::new(view)).0,
                missing,
                refused: Vec::new(),
                form: None,
            };
            lock(&peers.by_node).insert(node, peer);
        }
        let service = ads_service(
            Arc::clone(&peers) as Arc<dyn Planner>,
            AdsOptions::default(),
        );
        let address = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound");
            let server = tonic::transport::Server::builder().add_service(service);
            tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
            address
        });
        Self { address, peers }
    }

    /// Waits until the proxy has acknowledged everything; returns the form of the protocol that it speaks.
    pub(crate) fn acknowledged(&self, node: &str) -> Form {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let peers = lock(&self.peers.by_node);
            let peer = &peers[node];
            assert!(peer.refused.is_empty(), "{node}: {:#?}", peer.refused);
            if let Some(form) = peer.form
                && peer.missing.is_empty()
            {
                return form;
            }
            assert!(
                Instant::now() < deadline,
                "{node} did not acknowledge {:#?}",
                peer.missing
            );
            drop(peers);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What proxies refused, at any time.
    pub(crate) fn refused(&self) -> Vec<String> {
        let peers = lock(&self.peers.by_node);
        let all = peers.iter().flat_map(|(node, peer)| {
            peer.refused
                .iter()
                .map(move |what| format!("{node}: {what}"))
        });
        all.collect()
    }
}

#[async_trait]
impl Planner for Peers {
    async fn connect(&self, conn: ConnInfo) -> Result<watch::Receiver<Arc<View>>, tonic::Status> {
        let mut peers = lock(&self.by_node);
        let Some(peer) = peers.get_mut(&conn.node.id) else {
            return Err(tonic::Status::not_found(conn.node.id));
        };
        peer.form = Some(conn.form);
        lock(&self.nodes).insert(conn.id, conn.node.id.clone());
        Ok(peer.view.subscribe())
    }

    fn event(&self, conn: ConnId, event: Event) {
        let node = lock(&self.nodes)[&conn].clone();
        let mut peers = lock(&self.by_node);
        let Some(peer) = peers.get_mut(&node) else {
            return;
        };
        match event {
            Event::Ack {
                type_url,
                resources,
                ..
            } => {
                for resource in resources.iter() {
                    peer.missing
                        .remove(&(type_url.to_string(), resource.name.to_string()));
                }
            }
            Event::Nack {
                type_url, message, ..
            } => peer.refused.push(format!("{type_url}: {message}")),
            Event::Sent { .. } | Event::Subscribed { .. } => {}
        }
    }

    fn closed(&self, _: ConnId) {}
}
