//! Passing open descriptors to a child by name, as systemd's socket activation does (`sd_listen_fds(3)`).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

const FIRST: RawFd = 3;

/// Hands `descriptors` to the child that `command` will start, under their names.
///
/// `LISTEN_PID` is not set: the child is known to be the receiver.
pub fn pass(command: &mut Command, descriptors: Vec<(String, OwnedFd)>) {
    let names: Vec<&str> = descriptors.iter().map(|(name, _)| name.as_str()).collect();
    command.env("LISTEN_FDS", descriptors.len().to_string());
    command.env("LISTEN_FDNAMES", names.join(":"));
    let descriptors: Vec<OwnedFd> = descriptors.into_iter().map(|(_, fd)| fd).collect();
    // SAFETY: between fork and exec only `fcntl` and `dup2` are called, which are async-signal-safe,
    // on descriptors that the closure owns.
    unsafe {
        command.pre_exec(move || place(&descriptors));
    }
}

fn place(descriptors: &[OwnedFd]) -> io::Result<()> {
    let end = FIRST + descriptors.len() as RawFd;
    // First out of the target range, so that no descriptor is overwritten before it was placed.
    let mut moved = [-1; 64];
    for (slot, fd) in moved.iter_mut().zip(descriptors) {
        // SAFETY: plain system call on a valid descriptor.
        *slot = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, end) };
        if *slot < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    for (index, fd) in moved.iter().take(descriptors.len()).enumerate() {
        // SAFETY: as above; dup2 clears close-on-exec on the copy.
        if unsafe { libc::dup2(*fd, FIRST + index as RawFd) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Takes all descriptors that the parent passed, with their names. A second call finds none.
#[must_use]
pub fn take() -> Vec<(String, OwnedFd)> {
    let count = std::env::var("LISTEN_FDS")
        .ok()
        .and_then(|n| n.parse::<RawFd>().ok());
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    // SAFETY: called at the start of `main`, before other threads exist that could read the environment.
    unsafe {
        std::env::remove_var("LISTEN_FDS");
        std::env::remove_var("LISTEN_FDNAMES");
    }
    let names = names.split(':');
    (FIRST..FIRST + count.unwrap_or(0).clamp(0, 64))
        .zip(names)
        .filter(|(fd, _)| {
            // SAFETY: F_SETFD on a number that may be closed only fails; it keeps the descriptor from
            // leaking into our own children.
            (unsafe { libc::fcntl(*fd, libc::F_SETFD, libc::FD_CLOEXEC) }) == 0
        })
        // SAFETY: the parent opened these for us and nothing else in this process owns them yet.
        .map(|(fd, name)| (name.to_owned(), unsafe { OwnedFd::from_raw_fd(fd) }))
        .collect()
}
