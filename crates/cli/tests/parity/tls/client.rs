//! Clients that speak TLS, and what they see of the handshake.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion};
use testkit::pki::{Authority, Pair};

use super::pki::{chain, pki, provider, roots};
use crate::harness::http1::{Conn, PATIENCE, dial};
use crate::harness::session::{Answer, Client, Session};

/// What a client says and whom it trusts.
pub(super) struct Hello<'a> {
    /// SNI; without it none is sent.
    pub(super) name: Option<&'a str>,
    pub(super) trust: &'a Authority,
    pub(super) own: Option<&'a Pair>,
    pub(super) version: &'static SupportedProtocolVersion,
    /// ALPN, in this order.
    pub(super) protocols: &'a [&'a str],
}

/// TLS 1.3 without ALPN or certificate.
pub(super) fn hello(name: &str) -> Hello<'_> {
    Hello {
        name: Some(name),
        trust: &pki().root,
        own: None,
        version: &rustls::version::TLS13,
        protocols: &[],
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn handshake(s: &Session<'_>, port: u16, hello: &Hello<'_>) -> io::Result<Stream> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[hello.version])
        .unwrap()
        .with_root_certificates(roots(hello.trust));
    let mut config = match hello.own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let (chain, key) = chain(pair);
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.enable_sni = hello.name.is_some();
    let protocols = hello.protocols.iter();
    config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(hello.name.unwrap_or("a.test").to_owned()).unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = dial(s.from, (s.proxy, port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(tls, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn agreement(stream: &Stream) -> String {
    let version = stream.conn.protocol_version();
    let alpn = stream.conn.alpn_protocol().unwrap_or(b"none");
    format!("{version:?} alpn {}", String::from_utf8_lossy(alpn))
}

fn seen(s: &mut Session<'_>, what: String) {
    s.answers.push(Answer {
        bytes: Some(what.into_bytes()),
        ..Answer::default()
    });
}

/// A connection and the certificate that the proxy showed; what was agreed on is compared. It is an answer that no log
/// line belongs to.
pub(super) fn open(s: &mut Session<'_>, port: u16, hello: Hello<'_>) -> (Client, Vec<u8>) {
    s.logs(1);
    match handshake(s, port, &hello) {
        Ok(stream) => {
            seen(s, agreement(&stream));
            let shown = stream.conn.peer_certificates();
            let shown = shown.map(|chain| chain[0].to_vec()).unwrap_or_default();
            let socket = stream.sock.try_clone().unwrap();
            (s.keep(Some(Conn::over(socket, Box::new(stream)))), shown)
        }
        Err(error) => {
            s.expect(false, format!("a handshake, found {error}"));
            (s.keep(None), Vec::new())
        }
    }
}

/// The outcome of a handshake, whatever it is.
pub(super) fn offered(s: &mut Session<'_>, port: u16, hello: Hello<'_>) -> bool {
    s.logs(0);
    let outcome = handshake(s, port, &hello);
    let refused = outcome.is_err();
    let text = outcome.map_or_else(|error| reason(&error), |stream| agreement(&stream));
    seen(s, text);
    refused
}

/// The proxy, or the client, ends this handshake; how is compared.
pub(super) fn refused(s: &mut Session<'_>, port: u16, hello: Hello<'_>) {
    s.logs(0);
    // In TLS 1.3 a client is done before the server has judged its certificate.
    let outcome = handshake(s, port, &hello).and_then(|mut stream| stream.read(&mut [0]));
    let text = match &outcome {
        Ok(n) => format!("{n} bytes after the handshake"),
        Err(error) => reason(error),
    };
    let silent = outcome.as_ref().is_err_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        )
    });
    s.expect(
        !silent && !matches!(outcome, Ok(1..)),
        format!("a refusal, found {text}"),
    );
    seen(s, text);
}

fn reason(error: &io::Error) -> String {
    format!("{:?}: {error}", error.kind())
}
