//! A pseudo-terminal for `exec -t`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use bytes::Bytes;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::openpty;
use tokio::io::unix::AsyncFd;

use super::streams::Size;

/// The controlling side.
#[derive(Debug, Clone)]
pub(super) struct Terminal(Arc<AsyncFd<File>>);

impl Terminal {
    /// The controlling side and the one that programs use.
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let pty = openpty(None, None)?;
        for fd in [&pty.master, &pty.slave] {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let master = crate::shim::poll(File::from(pty.master))?;
        Ok((Self(Arc::new(master)), pty.slave))
    }

    /// Empty at the end.
    pub(super) async fn read(&self) -> io::Result<Bytes> {
        let mut chunk = vec![0; 8 * 1024];
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(result) = ready.try_io(|fd| (&mut fd.get_ref()).read(&mut chunk)) {
                return result.map(|read| Bytes::copy_from_slice(&chunk[..read]));
            }
        }
    }

    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.0.writable().await?;
            if let Ok(result) = ready.try_io(|fd| (&mut fd.get_ref()).write(bytes)) {
                bytes = &bytes[result?..];
            }
        }
        Ok(())
    }

    pub(super) fn resize(&self, size: Size) -> io::Result<()> {
        resize(self.0.as_raw_fd(), size)
    }
}

pub(super) fn resize(fd: RawFd, size: Size) -> io::Result<()> {
    let window = size.window();
    // SAFETY: the request reads one `winsize`, which outlives the call.
    if unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &raw const window) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
