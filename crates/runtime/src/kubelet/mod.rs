//! The kubelet API of the node, for the API server alone: logs, exec, attach, port-forward.

mod exec;
pub(crate) mod fuzzing;
mod logs;
mod over_channels;
mod over_spdy;
mod query;
mod routes;
mod spdy;
mod streams;
mod terminal;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use net::tls::{ClientAuth, Identity, IdentitySlot, Roots, server_config};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::options::KubeletTls;
use crate::pod::Shared;

const CONNECTIONS: usize = 512;
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Binds; the future serves.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    tls: &KubeletTls,
    listen: SocketAddr,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + use<>)> {
    let identity = Identity::from_pem(&tls.certificates, &tls.key).map_err(io::Error::other)?;
    let clients = Roots::from_pem(&tls.client_ca).map_err(io::Error::other)?;
    // Connections are upgraded, which HTTP/2 cannot do here.
    let config = server_config(
        IdentitySlot::new(identity),
        &ClientAuth::Required(clients),
        &[b"http/1.1"],
    );
    let acceptor = TlsAcceptor::from(Arc::new(config.map_err(io::Error::other)?));
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = routes::router(shared);
    Ok((address, async move {
        let limit = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let Ok(permit) = limit.clone().try_acquire_owned() else {
                continue;
            };
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                if let Ok(Ok(stream)) =
                    tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await
                {
                    let connection = hyper::server::conn::http1::Builder::new()
                        .timer(hyper_util::rt::TokioTimer::new())
                        .header_read_timeout(HANDSHAKE)
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    let _ = connection.await;
                }
                drop(permit);
            });
        }
    }))
}
