//! `tcp_proxy` and filter chain selection through a running proxy.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};
use support::{Backend, Client, Mesh, cluster, dead, get, hcm, listener, status, to_up};

fn tcp_proxy(cluster: &str) -> Value {
    json!({"name": "envoy.filters.network.tcp_proxy", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp", "cluster": cluster,
    }})
}

fn inspectors(listener: &mut Value) {
    listener["listener_filters"] = json!([
        {"name": "envoy.filters.listener.tls_inspector", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}},
        {"name": "envoy.filters.listener.http_inspector", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"}},
    ]);
}

/// Sends back everything once the client has ended its side.
fn mirror_after_end() -> Backend {
    Backend::raw(|_, mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    })
}

#[test]
fn bytes_pass_and_a_half_close_is_passed_on() {
    let backend = mirror_after_end();
    let mesh = Mesh::start()
        .cluster(cluster("up", &[backend.address]))
        .listener(listener(tcp_proxy("up")))
        .live();
    let mut stream = TcpStream::connect(mesh.address()).unwrap();
    let sent = b"0123456789".repeat(50_000);
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert!(
        received == sent,
        "{} of {} bytes",
        received.len(),
        sent.len()
    );
}

#[test]
fn a_connection_without_upstream_is_closed() {
    let mesh = Mesh::start()
        .cluster(cluster("up", &[dead()]))
        .listener(listener(tcp_proxy("up")))
        .live();
    let mut stream = TcpStream::connect(mesh.address()).unwrap();
    let mut received = Vec::new();
    assert_eq!(stream.read_to_end(&mut received).unwrap_or(0), 0);
}

#[test]
fn sniffing_sends_http_and_other_protocols_to_their_chains() {
    let (web, raw) = (Backend::named("web"), mirror_after_end());
    let mut listener = listener(tcp_proxy("raw"));
    inspectors(&mut listener);
    listener["filter_chains"] = json!([
        {"name": "web", "filter_chain_match": {"application_protocols": ["http/1.1", "h2c"]},
         "filters": [hcm(to_up(), json!({}))]},
        {"name": "raw", "filters": [tcp_proxy("raw")]},
    ]);
    let mesh = Mesh::start()
        .cluster(cluster("up", &[web.address]))
        .cluster(cluster("raw", &[raw.address]))
        .listener(listener)
        .live();
    assert!(mesh.ask(&get("/")).ends_with("web"));
    let mut stream = TcpStream::connect(mesh.address()).unwrap();
    stream.write_all(b"\x01\x02binary").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"\x01\x02binary");
}

#[test]
fn a_connection_that_no_chain_matches_is_told_so_when_it_speaks_http() {
    let mut listener = listener(tcp_proxy("up"));
    inspectors(&mut listener);
    listener["filter_chains"][0]["filter_chain_match"] = json!({"server_names": ["only.example"]});
    let mesh = Mesh::start()
        .cluster(cluster("up", &[dead()]))
        .listener(listener)
        .live();
    let mut client = Client::connect(mesh.address());
    client.send(&get("/"));
    let answer = client.rest();
    assert!(
        status(&answer) == 421 && answer.contains("no filter chain"),
        "{answer}"
    );
}
