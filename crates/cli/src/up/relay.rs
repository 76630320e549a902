//! Host ports → the gateway's service address inside the node namespace. The supervisor owns this, so it
//! outlives every child.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use net::netns::Namespace;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Connections at a time over all ports; more wait in the listen backlog.
const MAX_CONNECTIONS: usize = 4096;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Relays each listener to its port at `target` until the process ends.
pub(crate) fn start(
    namespace: Arc<Namespace>,
    target: Ipv4Addr,
    listeners: Vec<(TcpListener, u16)>,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("relay".into())
        .spawn(move || {
            // The accepting sockets belong to the host; those that this thread makes, to the node.
            let run = || -> std::io::Result<()> {
                namespace.enter()?;
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(serve(target, listeners))
            };
            if let Err(error) = run() {
                tracing::error!(%error, "the gateway relay has ended");
            }
        })?;
    Ok(())
}

async fn serve(target: Ipv4Addr, listeners: Vec<(TcpListener, u16)>) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tasks = tokio::task::JoinSet::new();
    for (listener, port) in listeners {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tasks.spawn(accept(
            listener,
            SocketAddr::from((target, port)),
            slots.clone(),
        ));
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn accept(listener: tokio::net::TcpListener, target: SocketAddr, slots: Arc<Semaphore>) {
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(async move {
                    join(client, target).await;
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of descriptors, mostly: later is better than never.
                tracing::warn!(%error, "gateway relay: accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn join(mut client: TcpStream, target: SocketAddr) {
    let _ = client.set_nodelay(true);
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(target)).await {
        Ok(Ok(mut server)) => {
            let _ = server.set_nodelay(true);
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
        Ok(Err(error)) => unreachable_gateway(client, target, &error.to_string()).await,
        Err(_) => unreachable_gateway(client, target, "no answer within 5 s").await,
    }
}

/// No connection ends without a reason: plain HTTP is told why, on whichever port it comes.
async fn unreachable_gateway(mut client: TcpStream, target: SocketAddr, why: &str) {
    use tokio::io::AsyncWriteExt;
    tracing::warn!(%target, why, "gateway not reached");
    let body = format!(
        "ferromesh: the ingress gateway does not answer ({why})\n  try: ferromesh status\n"
    );
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = client.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = client.shutdown().await;
}
