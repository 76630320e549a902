//! Finds the virtual host and the route of a request: no allocation, no lock.

use std::sync::Arc;

use super::request::RequestView;
use super::route::{
    ByLength, ClusterChoice, Domains, Forward, PathMatch, Route, RouteMatch, RouteTable, TlsMatch,
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
            // The star stands for one byte at least.
            let shorter = |length: usize| length < lower.len();
            let found = longest(&self.suffix, shorter, |length| {
                &lower[lower.len() - length..]
            })
            .or_else(|| longest(&self.prefix, shorter, |length| &lower[..length]));
            if found.is_some() {
                return found;
            }
        }
        self.any
    }
}

fn longest<'a>(
    list: &ByLength,
    fits: impl Fn(usize) -> bool,
    part: impl Fn(usize) -> &'a [u8],
) -> Option<u32> {
    list.iter()
        .filter(|(length, _)| fits(*length))
        .find_map(|(length, texts)| texts.get(part(*length)).copied())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Ids, compile};
    use crate::filters::testing::TestRequest;

    fn table(value: Value) -> RouteTable {
        let body = xds::json::Pool::pruned()
            .from_json("envoy.config.route.v3.RouteConfiguration", value)
            .unwrap();
        compile::route_table(&Ids::default(), "r", &body).unwrap()
    }

    /// Virtual hosts named after their domain.
    fn hosts(domains: &[String]) -> RouteTable {
        use xds::envoy::config::route::v3 as pb;
        let host = |domain: &String| pb::VirtualHost {
            name: domain.clone(),
            domains: vec![domain.clone()],
            ..Default::default()
        };
        let message = pb::RouteConfiguration {
            virtual_hosts: domains.iter().map(host).collect(),
            ..Default::default()
        };
        compile::route_table(&Ids::default(), "r", &message.encode_to_vec()).unwrap()
    }

    fn found(table: &RouteTable, authority: &str) -> Option<String> {
        table
            .virtual_host(authority.as_bytes())
            .map(|host| host.name.to_string())
    }

    #[test]
    fn exact_beats_suffix_beats_prefix_beats_star() {
        let table = hosts(&["*", "a.*", "a.b.*", "*.c", "*.b.c", "a.b.c"].map(String::from));
        for (authority, want) in [
            ("A.b.C", "a.b.c"),
            ("x.b.c", "*.b.c"),
            (".b.c", "*.c"),
            ("x.c", "*.c"),
            ("a.b.d", "a.b.*"),
            ("a.d", "a.*"),
            ("z", "*"),
            ("a.b.c:80", "a.b.*"),
            ("", "*"),
        ] {
            assert_eq!(
                found(&table, authority).as_deref(),
                Some(want),
                "{authority}"
            );
        }
    }

    #[test]
    fn ports_are_ignored_only_when_so_configured() {
        let hosts = json!([{"name": "v", "domains": ["a"]}]);
        let strict = table(json!({"virtual_hosts": hosts}));
        assert_eq!(found(&strict, "a:80"), None);
        let lax = table(json!({"virtual_hosts": hosts, "ignore_port_in_host_matching": true}));
        assert_eq!(found(&lax, "a:80").as_deref(), Some("v"));
        assert_eq!(without_port(b"[::1]:80"), b"[::1]");
        assert_eq!(without_port(b"[::1]"), b"[::1]");
        assert_eq!(without_port(b"::1"), b"::1");
    }

    fn route_of(matcher: Value, request: &TestRequest) -> bool {
        let table = table(
            json!({"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": matcher, "direct_response": {"status": 200}}]}]}),
        );
        let vhost = table.virtual_host(b"x").unwrap();
        table.route(vhost, request, 499_999).is_some()
    }

    #[test]
    fn path_conditions_leave_the_query_aside() {
        for (matcher, path, want) in [
            (json!({"prefix": "/a"}), "/ab?x", true),
            (json!({"prefix": "/A"}), "/ab", false),
            (
                json!({"prefix": "/A", "case_sensitive": false}),
                "/ab",
                true,
            ),
            (json!({"path": "/a"}), "/a?x=1", true),
            (json!({"path": "/a"}), "/a/", false),
            (json!({"path_separated_prefix": "/a"}), "/a", true),
            (json!({"path_separated_prefix": "/a"}), "/a/b", true),
            (json!({"path_separated_prefix": "/a"}), "/ab", false),
            (json!({"safe_regex": {"regex": "/a|/b"}}), "/b?x", true),
            (json!({"safe_regex": {"regex": "/a"}}), "/ab", false),
            (json!({"connect_matcher": {}}), "/", false),
            (
                json!({"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 50}}}),
                "/",
                true,
            ),
            (
                json!({"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 49}}}),
                "/",
                false,
            ),
            (json!({"prefix": "/", "grpc": {}}), "/", false),
            (
                json!({"prefix": "/", "tls_context": {"presented": true}}),
                "/",
                false,
            ),
        ] {
            assert_eq!(
                route_of(matcher.clone(), &TestRequest::new("GET", path)),
                want,
                "{matcher} {path}"
            );
        }
    }

    #[test]
    fn header_and_query_conditions_follow_envoy() {
        let request = TestRequest::new("GET", "/?a=1&b&c=x%20y")
            .header("h", "v1")
            .header("h", "v2")
            .header("n", "5");
        for (matcher, want) in [
            (
                json!({"headers": [{"name": "h", "string_match": {"exact": "v1,v2"}}]}),
                true,
            ),
            (json!({"headers": [{"name": "h"}]}), true),
            (
                json!({"headers": [{"name": "z", "present_match": false}]}),
                true,
            ),
            (
                json!({"headers": [{"name": "n", "string_match": {"exact": "x"}, "invert_match": true}]}),
                true,
            ),
            (
                json!({"headers": [{"name": "z", "string_match": {"exact": "x"}, "invert_match": true}]}),
                false,
            ),
            (
                json!({"headers": [{"name": "z", "string_match": {"exact": ""}, "treat_missing_header_as_empty": true}]}),
                true,
            ),
            (
                json!({"headers": [{"name": "n", "range_match": {"start": 5, "end": 6}}]}),
                true,
            ),
            (
                json!({"headers": [{"name": "n", "range_match": {"start": 4, "end": 5}}]}),
                false,
            ),
            (
                json!({"headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}),
                true,
            ),
            (
                json!({"query_parameters": [{"name": "a", "string_match": {"exact": "1"}}]}),
                true,
            ),
            (
                json!({"query_parameters": [{"name": "b", "present_match": true}]}),
                true,
            ),
            (
                json!({"query_parameters": [{"name": "c", "string_match": {"exact": "x y"}}]}),
                false,
            ),
            (json!({"query_parameters": [{"name": "d"}]}), false),
        ] {
            let mut full = matcher.clone();
            full["prefix"] = json!("/");
            assert_eq!(route_of(full, &request), want, "{matcher}");
        }
    }

    #[test]
    fn weights_divide_the_random_value() {
        let table = table(
            json!({"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"},
            "route": {"weighted_clusters": {"clusters": [
                {"name": "a", "weight": 90}, {"name": "none", "weight": 0}, {"name": "b", "weight": 10}]}}}]}]}),
        );
        let vhost = table.virtual_host(b"x").unwrap();
        let route = table
            .route(vhost, &TestRequest::new("GET", "/"), 0)
            .unwrap();
        let crate::config::route::Action::Forward(forward) = &route.action else {
            panic!("forwards")
        };
        let weighted = forward.weighted().unwrap();
        let weights: Vec<u32> = (0..100)
            .map(|point| weighted.choose(None, point).unwrap().weight)
            .collect();
        assert_eq!(weights.iter().filter(|weight| **weight == 90).count(), 90);
        assert_eq!(weights.iter().filter(|weight| **weight == 10).count(), 10);
    }

    /// Envoy's documented order, written as one would read it aloud.
    fn expected(domains: &[String], authority: &str) -> Option<String> {
        let host = authority.to_ascii_lowercase();
        let exact = domains.iter().find(|domain| **domain == host);
        let longest = |test: &dyn Fn(&str) -> bool| {
            domains
                .iter()
                .filter(|d| d.len() > 1 && test(d))
                .max_by_key(|d| d.len())
        };
        let suffix =
            |d: &str| d.starts_with('*') && host.len() > d.len() - 1 && host.ends_with(&d[1..]);
        let prefix = |d: &str| {
            d.ends_with('*') && host.len() > d.len() - 1 && host.starts_with(&d[..d.len() - 1])
        };
        exact
            .or_else(|| longest(&suffix))
            .or_else(|| longest(&prefix))
            .or_else(|| domains.iter().find(|domain| *domain == "*"))
            .cloned()
    }

    proptest! {
        #[test]
        fn the_index_finds_what_the_rules_say(
            domains in proptest::collection::btree_set("[ab.]{1,4}|\\*[ab.]{1,4}|[ab.]{1,4}\\*|\\*", 1..12),
            authority in "[abAB.]{0,6}",
        ) {
            let domains: Vec<String> = domains.into_iter().collect();
            prop_assert_eq!(found(&hosts(&domains), &authority), expected(&domains, &authority));
        }

        #[test]
        fn no_request_panics(path in "[/a-z?#%;=&]{0,20}", authority in ".{0,20}") {
            let request = TestRequest::new("GET", &path).authority(&authority);
            let table = hosts(&["*.a".into(), "*".into()]);
            let vhost = table.virtual_host(authority.as_bytes()).unwrap();
            prop_assert!(table.route(vhost, &request, 0).is_none());
        }
    }
}
