//! Statistics of a running proxy, while requests are under way and afterwards.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

mod support;

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use proxy::observe::stats::Value;
use serde_json::json;
use support::{Backend, Client, Mesh, cluster, get, hcm, listener, ok, to_up};

/// A counter or a gauge, summed over the scopes of its domain.
fn stat(mesh: &Mesh, domain: &str, name: &str) -> u64 {
    let samples = mesh.handle.shared().observe.stats.samples();
    let own = samples
        .iter()
        .filter(|sample| sample.domain == domain && sample.stat == name);
    own.map(|sample| match sample.value {
        Value::Counter(n) | Value::Gauge(n) => n,
        Value::Histogram(_) => 0,
    })
    .fold(0, u64::wrapping_add)
}

fn becomes(mesh: &Mesh, domain: &str, name: &str, wanted: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while stat(mesh, domain, name) != wanted {
        let is = stat(mesh, domain, name);
        assert!(
            Instant::now() < deadline,
            "{domain} {name} is {is}, not {wanted}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn gauges_follow_requests_that_are_served_and_that_wait() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::http(move |_| {
        wait.lock().unwrap().recv().unwrap();
        ok("late")
    });
    let mut up = cluster("up", &[backend.address]);
    up["circuit_breakers"] = json!({"thresholds": [{"max_connections": 1}]});
    let mesh = Mesh::start()
        .cluster(up)
        .listener(listener(hcm(to_up(), json!({}))))
        .live();
    let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(mesh.address())).collect();
    for client in &mut clients {
        client.send(&get("/"));
    }
    becomes(&mesh, "http", "downstream_rq_active", 2);
    becomes(&mesh, "http", "downstream_cx_active", 2);
    becomes(&mesh, "http", "downstream_cx_http1_active", 2);
    becomes(&mesh, "cluster", "upstream_rq_pending_active", 1);
    becomes(&mesh, "cluster", "upstream_cx_active", 1);
    for _ in 0..2 {
        go.send(()).unwrap();
    }
    for client in &mut clients {
        assert!(client.response().ends_with("late"));
    }
    drop(clients);
    becomes(&mesh, "http", "downstream_rq_active", 0);
    becomes(&mesh, "http", "downstream_cx_active", 0);
    becomes(&mesh, "cluster", "upstream_rq_pending_active", 0);
    assert_eq!(stat(&mesh, "cluster", "upstream_rq_pending_total"), 2);
    assert_eq!(stat(&mesh, "cluster", "upstream_rq_total"), 2);
    assert_eq!(stat(&mesh, "http", "downstream_cx_destroy_remote"), 2);
}

#[test]
fn bytes_on_the_wire_are_those_of_both_peers() {
    let backend = Backend::named("hello");
    let mesh = support::http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    let (mut sent, mut received) = (0, 0);
    for path in ["/one", "/and/another"] {
        let request = get(path);
        sent += request.len() as u64;
        client.send(&request);
        received += client.response().len() as u64;
    }
    becomes(&mesh, "http", "downstream_rq_completed", 2);
    assert_eq!(stat(&mesh, "http", "downstream_cx_rx_bytes_total"), sent);
    assert_eq!(
        stat(&mesh, "http", "downstream_cx_tx_bytes_total"),
        received
    );
    assert!(stat(&mesh, "cluster", "upstream_cx_rx_bytes_total") > 0);
}

#[test]
fn a_client_that_leaves_is_told_from_a_proxy_that_ends() {
    let backend = Backend::raw(|_, mut stream| {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    });
    let mesh = support::http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    client.send(&get("/"));
    let _ = client.rest();
    becomes(&mesh, "http", "downstream_rq_tx_reset", 1);
    drop(client);
    becomes(&mesh, "http", "downstream_cx_destroy_local", 1);
    assert_eq!(stat(&mesh, "http", "downstream_cx_destroy_remote"), 0);
    becomes(
        &mesh,
        "cluster",
        "upstream_cx_destroy_remote_with_active_rq",
        1,
    );
    assert_eq!(stat(&mesh, "cluster", "upstream_cx_protocol_error"), 1);
}
