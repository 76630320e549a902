//! Finds the virtual host and the route of a request: no allocation, no lock.

use std::sync::Arc;

use super::request::RequestView;
use super::route::{
    ClusterChoice, Domains, Forward, PathMatch, Route, RouteMatch, RouteTable, TlsMatch,
    VirtualHost, Weighted, WeightedCluster,
};

impl RouteTable {
    /// The virtual host for this authority (as received; case and, if so configured, the port are ignored).
    #[must_use]
    pub fn virtual_host(&self, authority: &[u8]) -> Option<&Arc<VirtualHost>> {
        let host = if self.options.ignore_port_in_host {
            without_port(authority)
        } else {
            authority
        };
        let at = self.domains.find(host)?;
        self.vhosts.get(at as usize)
    }

    /// The first route of `vhost` that matches. `random` decides runtime fractions.
    #[must_use]
    pub fn route<'t, R: RequestView>(
        &self,
        vhost: &'t VirtualHost,
        request: &R,
        random: u64,
    ) -> Option<&'t Arc<Route>> {
        let query = request.query();
        let mut path = request.path_only();
        if self.options.ignore_path_parameters {
            path = &path[..memchr::memchr(b';', path).unwrap_or(path.len())];
        }
        vhost
            .routes
            .iter()
            .find(|route| route.matcher.matches(request, path, query, random))
    }

    /// All virtual hosts, in order.
    #[must_use]
    pub fn virtual_hosts(&self) -> &[Arc<VirtualHost>] {
        &self.vhosts
    }
}

/// Cuts `:port`; an IPv6 literal keeps its brackets.
#[must_use]
pub fn without_port(authority: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', authority) {
        Some(colon) if memchr::memchr(b']', &authority[colon..]).is_none() => {
            let bare_v6 =
                authority[0] != b'[' && memchr::memchr(b':', &authority[..colon]).is_some();
            if bare_v6 {
                authority
            } else {
                &authority[..colon]
            }
        }
        _ => authority,
    }
}

impl Domains {
    fn find(&self, host: &[u8]) -> Option<u32> {
        if self.exact.is_empty() && self.suffix.is_empty() && self.prefix.is_empty() {
            return self.any;
        }
        // Names longer than any DNS name match by `*` alone.
        let mut buffer = [0u8; 512];
        if let Some(lower) = buffer.get_mut(..host.len()) {
            lower.copy_from_slice(host);
            lower.make_ascii_lowercase();
            let lower = &*lower;
            if let Some(at) = self.exact.get(lower) {
                return Some(*at);
            }
            // `*.example.com` needs at least one byte for its star.
            let suffix = self
                .suffix
                .iter()
                .find(|(text, _)| lower.len() > text.len() && lower.ends_with(text));
            let found = suffix.or_else(|| {
                self.prefix
                    .iter()
                    .find(|(text, _)| lower.len() > text.len() && lower.starts_with(text))
            });
            if let Some((_, at)) = found {
                return Some(*at);
            }
        }
        self.any
    }
}

impl RouteMatch {
    /// `path` is the path without query; `query` the raw query.
    fn matches<R: RequestView>(
        &self,
        request: &R,
        path: &[u8],
        query: Option<&[u8]>,
        random: u64,
    ) -> bool {
        self.path.matches(request, path)
            && self.fraction.is_none_or(|fraction| fraction.hit(random))
            && (!self.grpc || is_grpc(request.header("content-type")))
            && self.headers.iter().all(|matcher| matcher.matches(request))
            && self.query.iter().all(|matcher| matcher.matches(query))
            && self.tls.as_ref().is_none_or(|tls| tls.matches(request))
    }
}

impl PathMatch {
    fn matches<R: RequestView>(&self, request: &R, path: &[u8]) -> bool {
        if let Self::Connect = self {
            return request.method() == b"CONNECT";
        }
        match self {
            Self::Prefix(text) => text.starts(path),
            Self::Exact(text) => text.bytes.len() == path.len() && text.starts(path),
            Self::SegmentPrefix(text) => {
                text.starts(path) && matches!(path.get(text.bytes.len()), None | Some(b'/'))
            }
            Self::Regex(regex) => regex.is_match(path),
            Self::Connect => false,
        }
    }
}

impl TlsMatch {
    fn matches<R: RequestView>(&self, request: &R) -> bool {
        let downstream = request.downstream();
        self.presented
            .is_none_or(|wanted| wanted == downstream.peer_certificate_presented)
            && self
                .validated
                .is_none_or(|wanted| wanted == downstream.peer_certificate_validated)
    }
}

/// Whether a content type is gRPC's: `application/grpc` alone or with `+codec`.
#[must_use]
pub fn is_grpc(content_type: Option<&[u8]>) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    content_type.is_some_and(|value| {
        value.starts_with(GRPC) && matches!(value.get(GRPC.len()), None | Some(b'+'))
    })
}

impl Weighted {
    /// The cluster for a random value; `header` is the value of [`Weighted::random_header`].
    #[must_use]
    pub fn choose(&self, header: Option<&[u8]>, random: u64) -> Option<&WeightedCluster> {
        let fixed = header.and_then(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
        let point = fixed.unwrap_or(random) % self.total.max(1);
        let at = self
            .clusters
            .partition_point(|cluster| cluster.upper <= point);
        self.clusters.get(at)
    }
}

impl Forward {
    /// Whether a weighted choice is to be made.
    #[must_use]
    pub fn weighted(&self) -> Option<&Weighted> {
        match &self.cluster {
            ClusterChoice::Weighted(weighted) => Some(weighted),
            _ => None,
        }
    }
}
