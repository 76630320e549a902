//! What routing, filters and formatting may ask of a request; the codecs implement it without allocating.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A header name in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LowerName(Arc<str>);

impl LowerName {
    /// Lowers `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into())
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LowerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What is known of the downstream connection when a request is routed.
#[derive(Debug, Clone, Copy)]
pub struct DownstreamInfo<'a> {
    /// The peer of the TCP connection.
    pub direct_remote: Option<SocketAddr>,
    /// The client after `X-Forwarded-For` and trusted hops.
    pub remote: Option<SocketAddr>,
    pub local: Option<SocketAddr>,
    pub is_tls: bool,
    /// A client certificate was presented (and, with `validated`, chained to a trusted root).
    pub peer_certificate_presented: bool,
    pub peer_certificate_validated: bool,
    pub sni: Option<&'a str>,
}

/// A request as routing sees it: after path normalisation, before route rewrites.
pub trait RequestView {
    fn method(&self) -> &[u8];
    /// Path and query, `*` or (CONNECT without path) empty.
    fn path(&self) -> &[u8];
    /// `:authority` or `Host`, as received.
    fn authority(&self) -> &[u8];
    /// `http` or `https`.
    fn scheme(&self) -> &[u8];
    /// All values of a header, in order. `name` is in lower case and never a pseudo header.
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a;
    fn downstream(&self) -> DownstreamInfo<'_>;

    /// The first value of a header.
    fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.header_values(name).next()
    }

    /// The path without its query, as Envoy's path matchers use it: the fragment is cut, too.
    fn path_only(&self) -> &[u8] {
        let path = self.path();
        let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
        &path[..end]
    }

    /// The raw query, without `?`.
    fn query(&self) -> Option<&[u8]> {
        let path = self.path();
        let start = memchr::memchr(b'?', path)? + 1;
        let rest = &path[start..];
        let end = memchr::memchr(b'#', rest).unwrap_or(rest.len());
        Some(&rest[..end])
    }
}
