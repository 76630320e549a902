//! The process that owns one pod: its containers' processes, exit codes, logs and control socket. It
//! outlives the node, which finds it again by its socket, and dies with the supervisor.
//!
//! It is one thread: containers are forked from it. It must be entered before the program starts any
//! other thread. The environment variable `FERROMESH_LIFELINE_FD` names an inherited descriptor whose
//! end of file means that the supervisor is gone.
#![allow(unsafe_code)]

pub(crate) mod capability;
mod cgroup;
mod container;
mod log;
mod mounts;
pub(crate) mod protocol;
mod server;

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, fork, sethostname, setsid};

use protocol::PodConfig;
use tokio::io::unix::AsyncFd;

pub(crate) use cgroup::sweep as sweep_limits;
pub(crate) use log::tail_of;

/// Names the inherited descriptor that ends with the supervisor.
pub const LIFELINE: &str = "FERROMESH_LIFELINE_FD";

/// Takes a descriptor that was just received or inherited, and that nothing else owns.
pub(crate) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: each caller passes a descriptor number that it alone received.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Registers a descriptor's owner with the runtime's reactor.
pub(crate) fn poll<T: AsRawFd + Owner>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: an `Owner` holds its descriptor open, and always the same one, until it is dropped.
    Ok(unsafe { AsyncFd::register(owner) }?)
}

/// Types of the standard library that own one descriptor for life.
pub(crate) trait Owner {}

impl Owner for std::fs::File {}
impl Owner for UnixListener {}
impl Owner for UnixStream {}

/// Runs the shim of the pod whose directory is the last argument. Returns in the process that was
/// started once the shim listens, and in the shim itself at its end.
pub fn main() -> io::Result<()> {
    let directory = std::env::args_os()
        .next_back()
        .map(PathBuf::from)
        .unwrap_or_default();
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(
            "the pod shim must start before any other thread",
        ));
    }
    let (mut ready, failure) = io::pipe()?;
    // SAFETY: there is one thread, so the child may go on as the parent would.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        drop(failure);
        let mut text = String::new();
        ready.read_to_string(&mut text)?;
        return if text.is_empty() {
            Ok(())
        } else {
            Err(io::Error::other(text))
        };
    }
    drop(ready);
    match prepare(&directory) {
        Ok((listener, lifeline)) => {
            drop(failure);
            server::serve(listener, lifeline)
        }
        Err(error) => write!(&failure, "{error}"),
    }
}

fn prepare(directory: &Path) -> io::Result<(UnixListener, Option<OwnedFd>)> {
    let config: PodConfig =
        serde_json::from_slice(&std::fs::read(directory.join(protocol::CONFIG))?)?;
    let lifeline = std::env::var(LIFELINE)
        .ok()
        .and_then(|fd| fd.parse::<RawFd>().ok())
        .map(own);
    setsid()?;
    isolate(directory, &config)?;
    // The node learns this process's id from the socket.
    let listener = protocol::listen(directory)?;
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok((listener, lifeline))
}

fn isolate(directory: &Path, config: &PodConfig) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    // Mounts made here stay here; what the host unmounts goes away here too.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    for (path, size) in &config.memory {
        let path = directory.join(path);
        std::fs::create_dir_all(&path)?;
        let options = size.map_or("mode=0755".to_owned(), |size| {
            format!("mode=0755,size={size}")
        });
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(
            Some("ferromesh"),
            &path,
            Some("tmpfs"),
            flags,
            Some(options.as_str()),
        )?;
    }
    if !config.host_ipc {
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)?;
        sethostname(&config.hostname)?;
    }
    Ok(())
}

pub(crate) fn now_millis() -> i64 {
    let elapsed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
