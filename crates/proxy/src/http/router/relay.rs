//! Moves bodies between the two sides of an exchange: as much as is at hand in one write, never more than a bound.

use std::task::{Context, Poll};

use crate::http::HeaderList;
use crate::http::stream::{Fill, Stream, StreamError};

/// Bytes queued for one side before the other is no longer read.
const HIGH: usize = 64 * 1024;

/// A failed relay: which side broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    Source(StreamError),
    Sink(StreamError),
}

/// One direction of an exchange.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// The source's end was passed on to the sink.
    pub(crate) ended: bool,
    /// Everything, the end included, has left.
    pub(crate) done: bool,
    pub(crate) bytes: u64,
    /// What went through, kept while it may have to be sent again.
    pub(crate) replay: Option<Replay>,
    pub(crate) trailers: Option<Box<HeaderList>>,
    /// Something moved since this was last cleared: idle clocks start anew.
    pub(crate) moved: bool,
}

/// Body bytes kept for retries and mirrors.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) bytes: Vec<u8>,
    pub(crate) limit: usize,
}

impl Relay {
    /// A direction without a body: its end was passed on with the head.
    pub(crate) fn ended() -> Self {
        Self {
            ended: true,
            ..Self::default()
        }
    }

    pub(crate) fn poll(
        &mut self,
        source: &mut Stream,
        sink: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            let mut starved = false;
            while !self.ended && sink.queued() < HIGH {
                match source.poll_fill(cx) {
                    Poll::Ready(Ok(Fill::Data)) => self.pass(source, sink),
                    Poll::Ready(Ok(Fill::End)) => {
                        self.trailers = source.take_trailers();
                        sink.finish(self.trailers.as_deref());
                        (self.ended, self.moved) = (true, true);
                    }
                    Poll::Ready(Err(error)) => {
                        // What arrived before the break still goes out.
                        let _ = sink.poll_flush(cx);
                        return Poll::Ready(Err(Broken::Source(error)));
                    }
                    Poll::Pending => {
                        starved = true;
                        break;
                    }
                }
            }
            match sink.poll_flush(cx) {
                Poll::Ready(Ok(())) if self.ended => {
                    self.done = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) if starved => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Sink(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn pass(&mut self, source: &mut Stream, sink: &mut Stream) {
        let data = source.data();
        let n = data.len();
        if let Some(replay) = &mut self.replay {
            if replay.bytes.len() + n > replay.limit {
                self.replay = None;
            } else {
                replay.bytes.extend_from_slice(data);
            }
        }
        sink.push(data);
        source.consume(n);
        self.bytes += n as u64;
        self.moved = true;
    }
}
