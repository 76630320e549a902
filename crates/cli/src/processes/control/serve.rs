//! The control plane's listeners.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use control::Planner;
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use net::tls::{ClientAuth, PeerFacts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Service, ServiceExt};
use xds::server::{AdsOptions, PeerIdentity, ads_service};

use super::authority::Authority;
use crate::exit::{Code, Failure};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Istio's `keepaliveInterval` on the server's side.
const KEEPALIVE: Duration = Duration::from_secs(30);

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener =
        net::socket::listen(address, net::socket::Sharing::Exclusive, 1024).map_err(|error| {
            Failure::new(
                Code::Failure,
                format!("cannot listen on {address}: {error}"),
            )
            .remedy("--listen ADDRESS, another one of this machine; the ports are Istio's")
        })?;
    Ok(TcpListener::from_std(listener)?)
}

/// Accepts until shutdown; each connection runs in a task of its own.
fn accept<F, Fut>(listener: TcpListener, shutdown: &CancellationToken, serve: F)
where
    F: Fn(TcpStream, SocketAddr) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(serve(stream, peer));
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
}

/// What is known of a peer, for the services to find in each request.
#[derive(Clone)]
struct Peer {
    xds: PeerIdentity,
    ca: ca::Caller,
}

async fn http2_or_1<S, R>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    peer: Peer,
) where
    S: Service<Request<Body>, Response = http::Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    R: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.xds.clone());
        request.extensions_mut().insert(peer.ca.clone());
        service.clone().oneshot(request.map(Body::new))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .keep_alive_interval(Some(KEEPALIVE))
        .timer(hyper_util::rt::TokioTimer::new());
    builder.http1().timer(hyper_util::rt::TokioTimer::new());
    if let Err(error) = builder
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        tracing::debug!(%error, "connection ended");
    }
}

fn ads(planner: &Arc<Planner>, shutdown: &CancellationToken) -> tonic::service::Routes {
    let (sender, drain) = tokio::sync::watch::channel(false);
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        sender.send_replace(true);
    });
    let identifier = serde_json::json!({"Component": "istiod", "ID": "istiod", "Info": {"version": env!("CARGO_PKG_VERSION")}});
    let options = AdsOptions {
        drain: Some(drain),
        identifier: identifier.to_string().into(),
        ..AdsOptions::default()
    };
    tonic::service::Routes::new(ads_service(planner.clone(), options))
}

/// 15010: xDS in plain text. Peers without identity get nothing secret.
pub(super) async fn plain_grpc(
    address: SocketAddr,
    planner: Arc<Planner>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let routes = ads(&planner, shutdown).prepare();
    accept(bind(address).await?, shutdown, move |stream, addr| {
        let peer = Peer {
            xds: PeerIdentity {
                spiffe: None,
                addr: Some(addr),
            },
            ca: ca::Caller { certificate: None },
        };
        http2_or_1(stream, routes.clone(), peer)
    });
    Ok(())
}

/// 15012: xDS and the CA over TLS; a client certificate is verified when one is given.
pub(super) async fn secure_grpc(
    address: SocketAddr,
    planner: Arc<Planner>,
    authority: &Authority,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let routes = ads(&planner, shutdown)
        .add_service(authority.service())
        .prepare();
    let authority = authority.clone();
    accept(bind(address).await?, shutdown, move |stream, addr| {
        let (routes, authority) = (routes.clone(), authority.clone());
        async move {
            let config = authority.trust().and_then(|roots| {
                net::tls::server_config(authority.slot(), &ClientAuth::Optional(roots), &[b"h2"])
                    .map_err(anyhow::Error::from)
            });
            let config = match config {
                Ok(config) => config,
                Err(error) => return tracing::error!(%error, "TLS of 15012"),
            };
            let Some(stream) = handshake(stream, config, addr).await else {
                return;
            };
            let leaf = stream
                .get_ref()
                .1
                .peer_certificates()
                .and_then(|chain| chain.first());
            let spiffe = leaf
                .and_then(PeerFacts::of)
                .and_then(|facts| facts.spiffe());
            let peer = Peer {
                xds: PeerIdentity {
                    spiffe: spiffe.clone(),
                    addr: Some(addr),
                },
                ca: ca::Caller {
                    certificate: spiffe,
                },
            };
            http2_or_1(stream, routes, peer).await;
        }
    });
    Ok(())
}

async fn handshake(
    stream: TcpStream,
    config: rustls::ServerConfig,
    peer: SocketAddr,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let accept = TlsAcceptor::from(Arc::new(config)).accept(stream);
    match tokio::time::timeout(HANDSHAKE, accept).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::warn!(%peer, %error, "TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

fn anonymous(addr: SocketAddr) -> Peer {
    Peer {
        xds: PeerIdentity {
            spiffe: None,
            addr: Some(addr),
        },
        ca: ca::Caller { certificate: None },
    }
}

/// 15017: the webhooks.
pub(super) async fn https(
    address: SocketAddr,
    router: Router,
    authority: &Authority,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let config =
        net::tls::server_config(authority.slot(), &ClientAuth::None, &[b"h2", b"http/1.1"])?;
    accept(bind(address).await?, shutdown, move |stream, addr| {
        let (router, config) = (router.clone(), config.clone());
        async move {
            if let Some(stream) = handshake(stream, config, addr).await {
                let service = router.into_service::<Body>();
                http2_or_1(stream, service, anonymous(addr)).await;
            }
        }
    });
    Ok(())
}

/// 15014: monitoring.
pub(super) async fn http(
    address: SocketAddr,
    router: Router,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    accept(bind(address).await?, shutdown, move |stream, addr| {
        http2_or_1(
            stream,
            router.clone().into_service::<Body>(),
            anonymous(addr),
        )
    });
    Ok(())
}
