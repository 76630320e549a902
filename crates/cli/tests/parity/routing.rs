//! Routing: matches, rewrites, redirects, direct responses, weights and mirrors of VirtualServices.

use serde_json::json;

use crate::harness::mesh::{Mesh, hcm, listener};
use crate::harness::session::Session;
use crate::harness::{Case, cases};

/// Answers any final status on the path of its number.
const BARE: u16 = 20_081;

pub(crate) fn mesh() -> Mesh {
    let status = |status: u16| json!({"match": {"path": format!("/{status}")}, "direct_response": {"status": status}});
    let statuses: Vec<_> = (200..600).map(status).collect();
    Mesh::new()
        .deploy("reviews", &["v1", "v2"])
        .deploy("ratings", &["v1"])
        .yaml(RULES)
        .listener(listener(
            "statuses",
            BARE,
            json!([hcm("statuses", json!(statuses), json!({}))]),
        ))
}

const RULES: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: none, labels: {version: v9}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [parity.test]
  gateways: [ingress]
  http:
  - name: exact
    match: [{uri: {exact: /exact}}]
    route: [{destination: {host: reviews, subset: v1}}]
  - name: rewritten-prefix
    match: [{uri: {prefix: /old/}}]
    rewrite: {uri: /new/}
    route: [{destination: {host: reviews, subset: v2}}]
  - name: regex
    match: [{uri: {regex: '/books/[0-9]+/reviews'}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: regex-rewrite
    match: [{uri: {prefix: /catalogue/}}]
    rewrite: {uriRegexRewrite: {match: '^/catalogue/([a-z]+)/([0-9]+)', rewrite: '/item/\\2/of/\\1'}}
    route: [{destination: {host: reviews, subset: v1}}]
  - name: any-case
    match: [{uri: {prefix: /Mixed}, ignoreUriCase: true}]
    route: [{destination: {host: reviews, subset: v1}}]
  - name: jason
    match: [{uri: {prefix: /user}, headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: beta
    match: [{uri: {prefix: /user}, headers: {cookie: {regex: '.*beta=(yes|on).*'}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: no-robot
    match: [{uri: {prefix: /user}, withoutHeaders: {x-robot: {}}}]
    route: [{destination: {host: reviews, subset: v1}}]
  - name: query
    match: [{uri: {prefix: /query}, queryParams: {version: {exact: '2'}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: query-any
    match: [{uri: {prefix: /query}, queryParams: {debug: {regex: '.*'}}}]
    route: [{destination: {host: ratings}}]
  - name: post
    match: [{uri: {prefix: /method}, method: {exact: POST}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: moved
    match: [{uri: {prefix: /moved}}]
    redirect: {uri: /here, authority: elsewhere.test, redirectCode: 302}
  - name: secure
    match: [{uri: {prefix: /secure}}]
    redirect: {scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}
  - name: secure-same-port
    match: [{uri: {prefix: /port}}]
    redirect: {scheme: https, derivePort: FROM_REQUEST_PORT}
  - name: fixed
    match: [{uri: {prefix: /fixed}}]
    directResponse: {status: 418, body: {string: 'a teapot'}}
  - name: all-to-one
    match: [{uri: {prefix: /weights}}]
    route:
    - {destination: {host: reviews, subset: v1}, weight: 0}
    - {destination: {host: reviews, subset: v2}, weight: 100}
  - name: mirrored
    match: [{uri: {prefix: /mirrored}}]
    route: [{destination: {host: reviews, subset: v1}}]
    mirrors: [{destination: {host: ratings}, percentage: {value: 100}}]
  - name: authority
    match: [{uri: {prefix: /authority}}]
    rewrite: {authority: inside.test, uri: /}
    route: [{destination: {host: reviews, subset: v1}}]
  - name: nowhere
    match: [{uri: {prefix: /nowhere}}]
    route: [{destination: {host: gone.default.svc.cluster.local, port: {number: 80}}}]
  - name: empty
    match: [{uri: {prefix: /empty}}]
    route: [{destination: {host: reviews, subset: none}}]
  - name: round
    match: [{uri: {prefix: /round}}]
    route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: ['*.ratings.test', ratings.test]
  gateways: [ingress]
  http:
  - match: [{authority: {prefix: api.}}]
    rewrite: {uri: /api}
    route: [{destination: {host: ratings}}]
  - route: [{destination: {host: ratings}}]
";

pub(crate) const CASES: &[Case] = cases![
    an_exact_path_takes_its_path_with_any_query,
    a_fragment_is_refused,
    an_exact_path_does_not_take_paths_below,
    a_prefix_is_replaced_and_the_query_stays,
    a_regex_has_to_match_the_whole_path,
    a_regex_rewrite_moves_its_groups,
    a_path_matches_in_any_case_if_asked_to,
    a_header_chooses_the_subset,
    a_cookie_chooses_by_regex,
    the_absence_of_a_header_chooses,
    a_query_parameter_chooses,
    the_method_chooses,
    a_redirect_has_its_own_authority_path_and_code,
    a_redirect_to_https_drops_the_default_port,
    a_redirect_to_https_keeps_the_port_if_asked_to,
    a_direct_response_needs_no_upstream,
    a_status_has_its_reason_phrase,
    a_weight_of_zero_gets_nothing,
    a_mirror_gets_a_copy_and_its_answer_is_dropped,
    a_rewritten_authority_reaches_the_upstream,
    a_cluster_that_is_not_there_is_a_503,
    a_subset_without_endpoints_is_a_503,
    round_robin_takes_turns,
    a_host_with_a_port_is_the_same_host,
    a_wildcard_host_takes_its_subdomains,
    an_unknown_host_is_a_404,
    dot_segments_are_resolved_before_matching,
];

fn an_exact_path_takes_its_path_with_any_query(s: &mut Session<'_>) {
    s.get("/exact").is(200).from("reviews-v1");
    s.get("/exact?a=b").is(200).from("reviews-v1");
}

fn a_fragment_is_refused(s: &mut Session<'_>) {
    s.get("/exact?a=b#c").is(400);
}

fn an_exact_path_does_not_take_paths_below(s: &mut Session<'_>) {
    s.get("/exact/").is(404);
    s.get("/exactly").is(404);
}

fn a_prefix_is_replaced_and_the_query_stays(s: &mut Session<'_>) {
    s.get("/old/books?page=2&of=%2F").is(200).from("reviews-v2");
    s.get("/old").is(404);
}

fn a_regex_has_to_match_the_whole_path(s: &mut Session<'_>) {
    s.get("/books/12/reviews?x=1").is(200).from("reviews-v2");
    s.get("/books/12/reviews/3").is(404);
}

fn a_regex_rewrite_moves_its_groups(s: &mut Session<'_>) {
    s.get("/catalogue/books/7/x?q=/catalogue/a/1")
        .is(200)
        .from("reviews-v1");
    s.get("/catalogue/7").is(200).from("reviews-v1");
}

fn a_path_matches_in_any_case_if_asked_to(s: &mut Session<'_>) {
    s.get("/mIXED/Up").is(200).from("reviews-v1");
}

fn a_header_chooses_the_subset(s: &mut Session<'_>) {
    s.request("GET", "/user")
        .header("End-User: jason")
        .send()
        .is(200)
        .from("reviews-v2");
    s.request("GET", "/user")
        .header("End-User: jasons")
        .send()
        .is(200)
        .from("reviews-v1");
}

fn a_cookie_chooses_by_regex(s: &mut Session<'_>) {
    let cookie = "cookie: a=b; beta=on; c=d";
    s.request("GET", "/user")
        .header(cookie)
        .send()
        .is(200)
        .from("reviews-v2");
}

fn the_absence_of_a_header_chooses(s: &mut Session<'_>) {
    s.request("GET", "/user")
        .header("x-robot: yes")
        .send()
        .is(404);
    s.request("GET", "/user").send().is(200).from("reviews-v1");
}

fn a_query_parameter_chooses(s: &mut Session<'_>) {
    s.get("/query?version=2").is(200).from("reviews-v2");
    s.get("/query?x=1&debug").is(200).from("ratings-v1");
    s.get("/query?version=22").is(404);
}

fn the_method_chooses(s: &mut Session<'_>) {
    s.request("POST", "/method")
        .body("text")
        .send()
        .is(200)
        .from("reviews-v2");
    s.request("PUT", "/method").body("text").send().is(404);
}

fn a_redirect_has_its_own_authority_path_and_code(s: &mut Session<'_>) {
    s.get("/moved/away?a=b")
        .is(302)
        .has("location", "http://elsewhere.test/here?a=b");
}

fn a_redirect_to_https_drops_the_default_port(s: &mut Session<'_>) {
    s.request("GET", "/secure?a=b")
        .host("parity.test:80")
        .send()
        .is(301)
        .has("location", "https://parity.test/secure?a=b");
    s.request("GET", "/secure?a=b")
        .host("parity.test:8080")
        .send()
        .is(301)
        .has("location", "https://parity.test:8080/secure?a=b");
}

fn a_redirect_to_https_keeps_the_port_if_asked_to(s: &mut Session<'_>) {
    s.request("GET", "/port")
        .host("parity.test:8080")
        .send()
        .is(301);
    s.request("GET", "/port").host("parity.test").send().is(301);
}

fn a_direct_response_needs_no_upstream(s: &mut Session<'_>) {
    s.get("/fixed").is(418).body("a teapot");
    s.request("HEAD", "/fixed").send().is(418).body("");
}

fn a_status_has_its_reason_phrase(s: &mut Session<'_>) {
    for status in 200..600 {
        s.request("GET", &format!("/{status}?a=b"))
            .port(BARE)
            .send()
            .is(status);
    }
}

fn a_weight_of_zero_gets_nothing(s: &mut Session<'_>) {
    for _ in 0..5 {
        s.get("/weights").is(200).from("reviews-v2");
    }
}

fn a_mirror_gets_a_copy_and_its_answer_is_dropped(s: &mut Session<'_>) {
    s.in_any_order();
    s.arrive(2);
    s.request("POST", "/mirrored")
        .body("twice")
        .send()
        .is(200)
        .from("reviews-v1");
}

fn a_rewritten_authority_reaches_the_upstream(s: &mut Session<'_>) {
    s.get("/authority/below").is(200);
}

fn a_cluster_that_is_not_there_is_a_503(s: &mut Session<'_>) {
    s.get("/nowhere").is(503);
}

fn a_subset_without_endpoints_is_a_503(s: &mut Session<'_>) {
    s.get("/empty").is(503);
}

fn round_robin_takes_turns(s: &mut Session<'_>) {
    s.in_any_order();
    let mut counts = [0, 0];
    let client = s.connect();
    for _ in 0..6 {
        s.request("GET", "/round").on(client).send().is(200);
        let body = s
            .answers
            .pop()
            .and_then(|answer| answer.response)
            .unwrap_or_default()
            .body;
        counts[usize::from(body == b"reviews-v2")] += 1;
    }
    s.expect(counts == [3, 3], format!("three each, found {counts:?}"));
    s.logs(6);
}

fn a_host_with_a_port_is_the_same_host(s: &mut Session<'_>) {
    s.request("GET", "/exact")
        .host("parity.test:1234")
        .send()
        .is(200)
        .from("reviews-v1");
    s.request("GET", "/exact")
        .host("PARITY.test")
        .send()
        .is(200);
}

fn a_wildcard_host_takes_its_subdomains(s: &mut Session<'_>) {
    s.request("GET", "/a")
        .host("api.ratings.test")
        .send()
        .is(200)
        .from("ratings-v1");
    s.request("GET", "/a")
        .host("a.b.ratings.test")
        .send()
        .is(200)
        .from("ratings-v1");
    s.request("GET", "/a").host("xratings.test").send().is(404);
}

fn an_unknown_host_is_a_404(s: &mut Session<'_>) {
    s.request("GET", "/exact")
        .host("unknown.test")
        .send()
        .is(404);
}

fn dot_segments_are_resolved_before_matching(s: &mut Session<'_>) {
    s.get("/elsewhere/../exact").is(200).from("reviews-v1");
    s.get("/./fixed/%2e%2e/exact").is(200).from("reviews-v1");
    s.get("/%65xact").is(200);
}
