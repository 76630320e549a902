//! Header fields: what routes change, what a proxy adds, and what ends at each hop.

use serde_json::json;

use crate::harness::backend::{Act, answer, raw};
use crate::harness::mesh::{Mesh, cluster, hcm, listener};
use crate::harness::session::Session;
use crate::harness::{Case, cases};

/// Envoy's own fields are here.
const BARE: u16 = 20_081;

pub(crate) fn mesh() -> Mesh {
    let add = |name: &str, value: &str| json!({"header": {"key": name, "value": value}});
    let route_config = json!({
        "name": "bare", "validate_clusters": false,
        "response_headers_to_add": [add("x-level", "table")],
        "request_headers_to_add": [add("x-level", "table")],
        "response_headers_to_remove": ["x-drop"],
        "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "include_request_attempt_count": true, "include_attempt_count_in_response": true,
            "response_headers_to_add": [add("x-level", "host"), add("x-code", "%RESPONSE_CODE%")],
            "request_headers_to_add": [add("x-level", "host")],
            "routes": [
                {"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "direct"}},
                 "response_headers_to_add": [add("x-level", "route")]},
                {"match": {"prefix": "/redirect"}, "redirect": {"path_redirect": "/there"},
                 "response_headers_to_add": [add("x-level", "route")]},
                {"match": {"prefix": "/none"}, "route": {"cluster": "none"},
                 "response_headers_to_add": [add("x-level", "route")]},
                {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"},
                 "response_headers_to_add": [add("x-level", "route")]},
                {"match": {"prefix": "/missing"}, "route": {"cluster": "missing"},
                 "response_headers_to_add": [add("x-level", "route")]},
                {"match": {"prefix": "/literal"}, "route": {"cluster": "bare", "host_rewrite_literal": "literal.test",
                    "append_x_forwarded_host": true}},
                {"match": {"prefix": "/up"}, "route": {"cluster": "bare"},
                 "response_headers_to_add": [add("x-level", "route")],
                 "request_headers_to_add": [add("x-level", "route"), add("x-route", "%ROUTE_NAME%")]},
            ],
        }],
    });
    let via = json!({
        "route_config": route_config, "via": "bare", "use_remote_address": true, "xff_num_trusted_hops": 1,
        "server_name": "bare", "server_header_transformation": "APPEND_IF_ABSENT",
        "always_set_request_id_in_response": true,
    });
    Mesh::new()
        .deploy("echo", &["v1"])
        .deploy_dead("dead", &["v1"])
        .yaml(RULES)
        .cluster(cluster("bare", &["NET.11"]))
        .cluster(cluster("dead", &["NET.12"]))
        .cluster(cluster("none", &[]))
        .listener(listener("bare", BARE, json!([hcm("bare", json!([]), via)])))
}

const RULES: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [parity.test]
  gateways: [ingress]
  http:
  - name: changed
    match: [{uri: {prefix: /changed}}]
    headers:
      request:
        set: {x-set: new, x-path: '%REQ(:PATH)%', x-peer: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'}
        add: {x-add: more, x-new: first}
        remove: [x-remove]
      response:
        set: {x-set: new, x-protocol: '%PROTOCOL%'}
        add: {x-add: more}
        remove: [x-remove, x-powered-by]
    route: [{destination: {host: echo}}]
  - name: weighted
    match: [{uri: {prefix: /weighted}}]
    headers: {request: {add: {x-where: rule}}, response: {add: {x-where: rule}}}
    route:
    - destination: {host: echo}
      weight: 100
      headers: {request: {add: {x-where: destination}}, response: {add: {x-where: destination}}}
  - name: host
    match: [{uri: {prefix: /host}}]
    headers: {request: {set: {Host: other.test}}}
    route: [{destination: {host: echo}}]
  - name: fixed
    match: [{uri: {prefix: /fixed}}]
    headers: {response: {set: {content-type: text/html, x-fixed: 'yes'}}}
    directResponse: {status: 200, body: {string: '<p>fixed</p>'}}
  - name: cors
    match: [{uri: {prefix: /cors}}]
    corsPolicy:
      allowOrigins: [{exact: 'https://good.test'}]
      allowMethods: [GET, PUT]
      allowHeaders: [x-wanted]
      exposeHeaders: [x-shown]
      maxAge: 10m
      allowCredentials: true
    route: [{destination: {host: echo}}]
  - name: plain
    route: [{destination: {host: echo}}]
";

pub(crate) const CASES: &[Case] = cases![
    a_request_gets_what_a_gateway_adds,
    a_route_changes_request_headers,
    a_route_changes_response_headers,
    a_destination_changes_headers_before_its_rule,
    a_set_host_header_is_the_authority,
    a_direct_response_has_the_routes_headers,
    what_external_clients_claim_is_dropped,
    hop_by_hop_fields_end_here,
    response_hop_by_hop_fields_end_here,
    a_named_field_that_must_not_be_named_is_refused,
    repeated_fields_stay_apart_and_in_order,
    odd_values_are_passed_on,
    an_absolute_target_names_the_host,
    a_head_request_keeps_the_length,
    answers_without_content_keep_their_fields,
    a_1_0_client_gets_a_1_1_answer,
    trailers_of_http_1_are_dropped,
    expect_100_continue_is_passed_on,
    early_hints_come_first,
    a_preflight_is_answered,
    a_cors_request_gets_its_fields,
    a_foreign_origin_gets_none,
    a_web_socket_is_upgraded,
    an_upgrade_that_is_refused_stays_http,
    every_level_adds_to_the_response,
    a_direct_response_gets_every_level,
    a_redirect_gets_every_level,
    a_missing_upstream_gets_every_level,
    a_dead_upstream_gets_every_level,
    a_missing_cluster_gets_every_level,
    a_route_that_is_not_found_gets_none,
    a_rewritten_host_is_remembered,
    trusted_hops_decide_who_the_client_is,
];

fn a_request_gets_what_a_gateway_adds(s: &mut Session<'_>) {
    s.upstream(
        "echo-v1",
        [answer(200, &["Server: nginx", "X-Powered-By: tests"], "hi")],
    );
    s.get("/").is(200).has("x-powered-by", "tests");
}

fn a_route_changes_request_headers(s: &mut Session<'_>) {
    s.request("GET", "/changed?a=b")
        .header("X-Set: old")
        .header("X-Set: older")
        .header("X-Add: one")
        .header("X-Remove: gone")
        .header("X-Stay: here")
        .send()
        .is(200);
}

fn a_route_changes_response_headers(s: &mut Session<'_>) {
    let fields = [
        "X-Set: old",
        "X-Add: one",
        "X-Remove: gone",
        "X-Powered-By: tests",
        "X-Stay: here",
    ];
    s.upstream("echo-v1", [answer(200, &fields, "hi")]);
    s.get("/changed")
        .is(200)
        .has("x-set", "new")
        .lacks("x-remove")
        .has("x-stay", "here");
}

fn a_destination_changes_headers_before_its_rule(s: &mut Session<'_>) {
    s.get("/weighted").is(200);
}

fn a_set_host_header_is_the_authority(s: &mut Session<'_>) {
    s.get("/host").is(200);
}

fn a_direct_response_has_the_routes_headers(s: &mut Session<'_>) {
    s.get("/fixed")
        .is(200)
        .has("x-fixed", "yes")
        .body("<p>fixed</p>");
}

fn what_external_clients_claim_is_dropped(s: &mut Session<'_>) {
    s.request("GET", "/")
        .header("x-forwarded-for: 10.0.0.1, 192.168.1.1")
        .header("x-forwarded-proto: https")
        .header("x-forwarded-host: claimed.test")
        .header("x-envoy-internal: true")
        .header("x-envoy-external-address: 10.9.9.9")
        .header("x-envoy-original-path: /claimed")
        .header("x-envoy-attempt-count: 9")
        .header("x-envoy-decorator-operation: claimed")
        .header("x-envoy-peer-metadata: claimed")
        .header("x-forwarded-client-cert: By=spiffe://claimed")
        .header("x-request-id: claimed")
        .send()
        .is(200);
}

fn hop_by_hop_fields_end_here(s: &mut Session<'_>) {
    s.request("GET", "/")
        .header("connection: keep-alive, x-hop")
        .header("keep-alive: timeout=5")
        .header("proxy-connection: keep-alive")
        .header("x-hop: one")
        .header("te: trailers, gzip")
        .send()
        .is(200);
}

fn response_hop_by_hop_fields_end_here(s: &mut Session<'_>) {
    let fields = [
        "Connection: keep-alive, x-hop",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "X-Hop: one",
    ];
    s.upstream("echo-v1", [answer(200, &fields, "hi")]);
    s.get("/").is(200);
}

fn a_named_field_that_must_not_be_named_is_refused(s: &mut Session<'_>) {
    s.request("GET", "/").header("connection: host").send();
    s.request("GET", "/")
        .header("connection: x-forwarded-for")
        .send();
}

fn repeated_fields_stay_apart_and_in_order(s: &mut Session<'_>) {
    let cookies = ["Set-Cookie: a=1", "Vary: x", "Set-Cookie: b=2", "Vary: y"];
    s.upstream("echo-v1", [answer(200, &cookies, "hi")]);
    s.request("GET", "/")
        .header("accept: a")
        .header("cookie: one=1")
        .header("accept: b")
        .header("cookie: two=2")
        .send()
        .is(200);
}

fn odd_values_are_passed_on(s: &mut Session<'_>) {
    s.request("GET", "/?q=%zz&\"<>")
        .header("x-empty:")
        .header("x-spaces:   a  b   ")
        .header("x_under_score: kept")
        .header("x-latin: caf\u{e9}")
        .send()
        .is(200);
}

fn an_absolute_target_names_the_host(s: &mut Session<'_>) {
    s.raw("GET http://parity.test/absolute?x=1 HTTP/1.1\r\nhost: other.test\r\n\r\n")
        .is(200);
}

fn a_head_request_keeps_the_length(s: &mut Session<'_>) {
    s.upstream(
        "echo-v1",
        [raw(
            "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\netag: \"x\"\r\n\r\n",
        )],
    );
    s.request("HEAD", "/")
        .send()
        .is(200)
        .has("content-length", "1234");
}

fn answers_without_content_keep_their_fields(s: &mut Session<'_>) {
    s.upstream(
        "echo-v1",
        [
            raw("HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n"),
            raw("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 99\r\n\r\n"),
        ],
    );
    s.get("/").is(204);
    s.get("/").is(304);
}

fn a_1_0_client_gets_a_1_1_answer(s: &mut Session<'_>) {
    s.raw("GET / HTTP/1.0\r\nhost: parity.test\r\n\r\n");
}

fn trailers_of_http_1_are_dropped(s: &mut Session<'_>) {
    s.upstream("echo-v1", [raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n")]);
    s.raw("POST / HTTP/1.1\r\nhost: parity.test\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n").is(200).body("hi");
}

fn expect_100_continue_is_passed_on(s: &mut Session<'_>) {
    let go = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let done = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
    s.upstream("echo-v1", [vec![Act::Send(go), Act::Body, Act::Send(done)]]);
    s.request("PUT", "/")
        .header("expect: 100-continue")
        .body("sent")
        .send()
        .is(200)
        .body("ok");
}

fn early_hints_come_first(s: &mut Session<'_>) {
    s.upstream("echo-v1", [raw("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")]);
    s.get("/").is(200).body("ok");
}

fn a_preflight_is_answered(s: &mut Session<'_>) {
    s.request("OPTIONS", "/cors")
        .header("origin: https://good.test")
        .header("access-control-request-method: PUT")
        .header("access-control-request-headers: x-wanted")
        .send()
        .is(200)
        .has("access-control-allow-origin", "https://good.test");
}

fn a_cors_request_gets_its_fields(s: &mut Session<'_>) {
    s.request("GET", "/cors")
        .header("origin: https://good.test")
        .send()
        .is(200)
        .has("access-control-allow-origin", "https://good.test");
}

fn a_foreign_origin_gets_none(s: &mut Session<'_>) {
    s.request("GET", "/cors")
        .header("origin: https://bad.test")
        .send()
        .is(200)
        .lacks("access-control-allow-origin");
    s.request("OPTIONS", "/cors")
        .header("origin: https://bad.test")
        .header("access-control-request-method: PUT")
        .send();
}

fn a_web_socket_is_upgraded(s: &mut Session<'_>) {
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: x\r\n\r\nhello".to_vec();
    s.upstream("echo-v1", [vec![Act::Send(switch), Act::Close]]);
    let client = s.connect();
    s.send(client, "GET /socket HTTP/1.1\r\nhost: parity.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nsec-websocket-key: k\r\n\r\n");
    let all = s.rest(client);
    s.expect(
        all.ends_with("hello"),
        format!("the tunnel's bytes, found {all:?}"),
    );
}

fn an_upgrade_that_is_refused_stays_http(s: &mut Session<'_>) {
    s.upstream("echo-v1", [answer(426, &["upgrade: websocket"], "no")]);
    s.request("GET", "/socket")
        .header("connection: upgrade")
        .header("upgrade: websocket")
        .send()
        .is(426);
    s.request("GET", "/socket")
        .header("connection: upgrade")
        .header("upgrade: unknown")
        .send();
}

fn bare(s: &mut Session<'_>, path: &str, status: u16) {
    s.request("GET", path).port(BARE).send().is(status);
}

fn every_level_adds_to_the_response(s: &mut Session<'_>) {
    s.upstream(
        "echo-v1",
        [answer(
            201,
            &["x-drop: gone", "x-level: upstream", "server: own"],
            "hi",
        )],
    );
    bare(s, "/up", 201);
}

fn a_direct_response_gets_every_level(s: &mut Session<'_>) {
    bare(s, "/direct", 200);
}

fn a_redirect_gets_every_level(s: &mut Session<'_>) {
    bare(s, "/redirect", 301);
}

fn a_missing_upstream_gets_every_level(s: &mut Session<'_>) {
    bare(s, "/none", 503);
}

fn a_dead_upstream_gets_every_level(s: &mut Session<'_>) {
    bare(s, "/dead", 503);
}

fn a_missing_cluster_gets_every_level(s: &mut Session<'_>) {
    bare(s, "/missing", 503);
}

fn a_route_that_is_not_found_gets_none(s: &mut Session<'_>) {
    bare(s, "/nothing-here", 404);
}

fn a_rewritten_host_is_remembered(s: &mut Session<'_>) {
    s.request("GET", "/literal")
        .port(BARE)
        .header("x-forwarded-host: before.test")
        .send()
        .is(200);
}

fn trusted_hops_decide_who_the_client_is(s: &mut Session<'_>) {
    s.request("GET", "/up")
        .port(BARE)
        .header("x-forwarded-for: 203.0.113.1, 198.51.100.2, 192.0.2.3")
        .header("x-forwarded-proto: https")
        .send()
        .is(200);
    s.request("GET", "/up")
        .port(BARE)
        .header("x-forwarded-for: 10.0.0.7")
        .send()
        .is(200);
}
