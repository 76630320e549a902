//! Network namespaces without names: made, held by a descriptor and entered by threads. They vanish
//! with the last process and descriptor that holds them, so nothing is left on the host.

mod link;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

pub use link::{Link, LinkError};

/// A network namespace, held open.
#[derive(Debug, Clone)]
pub struct Namespace {
    fd: Arc<OwnedFd>,
}

const CURRENT: &str = "/proc/thread-self/ns/net";

impl Namespace {
    /// Makes a new one, with nothing but a loopback interface that is down. Needs `CAP_SYS_ADMIN`.
    pub fn create() -> io::Result<Self> {
        on_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Self::current()
        })
    }

    /// The calling thread's.
    pub fn current() -> io::Result<Self> {
        Self::open(CURRENT)
    }

    /// The one that a process is in.
    pub fn of_process(pid: i32) -> io::Result<Self> {
        Self::open(&format!("/proc/{pid}/ns/net"))
    }

    /// One that is mounted or shown in `/proc`.
    pub fn open(path: &str) -> io::Result<Self> {
        Ok(Self::from(OwnedFd::from(File::open(path)?)))
    }

    /// Moves the calling thread into the namespace for good; threads that it starts follow.
    pub fn enter(&self) -> io::Result<()> {
        Ok(setns(self.fd.as_fd(), CloneFlags::CLONE_NEWNET)?)
    }

    /// Runs `work` on a thread of its own inside the namespace and waits for it. Sockets that it
    /// makes stay in the namespace wherever they are used.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_thread(|| {
            self.enter()?;
            work()
        })
    }

    /// Sets a `net.*` parameter of this namespace alone, such as `ipv4/ip_forward`.
    pub fn set_parameter(&self, name: &str, value: &str) -> io::Result<()> {
        self.run(|| std::fs::write(format!("/proc/sys/net/{name}"), value))
    }
}

impl From<OwnedFd> for Namespace {
    fn from(fd: OwnedFd) -> Self {
        Self { fd: Arc::new(fd) }
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Namespace {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".into())
            .spawn_scoped(scope, work)?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
