//! TLS on both sides, from the configuration's contexts and secrets. A rotated secret is used by the next handshake;
//! open connections are not touched.

mod facts;
mod failure;
mod material;
mod verify;

use std::borrow::Cow;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server};

pub(crate) use failure::not_tls;
pub(crate) use material::Cache;

use crate::balance::Host;
use crate::config::Config;
use crate::config::tls::{DownstreamTls, UpstreamTls};
use crate::http::transport::Prefixed;
use crate::observe::record::TlsFacts;
use crate::shared::Shared;
use crate::upstream::ConnectOptions;

/// Handshakes with an upstream. The error is a transport failure reason.
pub(crate) async fn connect(
    shared: &Shared,
    config: &Config,
    context: &UpstreamTls,
    host: &Host,
    options: &ConnectOptions,
    tcp: TcpStream,
) -> Result<(client::TlsStream<TcpStream>, TlsFacts), Cow<'static, str>> {
    let configured: smallvec::SmallVec<[&[u8]; 4]> =
        context.common.alpn.iter().map(|p| &**p).collect();
    let alpn: &[&[u8]] = match options.alpn {
        Some(alpn) if configured.is_empty() => alpn,
        _ => &configured,
    };
    let built = shared
        .tls
        .client(config, context, alpn, options.check_name)
        .map_err(|error| format!("TLS error: {error}"))?;
    let sni = options.sni.as_deref().unwrap_or(&context.sni);
    let name = server_name(sni, host);
    let connector = TlsConnector::from(Arc::clone(&built.config));
    let stream = connector
        .connect(name, tcp)
        .await
        .map_err(|error| failure::words(&error))?;
    let sni = (!sni.is_empty()).then_some(sni);
    let found = facts::gather(
        stream.get_ref().1,
        sni,
        built.local.clone(),
        built.validates,
    );
    Ok((stream, found))
}

/// Without a server name the address stands in: rustls sends no SNI for it.
fn server_name(sni: &str, host: &Host) -> ServerName<'static> {
    ServerName::try_from(sni.to_owned()).unwrap_or_else(|_| {
        let ip = host
            .socket_addr()
            .map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |address| {
                address.ip()
            });
        ServerName::IpAddress(ip.into())
    })
}

/// Handshakes with a client. The error is a transport failure reason.
pub(crate) async fn accept(
    shared: &Shared,
    config: &Config,
    context: &DownstreamTls,
    io: Prefixed<TcpStream>,
) -> Result<(server::TlsStream<Prefixed<TcpStream>>, TlsFacts), Cow<'static, str>> {
    let built = shared
        .tls
        .server(config, context)
        .map_err(|error| format!("TLS error: {error}"))?;
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io)
        .await
        .map_err(|error| failure::words(&error))?;
    let offered = hello.client_hello().alpn().map(|mut offered| {
        offered.any(|protocol| {
            built
                .config
                .alpn_protocols
                .iter()
                .any(|own| own == protocol)
        })
    });
    let chosen = if offered == Some(false) {
        &built.without_alpn
    } else {
        &built.config
    };
    let stream = hello
        .into_stream(Arc::clone(chosen))
        .await
        .map_err(|error| failure::words(&error))?;
    let connection = stream.get_ref().1;
    let sni = connection.server_name().map(str::to_owned);
    if context.require_sni && sni.is_none() {
        return Err("TLS_error:|no server name:TLS_error_end".into());
    }
    let found = facts::gather(
        connection,
        sni.as_deref(),
        built.local.clone(),
        built.validates,
    );
    Ok((stream, found))
}
