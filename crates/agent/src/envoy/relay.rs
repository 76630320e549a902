//! ADS for the proxy: its private socket is joined, byte for byte, to a TLS connection that carries the
//! workload's identity. The proxy itself holds no control-plane credentials.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsConnector;

use super::sds::private_socket;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Relays every connection of the socket at `path` to `target` (`host:port`) until it is dropped.
/// `tls` is asked for each connection, so it follows rotated roots and certificates.
pub async fn relay<F>(path: &Path, target: String, tls: F) -> io::Result<()>
where
    F: Fn() -> Result<ClientConfig, rustls::Error> + Send + Sync + 'static,
{
    let listener: UnixListener = private_socket(path)?;
    let (target, tls) = (Arc::new(target), Arc::new(tls));
    loop {
        let (client, _) = listener.accept().await?;
        let (target, tls) = (target.clone(), tls.clone());
        tokio::spawn(async move {
            if let Err(error) = join(client, &target, &*tls).await {
                // The proxy sees its stream end and comes back with its own back-off.
                tracing::warn!(%target, %error, "control plane not reached");
            }
        });
    }
}

async fn join(
    mut client: UnixStream,
    target: &str,
    tls: &(dyn Fn() -> Result<ClientConfig, rustls::Error> + Send + Sync),
) -> io::Result<()> {
    let config = tls().map_err(io::Error::other)?;
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connect = async {
        let tcp = TcpStream::connect(target).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    };
    let mut server = tokio::time::timeout(CONNECT_TIMEOUT, connect)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s"))??;
    tokio::io::copy_bidirectional(&mut client, &mut server)
        .await
        .map(drop)
}
