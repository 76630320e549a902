//! Read and write buffers that idle connections do not hold: taken from a per-thread stock and given back.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The size of a fresh buffer: a request head or a small response fits.
const BASE: usize = 8 * 1024;
/// The size that a buffer grows to while large bodies pass.
const LARGE: usize = 64 * 1024;
const STOCK: usize = 128;

thread_local! {
    static READ_STOCK: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static WRITE_STOCK: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes received and not yet consumed.
#[derive(Debug, Default)]
pub(crate) struct RecvBuf {
    /// Initialised throughout; `start..end` is unread.
    data: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read filled the buffer: more is coming.
    saturated: bool,
}

impl RecvBuf {
    /// A buffer that holds bytes received already.
    #[must_use]
    pub(crate) fn with(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        Self {
            data: bytes,
            start: 0,
            end,
            saturated: false,
        }
    }

    #[must_use]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// The unread bytes at `range`, counted from the first unread one.
    #[must_use]
    pub(crate) fn slice(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.data[self.start + range.start..self.start + range.end]
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Gives the memory back, if nothing is unread.
    pub(crate) fn release(&mut self) {
        if self.is_empty() && !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            (self.start, self.end) = (0, 0);
            if data.len() == BASE {
                READ_STOCK.with_borrow_mut(|stock| {
                    if stock.len() < STOCK {
                        stock.push(data);
                    }
                });
            }
        }
    }

    fn make_room(&mut self) {
        if self.data.is_empty() {
            self.data = READ_STOCK
                .with_borrow_mut(Vec::pop)
                .unwrap_or_else(|| vec![0; BASE]);
            return;
        }
        if self.start > 0 && self.data.len() - self.end < BASE / 2 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let full = self.data.len() - self.end < BASE / 4;
        if full || (self.saturated && self.is_empty() && self.data.len() < LARGE) {
            let size = if self.is_empty() {
                LARGE
            } else {
                (self.data.len() * 2).max(BASE)
            };
            self.data.resize(size, 0);
        }
    }

    /// Reads once; `Ok(0)` is the end of the stream.
    pub(crate) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        self.make_room();
        let mut target = ReadBuf::new(&mut self.data[self.end..]);
        match Pin::new(io).poll_read(cx, &mut target) {
            Poll::Ready(Ok(())) => {
                let n = target.filled().len();
                self.saturated = target.remaining() == 0;
                self.end += n;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.saturated = false;
                self.release();
                Poll::Pending
            }
        }
    }
}

impl Drop for RecvBuf {
    fn drop(&mut self) {
        (self.start, self.end) = (0, 0);
        self.release();
    }
}

/// Bytes to be sent.
#[derive(Debug, Default)]
pub struct SendBuf {
    data: Vec<u8>,
    sent: usize,
}

impl SendBuf {
    /// Where to append.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        if self.data.capacity() == 0 {
            self.data = WRITE_STOCK
                .with_borrow_mut(Vec::pop)
                .unwrap_or_else(|| Vec::with_capacity(BASE / 2));
        }
        &mut self.data
    }

    #[must_use]
    pub fn pending(&self) -> usize {
        self.data.len() - self.sent
    }

    /// Nothing of what was appended since the buffer was last empty has left.
    #[must_use]
    pub fn untouched(&self) -> bool {
        self.sent == 0
    }

    /// Writes until all is sent; the memory is given back then.
    pub fn poll_flush<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.sent < self.data.len() {
            let n = ready!(Pin::new(&mut *io).poll_write(cx, &self.data[self.sent..]))?;
            if n == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.sent += n;
        }
        self.reset();
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {
        let mut data = std::mem::take(&mut self.data);
        self.sent = 0;
        if (1..=2 * BASE).contains(&data.capacity()) {
            data.clear();
            WRITE_STOCK.with_borrow_mut(|stock| {
                if stock.len() < STOCK {
                    stock.push(data);
                }
            });
        }
    }
}

impl Drop for SendBuf {
    fn drop(&mut self) {
        self.reset();
    }
}
