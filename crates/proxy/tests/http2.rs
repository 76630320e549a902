//! HTTP/2 on both sides of a running proxy.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use support::{Backend, Mesh, cluster, hcm, http_to, listener, ok, to_up};

/// An answer read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

async fn read(response: Response<h2::RecvStream>) -> Answer {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.unwrap();
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        body.extend_from_slice(&chunk);
    }
    let trailers = stream.trailers().await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
        trailers,
    }
}

async fn connect(address: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(
    client: &h2::client::SendRequest<Bytes>,
    request: Request<()>,
    body: Option<(&[u8], Option<HeaderMap>)>,
) -> Result<Answer, h2::Error> {
    let mut client = client.clone().ready().await?;
    let (response, mut stream) = client.send_request(request, body.is_none())?;
    if let Some((data, trailers)) = body {
        let mut data = Bytes::copy_from_slice(data);
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let n = std::future::poll_fn(|cx| stream.poll_capacity(cx))
                .await
                .unwrap()?;
            let end = n == data.len() && trailers.is_none();
            stream.send_data(data.split_to(n), end)?;
        }
        if let Some(trailers) = trailers {
            stream.send_trailers(trailers)?;
        }
    }
    Ok(read(response.await?).await)
}

fn request(method: Method, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("http://example.com{path}"))
        .body(())
        .unwrap()
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            tokio::time::timeout(std::time::Duration::from_secs(30), future)
                .await
                .expect("the test hangs")
        })
}

/// An HTTP/2 server that echoes bodies and trailers.
fn echo_h2() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    socket.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let socket = tokio::net::TcpListener::from_std(socket).unwrap();
            while let Ok((tcp, _)) = socket.accept().await {
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(tcp).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(echo(request, respond));
                    }
                });
            }
        });
    });
    address
}

async fn echo(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let (parts, mut stream) = request.into_parts();
    let response = Response::builder()
        .header("x-path", parts.uri.path())
        .body(())
        .unwrap();
    let mut send = respond.send_response(response, false).unwrap();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.unwrap();
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        send.reserve_capacity(chunk.len());
        send.send_data(chunk, false).unwrap();
    }
    let trailers = stream.trailers().await.unwrap().unwrap_or_default();
    send.send_trailers(trailers).unwrap();
}

fn h2_cluster(address: SocketAddr) -> Value {
    let mut cluster = cluster("up", &[address]);
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    cluster
}

fn h2_mesh() -> Mesh {
    Mesh::start()
        .cluster(h2_cluster(echo_h2()))
        .listener(listener(hcm(to_up(), json!({}))))
        .live()
}

#[test]
fn prior_knowledge_reaches_an_http1_backend() {
    let backend = Backend::named("hello");
    let mesh = http_to(backend.address);
    run(async {
        let client = connect(mesh.address()).await;
        for _ in 0..3 {
            let answer = ask(&client, request(Method::GET, "/a?b"), None)
                .await
                .unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
            assert_eq!(answer.headers["server"], "envoy");
        }
    });
    assert!(
        backend
            .last_request()
            .starts_with("GET /a?b HTTP/1.1\r\nhost: example.com\r\n")
    );
    assert_eq!(backend.count(), 1);
}

#[test]
fn a_body_without_length_becomes_chunked() {
    let backend = Backend::http(|_| ok("x"));
    let mesh = http_to(backend.address);
    run(async {
        let client = connect(mesh.address()).await;
        let answer = ask(
            &client,
            request(Method::POST, "/"),
            Some((b"some body", None)),
        )
        .await
        .unwrap();
        assert_eq!(answer.status, 200);
    });
    let request = backend.last_request();
    assert!(
        request.contains("transfer-encoding: chunked") && request.contains("some body"),
        "{request}"
    );
}

#[test]
fn bodies_and_trailers_pass_from_http2_to_http2() {
    let mesh = h2_mesh();
    run(async {
        let client = connect(mesh.address()).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "7".parse().unwrap());
        let body = vec![7_u8; 300_000];
        let answer = ask(
            &client,
            request(Method::POST, "/p"),
            Some((&body, Some(trailers))),
        )
        .await
        .unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, body.len()));
        assert_eq!(answer.headers["x-path"], "/p");
        assert_eq!(answer.trailers.unwrap()["grpc-status"], "7");
    });
}

#[test]
fn many_streams_share_one_connection() {
    let mesh = h2_mesh();
    run(async {
        let client = connect(mesh.address()).await;
        let asks = (0..100).map(|n| {
            let client = client.clone();
            async move {
                ask(
                    &client,
                    request(Method::POST, &format!("/{n}")),
                    Some((b"x", None)),
                )
                .await
                .unwrap()
            }
        });
        let answers = futures::future::join_all(asks).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.status == 200 && answer.body == b"x")
        );
    });
}

#[test]
fn grpc_failures_are_answered_with_a_status_in_the_headers() {
    let mesh = Mesh::start()
        .cluster(cluster("up", &[]))
        .listener(listener(hcm(to_up(), json!({}))))
        .live();
    run(async {
        let client = connect(mesh.address()).await;
        let mut request = request(Method::POST, "/svc/m");
        request
            .headers_mut()
            .insert("content-type", "application/grpc".parse().unwrap());
        let answer = ask(&client, request, Some((b"", None))).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["grpc-status"], "14");
        assert_eq!(answer.headers["grpc-message"], "no healthy upstream");
    });
}

#[test]
fn a_drain_says_goaway_and_ends_the_connection() {
    let answer = Backend::named("done");
    let mesh = http_to(answer.address);
    run(async {
        let tcp = tokio::net::TcpStream::connect(mesh.address())
            .await
            .unwrap();
        let (client, connection) = h2::client::handshake(tcp).await.unwrap();
        let connection = tokio::spawn(connection);
        assert_eq!(
            ask(&client, request(Method::GET, "/"), None)
                .await
                .unwrap()
                .status,
            200
        );
        mesh.handle.drain();
        drop(client);
        // GOAWAY without an error ends the connection.
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_client_that_only_resets_streams_is_disconnected() {
    // Requests hang upstream, so every reset is premature.
    let backend = Backend::raw(|_, stream| {
        let mut client = support::Client::from(stream);
        client.request();
        client.rest();
    });
    let mesh = http_to(backend.address);
    run(async {
        let client = connect(mesh.address()).await;
        let mut refused = false;
        for _ in 0..5000 {
            let Ok(mut client) = client.clone().ready().await else {
                refused = true;
                break;
            };
            match client.send_request(request(Method::GET, "/"), true) {
                Ok((response, mut stream)) => {
                    tokio::task::yield_now().await;
                    stream.send_reset(h2::Reason::CANCEL);
                    drop(response);
                }
                Err(_) => {
                    refused = true;
                    break;
                }
            }
        }
        assert!(refused, "the flood went on");
    });
}
