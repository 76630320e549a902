//! Looks at a connection's first bytes, as Envoy's `tls_inspector` and `http_inspector` do; the bytes stay for whoever
//! serves the connection.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use crate::config::listener::Inspection;

/// A ClientHello may be this long (Envoy: 16 KiB).
const MOST: usize = 16 * 1024;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sniffed {
    /// All bytes read.
    pub bytes: Vec<u8>,
    /// `tls`, `raw_buffer`, or empty when nobody looked.
    pub transport: &'static str,
    pub server_name: Option<Box<str>>,
    /// ALPN, or `http/1.0`, `http/1.1`, `h2c`.
    pub protocols: Vec<Box<[u8]>>,
}

/// What a piece of input means so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    More,
    Known(T),
    /// Not of this protocol.
    Other,
}

/// A ClientHello's facts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hello {
    pub server_name: Option<Box<str>>,
    pub alpn: Vec<Box<[u8]>>,
}

/// HTTP as the inspector tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    Http10,
    Http11,
    H2c,
}

impl Sniffed {
    /// The bytes are certainly no TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.transport != "tls" && self.bytes.first().is_some_and(|byte| *byte != 0x16)
    }

    /// The bytes begin an HTTP request.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.transport != "tls" && matches!(http(&self.bytes), Verdict::Known(_))
    }

    /// Whether the plaintext protocol is HTTP/2, if that is known.
    #[must_use]
    pub fn speaks_h2(&self) -> Option<bool> {
        if self.bytes.is_empty() {
            return None;
        }
        if self.bytes.len() >= PREFACE.len() || !PREFACE.starts_with(&self.bytes) {
            return Some(self.bytes.starts_with(PREFACE));
        }
        None
    }
}

/// Reads as much as the inspectors need. The error is the cause of a closed connection.
pub async fn inspect(
    inspection: &Inspection,
    port: u16,
    tcp: &mut TcpStream,
) -> Result<Sniffed, &'static str> {
    let runs = |inspector: &Option<crate::config::listener::Inspector>| {
        inspector
            .as_ref()
            .is_some_and(|inspector| inspector.runs_for(port))
    };
    let (tls, http) = (runs(&inspection.tls), runs(&inspection.http));
    let mut sniffed = Sniffed::default();
    if !tls && !http {
        return Ok(sniffed);
    }
    let reading = read_until_known(tls, http, tcp, &mut sniffed);
    let result = match inspection.timeout {
        None => Ok(reading.await),
        Some(limit) => tokio::time::timeout(limit, reading).await,
    };
    match result {
        Ok(Ok(())) => Ok(sniffed),
        Ok(Err(cause)) => Err(cause),
        Err(_) if inspection.continue_on_timeout => {
            if tls && sniffed.transport.is_empty() {
                sniffed.transport = "raw_buffer";
            }
            Ok(sniffed)
        }
        Err(_) => Err("listener_filter_timeout"),
    }
}

/// Reads the first bytes of a TLS connection that no inspector has read: they show whether it is one.
pub(crate) async fn first_bytes(
    sniffed: &mut Sniffed,
    tcp: &mut TcpStream,
    limit: Option<Duration>,
) -> Result<(), &'static str> {
    if !sniffed.bytes.is_empty() {
        return Ok(());
    }
    let mut chunk = [0_u8; 2048];
    let read = tcp.read(&mut chunk);
    let read = match limit {
        None => read.await,
        Some(limit) => tokio::time::timeout(limit, read)
            .await
            .map_err(|_| "handshake_timeout")?,
    };
    match read {
        Ok(0) => Err("client_closed"),
        Ok(n) => {
            sniffed.bytes.extend_from_slice(&chunk[..n]);
            Ok(())
        }
        Err(_) => Err("client_reset"),
    }
}

async fn read_until_known(
    mut tls: bool,
    mut http_wanted: bool,
    tcp: &mut TcpStream,
    sniffed: &mut Sniffed,
) -> Result<(), &'static str> {
    let mut ended = false;
    loop {
        if tls {
            match hello(&sniffed.bytes) {
                Verdict::Known(found) => {
                    sniffed.transport = "tls";
                    sniffed.server_name = found.server_name;
                    sniffed.protocols = found.alpn;
                    return Ok(());
                }
                Verdict::Other => {
                    sniffed.transport = "raw_buffer";
                    tls = false;
                }
                Verdict::More => {}
            }
        }
        if !tls && http_wanted {
            match http(&sniffed.bytes) {
                Verdict::Known(version) => {
                    sniffed.protocols = vec![version.name().into()];
                    return Ok(());
                }
                Verdict::Other => http_wanted = false,
                Verdict::More => {}
            }
        }
        if !tls && !http_wanted {
            return Ok(());
        }
        if ended || sniffed.bytes.len() >= MOST {
            if tls {
                sniffed.transport = "raw_buffer";
            }
            return Ok(());
        }
        let mut chunk = [0_u8; 2048];
        match tcp.read(&mut chunk).await {
            Ok(0) if sniffed.bytes.is_empty() => return Err("client_closed"),
            Ok(0) => ended = true,
            Ok(n) => sniffed.bytes.extend_from_slice(&chunk[..n]),
            Err(_) => return Err("client_reset"),
        }
    }
}

impl HttpVersion {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Http10 => b"http/1.0",
            Self::Http11 => b"http/1.1",
            Self::H2c => b"h2c",
        }
    }
}

/// Looks for a complete ClientHello.
#[must_use]
pub fn hello(bytes: &[u8]) -> Verdict<Hello> {
    match bytes {
        [] => return Verdict::More,
        [0x16] | [0x16, 0x03] => return Verdict::More,
        [0x16, 0x03, ..] => {}
        _ => return Verdict::Other,
    }
    let mut acceptor = rustls::server::Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        match acceptor.read_tls(&mut rest) {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return Verdict::Other,
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                return Verdict::Known(Hello {
                    server_name: hello
                        .server_name()
                        .map(|name| name.to_ascii_lowercase().into()),
                    alpn: hello.alpn().into_iter().flatten().map(Box::from).collect(),
                });
            }
            Ok(None) => {}
            Err(_) => return Verdict::Other,
        }
    }
    if bytes.len() >= MOST {
        Verdict::Other
    } else {
        Verdict::More
    }
}

/// Looks for an HTTP request line or the HTTP/2 preface.
#[must_use]
pub fn http(bytes: &[u8]) -> Verdict<HttpVersion> {
    let known = bytes.len().min(PREFACE.len());
    if known > 0 && bytes[..known] == PREFACE[..known] {
        return if known == PREFACE.len() {
            Verdict::Known(HttpVersion::H2c)
        } else {
            Verdict::More
        };
    }
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        let method = bytes
            .iter()
            .take_while(|b| b.is_ascii_uppercase() || **b == b'-')
            .count();
        let plausible =
            method == bytes.len() && method <= 20 || method > 0 && bytes[method] == b' ';
        // Envoy's parser refuses control bytes and bytes from 0x80 in the request line: such a connection is TCP.
        let printable = bytes
            .iter()
            .all(|b| (0x20..0x7f).contains(b) || *b == b'\r');
        return if plausible && printable && bytes.len() < MOST {
            Verdict::More
        } else {
            Verdict::Other
        };
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Verdict::Other;
    };
    let token = !method.is_empty() && method.iter().all(|b| b.is_ascii_uppercase() || *b == b'-');
    let visible = !target.is_empty() && target.iter().all(|b| (0x21..0x7f).contains(b));
    match version {
        b"HTTP/1.1" if token && visible => Verdict::Known(HttpVersion::Http11),
        b"HTTP/1.0" if token && visible => Verdict::Known(HttpVersion::Http10),
        _ => Verdict::Other,
    }
}

/// Reads until it is clear whether the connection begins with the HTTP/2 preface.
pub(crate) async fn preface<T: AsyncRead + Unpin>(
    io: &mut T,
    bytes: &mut Vec<u8>,
    limit: Option<Duration>,
) -> Result<bool, &'static str> {
    let read = async {
        loop {
            let known = bytes.len().min(PREFACE.len());
            if bytes[..known] != PREFACE[..known] {
                return Ok(false);
            }
            if known == PREFACE.len() {
                return Ok(true);
            }
            let mut chunk = [0_u8; 4096];
            match io.read(&mut chunk).await {
                Ok(0) if bytes.is_empty() => return Err("client_closed"),
                Ok(0) => return Ok(false),
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                Err(_) => return Err("client_reset"),
            }
        }
    };
    match limit {
        None => read.await,
        Some(limit) => tokio::time::timeout(limit, read)
            .await
            .unwrap_or(Err("idle_timeout")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_other_protocols() {
        assert_eq!(
            http(b"GET / HTTP/1.1\r\n"),
            Verdict::Known(HttpVersion::Http11)
        );
        assert_eq!(
            http(b"POST /a HTTP/1.0\r\nHost"),
            Verdict::Known(HttpVersion::Http10)
        );
        assert_eq!(http(b"GET /very/lon"), Verdict::More);
        assert_eq!(http(b"GE"), Verdict::More);
        assert_eq!(http(b""), Verdict::More);
        assert_eq!(http(PREFACE), Verdict::Known(HttpVersion::H2c));
        assert_eq!(http(&PREFACE[..10]), Verdict::More);
        assert_eq!(http(b"\x16\x03\x01"), Verdict::Other);
        assert_eq!(http(b"SSH-2.0-OpenSSH\r\n"), Verdict::Other);
        assert_eq!(http("GET /与 HTTP/1.1\r\n".as_bytes()), Verdict::Other);
    }

    #[test]
    fn a_hello_needs_all_of_its_bytes() {
        assert_eq!(hello(b""), Verdict::More);
        assert_eq!(hello(b"\x16"), Verdict::More);
        assert_eq!(hello(b"\x16\x03\x01\x02\x00\x01"), Verdict::More);
        assert_eq!(hello(b"GET /"), Verdict::Other);
        assert_eq!(hello(b"\x16\x02"), Verdict::Other);
        assert_eq!(hello(b"\x16\x03\x01\x00\x05hello there"), Verdict::Other);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            let _ = http(&data);
            let _ = hello(&data);
            let _ = hello(&[b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb\x03\x03", &data[..]].concat());
        }
    }
}
