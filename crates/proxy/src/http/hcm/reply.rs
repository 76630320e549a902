//! Answers that the proxy makes itself, with Envoy's bodies, details and flags.

use std::borrow::Cow;

use bytes::Bytes;

use crate::http::{HeaderId, HeaderList, ResponseHead};
use crate::observe::record::ResponseFlags;

/// An answer without an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) details: Cow<'static, str>,
    pub(crate) flags: ResponseFlags,
    /// For gRPC requests, instead of the one that the status maps to.
    pub(crate) grpc_status: Option<u32>,
    /// The connection is closed after the answer.
    pub(crate) close: bool,
    pub(crate) headers: Vec<(HeaderId, Vec<u8>)>,
    /// The route's own mutations made these fields; they replace `headers`.
    pub(crate) staged: Option<HeaderList>,
}

impl Reply {
    pub(crate) fn new(
        status: u16,
        body: impl Into<Bytes>,
        details: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            body: body.into(),
            details: details.into(),
            flags: ResponseFlags::default(),
            grpc_status: None,
            close: false,
            headers: Vec::new(),
            staged: None,
        }
    }

    pub(crate) fn flag(mut self, flags: ResponseFlags) -> Self {
        self.flags.insert(flags);
        self
    }

    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) fn header(mut self, id: HeaderId, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((id, value.into()));
        self
    }

    /// Writes the head; returns the body to send. gRPC clients get a status in headers alone
    /// (the "trailers-only" form).
    pub(crate) fn write(&self, head: &mut ResponseHead, is_grpc: bool) -> Bytes {
        head.clear();
        match &self.staged {
            Some(staged) => head.headers = staged.clone(),
            None => self
                .headers
                .iter()
                .for_each(|(id, value)| head.headers.append_id(*id, value)),
        }
        if is_grpc {
            head.status = 200;
            head.headers
                .set_id(HeaderId::ContentType, b"application/grpc");
            let status = self.grpc_status.unwrap_or_else(|| grpc_status(self.status));
            let mut digits = itoa::Buffer::new();
            head.headers
                .append_id(HeaderId::GrpcStatus, digits.format(status).as_bytes());
            if !self.body.is_empty() {
                head.headers
                    .append_id(HeaderId::GrpcMessage, percent_encode(&self.body).as_bytes());
            }
            return Bytes::new();
        }
        head.status = self.status;
        if !self.body.is_empty() {
            let mut digits = itoa::Buffer::new();
            head.headers.append_id(
                HeaderId::ContentLength,
                digits.format(self.body.len()).as_bytes(),
            );
            if !head.headers.has_id(HeaderId::ContentType) {
                head.headers.append_id(HeaderId::ContentType, b"text/plain");
            }
        }
        self.body.clone()
    }
}

/// gRPC's mapping of HTTP statuses, which Envoy follows.
fn grpc_status(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// gRPC's `grpc-message` encoding.
fn percent_encode(text: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b' '..=b'~' if *byte != b'%' => out.push(char::from(*byte)),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}
