//! Opens one upstream connection: socket options, source address, connect timeout, TLS.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::balance::Host;
use crate::config::Config;
use crate::config::cluster::{ClusterInfo, EndpointAddress, TcpKeepalive};
use crate::http::transport::Transport;
use crate::observe::handshakes;
use crate::observe::record::TlsFacts;
use crate::shared::Shared;
use crate::tls;

/// Why no connection could be had.
#[derive(Debug, Clone)]
pub enum ConnectError {
    /// Envoy's `remote connection failure`; the text is `%UPSTREAM_TRANSPORT_FAILURE_REASON%`.
    Remote(Cow<'static, str>),
    /// The address cannot be used at all: Envoy's `local connection failure`.
    Local(Cow<'static, str>),
    Timeout,
    /// TLS failed: `TLS_error:|…:TLS_error_end`.
    Tls(Cow<'static, str>),
}

impl ConnectError {
    /// The connect timeout passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }
}

/// An open connection and what is known of it.
#[derive(Debug)]
pub struct Opened {
    pub transport: Transport,
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    pub tls: Option<Arc<TlsFacts>>,
    pub connected_at: Instant,
    pub secured_at: Option<Instant>,
}

/// What the request adds to a connection's identity.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// Replaces the configured SNI (`auto_sni`, `auto_host_sni`).
    pub sni: Option<Arc<str>>,
    /// ALPN instead of the configured one.
    pub alpn: Option<&'static [&'static [u8]]>,
    /// The peer's DNS SANs must contain the SNI.
    pub check_name: bool,
}

/// Connects to `host` within the cluster's connect timeout.
pub async fn connect(
    config: &Config,
    shared: &Shared,
    info: &ClusterInfo,
    host: &Host,
    options: &ConnectOptions,
) -> Result<Opened, ConnectError> {
    match tokio::time::timeout(
        info.connect_timeout,
        open(config, shared, info, host, options),
    )
    .await
    {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout),
    }
}

async fn open(
    config: &Config,
    shared: &Shared,
    info: &ClusterInfo,
    host: &Host,
    options: &ConnectOptions,
) -> Result<Opened, ConnectError> {
    let tcp = match &host.address {
        EndpointAddress::Socket(address) => tcp(info, *address).await?,
        EndpointAddress::Pipe(path) => {
            let unix = UnixStream::connect(&**path)
                .await
                .map_err(|error| remote(&error))?;
            return Ok(Opened {
                transport: Transport::Unix(unix),
                local: None,
                remote: None,
                tls: None,
                connected_at: Instant::now(),
                secured_at: None,
            });
        }
        EndpointAddress::Name { host, .. } => {
            return Err(ConnectError::Local(
                format!("{host} has not been resolved").into(),
            ));
        }
    };
    let (local, peer) = (tcp.local_addr().ok(), tcp.peer_addr().ok());
    let connected_at = Instant::now();
    let Some(context) = &host.transport else {
        let transport = Transport::Tcp(tcp);
        return Ok(Opened {
            transport,
            local,
            remote: peer,
            tls: None,
            connected_at,
            secured_at: None,
        });
    };
    let secured = tls::connect(shared, config, context, host, options, tcp).await;
    let seen = secured.as_ref().map(|(_, facts)| facts);
    handshakes::upstream(info, seen.map_err(|reason| &**reason));
    let (stream, facts) = secured.map_err(ConnectError::Tls)?;
    Ok(Opened {
        transport: Transport::TlsClient(Box::new(stream)),
        local,
        remote: peer,
        tls: Some(Arc::new(facts)),
        connected_at,
        secured_at: Some(Instant::now()),
    })
}

async fn tcp(info: &ClusterInfo, address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let local = |error: io::Error| ConnectError::Local(words(&error).into());
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
    .map_err(local)?;
    if let Some(source) = info
        .source_address
        .filter(|source| source.is_ipv4() == address.is_ipv4())
    {
        socket
            .bind(SocketAddr::new(source, info.source_port))
            .map_err(local)?;
    }
    if let Some(keepalive) = &info.keepalive {
        set_keepalive(&socket2::SockRef::from(&socket), keepalive).map_err(local)?;
    }
    let stream = socket
        .connect(address)
        .await
        .map_err(|error| remote(&error))?;
    stream.set_nodelay(true).map_err(local)?;
    Ok(stream)
}

/// Turns TCP keepalive on with the values given; the kernel's stand for the others.
pub(crate) fn set_keepalive(
    socket: &socket2::SockRef<'_>,
    keepalive: &TcpKeepalive,
) -> io::Result<()> {
    let mut options = socket2::TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        options = options.with_time(time);
    }
    if let Some(interval) = keepalive.interval {
        options = options.with_interval(interval);
    }
    if let Some(probes) = keepalive.probes {
        options = options.with_retries(probes);
    }
    socket.set_tcp_keepalive(&options)
}

fn remote(error: &io::Error) -> ConnectError {
    ConnectError::Remote(format!("delayed connect error: {}", words(error)).into())
}

/// The system's words for an error, without Rust's additions.
pub(crate) fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix_words(code),
        None => error.to_string(),
    }
}

fn nix_words(code: i32) -> String {
    let text = io::Error::from_raw_os_error(code).to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}
