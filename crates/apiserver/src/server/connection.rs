//! One connection: TLS within a time limit, then HTTP/1.1 or HTTP/2, each with bounds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::api::Api;
use crate::auth::User;
use crate::http::dispatch::dispatch;

const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(30);
const MAX_HEADER_LIST: u32 = 64 * 1024;
const MAX_STREAMS: u32 = 250;
const RETRY_ACCEPT: Duration = Duration::from_millis(50);

pub(super) async fn accept(
    api: Arc<Api>,
    tls: TlsAcceptor,
    listener: TcpListener,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
) {
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = api.stopping() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (api, tls) = (api.clone(), tls.clone());
                tasks.spawn(async move {
                    serve(&api, tls, stream, peer).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(RETRY_ACCEPT).await;
            }
        }
    }
}

async fn serve(api: &Arc<Api>, tls: TlsAcceptor, stream: TcpStream, peer: SocketAddr) {
    // Small answers leave at once; an error here only means that the peer is already gone.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%peer, "TLS handshake took too long"),
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let user = certificates
        .and_then(<[_]>::first)
        .and_then(|leaf| User::from_certificate(leaf));
    let service = service_fn(|request| {
        let (api, user) = (api.clone(), user.clone());
        async move { Ok::<_, Infallible>(dispatch(&api, user.as_ref(), request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(MAX_HEADER_LIST as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = api.stopping() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}
