//! `grpc.health.v1.Health/Check`, for gRPC probes. The two messages are small enough to be written
//! and read by hand: one string field there, one enum field back.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

const SERVING: u8 = 1;

pub(super) async fn check(stream: TcpStream, service: &str) -> Result<(), String> {
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let outcome = exchange(&mut sender, service).await;
    driver.abort();
    outcome
}

async fn exchange(
    sender: &mut hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    service: &str,
) -> Result<(), String> {
    let request = http::Request::post("http://pod/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.32")
        .body(Full::new(message(service)));
    let request = request.map_err(|error| error.to_string())?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let headers = response.headers().clone();
    let body = Limited::new(response.into_body(), 4096)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let status = body
        .trailers()
        .and_then(|trailers| trailers.get("grpc-status"))
        .or(headers.get("grpc-status"));
    let status = status
        .and_then(|value| value.to_str().ok())
        .unwrap_or("2")
        .to_owned();
    if status != "0" {
        return Err(format!("health rpc failed with grpc-status {status}"));
    }
    let bytes = body.to_bytes();
    // Length-prefixed message: 5 bytes, then field 1 (varint).
    let serving = bytes
        .get(5..)
        .is_some_and(|message| message.starts_with(&[0x08, SERVING]));
    if serving {
        Ok(())
    } else {
        Err(format!("service {service:?} is not SERVING"))
    }
}

fn message(service: &str) -> Bytes {
    let service = &service.as_bytes()[..service.len().min(100)];
    let mut body = BytesMut::new();
    let length = if service.is_empty() {
        0
    } else {
        service.len() + 2
    };
    body.put_u8(0);
    body.put_u32(length as u32);
    if !service.is_empty() {
        body.put_u8(0x0a);
        body.put_u8(service.len() as u8);
        body.put_slice(service);
    }
    body.freeze()
}
