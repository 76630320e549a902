//! Exec, attach and port-forward over SPDY streams.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::spdy::{Output, Stream};
use super::streams::{Carrier, Channel, Size, Wanted};
use crate::pod::prober::{Target, connect};

/// The client opens its streams at once.
const STREAMS: Duration = Duration::from_secs(30);

/// Carries an exec or attach until `status` comes or the client goes.
pub(super) async fn carry(
    mut streams: mpsc::Receiver<Stream>,
    wanted: &Wanted,
    mut carrier: Carrier,
    status: impl Future<Output = Value> + Send,
) {
    let expected = 1
        + usize::from(wanted.stdin)
        + usize::from(wanted.stdout)
        + usize::from(wanted.stderr && !wanted.tty)
        + usize::from(wanted.tty);
    let opened = open(&mut streams, &mut carrier, expected);
    let Ok(Some(outputs)) = tokio::time::timeout(STREAMS, opened).await else {
        return;
    };
    carrier.stdin = None;
    tokio::pin!(status);
    let mut result = None;
    loop {
        tokio::select! {
            biased;
            output = carrier.output.recv() => match output {
                Some((channel, bytes)) => {
                    let name = if channel == Channel::Stderr { "stderr" } else { "stdout" };
                    let Some(output) = outputs.get(name) else { continue };
                    if output.send(&bytes).await.is_err() {
                        return;
                    }
                }
                None if result.is_some() => break,
                None => result = Some(status.as_mut().await),
            },
            value = &mut status, if result.is_none() => result = Some(value),
            // No more streams are expected: this is the connection's end.
            gone = streams.recv() => if gone.is_none() { return },
        }
    }
    for name in ["stdout", "stderr"] {
        if let Some(output) = outputs.get(name) {
            let _ = output.finish().await;
        }
    }
    if let Some(error) = outputs.get("error") {
        let _ = error
            .send(result.unwrap_or_default().to_string().as_bytes())
            .await;
        let _ = error.finish().await;
    }
    // The client closes once it has read everything.
    let _ = tokio::time::timeout(Duration::from_secs(5), streams.recv()).await;
}

/// Waits for the client's streams; its input and sizes go where they belong.
async fn open(
    streams: &mut mpsc::Receiver<Stream>,
    carrier: &mut Carrier,
    expected: usize,
) -> Option<HashMap<String, Output>> {
    let mut outputs = HashMap::new();
    while outputs.len() < expected {
        let stream = streams.recv().await?;
        let kind = stream
            .headers
            .get("streamtype")
            .cloned()
            .unwrap_or_default();
        match kind.as_str() {
            "stdin" => {
                if let Some(sender) = carrier.stdin.take() {
                    tokio::spawn(forward(stream.input, sender));
                }
            }
            "resize" => _ = tokio::spawn(resizes(stream.input, carrier.resize.clone())),
            _ => {}
        }
        outputs.insert(kind, stream.output);
    }
    Some(outputs)
}

async fn forward(mut input: mpsc::Receiver<Bytes>, sender: mpsc::Sender<Bytes>) {
    while let Some(bytes) = input.recv().await {
        if sender.send(bytes).await.is_err() {
            return;
        }
    }
}

async fn resizes(mut input: mpsc::Receiver<Bytes>, sender: mpsc::Sender<Size>) {
    while let Some(bytes) = input.recv().await {
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Some(size) = Size::parse(line) {
                let _ = sender.try_send(size);
            }
        }
    }
}

/// Serves port-forward: the client opens an error and a data stream for each connection.
pub(super) async fn port_forward(mut streams: mpsc::Receiver<Stream>, target: Target) {
    let mut errors: HashMap<String, Stream> = HashMap::new();
    let mut data: HashMap<String, Stream> = HashMap::new();
    while let Some(stream) = streams.recv().await {
        let header = |name: &str| stream.headers.get(name).cloned().unwrap_or_default();
        // Old clients number nothing and open both streams of one connection in turn.
        let id = stream
            .headers
            .get("requestid")
            .cloned()
            .unwrap_or_else(|| header("port"));
        match header("streamtype").as_str() {
            "error" => _ = errors.insert(id.clone(), stream),
            "data" => _ = data.insert(id.clone(), stream),
            _ => continue,
        }
        if errors.len() > 256 || data.len() > 256 {
            return;
        }
        if !(errors.contains_key(&id) && data.contains_key(&id)) {
            continue;
        }
        if let (Some(error), Some(data)) = (errors.remove(&id), data.remove(&id)) {
            tokio::spawn(one(error, data, target.clone()));
        }
    }
}

async fn one(error: Stream, data: Stream, target: Target) {
    let port = data
        .headers
        .get("port")
        .and_then(|port| port.parse::<u16>().ok());
    let outcome = match port {
        Some(port) => pipe(data, port, &target).await.map_err(|error| {
            format!("failed to connect to localhost:{port} inside the pod: {error}")
        }),
        None => Err("unable to parse port".to_owned()),
    };
    if let Err(message) = outcome {
        let _ = error.output.send(message.as_bytes()).await;
    }
    let _ = error.output.finish().await;
}

async fn pipe(data: Stream, port: u16, target: &Target) -> io::Result<()> {
    let Stream {
        mut input, output, ..
    } = data;
    // As with containerd the connection comes from the pod's own loopback.
    let stream = match connect(SocketAddr::from(([127, 0, 0, 1], port)), target).await {
        Ok(stream) => stream,
        Err(error) => {
            output.reset().await;
            return Err(error);
        }
    };
    let (mut reader, mut writer) = stream.into_split();
    let inward = async {
        while let Some(bytes) = input.recv().await {
            writer.write_all(&bytes).await?;
        }
        writer.shutdown().await
    };
    let outward = async {
        let mut chunk = vec![0; 16 * 1024];
        loop {
            let read = reader.read(&mut chunk).await?;
            if read == 0 {
                return output.finish().await;
            }
            output.send(&chunk[..read]).await?;
        }
    };
    // Each half ends by itself: what the pod still answers after the client's end is delivered.
    let (_, sent) = tokio::join!(inward, outward);
    if sent.is_err() {
        output.reset().await;
    }
    sent
}
