//! Failures: of upstreams, of configuration, of clients, and those that a rule injects; each with its flag and its details.

use serde_json::{Value, json};

use crate::harness::backend::{Act, Script, close, hang, raw, reset};
use crate::harness::mesh::{Mesh, cluster, hcm, listener};
use crate::harness::session::Session;
use crate::harness::{Case, cases};

/// Envoy's own fields are here.
const BARE: u16 = 20_081;

pub(crate) fn mesh() -> Mesh {
    let to = |path: &str| json!({"match": {"prefix": path}, "route": {"cluster": &path[1..]}});
    let mut routes: Vec<Value> = ["/dead", "/none", "/missing", "/unhealthy", "/one"]
        .map(to)
        .to_vec();
    routes.push(
        json!({"match": {"prefix": "/late"}, "route": {"cluster": "bare", "timeout": "0.2s"}}),
    );
    routes.push(json!({"match": {"prefix": "/up"}, "route": {"cluster": "bare"}}));

    let mut unhealthy = cluster("unhealthy", &["NET.11"]);
    unhealthy["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["health_status"] =
        json!("UNHEALTHY");
    unhealthy["common_lb_config"] = json!({"healthy_panic_threshold": {"value": 0}});
    let mut one = cluster("one", &["NET.11"]);
    one["circuit_breakers"] = json!({"thresholds": [{"max_requests": 1}]});
    Mesh::new()
        .deploy("echo", &["v1"])
        .deploy_dead("dead", &["v1"])
        .yaml(RULES)
        .cluster(cluster("bare", &["NET.11"]))
        .cluster(cluster("dead", &["NET.12"]))
        .cluster(cluster("none", &[]))
        .cluster(unhealthy)
        .cluster(one)
        .listener(listener(
            "bare",
            BARE,
            json!([hcm("bare", routes.into(), json!({}))]),
        ))
}

const RULES: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [parity.test]
  gateways: [ingress]
  http:
  - name: aborted
    match: [{uri: {prefix: /aborted}}]
    fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
    route: [{destination: {host: echo}}]
  - name: delayed
    match: [{uri: {prefix: /delayed}}]
    fault: {delay: {fixedDelay: 50ms, percentage: {value: 100}}}
    route: [{destination: {host: echo}}]
  - name: delayed-and-aborted
    match: [{uri: {prefix: /both}}]
    fault:
      delay: {fixedDelay: 50ms, percentage: {value: 100}}
      abort: {httpStatus: 503, percentage: {value: 100}}
    route: [{destination: {host: echo}}]
  - name: plain
    match: [{uri: {prefix: /plain}}]
    retries: {attempts: 0}
    route: [{destination: {host: echo}}]
";

pub(crate) const CASES: &[Case] = cases![
    a_refused_connection_is_uf,
    a_reset_before_the_response_is_uc,
    a_close_before_the_response_is_uc,
    a_close_within_the_head_is_upe,
    a_reset_within_the_body_breaks_the_response,
    a_close_within_the_body_breaks_the_response,
    an_answer_that_is_not_http_is_upe,
    a_response_field_with_a_bad_name_is_upe,
    a_response_head_too_large_is_upe,
    a_response_with_two_lengths_is_upe,
    a_broken_chunk_of_a_response_breaks_it,
    no_route_is_nr,
    a_missing_cluster_is_nc,
    a_cluster_without_endpoints_is_uh,
    a_cluster_without_healthy_endpoints_is_uh,
    a_request_over_the_circuit_breaker_is_uo,
    a_late_response_is_ut,
    a_client_that_leaves_before_the_response_is_dc,
    a_client_that_leaves_within_the_response_is_dc,
    an_injected_abort_is_fi,
    an_injected_delay_is_di,
    an_abort_after_a_delay_has_both_flags,
    a_length_and_chunks_are_refused,
    two_lengths_are_refused,
    a_length_that_is_no_number_is_refused,
    a_bad_field_name_is_refused,
    a_nul_in_a_field_is_refused,
    a_request_head_too_large_is_a_431,
    an_unknown_method_is_refused_or_passed_on,
    a_request_without_a_host_is_refused,
    an_http_1_0_request_without_a_host_is_refused,
    what_is_not_http_is_refused,
    a_broken_chunk_of_a_request_is_refused,
];

fn bare(s: &mut Session<'_>, path: &str, status: u16) {
    s.request("GET", path).port(BARE).send().is(status);
}

/// The upstream gets one request and does this.
fn fails(s: &mut Session<'_>, script: Script, status: u16) {
    s.upstream("echo-v1", [script]);
    bare(s, "/up", status);
}

fn a_refused_connection_is_uf(s: &mut Session<'_>) {
    bare(s, "/dead", 503);
}

fn a_reset_before_the_response_is_uc(s: &mut Session<'_>) {
    fails(s, reset(), 503);
}

fn a_close_before_the_response_is_uc(s: &mut Session<'_>) {
    fails(s, close(), 503);
}

fn a_close_within_the_head_is_upe(s: &mut Session<'_>) {
    let mut script = raw("HTTP/1.1 200 OK\r\nx-half: th");
    script.push(Act::Close);
    fails(s, script, 502);
}

/// The workload resets once the client, which has the first half, sends the rest of its request.
fn a_reset_within_the_body_breaks_the_response(s: &mut Session<'_>) {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    s.upstream("echo-v1", [vec![Act::Send(half), Act::Body, Act::Reset]]);
    let client = s.connect_to(BARE);
    s.send(
        client,
        "POST /up HTTP/1.1\r\nhost: parity.test\r\ncontent-length: 4\r\n\r\n",
    );
    let head = s.conn(client).head();
    s.expect(head.is_some_and(|head| head.status() == 200), "a 200");
    s.send(client, "rest");
    let rest = s.rest(client);
    s.expect(rest == "half", "the first half");
}

fn a_close_within_the_body_breaks_the_response(s: &mut Session<'_>) {
    let mut script = raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    script.push(Act::Close);
    s.upstream("echo-v1", [script]);
    s.request("GET", "/up")
        .port(BARE)
        .send()
        .is(200)
        .body("half");
}

fn an_answer_that_is_not_http_is_upe(s: &mut Session<'_>) {
    fails(s, raw("SSH-2.0-OpenSSH_9.6\r\n\r\n"), 502);
}

fn a_response_field_with_a_bad_name_is_upe(s: &mut Session<'_>) {
    fails(
        s,
        raw("HTTP/1.1 200 OK\r\nb@d name: x\r\ncontent-length: 0\r\n\r\n"),
        502,
    );
}

fn a_response_head_too_large_is_upe(s: &mut Session<'_>) {
    let large = "x".repeat(90_000);
    fails(
        s,
        raw(&format!(
            "HTTP/1.1 200 OK\r\nx-large: {large}\r\ncontent-length: 0\r\n\r\n"
        )),
        502,
    );
}

fn a_response_with_two_lengths_is_upe(s: &mut Session<'_>) {
    fails(
        s,
        raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!"),
        502,
    );
}

fn a_broken_chunk_of_a_response_breaks_it(s: &mut Session<'_>) {
    let begin = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n".to_vec();
    let broken = b"zz\r\n".to_vec();
    s.upstream(
        "echo-v1",
        [vec![Act::Send(begin), Act::Body, Act::Send(broken)]],
    );
    let client = s.connect_to(BARE);
    s.send(
        client,
        "POST /up HTTP/1.1\r\nhost: parity.test\r\ncontent-length: 4\r\n\r\n",
    );
    let head = s.conn(client).head();
    s.expect(head.is_some_and(|head| head.status() == 200), "a 200");
    let chunk = s.conn(client).take(7);
    s.expect(chunk == b"2\r\nhi\r\n", "the first chunk");
    s.send(client, "rest");
    let rest = s.rest(client);
    s.expect(rest.is_empty(), "nothing after the first chunk");
}

fn no_route_is_nr(s: &mut Session<'_>) {
    bare(s, "/nothing-here", 404);
    s.get("/nothing-here").is(404);
}

fn a_missing_cluster_is_nc(s: &mut Session<'_>) {
    bare(s, "/missing", 503);
}

fn a_cluster_without_endpoints_is_uh(s: &mut Session<'_>) {
    bare(s, "/none", 503);
}

fn a_cluster_without_healthy_endpoints_is_uh(s: &mut Session<'_>) {
    bare(s, "/unhealthy", 503);
}

fn a_request_over_the_circuit_breaker_is_uo(s: &mut Session<'_>) {
    let hints = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    s.upstream("echo-v1", [vec![Act::Body, Act::Send(hints), Act::Hang]]);
    let client = s.connect_to(BARE);
    s.send(client, "GET /one HTTP/1.1\r\nhost: parity.test\r\n\r\n");
    // Once its response has begun, the first request counts.
    s.conn(client).take(8);
    bare(s, "/one", 503);
    s.reset(client);
    s.logs(2);
}

fn a_late_response_is_ut(s: &mut Session<'_>) {
    s.upstream("echo-v1", [hang()]);
    bare(s, "/late", 504);
}

/// The proxy has asked for the body itself when the client goes away.
fn a_client_that_leaves_before_the_response_is_dc(s: &mut Session<'_>) {
    s.upstream("echo-v1", [vec![Act::Hang]]);
    s.arrive(1);
    let client = s.connect_to(BARE);
    s.send(client, "POST /up HTTP/1.1\r\nhost: parity.test\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n");
    let go = s.conn(client).head();
    s.expect(go.is_some_and(|head| head.status() == 100), "a 100");
    s.reset(client);
    s.logs(1);
}

fn a_client_that_leaves_within_the_response_is_dc(s: &mut Session<'_>) {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    s.upstream("echo-v1", [vec![Act::Send(half), Act::Hang]]);
    let client = s.connect_to(BARE);
    s.send(
        client,
        "POST /up HTTP/1.1\r\nhost: parity.test\r\ncontent-length: 10\r\n\r\n",
    );
    let head = s.conn(client).head();
    s.expect(head.is_some_and(|head| head.status() == 200), "a 200");
    let half = s.conn(client).take(4);
    s.expect(half == b"half", "the first half");
    s.reset(client);
    s.logs(1);
}

fn an_injected_abort_is_fi(s: &mut Session<'_>) {
    s.get("/aborted").is(418).body("fault filter abort");
}

fn an_injected_delay_is_di(s: &mut Session<'_>) {
    s.get("/delayed").is(200).from("echo-v1");
}

fn an_abort_after_a_delay_has_both_flags(s: &mut Session<'_>) {
    s.get("/both").is(503).body("fault filter abort");
}

/// A request head that must not reach any workload.
fn refused(s: &mut Session<'_>, lines: &str, status: u16) {
    s.raw(&format!(
        "POST /plain HTTP/1.1\r\nhost: parity.test\r\n{lines}\r\n"
    ))
    .is(status);
}

fn a_length_and_chunks_are_refused(s: &mut Session<'_>) {
    refused(
        s,
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        400,
    );
}

fn two_lengths_are_refused(s: &mut Session<'_>) {
    refused(s, "content-length: 5\r\ncontent-length: 6\r\n", 400);
}

fn a_length_that_is_no_number_is_refused(s: &mut Session<'_>) {
    refused(s, "content-length: -5\r\n", 400);
}

fn a_bad_field_name_is_refused(s: &mut Session<'_>) {
    refused(s, "b@d name: x\r\n", 400);
}

fn a_nul_in_a_field_is_refused(s: &mut Session<'_>) {
    refused(s, "x-nul: a\0b\r\n", 400);
}

fn a_request_head_too_large_is_a_431(s: &mut Session<'_>) {
    refused(s, &format!("x-large: {}\r\n", "x".repeat(70_000)), 431);
}

fn an_unknown_method_is_refused_or_passed_on(s: &mut Session<'_>) {
    s.request("FROBNICATE", "/plain").send();
}

fn a_request_without_a_host_is_refused(s: &mut Session<'_>) {
    s.raw("GET /plain HTTP/1.1\r\nx-a: b\r\n\r\n").is(400);
}

fn an_http_1_0_request_without_a_host_is_refused(s: &mut Session<'_>) {
    s.raw("GET /plain HTTP/1.0\r\nx-a: b\r\n\r\n");
}

fn what_is_not_http_is_refused(s: &mut Session<'_>) {
    s.raw("SSH-2.0-OpenSSH_9.6\r\n\r\n").is(400);
}

/// The workload has the head, or it could not ask for the body.
fn a_broken_chunk_of_a_request_is_refused(s: &mut Session<'_>) {
    let go = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    s.upstream("echo-v1", [vec![Act::Send(go), Act::Hang]]);
    let client = s.connect();
    s.send(client, "POST /plain HTTP/1.1\r\nhost: parity.test\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n");
    let go = s.conn(client).head();
    s.expect(go.is_some_and(|head| head.status() == 100), "a 100");
    s.send(client, "zz\r\n");
    s.response(client, "POST").is(400);
}
