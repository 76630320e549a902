//! Port-forward over WebSocket channels (`v4.channel.k8s.io`): two for each port, data and error.

use std::net::SocketAddr;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::pod::prober::{Target, connect};

/// Channels are numbered in a byte.
const MAX_PORTS: usize = 127;
/// Frames that may wait for one side.
const QUEUE: usize = 16;

/// Serves the ports until the client goes or all of them ended.
pub(super) async fn port_forward(socket: WebSocket, ports: Vec<u16>, target: Target) {
    let (mut sink, mut stream) = socket.split();
    let (output, mut frames) = mpsc::channel::<Vec<u8>>(QUEUE);
    let mut inputs = Vec::new();
    for (index, port) in ports.into_iter().take(MAX_PORTS).enumerate() {
        let data = u8::try_from(index * 2).unwrap_or(u8::MAX);
        // Each channel begins with its port, little-endian.
        for channel in [data, data + 1] {
            let [low, high] = port.to_le_bytes();
            if sink
                .send(Message::Binary(vec![channel, low, high].into()))
                .await
                .is_err()
            {
                return;
            }
        }
        let (input, received) = mpsc::channel(QUEUE);
        inputs.push(Some(input));
        tokio::spawn(one(port, data, received, output.clone(), target.clone()));
    }
    drop(output);
    loop {
        tokio::select! {
            frame = frames.recv() => {
                let Some(frame) = frame else { return };
                if sink.send(Message::Binary(frame.into())).await.is_err() {
                    return;
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Binary(bytes))) => receive(&mut inputs, bytes).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
}

pub(super) async fn receive(inputs: &mut [Option<mpsc::Sender<Bytes>>], bytes: Bytes) {
    let Some(channel) = bytes.first().copied() else {
        return;
    };
    let slot = inputs
        .get_mut(usize::from(channel / 2))
        .filter(|_| channel % 2 == 0);
    if let Some(Some(input)) = slot
        && input.send(bytes.slice(1..)).await.is_err()
    {
        // The pod's side has ended; what the client still sends is lost, as on any closed connection.
        inputs[usize::from(channel / 2)] = None;
    }
}

async fn one(
    port: u16,
    data: u8,
    mut input: mpsc::Receiver<Bytes>,
    output: mpsc::Sender<Vec<u8>>,
    target: Target,
) {
    let stream = match connect(SocketAddr::from(([127, 0, 0, 1], port)), &target).await {
        Ok(stream) => stream,
        Err(error) => {
            let mut frame = vec![data + 1];
            frame.extend_from_slice(
                format!("failed to connect to localhost:{port} inside the pod: {error}").as_bytes(),
            );
            let _ = output.send(frame).await;
            return;
        }
    };
    let (mut reader, mut writer) = stream.into_split();
    let inward = async {
        while let Some(bytes) = input.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    };
    let outward = async {
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(read) = reader.read(&mut chunk[1..]).await {
            if read == 0 {
                return;
            }
            chunk[0] = data;
            if output.send(chunk[..=read].to_vec()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}
