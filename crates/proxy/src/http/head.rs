//! Request and response heads, the same for HTTP/1 and HTTP/2.

use super::header_id::HeaderId;
use super::headers::{HeaderList, Span};
use crate::codec::h1::BodyLength;

/// The protocol version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
}

impl Version {
    /// As access logs print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// The scheme of a request: of the downstream connection, or of `x-forwarded-proto` where that is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

impl Scheme {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A request head. `Host` never stands in `headers`: it is the authority.
#[derive(Debug, Default, Clone)]
pub struct RequestHead {
    pub headers: HeaderList,
    method: Span,
    path: Span,
    authority: Span,
    /// The extended CONNECT protocol of HTTP/2 (RFC 8441), such as `websocket`.
    protocol: Span,
    pub scheme: Scheme,
    pub version: Version,
    pub body: BodyLength,
    /// The request named an authority, be it an empty one.
    pub host_present: bool,
}

impl RequestHead {
    /// Forgets the message and keeps the storage.
    pub fn clear(&mut self) {
        self.headers.clear();
        let headers = std::mem::take(&mut self.headers);
        *self = Self {
            headers,
            ..Self::default()
        };
    }

    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.headers.text(self.method)
    }

    /// Path and query; empty for CONNECT without a path.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.headers.text(self.path)
    }

    #[must_use]
    pub fn authority(&self) -> &[u8] {
        self.headers.text(self.authority)
    }

    #[must_use]
    pub fn protocol(&self) -> &[u8] {
        self.headers.text(self.protocol)
    }

    pub fn set_method(&mut self, method: &[u8]) {
        self.method = self.headers.intern(method);
    }

    pub fn set_path(&mut self, path: &[u8]) {
        self.path = self.headers.intern(path);
    }

    pub fn set_authority(&mut self, authority: &[u8]) {
        self.authority = self.headers.intern(authority);
    }

    pub fn set_protocol(&mut self, protocol: &[u8]) {
        self.protocol = self.headers.intern(protocol);
    }

    /// Moves `Host` to the authority.
    pub(crate) fn authority_from_host(&mut self) {
        if let Some(host) = self.headers.get_id(HeaderId::Host) {
            let host = host.to_vec_small();
            self.set_authority(&host);
            self.headers.remove_id(HeaderId::Host);
        }
    }

    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.method() == b"CONNECT"
    }

    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// `content-type` of gRPC (Envoy's rule: `application/grpc`, alone or followed by `+`, `;`).
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.headers
            .get_id(HeaderId::ContentType)
            .is_some_and(is_grpc_content_type)
    }

    /// The protocol that an `Upgrade` (or an extended CONNECT) asks for.
    #[must_use]
    pub fn upgrade(&self) -> Option<&[u8]> {
        if !self.protocol.is_empty() {
            return Some(self.protocol());
        }
        let upgrade = self.headers.get_id(HeaderId::Upgrade)?;
        let asked = self
            .headers
            .all_id(HeaderId::Connection)
            .flat_map(|value| value.split(|b| *b == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        asked.then_some(upgrade)
    }
}

trait SmallCopy {
    fn to_vec_small(&self) -> smallvec::SmallVec<[u8; 128]>;
}

impl SmallCopy for [u8] {
    fn to_vec_small(&self) -> smallvec::SmallVec<[u8; 128]> {
        smallvec::SmallVec::from_slice(self)
    }
}

pub(crate) fn is_grpc_content_type(value: &[u8]) -> bool {
    value
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// A response head.
#[derive(Debug, Default, Clone)]
pub struct ResponseHead {
    pub status: u16,
    pub headers: HeaderList,
    pub version: Version,
    pub body: BodyLength,
}

impl ResponseHead {
    /// Forgets the message and keeps the storage.
    pub fn clear(&mut self) {
        self.headers.clear();
        self.status = 0;
        self.version = Version::default();
        self.body = BodyLength::None;
    }

    #[must_use]
    pub fn is_informational(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// Whether a list-valued field (`Connection`, `TE`) holds this token.
pub(crate) fn has_token(headers: &HeaderList, id: HeaderId, token: &[u8]) -> bool {
    headers
        .all_id(id)
        .flat_map(|value| value.split(|b| *b == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}
