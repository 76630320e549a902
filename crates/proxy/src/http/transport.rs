//! The byte stream under a codec: plain TCP, TLS, or a Unix socket.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{client, server};

/// A connected byte stream.
#[derive(Debug)]
pub enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    TlsServer(Box<server::TlsStream<Prefixed<TcpStream>>>),
    TlsClient(Box<client::TlsStream<TcpStream>>),
}

macro_rules! delegate {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            Transport::Tcp($io) => $call,
            Transport::Unix($io) => $call,
            Transport::TlsServer($io) => $call,
            Transport::TlsClient($io) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, io => Pin::new(io).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(io) => io.is_write_vectored(),
            Self::Unix(io) => io.is_write_vectored(),
            Self::TlsServer(io) => io.is_write_vectored(),
            Self::TlsClient(io) => io.is_write_vectored(),
        }
    }
}

impl Transport {
    /// Whether bytes written may wait in the transport until it is flushed.
    #[must_use]
    pub fn buffers_writes(&self) -> bool {
        matches!(self, Self::TlsServer(_) | Self::TlsClient(_))
    }

    /// The TCP socket at the bottom.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(tcp) => Some(tcp),
            Self::Unix(_) => None,
            Self::TlsServer(tls) => Some(&tls.get_ref().0.inner),
            Self::TlsClient(tls) => Some(tls.get_ref().0),
        }
    }

    /// Looks, without a system call unless the reactor saw something, whether an idle peer closed or spoke.
    pub fn idle_state(&self) -> IdleState {
        let mut byte = [0_u8; 1];
        let seen = match self {
            Self::Unix(unix) => unix.try_read(&mut byte),
            _ => match self.tcp() {
                Some(tcp) => tcp.try_read(&mut byte),
                None => return IdleState::Quiet,
            },
        };
        match seen {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => IdleState::Quiet,
            Ok(0) | Err(_) => IdleState::Closed,
            Ok(_) => IdleState::Spoke,
        }
    }
}

/// What an idle connection's peer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleState {
    Quiet,
    Closed,
    /// It sent bytes that nobody asked for (a TLS session ticket is one reason); the connection cannot be used.
    Spoke,
}

/// A stream whose first bytes were read already.
#[derive(Debug)]
pub struct Prefixed<T> {
    prefix: Vec<u8>,
    at: usize,
    pub(crate) inner: T,
}

impl<T> Prefixed<T> {
    #[must_use]
    pub fn new(prefix: Vec<u8>, inner: T) -> Self {
        Self {
            prefix,
            at: 0,
            inner,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Prefixed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at < this.prefix.len() {
            let n = (this.prefix.len() - this.at).min(buf.remaining());
            buf.put_slice(&this.prefix[this.at..this.at + n]);
            this.at += n;
            if this.at == this.prefix.len() {
                (this.prefix, this.at) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Prefixed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Bytes that went over a stream.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    read: Cell<u64>,
    written: Cell<u64>,
    lap: Cell<(u64, u64)>,
}

impl Wire {
    /// All bytes read and written so far.
    #[must_use]
    pub(crate) fn total(&self) -> (u64, u64) {
        (self.read.get(), self.written.get())
    }

    /// Bytes read and written since the last call.
    pub(crate) fn lap(&self) -> (u64, u64) {
        let (read, written) = self.total();
        let before = self.lap.replace((read, written));
        (read - before.0, written - before.1)
    }

    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(n)) = result {
            self.written.set(self.written.get() + *n as u64);
        }
    }
}

/// A stream whose bytes are counted.
#[derive(Debug)]
pub(crate) struct Metered<T> {
    inner: T,
    wire: Rc<Wire>,
}

impl<T> Metered<T> {
    #[must_use]
    pub(crate) fn new(inner: T) -> (Self, Rc<Wire>) {
        let wire = Rc::new(Wire::default());
        let metered = Self {
            inner,
            wire: Rc::clone(&wire),
        };
        (metered, wire)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        self.wire.read.set(self.wire.read.get() + read);
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wire.wrote(&result);
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wire.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
