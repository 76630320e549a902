//! Sends heads: the framing that the peer's protocol needs, and the fields that go with it.

use crate::codec::h1::{BodyLength, encode_fields, encode_request_line, encode_status_line};
use crate::http::h1conn::H1Conn;
use crate::http::stream::{Stream, StreamError};
use crate::http::{HeaderId, RequestHead, ResponseHead, Version};

/// How a response goes downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// The request's version.
    pub(crate) version: Version,
    pub(crate) to_head_request: bool,
    /// The connection ends after this response.
    pub(crate) close: bool,
    /// The client of an HTTP/1.0 connection asked to keep it.
    pub(crate) keep_alive_asked: bool,
    /// Protocols are switched: bytes follow as they are.
    pub(crate) tunnel: bool,
}

/// Queues a response head; `body` says what follows. Returns false when only closing the connection can end the body.
pub(crate) fn send_response(
    stream: &mut Stream,
    head: &mut ResponseHead,
    body: BodyLength,
    manner: Manner,
) -> Result<bool, StreamError> {
    match stream {
        Stream::H2(stream) => {
            let open = body != BodyLength::None && !manner.to_head_request;
            if manner.tunnel && head.status == 101 {
                head.status = 200;
            }
            stream.send_response(head, !open && !manner.tunnel)?;
            Ok(true)
        }
        Stream::H1(conn) => Ok(send_h1_response(conn, head, body, manner)),
    }
}

fn send_h1_response(
    conn: &mut H1Conn,
    head: &mut ResponseHead,
    body: BodyLength,
    manner: Manner,
) -> bool {
    let bodiless =
        manner.to_head_request || matches!(head.status, 100..=199 | 204 | 304) || manner.tunnel;
    let (mut framing, mut close) = (body, manner.close);
    let mut extra: &[u8] = b"";
    if bodiless {
        framing = BodyLength::None;
        if matches!(head.status, 100..=199 | 204) {
            head.headers.remove_id(HeaderId::ContentLength);
        } else if manner.to_head_request && matches!(body, BodyLength::Chunked) {
            extra = b"transfer-encoding: chunked\r\n";
        }
    } else {
        match body {
            BodyLength::None if !head.headers.has_id(HeaderId::ContentLength) => {
                extra = b"content-length: 0\r\n";
            }
            BodyLength::None | BodyLength::Length(_) => {}
            // From HTTP/2, where the crate holds the peer to its length.
            BodyLength::UntilClose if head.headers.has_id(HeaderId::ContentLength) => {}
            BodyLength::Chunked | BodyLength::UntilClose => {
                head.headers.remove_id(HeaderId::ContentLength);
                if manner.version == Version::Http10 {
                    framing = BodyLength::UntilClose;
                    close = true;
                } else {
                    framing = BodyLength::Chunked;
                    extra = b"transfer-encoding: chunked\r\n";
                }
            }
        }
    }
    let style = conn.style;
    let out = conn.send.bytes();
    encode_status_line(head.status, out);
    encode_fields(&head.headers, style, |_| false, out);
    if !manner.tunnel {
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        } else if manner.version == Version::Http10 && manner.keep_alive_asked {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
    }
    out.extend_from_slice(extra);
    out.extend_from_slice(b"\r\n");
    conn.frame_body(framing);
    if manner.tunnel {
        conn.become_tunnel();
    }
    !close
}

/// Queues a request head for an HTTP/1 upstream; returns how its body is framed.
pub(crate) fn send_h1_request(
    conn: &mut H1Conn,
    head: &RequestHead,
    upgrade: bool,
    absolute: bool,
) -> BodyLength {
    let has_length = head.headers.has_id(HeaderId::ContentLength);
    let framing = match head.body {
        BodyLength::None => BodyLength::None,
        BodyLength::Length(n) => BodyLength::Length(n),
        BodyLength::Chunked => BodyLength::Chunked,
        // HTTP/2 downstream: the length is what its field says, and the crate holds the peer to it.
        BodyLength::UntilClose if has_length => BodyLength::UntilClose,
        BodyLength::UntilClose => BodyLength::Chunked,
    };
    let style = conn.style;
    let out = conn.send.bytes();
    let target = if head.is_connect() && head.path().is_empty() {
        head.authority()
    } else {
        head.path()
    };
    let whole: Vec<u8>;
    let target = if absolute && !head.is_connect() {
        whole = [
            head.scheme.as_str().as_bytes(),
            b"://",
            head.authority(),
            target,
        ]
        .concat();
        &whole
    } else {
        target
    };
    // RFC 8441 §5: an extended CONNECT is an upgrade in HTTP/1.
    let extended = !head.protocol().is_empty();
    encode_request_line(if extended { b"GET" } else { head.method() }, target, out);
    if extended {
        out.extend_from_slice(b"connection: Upgrade\r\nupgrade: ");
        out.extend_from_slice(head.protocol());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"host: ");
    out.extend_from_slice(head.authority());
    out.extend_from_slice(b"\r\n");
    let skip = |id| {
        matches!(id, HeaderId::TransferEncoding)
            || (framing == BodyLength::Chunked && id == HeaderId::ContentLength)
    };
    encode_fields(&head.headers, style, skip, out);
    if framing == BodyLength::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    } else if framing == BodyLength::None && !has_length && !upgrade && expects_body(head) {
        out.extend_from_slice(b"content-length: 0\r\n");
    }
    out.extend_from_slice(b"\r\n");
    conn.frame_body(if upgrade {
        BodyLength::UntilClose
    } else {
        framing
    });
    framing
}

/// RFC 9110 §8.6: the absence of content is said where the method gives content a meaning (Envoy's
/// `HeaderUtility::requestShouldHaveNoBody` lists the others).
fn expects_body(head: &RequestHead) -> bool {
    !matches!(
        head.method(),
        b"GET" | b"HEAD" | b"DELETE" | b"TRACE" | b"CONNECT"
    )
}

/// Queues an informational head: what the upstream said, less the fields of its own hop.
pub(crate) fn send_interim(
    stream: &mut Stream,
    head: &mut ResponseHead,
) -> Result<(), StreamError> {
    head.headers.retain_ids(|id| {
        !matches!(
            id,
            HeaderId::Connection
                | HeaderId::Upgrade
                | HeaderId::KeepAlive
                | HeaderId::ProxyConnection
                | HeaderId::TransferEncoding
        )
    });
    match stream {
        Stream::H2(stream) => stream.send_informational(head),
        Stream::H1(conn) => {
            let style = conn.style;
            let out = conn.send.bytes();
            encode_status_line(head.status, out);
            encode_fields(&head.headers, style, |_| false, out);
            out.extend_from_slice(b"\r\n");
            Ok(())
        }
    }
}
