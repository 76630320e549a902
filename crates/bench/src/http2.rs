//! HTTP/2 as the load client needs it (RFC 9113): one stream at a time, header blocks without a dynamic table, so that the
//! client costs little beside the proxy under test.

use anyhow::{bail, ensure};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The connection's window is refilled after this many bytes of bodies.
const REFILL: u32 = 1 << 24;

/// One client connection.
pub(crate) struct Connection {
    next_stream: u32,
    block: Vec<u8>,
    received: u32,
    good: bool,
    /// Answers to SETTINGS and PING, to be sent.
    pub(crate) out: Vec<u8>,
}

impl Default for Connection {
    fn default() -> Self {
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS_HEADER_TABLE_SIZE 0: responses come without references to a table that would have to be kept.
        frame(&mut out, SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
        frame(&mut out, WINDOW_UPDATE, 0, 0, &(REFILL * 2).to_be_bytes());
        Self {
            next_stream: 1,
            block: block(),
            received: 0,
            good: false,
            out,
        }
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// The request's header block: RFC 7541 §6.1 and §6.2.2, nothing is added to a table.
fn block() -> Vec<u8> {
    let text = String::from_utf8_lossy(crate::http1::REQUEST);
    let mut lines = text.trim_end().split("\r\n");
    let path = lines
        .next()
        .and_then(|l| l.split(' ').nth(1))
        .unwrap_or("/");
    // :method GET, :scheme http.
    let mut block = vec![0x82, 0x86];
    let mut literal = |name: &str, value: &str| {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap_or(0) & 0x7f);
            block.extend_from_slice(text.as_bytes());
        }
    };
    literal(":path", path);
    for (name, value) in lines.filter_map(|l| l.split_once(": ")) {
        literal(if name == "host" { ":authority" } else { name }, value);
    }
    block
}

impl Connection {
    /// The next request's bytes, after whatever is still to be said.
    pub(crate) fn request(&mut self) -> &[u8] {
        let flags = END_STREAM | END_HEADERS;
        frame(&mut self.out, HEADERS, flags, self.next_stream, &self.block);
        self.next_stream += 2;
        self.good = false;
        &self.out
    }

    /// Takes frames off `buffer`; says when the response is whole, and whether it was a 200.
    pub(crate) fn response(&mut self, buffer: &mut Vec<u8>) -> anyhow::Result<Option<bool>> {
        let mut at = 0;
        let mut done = None;
        while let Some(head) = buffer.get(at..at + 9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            let Some(payload) = buffer.get(at + 9..at + 9 + length) else {
                break;
            };
            at += 9 + length;
            match kind {
                HEADERS => {
                    // A table size update may come first (RFC 7541 §6.3), then `:status: 200`, index 8.
                    let block = payload.iter().skip_while(|b| **b & 0xe0 == 0x20);
                    self.good = block.copied().next() == Some(0x88);
                }
                DATA => self.received += u32::try_from(length)?,
                SETTINGS if flags & ACK == 0 => frame(&mut self.out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(&mut self.out, PING, ACK, 0, payload),
                RST_STREAM => done = Some(false),
                GOAWAY => bail!("the proxy sent GOAWAY"),
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                ensure!(done.is_none(), "two responses to one request");
                done = Some(self.good);
            }
        }
        buffer.drain(..at);
        if self.received >= REFILL {
            let update = std::mem::take(&mut self.received).to_be_bytes();
            frame(&mut self.out, WINDOW_UPDATE, 0, 0, &update);
        }
        Ok(done)
    }
}
