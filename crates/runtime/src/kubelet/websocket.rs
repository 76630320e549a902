//! Exec and attach over WebSocket (`v4.channel.k8s.io`, `v5.channel.k8s.io`), and a byte stream over
//! one (`SPDY/3.1+portforward.k8s.io`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::{Buf, Bytes};
use futures::{Sink, SinkExt, Stream, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::streams::{Carrier, Channel, Size};

pub(super) const V5: &str = "v5.channel.k8s.io";
pub(super) const V4: &str = "v4.channel.k8s.io";
pub(super) const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// Version 5: the client's end of the channel that follows.
const CLOSE: u8 = 255;

/// Carries the streams until `status` comes or the client goes.
pub(super) async fn carry(
    socket: WebSocket,
    mut carrier: Carrier,
    status: impl Future<Output = Value> + Send,
) {
    let (mut sink, mut stream) = socket.split();
    tokio::pin!(status);
    let mut result = None;
    loop {
        tokio::select! {
            biased;
            output = carrier.output.recv() => match output {
                Some((channel, bytes)) => {
                    let number = if channel == Channel::Stderr { STDERR } else { STDOUT };
                    if sink.send(frame(number, &bytes)).await.is_err() {
                        return;
                    }
                }
                // All of the output was sent: now the end may be.
                None if result.is_some() => break,
                None => result = Some(status.as_mut().await),
            },
            value = &mut status, if result.is_none() => result = Some(value),
            message = stream.next() => match message {
                Some(Ok(Message::Binary(bytes))) => receive(&mut carrier, bytes).await,
                Some(Ok(Message::Text(text))) => receive(&mut carrier, Bytes::copy_from_slice(text.as_bytes())).await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
    let status = result.unwrap_or_default().to_string();
    let _ = sink.send(frame(ERROR, status.as_bytes())).await;
    // 1000: kubectl takes any other code, a missing one included, for a failure.
    let normal = CloseFrame {
        code: close_code::NORMAL,
        reason: Utf8Bytes::default(),
    };
    let _ = sink.send(Message::Close(Some(normal))).await;
    // The client's answer to the close, so that the connection is not reset under it.
    while let Some(Ok(_)) = stream.next().await {}
}

fn frame(channel: u8, bytes: &[u8]) -> Message {
    let mut frame = Vec::with_capacity(bytes.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(bytes);
    Message::Binary(frame.into())
}

pub(super) async fn receive(carrier: &mut Carrier, bytes: Bytes) {
    match bytes.split_first() {
        Some((&STDIN, rest)) if !rest.is_empty() => {
            if let Some(stdin) = &carrier.stdin {
                let _ = stdin.send(bytes.slice(1..)).await;
            }
        }
        Some((&RESIZE, rest)) => {
            if let Some(size) = Size::parse(rest) {
                let _ = carrier.resize.try_send(size);
            }
        }
        Some((&CLOSE, [STDIN, ..])) => carrier.stdin = None,
        _ => {}
    }
}

/// A byte stream made of binary messages.
pub(super) struct Tunnel {
    socket: WebSocket,
    rest: Bytes,
}

impl Tunnel {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self {
            socket,
            rest: Bytes::new(),
        }
    }
}

fn broken(error: axum::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(broken)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_flush(context)
            .map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_close(context)
            .map_err(broken)
    }
}
