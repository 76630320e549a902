//! The workload behind the proxies: HTTP/1.1, 1 KiB answers, one thread on the load's core.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context;
use memchr::memmem;

use crate::poll::Poll;

pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
}

const BODY: usize = 1024;

impl Backend {
    /// Serves until the process ends.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("the backend's port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        std::thread::Builder::new()
            .name("backend".into())
            .spawn(move || {
                if let Err(error) = serve(&listener) {
                    eprintln!("backend: {error:#}");
                }
            })?;
        Ok(Self { address })
    }
}

fn response() -> Vec<u8> {
    let mut response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nserver: backend\r\n\
         date: Sat, 21 Nov 2026 10:00:00 GMT\r\ncache-control: no-store\r\ncontent-length: {BODY}\r\n\r\n"
    )
    .into_bytes();
    response.resize(response.len() + BODY, b'x');
    response
}

struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
}

fn serve(listener: &TcpListener) -> anyhow::Result<()> {
    let response = response();
    let mut poll = Poll::new()?;
    poll.add(listener, 0)?;
    let mut peers: Vec<Option<Peer>> = vec![None];
    let mut ready = Vec::new();
    loop {
        poll.wait(Duration::from_secs(1), &mut ready)?;
        for token in ready.drain(..) {
            if token == 0 {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    poll.add(&stream, peers.len())?;
                    peers.push(Some(Peer {
                        stream,
                        buffer: Vec::new(),
                    }));
                }
            } else if let Some(peer) = &mut peers[token]
                && !answer(peer, &response)
            {
                peers[token] = None;
            }
        }
    }
}

/// Answers what has arrived; false once the peer is gone.
fn answer(peer: &mut Peer, response: &[u8]) -> bool {
    let mut chunk = [0_u8; 8192];
    match peer.stream.read(&mut chunk) {
        Ok(0) => return false,
        Ok(count) => peer.buffer.extend_from_slice(&chunk[..count]),
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    }
    while let Some(end) = memmem::find(&peer.buffer, b"\r\n\r\n") {
        peer.buffer.drain(..end + 4);
        if peer.stream.write_all(response).is_err() {
            return false;
        }
    }
    true
}
