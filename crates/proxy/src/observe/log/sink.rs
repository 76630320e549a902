//! Files, standard output and standard error. Workers hand over whole buffers; a disk that is too slow
//! costs log lines, which are counted, and never a request.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::LogSink;

/// Buffers that may wait for the disk, a file.
const QUEUE: usize = 256;

enum Message {
    Lines(Vec<u8>),
    /// Close and open again, after rotation.
    Reopen,
    /// Answer once everything before is written.
    Flush(SyncSender<()>),
}

/// Where a worker sends full buffers.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Writer {
    /// Hands over `lines` and leaves an empty buffer. Never waits.
    pub fn send(&self, lines: &mut Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        let buffer = std::mem::take(lines);
        if let Err(TrySendError::Full(Message::Lines(lost))) =
            self.queue.try_send(Message::Lines(buffer))
        {
            let count = memchr::memchr_iter(b'\n', &lost).count() as u64;
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// All sinks of a proxy, one thread each.
#[derive(Debug, Default)]
pub struct Sinks {
    writers: Mutex<HashMap<LogSink, Writer>>,
    dropped: Arc<AtomicU64>,
}

impl Sinks {
    /// The writer of a sink, started now if it is new.
    #[must_use]
    pub fn writer(&self, sink: &LogSink) -> Writer {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writers.get(sink) {
            return writer.clone();
        }
        let (queue, messages) = sync_channel(QUEUE);
        let writer = Writer {
            queue,
            dropped: self.dropped.clone(),
        };
        let target = sink.clone();
        let spawned = std::thread::Builder::new()
            .name("access-log".into())
            .stack_size(128 << 10)
            .spawn(move || write_all(&target, &messages));
        if let Err(error) = spawned {
            tracing::error!(%error, ?sink, "access log thread");
        }
        writers.insert(sink.clone(), writer.clone());
        writer
    }

    /// Lines lost because a sink could not keep up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Opens all files again (admin `/reopen_logs`).
    pub fn reopen(&self) {
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        for writer in writers.values() {
            let _ = writer.queue.try_send(Message::Reopen);
        }
    }

    /// Waits until what was handed over is written.
    pub fn flush(&self) {
        let writers: Vec<Writer> = self
            .writers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        for writer in writers {
            let (done, wait) = sync_channel(1);
            if writer.queue.send(Message::Flush(done)).is_ok() {
                let _ = wait.recv();
            }
        }
    }
}

enum Output {
    File(File),
    Stdout,
    Stderr,
}

fn open(sink: &LogSink) -> io::Result<Output> {
    let file = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
    Ok(match sink {
        LogSink::Stdout => Output::Stdout,
        LogSink::Stderr => Output::Stderr,
        LogSink::File(path) if path == Path::new("/dev/stdout") => Output::Stdout,
        LogSink::File(path) if path == Path::new("/dev/stderr") => Output::Stderr,
        LogSink::File(path) => Output::File(file(path)?),
    })
}

fn write_all(sink: &LogSink, messages: &Receiver<Message>) {
    let opened = |sink: &LogSink| match open(sink) {
        Ok(output) => Some(output),
        Err(error) => {
            tracing::error!(%error, ?sink, "access log cannot be opened");
            None
        }
    };
    let mut output = opened(sink);
    while let Ok(message) = messages.recv() {
        match message {
            Message::Lines(lines) => {
                let result = match &mut output {
                    Some(Output::File(file)) => file.write_all(&lines),
                    Some(Output::Stdout) => io::stdout()
                        .write_all(&lines)
                        .and_then(|()| io::stdout().flush()),
                    Some(Output::Stderr) => io::stderr().write_all(&lines),
                    None => Ok(()),
                };
                if let Err(error) = result {
                    tracing::error!(%error, ?sink, "access log cannot be written");
                }
            }
            Message::Reopen => output = opened(sink),
            Message::Flush(done) => _ = done.send(()),
        }
    }
}
