//! How a child of the supervisor says that it is ready, and how it learns that the supervisor is gone.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Name of the pipe that a child reports on.
pub(crate) const NOTIFY: &str = "notify";
/// Name of the pipe whose end means that the supervisor is gone.
pub(crate) const LIFELINE: &str = "lifeline";

/// Name of sockets that are connected to the host's resolvers.
pub(crate) const RESOLVER: &str = "resolver";

/// A child's inheritance.
#[derive(Debug)]
pub(crate) struct Inherited {
    notify: Option<File>,
    lifeline: Option<File>,
    listeners: Vec<(String, TcpListener)>,
    resolvers: Vec<UdpSocket>,
}

impl Inherited {
    /// Takes what the supervisor passed; everything is absent when a person started the process.
    pub(crate) fn take() -> Self {
        let mut this = Self {
            notify: None,
            lifeline: None,
            listeners: Vec::new(),
            resolvers: Vec::new(),
        };
        for (name, fd) in net::listenfd::take() {
            match name.as_str() {
                NOTIFY => this.notify = Some(File::from(fd)),
                LIFELINE => this.lifeline = Some(File::from(fd)),
                RESOLVER => this.resolvers.push(UdpSocket::from(fd)),
                _ => this.listeners.push((name, TcpListener::from(fd))),
            }
        }
        this
    }

    pub(crate) fn listeners(&mut self) -> Vec<(String, TcpListener)> {
        std::mem::take(&mut self.listeners)
    }

    /// Sockets that are connected to the host's resolvers.
    pub(crate) fn resolvers(&mut self) -> Vec<UdpSocket> {
        std::mem::take(&mut self.resolvers)
    }

    /// Tells the supervisor that the process serves.
    pub(crate) fn ready(&mut self) {
        if let Some(mut pipe) = self.notify.take() {
            let _ = pipe.write_all(b"ready\n");
        }
    }

    /// A descriptor of the lifeline for children of this process.
    pub(crate) fn lifeline(&self) -> Option<OwnedFd> {
        self.lifeline
            .as_ref()
            .and_then(|file| file.try_clone().ok())
            .map(OwnedFd::from)
    }

    /// Ends the process when the supervisor ends, however it ends.
    pub(crate) fn follow_supervisor(&self) {
        if let Some(mut file) = self
            .lifeline
            .as_ref()
            .and_then(|file| file.try_clone().ok())
        {
            std::thread::spawn(move || {
                // Nothing is ever written: the read ends when the last writer is gone. Others that hold the
                // same pipe may have made it non-blocking, hence the poll.
                loop {
                    let mut wanted = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
                    let _ = poll(&mut wanted, PollTimeout::NONE);
                    match file.read(&mut [0]) {
                        Err(error)
                            if matches!(
                                error.kind(),
                                ErrorKind::WouldBlock | ErrorKind::Interrupted
                            ) => {}
                        _ => break,
                    }
                }
                tracing::warn!("the supervisor is gone; stopping");
                std::process::exit(0);
            });
        }
    }
}
