//! Fuzz targets of what clients of exec, attach, port-forward and logs send.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::query::Query;
use super::spdy::{self, inflate};
use super::{over_channels, streams, websocket};

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without a thread")
        .block_on(work)
}

/// The bytes of one SPDY connection: it ends, and its streams carry no more than was sent.
pub fn spdy(data: &[u8]) {
    run(async {
        let (client, server) = tokio::io::duplex(4096);
        let mut streams = spdy::serve(server);
        let (mut reader, mut writer) = tokio::io::split(client);
        let write = async {
            let _ = writer.write_all(data).await;
            let _ = writer.shutdown().await;
        };
        let read = async {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer).await;
            answer.len()
        };
        let consume = async {
            let mut tasks = JoinSet::new();
            while let Some(mut stream) = streams.recv().await {
                tasks.spawn(async move {
                    let mut received = 0;
                    while let Some(bytes) = stream.input.recv().await {
                        received += bytes.len();
                    }
                    received
                });
            }
            tasks.join_all().await.into_iter().sum::<usize>()
        };
        let ((), answered, received) = tokio::join!(write, read, consume);
        assert!(received <= data.len());
        assert!(answered <= 4 * data.len());
    });
}

/// Compressed header blocks, one after the other; each begins with its length in one byte.
pub fn inflate(data: &[u8]) {
    let mut inflater = inflate::Inflater::new();
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first() {
        let length = usize::from(*length).min(tail.len());
        let (block, tail) = tail.split_at(length);
        rest = tail;
        match inflater.block(block) {
            Ok(plain) => assert!(plain.len() <= inflate::LIMIT),
            Err(inflate::Corrupt) => return,
        }
    }
}

/// The messages of a WebSocket, each beginning with its length in one byte.
pub fn channels(data: &[u8]) {
    run(async {
        let (ends, mut carrier) = streams::pair();
        let (sender, port) = mpsc::channel(16);
        let mut ports = [Some(sender), None];
        let mut tasks = JoinSet::new();
        for mut input in [ends.stdin, port] {
            tasks.spawn(async move {
                let mut received = 0;
                while let Some(bytes) = input.recv().await {
                    received += bytes.len();
                }
                received
            });
        }
        let mut rest = data;
        while let Some((length, tail)) = rest.split_first() {
            let (message, tail) = tail.split_at(usize::from(*length).min(tail.len()));
            rest = tail;
            let message = Bytes::copy_from_slice(message);
            websocket::receive(&mut carrier, message.clone()).await;
            over_channels::receive(&mut ports, message).await;
        }
        drop((carrier, ports));
        let received: usize = tasks.join_all().await.into_iter().sum();
        assert!(received <= 2 * data.len());
    });
}

/// The query of a request.
pub fn kubelet_query(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let query = Query::parse(text);
        let size: usize = query.all("command").map(str::len).sum();
        // A broken escape becomes a replacement character of three bytes.
        assert!(size <= 3 * text.len());
        query.flag(&["tty", "stdin"]);
    }
}
