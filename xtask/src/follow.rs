//! Runs a program of many tests, hands on its lines, and ends it when it has been silent for too long.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Itself(ExitStatus),
    /// It and all of its children were killed.
    Silent,
}

/// Runs `command`; `line` gets every line of both streams in the order in which they came.
pub(crate) fn follow(
    command: &mut Command,
    silence: Duration,
    mut line: impl FnMut(Stream, &str),
) -> anyhow::Result<Ended> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that a kill reaches the test binaries, too.
        .process_group(0)
        .spawn()?;
    let (sender, lines) = mpsc::channel();
    let out = child.stdout.take().context("its output")?;
    let err = child.stderr.take().context("its errors")?;
    read(Stream::Out, out, sender.clone());
    read(Stream::Err, err, sender);
    loop {
        match lines.recv_timeout(silence) {
            Ok((stream, text)) => line(stream, &text),
            Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Itself(child.wait()?)),
            Err(RecvTimeoutError::Timeout) => {
                // A program that ended may leave children that hold its streams open.
                let ended = child.try_wait()?;
                let group = Pid::from_raw(child.id().cast_signed());
                match killpg(group, Signal::SIGKILL) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(error) => return Err(error.into()),
                }
                child.wait()?;
                return Ok(ended.map_or(Ended::Silent, Ended::Itself));
            }
        }
    }
}

/// Lines need not be UTF-8: a test may print what it received.
fn read(stream: Stream, from: impl Read + Send + 'static, to: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            if to.send((stream, text.trim_end().to_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, silence: u64) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let ended = follow(&mut command, Duration::from_millis(silence), |_, line| {
            lines.push(line.to_owned());
        });
        lines.sort();
        (ended.unwrap(), lines)
    }

    #[test]
    fn hands_on_both_streams_and_the_status() {
        let (ended, lines) = shell("echo a; echo b >&2; exit 3", 60_000);
        assert!(matches!(ended, Ended::Itself(status) if status.code() == Some(3)));
        assert_eq!(lines, ["a", "b"]);
    }

    #[test]
    fn ends_what_is_silent_with_its_children() {
        let (ended, lines) = shell("echo before; sleep 3600 & sleep 3600", 300);
        assert_eq!(ended, Ended::Silent);
        assert_eq!(lines, ["before"]);
    }
}
