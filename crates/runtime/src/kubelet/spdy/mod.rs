//! The server's side of SPDY/3.1, as far as `kubectl` uses it for exec, attach and port-forward: streams
//! that the client opens, and their data. No flow control, which that client does not know either; a
//! slow stream holds back its connection.

mod dictionary;
pub(super) mod inflate;

use std::collections::{BTreeMap, HashMap};
use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use inflate::Inflater;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const FIN: u8 = 1;
/// Frames that are larger end the connection.
const LIMIT: usize = 1 << 20;
const STREAMS: usize = 1024;
/// Data is sent in frames of at most this.
const CHUNK: usize = 32 * 1024;

/// A stream that the client opened.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) headers: BTreeMap<String, String>,
    /// What the client sends; ends with its half of the stream.
    pub(super) input: mpsc::Receiver<Bytes>,
    pub(super) output: Output,
}

/// The server's half of a stream.
#[derive(Debug, Clone)]
pub(super) struct Output {
    id: u32,
    frames: mpsc::Sender<Bytes>,
}

impl Output {
    /// An error means that the connection is gone.
    pub(super) async fn send(&self, data: &[u8]) -> io::Result<()> {
        for chunk in data.chunks(CHUNK) {
            self.frame(chunk, 0).await?;
        }
        Ok(())
    }

    /// Ends this half.
    pub(super) async fn finish(&self) -> io::Result<()> {
        self.frame(&[], FIN).await
    }

    /// Ends both.
    pub(super) async fn reset(&self) {
        const CANCEL: u32 = 5;
        let _ = self
            .frames
            .send(control(RST_STREAM, 0, &[self.id, CANCEL]))
            .await;
    }

    async fn frame(&self, data: &[u8], flags: u8) -> io::Result<()> {
        let mut frame = BytesMut::with_capacity(8 + data.len());
        frame.put_u32(self.id);
        frame.put_u32((u32::from(flags) << 24) | data.len() as u32);
        frame.put_slice(data);
        self.frames
            .send(frame.freeze())
            .await
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn control(kind: u16, flags: u8, words: &[u32]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + words.len() * 4);
    header(&mut frame, kind, flags, words.len() * 4);
    words.iter().for_each(|word| frame.put_u32(*word));
    frame.freeze()
}

fn header(frame: &mut BytesMut, kind: u16, flags: u8, length: usize) {
    frame.put_u16(0x8003);
    frame.put_u16(kind);
    frame.put_u32((u32::from(flags) << 24) | length as u32);
}

/// Serves a connection; each stream that the client opens comes out of the receiver.
pub(super) fn serve<C>(connection: C) -> mpsc::Receiver<Stream>
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (streams, receiver) = mpsc::channel(16);
    let (frames, mut outgoing) = mpsc::channel::<Bytes>(64);
    let (reader, mut writer) = tokio::io::split(connection);
    tokio::spawn(async move {
        while let Some(frame) = outgoing.recv().await {
            if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        let _ = writer.shutdown().await;
    });
    tokio::spawn(async move {
        let mut session = Session {
            inflater: Inflater::new(),
            inputs: HashMap::new(),
            frames,
            replied: false,
        };
        let _ = session.read(reader, streams).await;
    });
    receiver
}

struct Session {
    inflater: Inflater,
    inputs: HashMap<u32, mpsc::Sender<Bytes>>,
    frames: mpsc::Sender<Bytes>,
    replied: bool,
}

impl Session {
    async fn read(
        &mut self,
        mut reader: impl AsyncRead + Unpin,
        streams: mpsc::Sender<Stream>,
    ) -> io::Result<()> {
        loop {
            let first = reader.read_u32().await?;
            let second = reader.read_u32().await?;
            let (flags, length) = ((second >> 24) as u8, (second & 0xff_ffff) as usize);
            if length > LIMIT {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).await?;
            if first >> 31 == 0 {
                self.data(first, flags, body).await;
            } else if !self
                .control((first & 0xffff) as u16, flags, &body, &streams)
                .await?
            {
                return Ok(());
            }
        }
    }

    async fn data(&mut self, id: u32, flags: u8, body: Vec<u8>) {
        let Some(input) = self.inputs.get(&id).cloned() else {
            return;
        };
        let gone = !body.is_empty() && input.send(body.into()).await.is_err();
        if gone || flags & FIN != 0 {
            self.inputs.remove(&id);
        }
    }

    /// `false` ends the connection.
    async fn control(
        &mut self,
        kind: u16,
        flags: u8,
        body: &[u8],
        streams: &mpsc::Sender<Stream>,
    ) -> io::Result<bool> {
        let word = |at: usize| {
            let bytes = body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes
                .map(u32::from_be_bytes)
                .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
        };
        match kind {
            SYN_STREAM => {
                let id = word(0)? & 0x7fff_ffff;
                let block = body.get(10..).ok_or(io::ErrorKind::InvalidData)?;
                let block = self
                    .inflater
                    .block(block)
                    .map_err(|_| io::ErrorKind::InvalidData)?;
                let headers = names_and_values(&block).ok_or(io::ErrorKind::InvalidData)?;
                return self.open(id, flags, headers, streams).await;
            }
            RST_STREAM => {
                self.inputs.remove(&word(0)?);
            }
            PING => {
                let _ = self.frames.send(control(PING, 0, &[word(0)?])).await;
            }
            GOAWAY => return Ok(false),
            SYN_REPLY => return Err(io::ErrorKind::InvalidData.into()),
            8 => {
                // HEADERS: nothing here needs them, but the compression's state goes through them.
                let block = body.get(4..).ok_or(io::ErrorKind::InvalidData)?;
                self.inflater
                    .block(block)
                    .map_err(|_| io::ErrorKind::InvalidData)?;
            }
            _ => {}
        }
        Ok(true)
    }

    async fn open(
        &mut self,
        id: u32,
        flags: u8,
        headers: BTreeMap<String, String>,
        streams: &mpsc::Sender<Stream>,
    ) -> io::Result<bool> {
        // Senders whose receiver is gone count for nothing.
        self.inputs.retain(|_, input| !input.is_closed());
        if self.inputs.len() >= STREAMS {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let (sender, input) = mpsc::channel(16);
        if flags & FIN == 0 {
            self.inputs.insert(id, sender);
        }
        let reply = self.reply(id);
        let _ = self.frames.send(reply).await;
        let output = Output {
            id,
            frames: self.frames.clone(),
        };
        Ok(streams
            .send(Stream {
                headers,
                input,
                output,
            })
            .await
            .is_ok())
    }

    /// SYN_REPLY without headers. The compressed block is a stored block of the zlib stream.
    fn reply(&mut self, id: u32) -> Bytes {
        let mut block = Vec::new();
        if !std::mem::replace(&mut self.replied, true) {
            block.extend_from_slice(&[0x78, 0x01]);
        }
        block.extend_from_slice(&[0x00, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0]);
        // An empty block: readers hand out what they have at such a flush.
        block.extend_from_slice(&[0x00, 0x00, 0x00, 0xff, 0xff]);
        let mut frame = BytesMut::new();
        header(&mut frame, SYN_REPLY, 0, 4 + block.len());
        frame.put_u32(id);
        frame.put_slice(&block);
        frame.freeze()
    }
}

fn names_and_values(block: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut rest = block;
    let number = |rest: &mut &[u8]| {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        *rest = tail;
        Some(u32::from_be_bytes(*head) as usize)
    };
    let mut headers = BTreeMap::new();
    for _ in 0..number(&mut rest)? {
        let mut text = || {
            let length = number(&mut rest)?;
            let (head, tail) = rest.split_at_checked(length)?;
            rest = tail;
            Some(String::from_utf8_lossy(head).into_owned())
        };
        let (name, value) = (text()?, text()?);
        headers.insert(name.to_ascii_lowercase(), value);
    }
    Some(headers)
}
