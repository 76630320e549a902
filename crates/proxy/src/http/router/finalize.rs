//! What the route's configuration changes in the two heads, and the limits that it sets.

use std::borrow::Cow;

use super::attempt::Plan;
use super::forward::Routing;
use super::{Stop, Turn};
use crate::config::headers::{HeaderTarget, LevelMutations};
use crate::config::route::{
    Forward, HostRewrite, PathMatch, PathRedirect, PathRewrite, Redirect, Route, SchemeRedirect,
};
use crate::config::route::{RouteTable, VirtualHost};
use crate::config::{LowerName, RequestView};
use crate::filters::headers::{Direction, HeaderSink, apply_levels};
use crate::filters::path::{Normalised, normalise};
use crate::http::hcm::Reply;
use crate::http::{HeaderId, RequestHead, ResponseHead};
use crate::observe::hooks;

impl Turn<'_> {
    pub(super) fn normalize_path(&mut self) -> Result<(), Stop> {
        match normalise(self.hcm, self.request.path()) {
            Normalised::Path(Cow::Borrowed(_)) => Ok(()),
            Normalised::Path(Cow::Owned(path)) => {
                self.request.set_path(&path);
                Ok(())
            }
            Normalised::Redirect(path) => {
                let details = "path_normalization_failed";
                Err(Reply::new(307, "", details)
                    .header(HeaderId::Location, path)
                    .into())
            }
            Normalised::Refused(details) => {
                hooks::in_http(self.worker, self.hcm, |group| {
                    group.downstream_rq_failed_path_normalization.inc();
                });
                Err(Reply::new(400, "", details).closing().into())
            }
        }
    }

    /// Whether `x-envoy-*` headers are added.
    pub(super) fn envoy_headers(&self) -> bool {
        !self
            .hcm
            .router()
            .is_some_and(|router| router.suppress_envoy_headers)
    }

    pub(super) fn finalize_request(&mut self, routing: Routing<'_>, plan: &Plan) {
        let Routing { route, forward, .. } = routing;
        // What the client asked of this proxy is not for the upstream (Envoy's `RetryStateImpl::create`).
        self.request.headers.retain_ids(|id| {
            !matches!(
                id,
                HeaderId::XEnvoyUpstreamRqTimeoutMs
                    | HeaderId::XEnvoyUpstreamRqPerTryTimeoutMs
                    | HeaderId::XEnvoyUpstreamRqTimeoutAltResponse
                    | HeaderId::XEnvoyRetryOn
                    | HeaderId::XEnvoyRetryGrpcOn
                    | HeaderId::XEnvoyMaxRetries
                    | HeaderId::XEnvoyRetriableStatusCodes
                    | HeaderId::XEnvoyRetriableHeaderNames
                    | HeaderId::XEnvoyHedgeOnPerTryTimeout
            )
        });
        if self.envoy_headers()
            && let Some(timeout) = plan.limits.expected_header_ms
        {
            let mut digits = itoa::Buffer::new();
            let text = digits.format(timeout);
            self.request
                .headers
                .set_id(HeaderId::XEnvoyExpectedRqTimeoutMs, text.as_bytes());
        }
        if routing.vhost.include_request_attempt_count {
            self.request
                .headers
                .set_id(HeaderId::XEnvoyAttemptCount, b"1");
        }
        self.mutate(
            routing.table,
            routing.vhost,
            route,
            routing.weighted.map(|w| &w.headers),
            Direction::Request,
        );
        if let Some(host) = routing
            .weighted
            .and_then(|weighted| weighted.host_rewrite.as_ref())
        {
            self.rewrite_host(forward, host.as_bytes());
        } else {
            self.rewrite_authority(forward);
        }
        if let Some(rewrite) = &forward.path_rewrite {
            self.rewrite_path(route, rewrite);
        }
    }

    fn rewrite_authority(&mut self, forward: &Forward) {
        let host = match &forward.host_rewrite {
            None | Some(HostRewrite::Auto) => return,
            Some(HostRewrite::Literal(host)) => host.as_bytes().to_vec(),
            Some(HostRewrite::Header(name)) => match self.request.headers.get(name.as_str()) {
                Some(value) if !value.is_empty() => value.to_vec(),
                _ => return,
            },
            Some(HostRewrite::PathRegex(substitution)) => {
                substitution.apply(self.view().path_only()).into_owned()
            }
        };
        self.rewrite_host(forward, &host);
    }

    /// Envoy's `Utility::updateAuthority`.
    fn rewrite_host(&mut self, forward: &Forward, host: &[u8]) {
        let old = self.request.authority().to_vec();
        let keep_old = self.envoy_headers();
        let headers = &mut self.request.headers;
        if !old.is_empty() {
            if keep_old {
                headers.set_id(HeaderId::XEnvoyOriginalHost, &old);
            }
            let last = headers.get_id(HeaderId::XForwardedHost).map(|hosts| {
                let start = memchr::memrchr(b',', hosts).map_or(0, |comma| comma + 1);
                &hosts[start..]
            });
            if forward.append_x_forwarded_host && last != Some(&*old) {
                headers.join_id(HeaderId::XForwardedHost, ",", &old);
            }
        }
        self.request.set_authority(host);
    }

    /// `auto_host_rewrite`: the endpoint's own name.
    pub(super) fn auto_host(&mut self, host: &crate::balance::Host) {
        let Some(route) = self.record.route.clone() else {
            return;
        };
        if let crate::config::route::Action::Forward(forward) = &route.action
            && matches!(forward.host_rewrite, Some(HostRewrite::Auto))
            && !host.hostname.is_empty()
        {
            self.rewrite_host(forward, host.hostname.as_bytes());
        }
    }

    fn rewrite_path(&mut self, route: &Route, rewrite: &PathRewrite) {
        let old = self.request.path().to_vec();
        let new = match rewrite {
            PathRewrite::Prefix(prefix) => replace_prefix(&route.matcher.path, &old, prefix),
            PathRewrite::Whole(path) => {
                let cut = memchr::memchr2(b'?', b'#', &old).unwrap_or(old.len());
                let mut new = path.to_vec();
                new.extend_from_slice(&old[cut..]);
                new
            }
            PathRewrite::Regex(substitution) => {
                let cut = memchr::memchr2(b'?', b'#', &old).unwrap_or(old.len());
                let mut new = substitution.apply(&old[..cut]).into_owned();
                new.extend_from_slice(&old[cut..]);
                new
            }
        };
        // Told even where the rewrite changes nothing, as in Envoy.
        if self.envoy_headers() {
            self.request
                .headers
                .set_id(HeaderId::XEnvoyOriginalPath, &old);
        }
        if new != old {
            self.request.set_path(&new);
        }
    }

    pub(super) fn finalize_response(&mut self, routing: Routing<'_>, _plan: &Plan) {
        self.mutate(
            routing.table,
            routing.vhost,
            routing.route,
            routing.weighted.map(|w| &w.headers),
            Direction::Response,
        );
        if routing.vhost.include_attempt_count_in_response {
            let mut digits = itoa::Buffer::new();
            let count = digits.format(self.record.attempts);
            self.response
                .headers
                .set_id(HeaderId::XEnvoyAttemptCount, count.as_bytes());
        }
        self.cors_response(routing.filters);
    }

    /// Applies the mutations of every level to one head.
    pub(super) fn mutate(
        &mut self,
        table: &RouteTable,
        vhost: &VirtualHost,
        route: &Route,
        weighted: Option<&LevelMutations>,
        direction: Direction,
    ) {
        let mut levels: smallvec::SmallVec<[&LevelMutations; 4]> = smallvec::SmallVec::new();
        levels.extend(weighted);
        levels.extend([&route.headers, &vhost.headers, &table.headers]);
        levels.retain(|level| !level.is_empty());
        if levels.is_empty() {
            return;
        }
        let wins = table.options.most_specific_wins;
        let mut scratch = Vec::new();
        // Values see the heads as they were.
        match direction {
            Direction::Request => {
                let mut after = self.request.clone();
                apply_levels(
                    &levels,
                    wins,
                    direction,
                    &mut after,
                    &self.context(),
                    &mut scratch,
                );
                *self.request = after;
            }
            Direction::Response => {
                let mut after = self.response.clone();
                apply_levels(
                    &levels,
                    wins,
                    direction,
                    &mut after,
                    &self.context(),
                    &mut scratch,
                );
                *self.response = after;
            }
        }
    }

    pub(super) fn stage_response_mutations(
        &mut self,
        table: &RouteTable,
        vhost: &VirtualHost,
        route: &Route,
        reply: &mut Reply,
    ) {
        // The mutations work on a head: what they leave are the reply's own fields.
        self.response.clear();
        for (id, value) in &reply.headers {
            self.response.headers.append_id(*id, value);
        }
        self.response.status = reply.status;
        self.mutate(table, vhost, route, None, Direction::Response);
        reply.staged = Some(std::mem::take(&mut self.response.headers));
    }

    pub(super) fn redirect_location(&self, route: &Route, redirect: &Redirect) -> Vec<u8> {
        let scheme: &[u8] = match &redirect.scheme {
            SchemeRedirect::Keep => self.request.scheme.as_str().as_bytes(),
            SchemeRedirect::Https => b"https",
            SchemeRedirect::To(scheme) => scheme.as_bytes(),
        };
        let authority = self.request.authority();
        let mut out = scheme.to_vec();
        out.extend_from_slice(b"://");
        let default_port: &[u8] = if scheme == b"https" { b":443" } else { b":80" };
        match &redirect.host {
            Some(host) => out.extend_from_slice(host.as_bytes()),
            None => {
                let bare = crate::config::route_match::without_port(authority);
                let changed = scheme != self.request.scheme.as_str().as_bytes();
                let drop_port = redirect.port.is_some()
                    || (changed && matches!(&authority[bare.len()..], b":80" | b":443"))
                    || &authority[bare.len()..] == default_port;
                out.extend_from_slice(if drop_port { bare } else { authority });
            }
        }
        if let Some(port) = redirect.port {
            out.push(b':');
            out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
        let old = self.request.path();
        let cut = memchr::memchr(b'?', old).unwrap_or(old.len());
        let keep_query = !redirect.strip_query;
        let query = if keep_query { &old[cut..] } else { b"" };
        match &redirect.path {
            PathRedirect::Keep => out.extend_from_slice(&old[..cut]),
            PathRedirect::Path(path) => {
                out.extend_from_slice(path.as_bytes());
                if path.contains('?') {
                    return out;
                }
            }
            PathRedirect::Prefix(prefix) => {
                out.extend_from_slice(&replace_prefix(&route.matcher.path, &old[..cut], prefix));
            }
            PathRedirect::Regex(substitution) => {
                out.extend_from_slice(&substitution.apply(&old[..cut]));
            }
        }
        out.extend_from_slice(query);
        out
    }
}

/// Replaces what the route's path condition matched.
fn replace_prefix(matched: &PathMatch, path: &[u8], replacement: &[u8]) -> Vec<u8> {
    let cut = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
    let length = match matched {
        PathMatch::Prefix(text) | PathMatch::SegmentPrefix(text) | PathMatch::Exact(text) => {
            text.bytes.len().min(path.len())
        }
        PathMatch::Regex(_) | PathMatch::Connect => cut,
    };
    let mut new = replacement.to_vec();
    new.extend_from_slice(&path[length..]);
    new
}

impl HeaderSink for RequestHead {
    fn contains(&self, target: &HeaderTarget) -> bool {
        match target {
            HeaderTarget::Named { lower, .. } => self.headers.get(lower.as_str()).is_some(),
            HeaderTarget::Status => false,
            _ => true,
        }
    }

    fn append(&mut self, target: &HeaderTarget, value: &[u8]) {
        match target {
            HeaderTarget::Named { lower, .. } => self.headers.append(lower.as_str(), value),
            other => self.set(other, value),
        }
    }

    fn set(&mut self, target: &HeaderTarget, value: &[u8]) {
        match target {
            HeaderTarget::Authority => self.set_authority(value),
            HeaderTarget::Path => self.set_path(value),
            HeaderTarget::Method => self.set_method(value),
            HeaderTarget::Scheme => {
                self.scheme = if value == b"https" {
                    crate::http::Scheme::Https
                } else {
                    crate::http::Scheme::Http
                };
            }
            HeaderTarget::Status => {}
            HeaderTarget::Named { lower, .. } => {
                self.headers.remove(lower.as_str());
                self.headers.append(lower.as_str(), value);
            }
        }
    }

    fn remove(&mut self, name: &LowerName) {
        self.headers.remove(name.as_str());
    }
}

impl HeaderSink for ResponseHead {
    fn contains(&self, target: &HeaderTarget) -> bool {
        match target {
            HeaderTarget::Named { lower, .. } => self.headers.get(lower.as_str()).is_some(),
            HeaderTarget::Status => true,
            _ => false,
        }
    }

    fn append(&mut self, target: &HeaderTarget, value: &[u8]) {
        match target {
            HeaderTarget::Named { lower, .. } => self.headers.append(lower.as_str(), value),
            other => self.set(other, value),
        }
    }

    fn set(&mut self, target: &HeaderTarget, value: &[u8]) {
        match target {
            HeaderTarget::Status => {
                let status = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                if let Some(status @ 200..=599) = status {
                    self.status = status;
                }
            }
            HeaderTarget::Named { lower, .. } => {
                self.headers.remove(lower.as_str());
                self.headers.append(lower.as_str(), value);
            }
            _ => {}
        }
    }

    fn remove(&mut self, name: &LowerName) {
        self.headers.remove(name.as_str());
    }
}
