//! Workloads that speak mutual TLS as sidecars do, and end as pods do: they finish what they have begun.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use net::tls::{ClientAuth, Identity, IdentitySlot, PeerFacts, Roots, server_config};
use testkit::pki::{Authority, Validity};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

pub struct Backends {
    pub authority: Authority,
    pub port: u16,
    /// Serial numbers of the certificates that clients showed.
    pub clients: Arc<Mutex<BTreeSet<String>>>,
    pub served: Arc<AtomicUsize>,
}

pub struct Backend {
    pub address: Ipv4Addr,
    pub version: String,
    stop: watch::Sender<bool>,
    connections: TaskTracker,
}

impl Backends {
    pub fn new() -> Self {
        Self {
            authority: Authority::root("mesh"),
            port: testkit::free_port(),
            clients: Arc::default(),
            served: Arc::default(),
        }
    }

    /// Starts a workload and returns when it listens.
    pub async fn start(&self, address: Ipv4Addr, version: &str) -> Backend {
        let listener = TcpListener::bind((address, self.port)).await.unwrap();
        let uri = "spiffe://cluster.local/ns/default/sa/app";
        let pair = self.authority.workload(uri, Validity::default());
        let own = Identity::from_pem(pair.chain.as_bytes(), pair.key.as_bytes()).unwrap();
        let roots = Roots::from_pem(self.authority.pem.as_bytes()).unwrap();
        let required = ClientAuth::Required(roots);
        // What Istio's sidecars offer beside HTTP's own.
        let protocols: &[&[u8]] = &[b"istio", b"http/1.1"];
        let config = server_config(IdentitySlot::new(own), &required, protocols).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (stop, stopped) = watch::channel(false);
        let connections = TaskTracker::new();
        let shared = Shared {
            version: version.to_owned().into(),
            clients: self.clients.clone(),
            served: self.served.clone(),
        };
        connections.spawn(accept(
            listener,
            acceptor,
            stopped,
            shared,
            connections.clone(),
        ));
        Backend {
            address,
            version: version.to_owned(),
            stop,
            connections,
        }
    }
}

impl Backend {
    /// Accepts no more, finishes the requests that were begun, and closes.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        self.connections.close();
        self.connections.wait().await;
    }
}

#[derive(Clone)]
struct Shared {
    version: Bytes,
    clients: Arc<Mutex<BTreeSet<String>>>,
    served: Arc<AtomicUsize>,
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    mut stop: watch::Receiver<bool>,
    shared: Shared,
    connections: TaskTracker,
) {
    loop {
        let accepted: std::io::Result<(TcpStream, SocketAddr)> = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if let Ok((stream, _)) = accepted {
            let _ = stream.set_nodelay(true);
            connections.spawn(converse(
                stream,
                acceptor.clone(),
                stop.clone(),
                shared.clone(),
            ));
        }
    }
}

async fn converse(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    mut stop: watch::Receiver<bool>,
    shared: Shared,
) {
    // Also what a pool closes without a word.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let facts = PeerFacts::of(&leaf).unwrap();
    shared.clients.lock().unwrap().insert(facts.serial);
    let service = service_fn(move |_: http::Request<hyper::body::Incoming>| {
        shared.served.fetch_add(1, Ordering::Relaxed);
        let body = Full::new(shared.version.clone());
        async move { Ok::<_, Infallible>(http::Response::new(body)) }
    });
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
