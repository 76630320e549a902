//! HTTP/1 through a running proxy, seen from outside.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

mod support;

use std::io::Write;

use serde_json::json;
use support::{
    Backend, Client, Mesh, cluster, dead, get, hcm, http_to, listener, ok, status, to_up,
};

#[test]
fn a_request_reaches_the_backend_and_its_answer_comes_back() {
    let backend = Backend::named("hello");
    let mesh = http_to(backend.address);
    let response = mesh.ask(&get("/a?b=c"));
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    assert!(response.contains("server: envoy\r\n"), "{response}");
    assert!(
        response.contains("x-envoy-upstream-service-time: "),
        "{response}"
    );
    let request = backend.last_request();
    assert!(
        request.starts_with("GET /a?b=c HTTP/1.1\r\nhost: example.com\r\n"),
        "{request}"
    );
    for header in [
        "x-forwarded-proto: http\r\n",
        "x-request-id: ",
        "x-envoy-expected-rq-timeout-ms: 15000\r\n",
    ] {
        assert!(request.contains(header), "{header} in {request}");
    }
}

#[test]
fn connections_are_kept_on_both_sides() {
    let backend = Backend::named("x");
    let mesh = http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    for _ in 0..10 {
        client.send(&get("/"));
        assert_eq!(status(&client.response()), 200);
    }
    assert_eq!(backend.count(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::http(|request| ok(request.split(' ').nth(1).unwrap()));
    let mesh = http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    client.send(&[get("/1"), get("/2"), get("/3")].concat());
    for path in ["/1", "/2", "/3"] {
        assert!(client.response().ends_with(path));
    }
}

#[test]
fn bodies_pass_with_length_and_chunked_with_trailers() {
    let backend = Backend::http(|request| ok(request.split("\r\n\r\n").nth(1).unwrap_or("")));
    let mesh = http_to(backend.address);
    let response = mesh.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert!(response.ends_with("hello"), "{response}");
    mesh.ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n");
    let request = backend.last_request();
    assert!(
        request.contains("transfer-encoding: chunked\r\n"),
        "{request}"
    );
    assert!(request.contains("3\r\nabc\r\n0\r\n"), "{request}");
}

#[test]
fn large_bodies_pass_both_ways() {
    let backend = Backend::http(|request| ok(&request[request.find("\r\n\r\n").unwrap() + 4..]));
    let mesh = http_to(backend.address);
    let body = "0123456789abcdef".repeat(200_000);
    let mut client = Client::connect(mesh.address());
    let mut writer = client.stream.try_clone().unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let sender = std::thread::spawn(move || writer.write_all(request.as_bytes()).unwrap());
    let response = client.response();
    sender.join().unwrap();
    assert!(response.ends_with(&body), "{} bytes", response.len());
}

#[test]
fn malformed_requests_get_envoys_status_and_a_closed_connection() {
    let backend = Backend::named("x");
    let mesh = http_to(backend.address);
    for (request, expected) in [
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 426),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
        ),
        ("\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    ] {
        let mut client = Client::connect(mesh.address());
        client.send(request);
        let answer = client.rest();
        assert_eq!(status(&answer), expected, "{request:?}: {answer}");
        assert!(
            answer.contains("connection: close\r\n"),
            "{request:?}: {answer}"
        );
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_malformed_chunk_ends_the_request_with_400() {
    let backend = Backend::named("x");
    let mesh = http_to(backend.address);
    let answer = mesh.ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    assert_eq!(status(&answer), 400, "{answer}");
}

#[test]
fn failures_have_envoys_bodies() {
    let routes = json!([
        {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}},
        {"match": {"prefix": "/none"}, "route": {"cluster": "none"}},
        {"match": {"prefix": "/empty"}, "route": {"cluster": "empty"}},
        {"match": {"prefix": "/direct"}, "direct_response": {"status": 418, "body": {"inline_string": "tea"}}},
        {"match": {"prefix": "/away"}, "redirect": {"host_redirect": "other", "https_redirect": true}},
    ]);
    let mesh = Mesh::start()
        .cluster(cluster("dead", &[dead()]))
        .cluster(cluster("empty", &[]))
        .listener(listener(hcm(routes, json!({}))))
        .live();
    let answer = mesh.ask(&get("/dead"));
    assert_eq!(status(&answer), 503);
    let text = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    assert!(answer.ends_with(text), "{answer}");
    let answer = mesh.ask(&get("/empty"));
    assert!(
        status(&answer) == 503 && answer.ends_with("no healthy upstream"),
        "{answer}"
    );
    assert_eq!(status(&mesh.ask(&get("/none"))), 503);
    assert_eq!(status(&mesh.ask(&get("/other"))), 404);
    let answer = mesh.ask(&get("/direct"));
    assert!(
        status(&answer) == 418 && answer.ends_with("tea"),
        "{answer}"
    );
    let answer = mesh.ask(&get("/away?x=1"));
    assert!(
        answer.contains("location: https://other/away?x=1\r\n"),
        "{answer}"
    );
}

#[test]
fn an_idempotent_request_survives_the_idle_race() {
    // Each connection serves one request and closes as the next one arrives.
    let backend = Backend::raw(|_, stream| {
        let mut client = Client::from(stream);
        if client.request().is_some() {
            let _ = client.stream.write_all(ok("once").as_bytes());
            let mut byte = [0];
            let _ = std::io::Read::read(&mut client.stream, &mut byte);
        }
    });
    let mesh = http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    for _ in 0..5 {
        client.send(&get("/"));
        assert_eq!(status(&client.response()), 200);
    }
    assert_eq!(backend.count(), 5);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    let answer = client.response();
    assert!(
        status(&answer) == 503 && answer.contains("connection termination"),
        "{answer}"
    );
}

#[test]
fn a_route_timeout_answers_504() {
    let backend = Backend::raw(|_, stream| {
        let mut client = Client::from(stream);
        client.request();
        client.rest();
    });
    let routes =
        json!([{"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "0.05s"}}]);
    let mesh = Mesh::start()
        .cluster(cluster("up", &[backend.address]))
        .listener(listener(hcm(routes, json!({}))))
        .live();
    let answer = mesh.ask(&get("/"));
    assert!(
        status(&answer) == 504 && answer.ends_with("upstream request timeout"),
        "{answer}"
    );
}

#[test]
fn retries_go_on_until_one_attempt_succeeds() {
    let backend = Backend::raw(|index, stream| {
        let mut client = Client::from(stream);
        client.request();
        if index >= 2 {
            let _ = client.stream.write_all(ok("third").as_bytes());
        }
    });
    let routes = json!([{"match": {"prefix": "/"}, "route": {
        "cluster": "up", "retry_policy": {"retry_on": "reset", "num_retries": 3,
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}}}]);
    let mesh = Mesh::start()
        .cluster(cluster("up", &[backend.address]))
        .listener(listener(hcm(routes, json!({}))))
        .live();
    let answer = mesh.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    assert!(
        status(&answer) == 200 && answer.ends_with("third"),
        "{answer}"
    );
    assert_eq!(backend.count(), 3);
}

#[test]
fn head_and_bodiless_answers_are_framed_without_a_body() {
    let backend = Backend::http(|request| {
        if request.starts_with("HEAD") {
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".into()
        } else {
            "HTTP/1.1 204 No Content\r\n\r\n".into()
        }
    });
    let mesh = http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = client.rest();
    assert!(
        answer.contains("content-length: 10\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    let answer = mesh.ask(&get("/"));
    assert!(
        status(&answer) == 204 && !answer.contains("content-length"),
        "{answer}"
    );
}

#[test]
fn a_websocket_upgrade_becomes_a_tunnel() {
    let backend = Backend::raw(|_, stream| {
        let mut client = Client::from(stream);
        let request = client.request().unwrap();
        assert!(
            request.to_lowercase().contains("upgrade: websocket"),
            "{request}"
        );
        client.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        let mut bytes = [0; 4];
        std::io::Read::read_exact(&mut client.stream, &mut bytes).unwrap();
        client.stream.write_all(&bytes).unwrap();
    });
    let extra = json!({"upgrade_configs": [{"upgrade_type": "websocket"}]});
    let mesh = Mesh::start()
        .cluster(cluster("up", &[backend.address]))
        .listener(listener(hcm(to_up(), extra)))
        .live();
    let mut client = Client::connect(mesh.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let answer = client.response();
    assert_eq!(status(&answer), 101, "{answer}");
    client.send("ping");
    assert_eq!(client.rest(), "ping");
}

#[test]
fn an_expected_continue_is_answered_by_the_proxy() {
    let backend = Backend::named("x");
    let mesh = http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(status(&client.response()), 100);
    client.send("ab");
    assert_eq!(status(&client.response()), 200);
    assert!(backend.last_request().ends_with("ab"));
}

#[test]
fn http_1_0_is_served_where_it_is_accepted() {
    let backend = Backend::http(|_| {
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n".into()
    });
    let extra = json!({"http_protocol_options": {"accept_http_10": true}});
    let mesh = Mesh::start()
        .cluster(cluster("up", &[backend.address]))
        .listener(listener(hcm(to_up(), extra)))
        .live();
    let mut client = Client::connect(mesh.address());
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let answer = client.rest();
    assert!(
        !answer.contains("chunked") && answer.ends_with("\r\n\r\nhi"),
        "{answer}"
    );
    assert!(backend.last_request().starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn a_path_is_rewritten_and_headers_are_changed() {
    let backend = Backend::named("x");
    let routes = json!([{
        "match": {"prefix": "/old/"},
        "route": {"cluster": "up", "prefix_rewrite": "/new/", "host_rewrite_literal": "other"},
        "request_headers_to_add": [{"header": {"key": "x-added", "value": "%REQ(x-from)%"}}],
        "request_headers_to_remove": ["x-secret"],
        "response_headers_to_add": [{"header": {"key": "x-answer", "value": "yes"}}],
    }]);
    let mesh = Mesh::start()
        .cluster(cluster("up", &[backend.address]))
        .listener(listener(hcm(routes, json!({}))))
        .live();
    let answer =
        mesh.ask("GET /old/a?b HTTP/1.1\r\nHost: a\r\nX-From: here\r\nX-Secret: s\r\n\r\n");
    assert!(answer.contains("x-answer: yes\r\n"), "{answer}");
    let request = backend.last_request();
    assert!(
        request.starts_with("GET /new/a?b HTTP/1.1\r\nhost: other\r\n"),
        "{request}"
    );
    assert!(
        request.contains("x-added: here\r\n") && !request.contains("x-secret"),
        "{request}"
    );
    assert!(
        request.contains("x-envoy-original-path: /old/a?b\r\n"),
        "{request}"
    );
}

#[test]
fn faults_are_injected_with_envoys_flag_and_body() {
    let routes = json!([{
        "match": {"prefix": "/"}, "route": {"cluster": "up"},
        "typed_per_filter_config": {"envoy.filters.http.fault": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "abort": {"http_status": 555, "percentage": {"numerator": 100}},
        }},
    }]);
    let filters = json!({"http_filters": [
        {"name": "envoy.filters.http.fault", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}},
        {"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}},
    ]});
    let backend = Backend::named("x");
    let mesh = Mesh::start()
        .cluster(cluster("up", &[backend.address]))
        .listener(listener(hcm(routes, filters)))
        .live();
    let answer = mesh.ask(&get("/"));
    assert!(
        status(&answer) == 555 && answer.ends_with("fault filter abort"),
        "{answer}"
    );
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_slow_body_is_passed_on_while_it_comes() {
    let (arrived_sender, arrived) = std::sync::mpsc::channel();
    let arrived_sender = std::sync::Mutex::new(arrived_sender);
    let backend = Backend::raw(move |_, stream| {
        let mut client = Client::from(stream);
        let mut seen = String::new();
        while !seen.ends_with("0\r\n\r\n") {
            let mut chunk = [0; 1024];
            let n = std::io::Read::read(&mut client.stream, &mut chunk).unwrap();
            seen.push_str(&String::from_utf8_lossy(&chunk[..n]));
            arrived_sender.lock().unwrap().send(seen.clone()).unwrap();
        }
        client.send(&ok("done"));
    });
    let mesh = http_to(backend.address);
    let mut client = Client::connect(mesh.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in ["first", "second"] {
        client.send(&format!("{:x}\r\n{piece}\r\n", piece.len()));
        while !arrived.recv().unwrap().contains(piece) {}
    }
    client.send("0\r\n\r\n");
    assert!(client.response().ends_with("done"));
}

#[test]
fn broken_answers_are_502_with_envoys_words() {
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Le",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTime : 1\r\n\r\n",
    ] {
        let backend = Backend::raw(move |_, stream| {
            let mut client = Client::from(stream);
            client.request();
            client.send(broken);
        });
        let answer = http_to(backend.address).ask(&get("/"));
        assert_eq!(status(&answer), 502, "{broken:?}: {answer}");
        assert!(answer.ends_with("reset reason: protocol error"), "{answer}");
    }
}
