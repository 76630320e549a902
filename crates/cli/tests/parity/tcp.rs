//! TCP: which upstream a connection reaches, how each side's end arrives at the other, and what is logged when none is reached.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::harness::backend::{Act, answer, hang, reset};
use crate::harness::mesh::{Mesh, access_log, cluster, hcm, listener};
use crate::harness::net::WORKLOAD;
use crate::harness::session::Session;
use crate::harness::{Case, cases};

const ECHO: u16 = 20_081;
const DEAD: u16 = 20_082;
const NONE: u16 = 20_083;
const MISSING: u16 = 20_084;
const IDLE: u16 = 20_085;
const FULL: u16 = 20_086;
const WEIGHTED: u16 = 20_087;
const GREETER: u16 = 20_088;
const SNIFF: u16 = 20_089;
const SILENT: u16 = 20_091;
/// The last byte of the address whose backlog [`silent`] fills.
const SILENT_HOST: u8 = 60;

const GET: &str = "GET /tcp HTTP/1.1\r\nhost: parity.test\r\n\r\n";

fn tcp_proxy(fields: Value) -> Value {
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp", "access_log": access_log(),
    });
    if let (Value::Object(config), Value::Object(fields)) = (&mut config, fields) {
        config.extend(fields);
    }
    json!([{"name": "envoy.filters.network.tcp_proxy", "typed_config": config}])
}

fn to(name: &str, port: u16, cluster: &str) -> Value {
    listener(name, port, tcp_proxy(json!({"cluster": cluster})))
}

pub(crate) fn mesh() -> Mesh {
    let mut full = cluster("full", &["NET.11"]);
    full["circuit_breakers"] = json!({"thresholds": [{"max_connections": 1}]});
    let mut silent = cluster("silent", &["NET.60"]);
    silent["connect_timeout"] = json!("0.3s");
    let weights =
        json!({"clusters": [{"name": "dead", "weight": 1}, {"name": "echo", "weight": 4_000_000}]});
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "echo"}}]);
    let mut sniff = to("sniff", SNIFF, "greeter");
    sniff["listener_filters"] = json!([{"name": "envoy.filters.listener.http_inspector", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"}}]);
    let undecided = sniff["filter_chains"][0].take();
    sniff["filter_chains"] = json!([{
        "filter_chain_match": {"application_protocols": ["http/1.0", "http/1.1", "h2c"]},
        "filters": [hcm("sniffed", routes, json!({}))],
    }]);
    sniff["default_filter_chain"] = undecided;
    Mesh::new()
        .deploy("echo", &["v1"])
        .deploy_dead("dead", &["v1"])
        .deploy("greeter", &["v1"])
        .cluster(cluster("echo", &["NET.11"]))
        .cluster(cluster("dead", &["NET.12"]))
        .cluster(cluster("greeter", &["NET.13"]))
        .cluster(cluster("none", &[]))
        .cluster(full)
        .cluster(silent)
        .listener(to("echo", ECHO, "echo"))
        .listener(to("dead", DEAD, "dead"))
        .listener(to("none", NONE, "none"))
        .listener(to("missing", MISSING, "missing"))
        .listener(to("full", FULL, "full"))
        .listener(to("greeter", GREETER, "greeter"))
        .listener(to("silent", SILENT, "silent"))
        .listener(listener(
            "idle",
            IDLE,
            tcp_proxy(json!({"cluster": "echo", "idle_timeout": "0.3s"})),
        ))
        .listener(listener(
            "weighted",
            WEIGHTED,
            tcp_proxy(json!({"weighted_clusters": weights})),
        ))
        .listener(sniff)
}

pub(crate) const CASES: &[Case] = cases![
    a_connection_reaches_the_cluster_of_its_port,
    the_clients_end_is_passed_on_and_answers_still_come,
    the_upstreams_end_is_passed_on_and_requests_still_go,
    a_reset_by_the_upstream_ends_the_client,
    a_reset_by_the_client_ends_the_upstream,
    a_refused_connection_is_logged,
    a_connect_timeout_is_logged,
    a_cluster_without_hosts_is_logged,
    a_missing_cluster_is_logged,
    an_idle_connection_is_ended,
    a_connection_too_many_is_refused,
    a_large_answer_arrives_whole,
    a_large_request_arrives_whole,
    weights_choose_the_cluster,
    a_server_may_speak_first,
    http_is_recognised_on_an_undecided_port,
    other_bytes_stay_tcp_on_an_undecided_port,
];

fn a_connection_reaches_the_cluster_of_its_port(s: &mut Session<'_>) {
    let client = s.connect_to(ECHO);
    s.send(client, GET);
    s.response(client, "GET").is(200).from("echo-v1");
}

fn the_clients_end_is_passed_on_and_answers_still_come(s: &mut Session<'_>) {
    s.upstream(
        "echo-v1",
        [vec![Act::Rest, Act::Send(b"after".to_vec()), Act::Close]],
    );
    let client = s.connect_to(ECHO);
    s.send(client, GET);
    s.conn(client).finish();
    let got = s.rest(client);
    s.expect(
        got == "after",
        format!("the answer after the end, found {got:?}"),
    );
}

fn the_upstreams_end_is_passed_on_and_requests_still_go(s: &mut Session<'_>) {
    s.upstream(
        "echo-v1",
        [vec![Act::Send(b"bye".to_vec()), Act::Finish, Act::Rest]],
    );
    let client = s.connect_to(ECHO);
    s.send(client, GET);
    let got = s.rest(client);
    s.expect(
        got == "bye",
        format!("what came before the end, found {got:?}"),
    );
    s.send(client, "late");
    s.conn(client).finish();
}

fn a_reset_by_the_upstream_ends_the_client(s: &mut Session<'_>) {
    s.upstream("echo-v1", [reset()]);
    let client = s.connect_to(ECHO);
    s.send(client, GET);
    let got = s.rest(client);
    s.expect(got.is_empty(), format!("no bytes, found {got:?}"));
}

fn a_reset_by_the_client_ends_the_upstream(s: &mut Session<'_>) {
    s.upstream("echo-v1", [[answer(200, &[], "hi"), hang()].concat()]);
    let client = s.connect_to(ECHO);
    s.send(client, GET);
    s.response(client, "GET").is(200).body("hi");
    s.reset(client);
}

/// Nothing arrives from a port that reaches no upstream.
fn nothing_from(s: &mut Session<'_>, port: u16) {
    let client = s.connect_to(port);
    let got = s.rest(client);
    s.expect(got.is_empty(), format!("no bytes, found {got:?}"));
}

fn a_refused_connection_is_logged(s: &mut Session<'_>) {
    nothing_from(s, DEAD);
}

/// A listener that takes no more connections: its kernel drops every SYN.
fn silent(ip: Ipv4Addr) -> Vec<Socket> {
    let address = SocketAddr::from((ip, WORKLOAD)).into();
    let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = tcp();
    listener.set_reuse_address(true).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut held = vec![listener];
    for _ in 0..3 {
        let filler = tcp();
        filler.set_nonblocking(true).unwrap();
        // Completes, or stays under way: either fills the backlog.
        let _ = filler.connect(&address);
        held.push(filler);
    }
    held
}

fn a_connect_timeout_is_logged(s: &mut Session<'_>) {
    let [a, b, c, _] = s.proxy.octets();
    let held = silent(Ipv4Addr::new(a, b, c, SILENT_HOST));
    nothing_from(s, SILENT);
    drop(held);
}

fn a_cluster_without_hosts_is_logged(s: &mut Session<'_>) {
    nothing_from(s, NONE);
}

fn a_missing_cluster_is_logged(s: &mut Session<'_>) {
    nothing_from(s, MISSING);
}

fn an_idle_connection_is_ended(s: &mut Session<'_>) {
    let client = s.connect_to(IDLE);
    s.send(client, GET);
    s.response(client, "GET").is(200).from("echo-v1");
    let got = s.rest(client);
    s.expect(got.is_empty(), format!("no bytes, found {got:?}"));
    s.logs(1);
}

fn a_connection_too_many_is_refused(s: &mut Session<'_>) {
    let first = s.connect_to(FULL);
    s.send(first, GET);
    s.response(first, "GET").is(200).from("echo-v1");
    nothing_from(s, FULL);
    s.send(first, GET);
    s.response(first, "GET").is(200).from("echo-v1");
    s.logs(2);
}

fn a_large_answer_arrives_whole(s: &mut Session<'_>) {
    let body = "0123456789abcdef".repeat(256 << 10);
    s.upstream("echo-v1", [answer(200, &[], &body)]);
    let client = s.connect_to(ECHO);
    s.send(client, GET);
    s.response(client, "GET").is(200).body(&body);
}

fn a_large_request_arrives_whole(s: &mut Session<'_>) {
    let body = "0123456789abcdef".repeat(256 << 10);
    s.request("POST", "/")
        .port(ECHO)
        .body(&body)
        .send()
        .is(200)
        .from("echo-v1");
}

fn weights_choose_the_cluster(s: &mut Session<'_>) {
    for _ in 0..4 {
        let client = s.connect_to(WEIGHTED);
        s.send(client, GET);
        s.response(client, "GET").is(200).from("echo-v1");
    }
}

fn a_server_may_speak_first(s: &mut Session<'_>) {
    let client = s.connect_to(GREETER);
    let got = s.conn(client).take(11);
    s.expect(got == b"220 ready\r\n", "a greeting");
    s.send(client, GET);
    s.response(client, "GET").is(200).from("greeter-v1");
}

fn http_is_recognised_on_an_undecided_port(s: &mut Session<'_>) {
    s.request("GET", "/sniffed")
        .port(SNIFF)
        .send()
        .is(200)
        .from("echo-v1");
}

fn other_bytes_stay_tcp_on_an_undecided_port(s: &mut Session<'_>) {
    let client = s.connect_to(SNIFF);
    s.send(client, "\u{1}\u{2}\u{3}\r\n\r\n");
    let got = s.conn(client).take(11);
    s.expect(got == b"220 ready\r\n", "a greeting");
    s.response(client, "GET").is(200).from("greeter-v1");
}
