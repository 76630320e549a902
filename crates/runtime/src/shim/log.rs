//! Container output in the CRI's log format (`<time> stdout F <line>`), rotated by size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A file grows to this, then becomes `<name>.1`; older ones move up to `.4`.
const SIZE: u64 = 10 << 20;
const KEPT: u32 = 4;
/// A longer line is cut into partial ones, as the CRI does.
const LINE: usize = 16 * 1024;

/// The log of one run of a container.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.into(),
            file,
            size,
        })
    }

    fn write(&mut self, stream: &str, tag: char, line: &[u8]) {
        let time = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default();
        let mut record = format!("{time} {stream} {tag} ").into_bytes();
        record.extend_from_slice(line);
        record.push(b'\n');
        // A full disk must not stop the pod: its output is lost, as on a cluster.
        if self.file.write_all(&record).is_ok() {
            self.size += record.len() as u64;
        }
        if self.size > SIZE && self.rotate().is_err() {
            self.size = 0;
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let name = |n: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        for n in (1..KEPT).rev() {
            let _ = std::fs::rename(name(n), name(n + 1));
        }
        std::fs::rename(&self.path, name(1))?;
        self.file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

/// Cuts one output stream into records.
#[derive(Debug)]
pub(super) struct Lines {
    stream: &'static str,
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn new(stream: &'static str) -> Self {
        Self {
            stream,
            partial: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], log: &mut Log) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if self.partial.last() == Some(&b'\n') {
                self.partial.pop();
                log.write(self.stream, 'F', &self.partial);
                self.partial.clear();
            } else if self.partial.len() >= LINE {
                log.write(self.stream, 'P', &self.partial);
                self.partial.clear();
            }
        }
    }

    pub(super) fn end(&mut self, log: &mut Log) {
        if !self.partial.is_empty() {
            log.write(self.stream, 'F', &self.partial);
            self.partial.clear();
        }
    }
}

/// The last `limit` bytes of a file, as text.
pub(crate) fn tail_of(path: &Path, limit: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_one_record_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let mut log = Log::open(&path).unwrap();
        let mut lines = Lines::new("stdout");
        lines.feed(b"one\ntw", &mut log);
        lines.feed(b"o\nthree", &mut log);
        lines.end(&mut log);
        let text = std::fs::read_to_string(path).unwrap();
        let bodies: Vec<_> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap().1)
            .collect();
        assert_eq!(bodies, ["stdout F one", "stdout F two", "stdout F three"]);
    }

    #[test]
    fn a_full_file_is_rotated_and_four_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let mut log = Log::open(&path).unwrap();
        for _ in 0..6 {
            log.size = SIZE;
            log.write("stdout", 'F', b"x");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 5);
    }
}
