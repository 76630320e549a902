//! Container logs: the CRI files of one run, cut and followed as `kubectl logs` asks.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::streams::Channel;
use crate::time;

/// The query of `containerLogs`.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) follow: bool,
    pub(super) previous: bool,
    pub(super) timestamps: bool,
    pub(super) tail: Option<usize>,
    /// Unix milliseconds.
    pub(super) since: Option<i64>,
    pub(super) limit: Option<u64>,
}

const POLL: Duration = Duration::from_millis(100);
/// A longer line is shown in pieces.
const LINE: u64 = 64 * 1024;

/// One record of a log file.
struct Record<'a> {
    time: &'a str,
    channel: Channel,
    full: bool,
    text: &'a [u8],
}

fn parse(line: &[u8]) -> Option<Record<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let channel = if parts.next()? == b"stderr" {
        Channel::Stderr
    } else {
        Channel::Stdout
    };
    let full = parts.next()? != b"P";
    Some(Record {
        time,
        channel,
        full,
        text: parts.next()?,
    })
}

impl Record<'_> {
    fn render(&self, timestamps: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + 40);
        if timestamps {
            out.extend_from_slice(self.time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(self.text);
        if self.full {
            out.push(b'\n');
        }
        out
    }
}

/// The number of the newest run that has a log, or of the one before.
pub(super) fn attempt(directory: &Path, container: &str, previous: bool) -> Option<u32> {
    let path = directory.join("containers").join(container);
    let entries = std::fs::read_dir(path).ok()?.flatten();
    let number = |name: &str| name.strip_suffix(".log")?.parse::<u32>().ok();
    let newest = entries
        .filter_map(|entry| number(entry.file_name().to_str()?))
        .max()?;
    if previous {
        newest.checked_sub(1)
    } else {
        Some(newest)
    }
}

/// Reads one log from its beginning, through its rotations.
struct Reader {
    path: PathBuf,
    /// Files older than the present one, which come first.
    rotated: VecDeque<PathBuf>,
    file: Option<BufReader<File>>,
    partial: Vec<u8>,
}

impl Reader {
    fn open(path: &Path) -> io::Result<Self> {
        let name = |n: u32| PathBuf::from(format!("{}.{n}", path.display()));
        let rotated = (1..=4)
            .rev()
            .map(name)
            .filter(|path| path.exists())
            .collect();
        File::open(path)?;
        Ok(Self {
            path: path.into(),
            rotated,
            file: None,
            partial: Vec::new(),
        })
    }

    /// Goes to the end.
    fn skip(&mut self) -> io::Result<()> {
        self.rotated.clear();
        let mut file = BufReader::new(File::open(&self.path)?);
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        self.file = Some(file);
        Ok(())
    }

    /// The next whole line; `None` when there is none yet.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.file.is_none() {
                let next = self
                    .rotated
                    .pop_front()
                    .unwrap_or_else(|| self.path.clone());
                self.file = Some(BufReader::new(File::open(next)?));
            }
            let Some(file) = &mut self.file else {
                return Ok(None);
            };
            let mut limited = io::Read::take(&mut *file, LINE);
            limited.read_until(b'\n', &mut self.partial)?;
            if self.partial.last() == Some(&b'\n') {
                self.partial.pop();
                return Ok(Some(std::mem::take(&mut self.partial)));
            }
            if self.partial.len() as u64 >= LINE {
                return Ok(Some(std::mem::take(&mut self.partial)));
            }
            if self.rotated.is_empty() && !self.is_rotated()? {
                return Ok(None);
            }
            self.file = None;
        }
    }

    /// Whether the open file is no longer the one by this name.
    fn is_rotated(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let Some(file) = &self.file else {
            return Ok(false);
        };
        match std::fs::metadata(&self.path) {
            Ok(now) => Ok(now.ino() != file.get_ref().metadata()?.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A log that is being followed.
pub(super) struct Follow {
    receiver: mpsc::Receiver<(Channel, Bytes)>,
}

impl Follow {
    /// The next output; `None` when the run is over and all was read.
    pub(super) async fn next(&mut self) -> Option<(Channel, Bytes)> {
        self.receiver.recv().await
    }
}

/// Reads a log in the background. `running` says whether more may come.
pub(super) fn read(
    path: &Path,
    options: Options,
    from_now: bool,
    running: impl Fn() -> bool + Send + 'static,
) -> io::Result<Follow> {
    let mut reader = Reader::open(path)?;
    if from_now {
        reader.skip()?;
    }
    let (sender, receiver) = mpsc::channel(32);
    tokio::task::spawn_blocking(move || {
        let _ = pump(&mut reader, &options, &sender, running);
    });
    Ok(Follow { receiver })
}

fn pump(
    reader: &mut Reader,
    options: &Options,
    sender: &mpsc::Sender<(Channel, Bytes)>,
    running: impl Fn() -> bool,
) -> io::Result<()> {
    let mut left = options.limit.unwrap_or(u64::MAX);
    let mut send = |record: &Record<'_>| {
        let mut bytes = record.render(options.timestamps);
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= bytes.len() as u64;
        let sent = sender.blocking_send((record.channel, bytes.into()));
        if left == 0 || sent.is_err() {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        } else {
            Ok(())
        }
    };
    let wanted = |record: &Record<'_>| {
        options
            .since
            .is_none_or(|since| time::parse(record.time).is_none_or(|time| time >= since))
    };
    if let Some(count) = options.tail {
        let mut last: VecDeque<Vec<u8>> = VecDeque::new();
        while let Some(line) = reader.line()? {
            if !parse(&line).as_ref().is_some_and(wanted) {
                continue;
            }
            last.push_back(line);
            if last.len() > count {
                last.pop_front();
            }
        }
        for line in &last {
            parse(line).iter().try_for_each(&mut send)?;
        }
    }
    loop {
        // Asked first: what was written before the end is read after it.
        let more = options.follow && running();
        while let Some(line) = reader.line()? {
            if let Some(record) = parse(&line).filter(wanted) {
                send(&record)?;
            }
        }
        if !more || sender.is_closed() {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}
