//! Retries and timeouts, of VirtualServices and of Envoy's own fields where Istio has none.

use std::time::Duration;

use serde_json::json;

use crate::harness::backend::{Act, answer, close, hang, reset};
use crate::harness::mesh::{Mesh, cluster, hcm, listener};
use crate::harness::session::Session;
use crate::harness::{Case, cases};

/// Envoy's own fields are here.
const BARE: u16 = 20_081;
/// A client that may ask for what others may not.
const INSIDE: &str = "x-forwarded-for: 10.0.0.1";

pub(crate) fn mesh() -> Mesh {
    let retry = |on: &str, extra: serde_json::Value| {
        let mut policy = json!({"retry_on": on, "num_retries": 1,
            "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.01s"}});
        policy
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        policy
    };
    let route = |path: &str, action: serde_json::Value| {
        let mut action = action;
        action["cluster"] = json!("bare");
        json!({"match": {"prefix": path}, "name": path, "route": action})
    };
    let routes = json!([
        route("/idle", json!({"timeout": "0s", "idle_timeout": "0.2s"})),
        route(
            "/duration",
            json!({"timeout": "0s", "max_stream_duration": {"max_stream_duration": "0.2s"}})
        ),
        route("/default-timeout", json!({})),
        route(
            "/try-idle",
            json!({"timeout": "0s", "retry_policy":
            retry("reset", json!({"per_try_idle_timeout": "0.15s"}))})
        ),
        route(
            "/by-header",
            json!({"timeout": "0s", "retry_policy": retry("retriable-headers", json!({
            "retriable_headers": [{"name": "x-again", "string_match": {"exact": "please"}}]}))})
        ),
        route(
            "/409",
            json!({"timeout": "0s", "retry_policy": retry("retriable-4xx", json!({}))})
        ),
        route(
            "/grpc",
            json!({"timeout": "0s", "retry_policy": retry("unavailable", json!({}))})
        ),
        route("/on-demand", json!({"timeout": "0s"})),
        route("/", json!({})),
    ]);
    Mesh::new()
        .deploy("flaky", &["v1"])
        .deploy("pair", &["v1", "v2"])
        .deploy("racy", &["v1"])
        .deploy_dead("dead", &["v1"])
        .yaml(RULES)
        .cluster(cluster("bare", &["NET.11"]))
        .listener(listener(
            "bare",
            BARE,
            json!([hcm(
                "bare",
                routes,
                json!({"request_timeout": "0.3s",
                       "internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}})
            )]),
        ))
}

const RULES: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: flaky}
spec:
  hosts: [parity.test]
  gateways: [ingress]
  http:
  - name: five-xx
    match: [{uri: {prefix: /5xx}}]
    retries: {attempts: 2, retryOn: 5xx}
    route: [{destination: {host: flaky}}]
  - name: gateway-error
    match: [{uri: {prefix: /gateway-error}}]
    retries: {attempts: 2, retryOn: gateway-error}
    route: [{destination: {host: flaky}}]
  - name: codes
    match: [{uri: {prefix: /codes}}]
    retries: {attempts: 1, retryOn: '429,418'}
    route: [{destination: {host: flaky}}]
  - name: reset
    match: [{uri: {prefix: /reset}}]
    retries: {attempts: 2, retryOn: reset}
    route: [{destination: {host: flaky}}]
  - name: never
    match: [{uri: {prefix: /never}}]
    retries: {attempts: 0}
    route: [{destination: {host: flaky}}]
  - name: istio-default
    match: [{uri: {prefix: /default}}]
    route: [{destination: {host: flaky}}]
  - name: pair
    match: [{uri: {prefix: /pair}}]
    retries: {attempts: 1, retryOn: 5xx}
    route: [{destination: {host: pair}}]
  - name: per-try
    match: [{uri: {prefix: /per-try}}]
    timeout: 2s
    retries: {attempts: 2, perTryTimeout: 150ms, retryOn: 5xx}
    route: [{destination: {host: flaky}}]
  - name: timeout
    match: [{uri: {prefix: /timeout}}]
    timeout: 200ms
    route: [{destination: {host: flaky}}]
  - name: timeout-over-retries
    match: [{uri: {prefix: /overall}}]
    timeout: 400ms
    retries: {attempts: 5, perTryTimeout: 250ms, retryOn: 5xx}
    route: [{destination: {host: flaky}}]
  - name: racy
    match: [{uri: {prefix: /racy}}]
    retries: {attempts: 2, retryOn: reset}
    route: [{destination: {host: racy}}]
  - name: dead
    match: [{uri: {prefix: /dead}}]
    retries: {attempts: 1, retryOn: connect-failure}
    route: [{destination: {host: dead}}]
  - name: dead-once
    match: [{uri: {prefix: /no-retry-dead}}]
    retries: {attempts: 0}
    route: [{destination: {host: dead}}]
";

pub(crate) const CASES: &[Case] = cases![
    a_503_is_tried_again_until_it_is_a_200,
    the_last_attempt_counts_when_all_fail,
    a_body_is_sent_again,
    a_chunked_body_is_sent_again,
    an_answer_that_is_no_server_error_is_not_tried_again,
    a_gateway_error_is_not_any_server_error,
    named_codes_are_tried_again,
    a_new_connection_that_is_reset_is_tried_again,
    an_idle_connection_that_is_reset_is_tried_again,
    a_closed_connection_is_tried_again,
    no_retries_means_none,
    istios_default_tries_unavailable_again,
    another_attempt_takes_another_host,
    a_slow_attempt_is_given_up_and_tried_again,
    the_per_try_timeout_is_a_504_when_attempts_are_used_up,
    the_timeout_of_the_route_is_a_504,
    the_timeout_of_the_route_bounds_all_attempts,
    a_timeout_in_the_middle_of_a_response_breaks_it,
    a_refused_connection_is_tried_again,
    a_refused_connection_without_retries,
    a_stream_without_bytes_is_idle,
    a_stream_lives_no_longer_than_its_duration,
    an_attempt_without_bytes_is_idle,
    a_header_of_the_response_asks_for_a_retry,
    a_conflict_is_retriable,
    a_grpc_status_is_retriable,
    the_client_asks_for_retries_by_header,
    the_client_asks_for_a_timeout_by_header,
    the_client_asks_that_a_timeout_be_no_error,
    a_grpc_client_brings_its_own_timeout,
    external_clients_may_not_ask,
    a_request_that_never_ends_is_a_408,
];

fn a_503_is_tried_again_until_it_is_a_200(s: &mut Session<'_>) {
    s.upstream(
        "flaky-v1",
        [answer(503, &[], "one"), answer(500, &[], "two")],
    );
    s.get("/5xx").is(200).from("flaky-v1");
}

fn the_last_attempt_counts_when_all_fail(s: &mut Session<'_>) {
    let third = answer(502, &["x-attempt: three"], "three");
    s.upstream(
        "flaky-v1",
        [answer(503, &[], "one"), answer(500, &[], "two"), third],
    );
    s.get("/5xx")
        .is(502)
        .body("three")
        .has("x-attempt", "three");
}

fn a_body_is_sent_again(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(503, &[], "one")]);
    s.request("POST", "/5xx")
        .body("the whole body")
        .send()
        .is(200);
}

fn a_chunked_body_is_sent_again(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(503, &[], "one")]);
    let head = "POST /5xx HTTP/1.1\r\nhost: parity.test\r\ntransfer-encoding: chunked\r\n\r\n";
    s.raw(&format!("{head}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"))
        .is(200);
}

fn an_answer_that_is_no_server_error_is_not_tried_again(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(404, &[], "one")]);
    s.get("/5xx").is(404).body("one");
}

fn a_gateway_error_is_not_any_server_error(s: &mut Session<'_>) {
    s.upstream(
        "flaky-v1",
        [answer(504, &[], "one"), answer(500, &[], "two")],
    );
    s.get("/gateway-error").is(500).body("two");
}

fn named_codes_are_tried_again(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(429, &[], "one")]);
    s.get("/codes").is(200);
    s.upstream(
        "flaky-v1",
        [answer(418, &[], "one"), answer(429, &[], "two")],
    );
    s.get("/codes").is(429);
}

fn a_new_connection_that_is_reset_is_tried_again(s: &mut Session<'_>) {
    let last = ["connection: close"];
    s.upstream("racy-v1", [reset(), answer(200, &last, "done")]);
    s.get("/racy").is(200).body("done");
}

fn an_idle_connection_that_is_reset_is_tried_again(s: &mut Session<'_>) {
    s.get("/racy").is(200).from("racy-v1");
    let last = ["connection: close"];
    s.upstream("racy-v1", [reset(), answer(200, &last, "done")]);
    s.get("/racy").is(200).body("done");
}

fn a_closed_connection_is_tried_again(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [close(), reset(), close()]);
    s.request("POST", "/reset").body("unsafe").send().is(503);
}

fn no_retries_means_none(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(503, &[], "one")]);
    s.get("/never").is(503).body("one");
}

fn istios_default_tries_unavailable_again(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(503, &[], "one")]);
    s.get("/default").is(200);
    s.upstream("flaky-v1", [answer(500, &[], "one")]);
    s.get("/default").is(500);
}

fn another_attempt_takes_another_host(s: &mut Session<'_>) {
    s.by_turn();
    let failing = [answer(503, &[], "failed")];
    s.upstream("pair-v1", failing.clone());
    s.upstream("pair-v2", failing);
    s.get("/pair").is(503).body("failed");
}

fn a_slow_attempt_is_given_up_and_tried_again(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.get("/per-try").is(200);
}

fn the_per_try_timeout_is_a_504_when_attempts_are_used_up(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang(), hang(), hang()]);
    s.get("/per-try").is(504);
}

fn the_timeout_of_the_route_is_a_504(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.get("/timeout").is(504);
}

fn the_timeout_of_the_route_bounds_all_attempts(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang(), hang()]);
    s.get("/overall").is(504);
}

fn a_timeout_in_the_middle_of_a_response_breaks_it(s: &mut Session<'_>) {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    s.upstream("flaky-v1", [vec![Act::Body, Act::Send(head), Act::Hang]]);
    s.get("/timeout").is(200).body("half");
}

fn a_refused_connection_is_tried_again(s: &mut Session<'_>) {
    s.get("/dead").is(503);
}

fn a_refused_connection_without_retries(s: &mut Session<'_>) {
    s.get("/no-retry-dead").is(503);
}

fn a_stream_without_bytes_is_idle(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.request("GET", "/idle").port(BARE).send().is(504);
}

fn a_stream_lives_no_longer_than_its_duration(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.request("GET", "/duration").port(BARE).send().is(504);
}

fn an_attempt_without_bytes_is_idle(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.request("GET", "/try-idle").port(BARE).send().is(200);
    s.upstream("flaky-v1", [hang(), hang()]);
    s.request("GET", "/try-idle").port(BARE).send().is(504);
}

fn a_header_of_the_response_asks_for_a_retry(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(200, &["x-again: please"], "one")]);
    s.request("GET", "/by-header")
        .port(BARE)
        .send()
        .is(200)
        .from("flaky-v1");
    s.upstream("flaky-v1", [answer(200, &["x-again: no"], "one")]);
    s.request("GET", "/by-header")
        .port(BARE)
        .send()
        .is(200)
        .body("one");
}

fn a_conflict_is_retriable(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(409, &[], "one")]);
    s.request("GET", "/409").port(BARE).send().is(200);
}

fn a_grpc_status_is_retriable(s: &mut Session<'_>) {
    let grpc = "content-type: application/grpc";
    s.upstream(
        "flaky-v1",
        [
            answer(200, &[grpc, "grpc-status: 14"], ""),
            answer(200, &[grpc, "grpc-status: 0"], ""),
        ],
    );
    s.request("POST", "/grpc")
        .port(BARE)
        .header(grpc)
        .body("")
        .send()
        .is(200)
        .has("grpc-status", "0");
}

fn the_client_asks_for_retries_by_header(s: &mut Session<'_>) {
    s.upstream(
        "flaky-v1",
        [answer(503, &[], "one"), answer(503, &[], "two")],
    );
    s.request("GET", "/on-demand")
        .port(BARE)
        .header(INSIDE)
        .header("x-envoy-retry-on: 5xx")
        .header("x-envoy-max-retries: 2")
        .header("x-envoy-retry-grpc-on: cancelled")
        .header("x-envoy-retriable-status-codes: 418")
        .header("x-envoy-retriable-header-names: x-again")
        .header("x-envoy-hedge-on-per-try-timeout: false")
        .header("x-envoy-upstream-rq-per-try-timeout-ms: 5000")
        .header("x-envoy-upstream-rq-timeout-alt-response: 1")
        .send()
        .is(200);
}

fn the_client_asks_for_a_timeout_by_header(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.request("GET", "/on-demand")
        .port(BARE)
        .header(INSIDE)
        .header("x-envoy-upstream-rq-timeout-ms: 150")
        .send()
        .is(504);
}

fn the_client_asks_that_a_timeout_be_no_error(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.request("GET", "/on-demand")
        .port(BARE)
        .header(INSIDE)
        .header("x-envoy-upstream-rq-timeout-ms: 150")
        .header("x-envoy-upstream-rq-timeout-alt-response: 1")
        .send()
        .is(204);
}

fn a_grpc_client_brings_its_own_timeout(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [hang()]);
    s.request("POST", "/default")
        .header("content-type: application/grpc")
        .header("grpc-timeout: 150m")
        .body("")
        .send()
        .is(200)
        .has("grpc-status", "14");
}

fn external_clients_may_not_ask(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [answer(503, &[], "one")]);
    s.request("GET", "/never")
        .header("x-envoy-retry-on: 5xx")
        .header("x-envoy-upstream-rq-timeout-ms: 150")
        .header("x-envoy-expected-rq-timeout-ms: 77")
        .send()
        .is(503);
}

fn a_request_that_never_ends_is_a_408(s: &mut Session<'_>) {
    s.upstream("flaky-v1", [vec![Act::Body, Act::Wait(Duration::ZERO)]]);
    let client = s.connect_to(BARE);
    s.send(
        client,
        "POST /on-demand HTTP/1.1\r\nhost: parity.test\r\ncontent-length: 10\r\n\r\nhalf",
    );
    s.arrive(1);
    s.response(client, "POST").is(408);
}
