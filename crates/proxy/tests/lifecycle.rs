//! Configuration changes, drains and ends of a running proxy: no request is lost.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use serde_json::json;
use support::{Backend, Client, Mesh, cluster, get, hcm, http_to, listener, ok, status, to_up};

/// A backend that answers when it is told to.
fn gated() -> (Backend, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (arrived_sender, arrived) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let arrived_sender = std::sync::Mutex::new(arrived_sender);
    let backend = Backend::http(move |_| {
        arrived_sender.lock().unwrap().send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        ok("late")
    });
    (backend, arrived, go)
}

#[test]
fn a_draining_proxy_finishes_requests_and_ends_their_connections() {
    let (backend, arrived, go) = gated();
    let mesh = http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    client.send(&get("/"));
    arrived.recv().unwrap();
    mesh.handle.drain();
    // A new connection is still accepted while draining; its answer is its last, too.
    go.send(()).unwrap();
    let answer = client.rest();
    assert!(
        status(&answer) == 200 && answer.ends_with("late"),
        "{answer}"
    );
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[test]
fn a_removed_listener_finishes_what_it_holds() {
    let (backend, arrived, go) = gated();
    let mut mesh = http_to(backend.address);
    let address = mesh.address();
    let mut client = Client::connect(address);
    client.send(&get("/"));
    arrived.recv().unwrap();
    mesh.remove_listener("test");
    mesh.publish();
    go.send(()).unwrap();
    assert!(client.rest().ends_with("late"));
    // The workers close their sockets shortly after the publication.
    let closed = (0..2000).any(|_| {
        std::thread::yield_now();
        std::net::TcpStream::connect(address).is_err()
    });
    assert!(closed, "the listener still accepts");
}

#[test]
fn a_changed_listener_loses_no_request() {
    let backend = Backend::named("x");
    let mut mesh = http_to(backend.address);
    let address = mesh.address();
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::SeqCst) {
                    client.send(&get("/"));
                    let answer = client.response();
                    assert_eq!(status(&answer), 200, "{answer}");
                    done.fetch_add(1, Ordering::SeqCst);
                    if answer.contains("connection: close") {
                        client = Client::connect(address);
                    }
                }
            })
        })
        .collect();
    for n in 0..20 {
        let mut next = listener(hcm(to_up(), json!({"server_name": format!("v{n}")})));
        next["address"]["socket_address"]["port_value"] = json!(0);
        mesh.set_listener(next);
        mesh.publish();
        let before = done.load(Ordering::SeqCst);
        while done.load(Ordering::SeqCst) < before + 20
            && clients.iter().all(|client| !client.is_finished())
        {
            std::thread::yield_now();
        }
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(mesh.address(), address);
}

#[test]
fn a_request_sees_one_configuration_and_the_next_sees_the_new_one() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let mut mesh = http_to(one.address);
    let mut client = Client::connect(mesh.address());
    client.send(&get("/"));
    assert!(client.response().ends_with("one"));
    mesh.set_cluster(cluster("up", &[two.address]));
    mesh.publish();
    client.send(&get("/"));
    assert!(client.response().ends_with("two"));
}

#[test]
fn circuit_breakers_refuse_with_overflow() {
    let (backend, arrived, go) = gated();
    let mut up = cluster("up", &[backend.address]);
    up["circuit_breakers"] = json!({"thresholds": [{"max_requests": 1}]});
    let mesh = Mesh::start()
        .cluster(up)
        .listener(listener(hcm(to_up(), json!({}))))
        .live();
    let mut first = Client::connect(mesh.address());
    first.send(&get("/"));
    arrived.recv().unwrap();
    let answer = mesh.ask(&get("/"));
    assert!(
        status(&answer) == 503
            && answer.contains("x-envoy-overloaded: true")
            && answer.ends_with("overflow"),
        "{answer}"
    );
    go.send(()).unwrap();
    assert_eq!(status(&first.response()), 200);
}

#[test]
fn requests_wait_for_a_connection_when_no_more_may_be_opened() {
    let (backend, arrived, go) = gated();
    let mut up = cluster("up", &[backend.address]);
    up["circuit_breakers"] = json!({"thresholds": [{"max_connections": 1}]});
    let mesh = Mesh::start()
        .cluster(up)
        .listener(listener(hcm(to_up(), json!({}))))
        .live();
    let mut first = Client::connect(mesh.address());
    let mut second = Client::connect(mesh.address());
    first.send(&get("/1"));
    arrived.recv().unwrap();
    second.send(&get("/2"));
    go.send(()).unwrap();
    assert_eq!(status(&first.response()), 200);
    arrived.recv().unwrap();
    go.send(()).unwrap();
    assert_eq!(status(&second.response()), 200);
    assert_eq!(backend.count(), 1);
}

#[test]
fn a_host_that_fails_again_and_again_is_ejected() {
    let bad = Backend::http(|_| "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".into());
    let good = Backend::named("good");
    let mut up = cluster("up", &[bad.address, good.address]);
    up["outlier_detection"] = json!({"consecutive_5xx": 3, "max_ejection_percent": 100, "enforcing_consecutive_5xx": 100});
    let mesh = Mesh::start()
        .cluster(up)
        .listener(listener(hcm(to_up(), json!({}))))
        .live();
    let mut client = Client::connect(mesh.address());
    let mut successes_in_a_row = 0;
    for _ in 0..500 {
        client.send(&get("/"));
        successes_in_a_row = if status(&client.response()) == 200 {
            successes_in_a_row + 1
        } else {
            0
        };
        if successes_in_a_row == 20 {
            break;
        }
    }
    assert_eq!(
        successes_in_a_row, 20,
        "the failing host still gets traffic"
    );
}

#[test]
fn a_mirror_gets_a_copy_and_its_answer_is_dropped() {
    let (main, copy) = (Backend::named("main"), Backend::named("copy"));
    let routes = json!([{"match": {"prefix": "/"}, "route": {
        "cluster": "up", "request_mirror_policies": [{"cluster": "copy"}]}}]);
    let mesh = Mesh::start()
        .cluster(cluster("up", &[main.address]))
        .cluster(cluster("copy", &[copy.address]))
        .listener(listener(hcm(routes, json!({}))))
        .live();
    let answer = mesh.ask("POST /m HTTP/1.1\r\nHost: a.b\r\nContent-Length: 4\r\n\r\nbody");
    assert!(answer.ends_with("main"), "{answer}");
    while copy.requests.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    let request = copy.last_request();
    assert!(
        request.contains("host: a.b-shadow\r\n") && request.ends_with("body"),
        "{request}"
    );
}

#[test]
fn connections_of_an_unchanged_chain_outlive_a_change_of_their_listener() {
    let backend = Backend::named("x");
    let mut mesh = http_to(backend.address);
    let mut kept = Client::connect(mesh.address());
    kept.send(&get("/"));
    assert!(!kept.response().contains("connection: close"));
    // Another chain is added; the one in use stays as it is.
    let mut next = listener(hcm(to_up(), json!({})));
    let other = json!({"name": "other", "filter_chain_match": {"destination_port": 9},
        "filters": [hcm(to_up(), json!({"server_name": "other"}))]});
    next["filter_chains"].as_array_mut().unwrap().push(other);
    mesh.set_listener(next);
    mesh.publish();
    // A new connection shows that the change is in force on the worker.
    let mut new = Client::connect(mesh.address());
    new.send(&get("/"));
    assert_eq!(status(&new.response()), 200);
    kept.send(&get("/"));
    let answer = kept.response();
    assert!(
        status(&answer) == 200 && !answer.contains("connection: close"),
        "{answer}"
    );
}
