//! Cross-origin resource sharing: answers preflights, adds headers to answers of matching origins.

use smallvec::SmallVec;

use crate::config::matcher::{Fraction, StringMatcher};
use crate::config::request::RequestView;

/// A route's CORS policy.
#[derive(Debug, Clone)]
pub struct CorsPolicy {
    pub allow_origins: Box<[StringMatcher]>,
    pub allow_methods: Box<str>,
    pub allow_headers: Box<str>,
    pub expose_headers: Box<str>,
    pub max_age: Box<str>,
    pub allow_credentials: bool,
    pub allow_private_network: bool,
    /// Preflights whose origin does not match go upstream (Envoy's default) or are answered 200 without headers.
    pub forward_not_matching_preflights: bool,
    pub enabled: Fraction,
    /// Evaluate and count only.
    pub shadow: Fraction,
}

/// What CORS does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: not a cross-origin request, or the filter is off.
    Pass,
    /// Answer 200 with [`CorsPolicy::preflight_headers`]; detail `cors_response`.
    Preflight,
    /// Answer 200 without CORS headers.
    EmptyPreflight,
    /// Forward; add [`CorsPolicy::response_headers`] to the answer.
    Simple,
    /// The origin is not allowed: forward without headers (`origin_invalid` is counted).
    NotAllowed,
}

/// Headers to set on an answer.
pub type HeaderPairs<'a> = SmallVec<[(&'static str, &'a [u8]); 8]>;

impl CorsPolicy {
    /// Judges a request. The origin that matched is the request's own.
    #[must_use]
    pub fn judge<R: RequestView>(&self, request: &R, random: u64) -> Verdict {
        if !self.enabled.hit(random) {
            return Verdict::Pass;
        }
        let Some(origin) = request.header("origin").filter(|origin| !origin.is_empty()) else {
            return Verdict::Pass;
        };
        let allowed = self.allow_origins.iter().any(|matcher| match matcher {
            // Envoy: an exact `*` allows every origin.
            StringMatcher::Exact(text) if &*text.bytes == b"*" => true,
            matcher => matcher.matches(origin),
        });
        let preflight = request.method() == b"OPTIONS"
            && request
                .header("access-control-request-method")
                .is_some_and(|m| !m.is_empty());
        match (allowed, preflight) {
            (true, true) => Verdict::Preflight,
            (true, false) => Verdict::Simple,
            (false, true) if !self.forward_not_matching_preflights => Verdict::EmptyPreflight,
            (false, _) => Verdict::NotAllowed,
        }
    }

    /// The headers of the answer to a preflight.
    #[must_use]
    pub fn preflight_headers<'a, R: RequestView>(&'a self, request: &'a R) -> HeaderPairs<'a> {
        let mut headers = HeaderPairs::new();
        headers.push((
            "access-control-allow-origin",
            request.header("origin").unwrap_or_default(),
        ));
        if self.allow_credentials {
            headers.push(("access-control-allow-credentials", b"true"));
        }
        push(
            &mut headers,
            "access-control-allow-methods",
            &self.allow_methods,
        );
        push(
            &mut headers,
            "access-control-allow-headers",
            &self.allow_headers,
        );
        push(&mut headers, "access-control-max-age", &self.max_age);
        // Envoy 1.40 tells preflights, too, although only the answer itself needs it.
        push(
            &mut headers,
            "access-control-expose-headers",
            &self.expose_headers,
        );
        if self.allow_private_network
            && request.header("access-control-request-private-network") == Some(b"true")
        {
            headers.push(("access-control-allow-private-network", b"true"));
        }
        headers
    }

    /// The headers added to the answer of an allowed origin's request.
    #[must_use]
    pub fn response_headers<'a>(&'a self, origin: &'a [u8]) -> HeaderPairs<'a> {
        let mut headers = HeaderPairs::new();
        headers.push(("access-control-allow-origin", origin));
        if self.allow_credentials {
            headers.push(("access-control-allow-credentials", b"true"));
        }
        push(
            &mut headers,
            "access-control-expose-headers",
            &self.expose_headers,
        );
        headers
    }
}

fn push<'a>(headers: &mut HeaderPairs<'a>, name: &'static str, value: &'a str) {
    if !value.is_empty() {
        headers.push((name, value.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::matcher::Text;
    use crate::filters::testing::TestRequest;

    fn policy() -> CorsPolicy {
        CorsPolicy {
            allow_origins: [StringMatcher::Exact(Text::new("https://a.example", false))].into(),
            allow_methods: "GET,POST".into(),
            allow_headers: "x-a".into(),
            expose_headers: "x-b".into(),
            max_age: "86400".into(),
            allow_credentials: true,
            allow_private_network: false,
            forward_not_matching_preflights: true,
            enabled: Fraction::ALWAYS,
            shadow: Fraction::NEVER,
        }
    }

    #[test]
    fn a_preflight_of_an_allowed_origin_is_answered() {
        let request = TestRequest::new("OPTIONS", "/")
            .header("origin", "https://a.example")
            .header("access-control-request-method", "PUT");
        assert_eq!(policy().judge(&request, 0), Verdict::Preflight);
        let policy = policy();
        let names: Vec<_> = policy
            .preflight_headers(&request)
            .iter()
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(
            names,
            [
                "access-control-allow-origin",
                "access-control-allow-credentials",
                "access-control-allow-methods",
                "access-control-allow-headers",
                "access-control-max-age",
                "access-control-expose-headers"
            ]
        );
    }

    #[test]
    fn other_requests_are_forwarded() {
        let simple = TestRequest::new("GET", "/").header("origin", "https://a.example");
        assert_eq!(policy().judge(&simple, 0), Verdict::Simple);
        let foreign = TestRequest::new("GET", "/").header("origin", "https://b.example");
        assert_eq!(policy().judge(&foreign, 0), Verdict::NotAllowed);
        assert_eq!(
            policy().judge(&TestRequest::new("OPTIONS", "/"), 0),
            Verdict::Pass
        );
        // OPTIONS without access-control-request-method is no preflight.
        let options = TestRequest::new("OPTIONS", "/").header("origin", "https://a.example");
        assert_eq!(policy().judge(&options, 0), Verdict::Simple);
    }

    #[test]
    fn a_foreign_preflight_is_answered_only_when_so_configured() {
        let request = TestRequest::new("OPTIONS", "/")
            .header("origin", "https://b.example")
            .header("access-control-request-method", "PUT");
        assert_eq!(policy().judge(&request, 0), Verdict::NotAllowed);
        let strict = CorsPolicy {
            forward_not_matching_preflights: false,
            ..policy()
        };
        assert_eq!(strict.judge(&request, 0), Verdict::EmptyPreflight);
    }
}
