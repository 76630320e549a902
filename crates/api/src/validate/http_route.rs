//! One HTTP route of a VirtualService.

use super::fields;
use super::header;
use super::report::Report;
use super::virtual_service::{destination, gateway_names, required, weights};
use crate::istio::grpc_status_code;
use crate::istio::{
    CorsPolicy, FaultAbort, FaultDelay, HttpDirectResponse, HttpFaultInjection, HttpMatchRequest,
    HttpRedirect, HttpRetry, HttpRewrite, HttpRoute, HttpRouteDestination, Percent, StringMatch,
};
use crate::path::Path;

const RETRY_ON: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// Of CORS policies.
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*",
];

/// Status codes that have a name in the registry of RFC 9110 §16.2.1; others cannot be retried on.
const STATUSES: &[std::ops::RangeInclusive<u16>] = &[
    100..=103,
    200..=208,
    226..=226,
    300..=305,
    307..=308,
    400..=418,
    421..=426,
    428..=429,
    431..=431,
    451..=451,
    500..=508,
    510..=511,
];

pub(super) fn check(report: &mut Report, at: &Path<'_>, route: &HttpRoute, delegate: bool) {
    action(report, at, route, delegate);
    for (index, request) in route.r#match.iter().enumerate() {
        http_match(report, &at.key("match").index(index), request);
    }
    header::operations(report, at, route.headers.as_ref());
    let authority = route
        .rewrite
        .as_ref()
        .map_or("", |rewrite| rewrite.authority.as_str());
    header::authority_once(report, at, authority, route.headers.as_ref());
    cors(report, &at.key("corsPolicy"), route.cors_policy.as_ref());
    fault(report, &at.key("fault"), route.fault.as_ref());
    mirrors(report, at, route);
    if let Some(given) = &route.redirect {
        redirect(report, &at.key("redirect"), given);
        prefixes_of_redirect(report, at, route, given);
    }
    if let Some(given) = &route.direct_response {
        direct_response(report, &at.key("directResponse"), given);
    }
    if let Some(given) = &route.retries {
        retry(report, &at.key("retries"), given);
    }
    if let Some(given) = &route.rewrite {
        rewrite(report, &at.key("rewrite"), given);
    }
    routes(report, &at.key("route"), &route.route);
    report.duration(&at.key("timeout"), route.timeout);
}

/// Exactly one of route, redirect, direct response and delegate, and nothing beside it that it cannot use.
fn action(report: &mut Report, at: &Path<'_>, route: &HttpRoute, delegate: bool) {
    let (routed, redirected) = (!route.route.is_empty(), route.redirect.is_some());
    let (direct, delegated) = (route.direct_response.is_some(), route.delegate.is_some());
    let actions = [
        ("route", routed),
        ("redirect", redirected),
        ("directResponse", direct),
        ("delegate", delegated),
    ];
    if report.one_of(at, &actions) == 0 {
        report.fix(
            at,
            "the rule says not where requests go",
            "write route, redirect or directResponse",
        );
    }
    if delegate && delegated {
        report.error(&at.key("delegate"), "a delegate cannot delegate again");
    }
    for (action, set) in [("redirect", redirected), ("directResponse", direct)] {
        for (field, given) in [
            ("fault", route.fault.is_some()),
            ("rewrite", route.rewrite.is_some()),
        ] {
            if set && given {
                report.fix(
                    &at.key(field),
                    format!("{field} and {action} cannot stand together"),
                    "keep one of them",
                );
            }
        }
    }
}

fn http_match(report: &mut Report, at: &Path<'_>, request: &HttpMatchRequest) {
    let strings = [
        ("uri", &request.uri),
        ("scheme", &request.scheme),
        ("method", &request.method),
        ("authority", &request.authority),
    ];
    for (field, given) in strings {
        if let Some(given) = given {
            string_match(report, &at.key(field), given);
            // Envoy takes an empty prefix of the path, and of nothing else.
            if field != "uri" {
                prefix_not_empty(report, &at.key(field), given);
            }
        }
    }
    let maps = [
        ("headers", &request.headers),
        ("queryParams", &request.query_params),
        ("withoutHeaders", &request.without_headers),
    ];
    for (field, map) in maps {
        for (name, given) in map {
            // Presence, in words of Istio; no regular expression.
            if field == "withoutHeaders" && given.regex.as_deref() == Some("*") {
                continue;
            }
            let at = at.key(field);
            string_match(report, &at.key(name), given);
            prefix_not_empty(report, &at.key(name), given);
        }
    }
    header::matched_names(report, &at.key("headers"), &request.headers);
    header::matched_names(report, &at.key("withoutHeaders"), &request.without_headers);
    if request.port != 0 {
        report.port(&at.key("port"), request.port);
    }
    fields::labels(report, &at.key("sourceLabels"), &request.source_labels);
    gateway_names(report, &at.key("gateways"), &request.gateways);
    if !request.source_namespace.is_empty() {
        report.dns_label(
            &at.key("sourceNamespace"),
            "namespace",
            &request.source_namespace,
        );
    }
}

fn prefix_not_empty(report: &mut Report, at: &Path<'_>, given: &StringMatch) {
    if given.prefix.as_deref() == Some("") {
        report.error(
            &at.key("prefix"),
            "an empty prefix matches everything; it is not allowed",
        );
    }
}

fn string_match(report: &mut Report, at: &Path<'_>, given: &StringMatch) {
    let StringMatch {
        exact,
        prefix,
        regex,
    } = given;
    report.one_of(
        at,
        &[
            ("exact", exact.is_some()),
            ("prefix", prefix.is_some()),
            ("regex", regex.is_some()),
        ],
    );
    if let Some(given) = regex {
        regular(report, &at.key("regex"), given);
    }
}

fn regular(report: &mut Report, at: &Path<'_>, given: &str) {
    if given.is_empty() {
        report.error(at, "the regular expression is empty");
    } else if given.len() > 1024 {
        report.error(
            at,
            format!(
                "the regular expression has {} characters; 1024 are allowed",
                given.len()
            ),
        );
    } else if let Err(error) = regex::RegexBuilder::new(given).size_limit(4 << 20).build() {
        let reason = error.to_string();
        let reason = reason
            .lines()
            .last()
            .unwrap_or("it does not parse")
            .trim_start_matches("error: ")
            .to_owned();
        report.error(
            at,
            format!("{given:?} is no regular expression of RE2: {reason}"),
        );
    }
}

fn routes(report: &mut Report, at: &Path<'_>, routes: &[HttpRouteDestination]) {
    for (index, route) in routes.iter().enumerate() {
        let HttpRouteDestination {
            destination,
            weight,
            headers,
        } = route;
        let at = at.index(index);
        required(report, &at, destination.as_ref());
        report.not_negative(&at.key("weight"), *weight);
        header::operations(report, &at, headers.as_ref());
    }
    weights(report, at, routes.iter().map(|route| route.weight));
}

fn mirrors(report: &mut Report, at: &Path<'_>, route: &HttpRoute) {
    report.one_of(
        at,
        &[
            ("mirror", route.mirror.is_some()),
            ("mirrors", !route.mirrors.is_empty()),
        ],
    );
    if let Some(given) = &route.mirror {
        destination(report, &at.key("mirror"), given);
    }
    for (index, mirror) in route.mirrors.iter().enumerate() {
        let at = at.key("mirrors");
        let at = at.index(index);
        required(report, &at, mirror.destination.as_ref());
        share(report, &at.key("percentage"), mirror.percentage.as_ref());
    }
    if let Some(percent) = route.mirror_percent {
        let at = at.key("mirrorPercent");
        if percent > 100 {
            report.error(&at, format!("{percent} is more than 100"));
        }
        report
            .warning(&at, "mirrorPercent is deprecated")
            .suggestion = Some(format!("write mirrorPercentage: {{value: {percent}}}"));
    }
    share(
        report,
        &at.key("mirrorPercentage"),
        route.mirror_percentage.as_ref(),
    );
}

fn share(report: &mut Report, at: &Path<'_>, percent: Option<&Percent>) {
    if let Some(Percent { value }) =
        percent.filter(|percent| !(0.0..=100.0).contains(&percent.value))
    {
        report.error(
            &at.key("value"),
            format!("{value} is not between 0 and 100"),
        );
    }
}

/// Envoy's finest fraction is one millionth.
fn fault_share(report: &mut Report, at: &Path<'_>, percent: Option<&Percent>) {
    let at = at.key("percentage");
    share(report, &at, percent);
    if percent.is_some_and(|percent| percent.value > 0.0 && percent.value < 0.0001) {
        report.error(
            &at.key("value"),
            "a share below 0.0001 percent cannot be kept",
        );
    }
}

fn fault(report: &mut Report, at: &Path<'_>, fault: Option<&HttpFaultInjection>) {
    let Some(HttpFaultInjection { delay, abort }) = fault else {
        return;
    };
    if delay.is_none() && abort.is_none() {
        report.fix(at, "the fault does nothing", "write delay or abort");
    }
    if let Some(abort) = abort {
        self::abort(report, &at.key("abort"), abort);
    }
    if let Some(delay) = delay {
        self::delay(report, &at.key("delay"), delay);
    }
}

fn abort(report: &mut Report, at: &Path<'_>, abort: &FaultAbort) {
    let FaultAbort {
        http_status,
        grpc_status,
        http2_error,
        percentage,
    } = abort;
    fault_share(report, at, percentage.as_ref());
    let kinds = [
        ("httpStatus", http_status.is_some()),
        ("grpcStatus", grpc_status.is_some()),
        ("http2Error", http2_error.is_some()),
    ];
    if report.one_of(at, &kinds) == 0 {
        report.warning(at, "the abort has no status: nothing is aborted");
    }
    if let Some(status) = http_status {
        http_status_code(report, &at.key("httpStatus"), i64::from(*status));
    }
    if let Some(status) = grpc_status
        .as_ref()
        .filter(|status| grpc_status_code(status).is_none())
    {
        report.error(
            &at.key("grpcStatus"),
            format!("{status:?} is no gRPC status; write for example NOT_FOUND"),
        );
    }
    if http2_error.is_some() {
        report.error(
            &at.key("http2Error"),
            "HTTP/2 errors cannot be injected, in Istio neither",
        );
    }
}

fn delay(report: &mut Report, at: &Path<'_>, delay: &FaultDelay) {
    let FaultDelay {
        percent,
        fixed_delay,
        exponential_delay,
        percentage,
    } = delay;
    fault_share(report, at, percentage.as_ref());
    report.percent(&at.key("percent"), *percent);
    report.duration(&at.key("fixedDelay"), *fixed_delay);
    if exponential_delay.is_some() {
        report.fix(
            &at.key("exponentialDelay"),
            "exponential delays are not supported, in Istio neither",
            "use fixedDelay",
        );
    }
}

fn http_status_code(report: &mut Report, at: &Path<'_>, status: i64) {
    if !(200..=599).contains(&status) {
        report.error(
            at,
            format!("{status} is not an HTTP status between 200 and 599"),
        );
    }
}

fn cors(report: &mut Report, at: &Path<'_>, policy: Option<&CorsPolicy>) {
    let Some(policy) = policy else { return };
    for (index, origin) in policy.allow_origins.iter().enumerate() {
        let at = at.key("allowOrigins");
        let at = at.index(index);
        let StringMatch {
            exact,
            prefix,
            regex,
        } = origin;
        if [exact, prefix, regex]
            .into_iter()
            .flatten()
            .all(String::is_empty)
        {
            report.fix(
                &at,
                "the origin says not what it matches",
                "write exact, prefix or regex",
            );
        } else {
            string_match(report, &at, origin);
        }
    }
    for (index, method) in policy.allow_methods.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            let upper = method.to_ascii_uppercase();
            let found = report.error(
                &at.key("allowMethods").index(index),
                format!("{method:?} is no HTTP method"),
            );
            found.suggestion = METHODS
                .contains(&upper.as_str())
                .then(|| format!("write {upper}"));
        }
    }
    for (field, names) in [
        ("allowHeaders", &policy.allow_headers),
        ("exposeHeaders", &policy.expose_headers),
    ] {
        for (index, name) in names.iter().enumerate().filter(|(_, name)| *name != "*") {
            header::name(report, &at.key(field).index(index), name);
        }
    }
    let at = at.key("maxAge");
    report.duration(&at, policy.max_age);
    if policy.max_age.is_some_and(|age| age.subsec_nanos() > 0) {
        report.error(&at, "maxAge counts whole seconds");
    }
}

fn retry(report: &mut Report, at: &Path<'_>, retry: &HttpRetry) {
    let HttpRetry {
        attempts,
        per_try_timeout,
        retry_on,
        retry_remote_localities,
        retry_ignore_previous_hosts: _,
        backoff,
    } = retry;
    report.not_negative(&at.key("attempts"), *attempts);
    let configured =
        per_try_timeout.is_some() || !retry_on.is_empty() || retry_remote_localities.is_some();
    if *attempts == 0 && configured {
        report.fix(
            &at.key("attempts"),
            "attempts is 0, so nothing is retried, but the policy says how",
            "write attempts: 2 or remove the rest",
        );
    }
    report.duration(&at.key("perTryTimeout"), *per_try_timeout);
    report.duration(&at.key("backoff"), *backoff);
    for condition in retry_on.split(',').filter(|_| !retry_on.is_empty()) {
        let status = condition
            .parse::<u16>()
            .is_ok_and(|status| STATUSES.iter().any(|range| range.contains(&status)));
        if !status && !RETRY_ON.contains(&condition) {
            let at = at.key("retryOn");
            let near = RETRY_ON
                .iter()
                .min_by_key(|known| strsim::damerau_levenshtein(known, condition.trim()));
            let found = report.error(&at, format!("{condition:?} is no condition to retry on"));
            found.suggestion = near.map(|near| format!("did you mean {near:?}?"));
        }
    }
}

fn redirect(report: &mut Report, at: &Path<'_>, redirect: &HttpRedirect) {
    let HttpRedirect {
        uri,
        authority,
        port,
        derive_port,
        scheme,
        redirect_code,
        prefix_rewrite,
    } = redirect;
    report.one_of(
        at,
        &[
            ("port", port.is_some()),
            ("derivePort", derive_port.is_some()),
        ],
    );
    report.one_of(
        at,
        &[
            ("uri", !uri.is_empty()),
            ("prefixRewrite", !prefix_rewrite.is_empty()),
        ],
    );
    let texts = [uri, authority, scheme, prefix_rewrite];
    if texts.into_iter().all(String::is_empty) && port.is_none() && derive_port.is_none() {
        report.fix(
            at,
            "the redirect changes nothing",
            "write uri, authority, scheme or port",
        );
    }
    if *redirect_code != 0 && !(300..=399).contains(redirect_code) {
        report.error(
            &at.key("redirectCode"),
            format!("{redirect_code} is no redirect status (3xx)"),
        );
    }
    if !matches!(scheme.as_str(), "" | "http" | "https") {
        report.error(
            &at.key("scheme"),
            format!("scheme {scheme:?} is neither http nor https"),
        );
    }
    if let Some(port) = port.filter(|port| *port > 0) {
        report.port(&at.key("port"), port);
    }
}

/// What replaces a prefix needs one that was matched.
fn prefixes_of_redirect(
    report: &mut Report,
    at: &Path<'_>,
    route: &HttpRoute,
    redirect: &HttpRedirect,
) {
    let otherwise = |request: &HttpMatchRequest| {
        let uri = request.uri.as_ref();
        uri.is_some_and(|uri| uri.prefix.is_none())
    };
    if !redirect.prefix_rewrite.is_empty() && route.r#match.iter().any(otherwise) {
        report.fix(
            &at.key("redirect").key("prefixRewrite"),
            "prefixRewrite replaces the prefix that was matched, and a match of this rule has none",
            "match uri by prefix, or use redirect.uri",
        );
    }
}

fn direct_response(report: &mut Report, at: &Path<'_>, response: &HttpDirectResponse) {
    let HttpDirectResponse { status, body } = response;
    http_status_code(report, &at.key("status"), i64::from(*status));
    let Some(body) = body else { return };
    let at = at.key("body");
    report.one_of(
        &at,
        &[
            ("string", body.string.is_some()),
            ("bytes", body.bytes.is_some()),
        ],
    );
    let size = body
        .string
        .as_ref()
        .map_or(0, String::len)
        .max(body.bytes.as_ref().map_or(0, |bytes| bytes.0.len()));
    if size > 1 << 20 {
        report.error(&at, format!("the body has {size} bytes; 1 MiB is allowed"));
    } else if size > 100 << 10 {
        report.warning(
            &at,
            format!("the body has {size} bytes; each proxy holds it"),
        );
    }
}

fn rewrite(report: &mut Report, at: &Path<'_>, rewrite: &HttpRewrite) {
    let HttpRewrite {
        uri,
        authority,
        uri_regex_rewrite,
    } = rewrite;
    report.one_of(
        at,
        &[
            ("uri", !uri.is_empty()),
            ("uriRegexRewrite", uri_regex_rewrite.is_some()),
        ],
    );
    if uri.is_empty() && authority.is_empty() && uri_regex_rewrite.is_none() {
        report.fix(
            at,
            "the rewrite changes nothing",
            "write uri, uriRegexRewrite or authority",
        );
    }
    if let Some(given) = uri_regex_rewrite {
        let at = at.key("uriRegexRewrite");
        if given.r#match.is_empty() || given.rewrite.is_empty() {
            report.error(&at, "match and rewrite are both needed");
        } else {
            regular(report, &at.key("match"), &given.r#match);
        }
    }
}
