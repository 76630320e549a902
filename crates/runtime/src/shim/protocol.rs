//! What the node and a pod's shim say to each other: one JSON line each way over a Unix socket;
//! descriptors travel beside the first byte.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The shim's configuration, `shim.json` in the pod's directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PodConfig {
    pub(crate) hostname: String,
    /// Directories under the pod's that become memory file systems, with their size limits in bytes.
    pub(crate) memory: Vec<(PathBuf, Option<u64>)>,
    /// Shares the host's IPC and host name.
    pub(crate) host_ipc: bool,
}

/// Where a mount comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    /// A path below `source`, resolved without leaving it; made when it is missing.
    pub(crate) sub_path: Option<PathBuf>,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// One container to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerSpec {
    pub(crate) name: String,
    pub(crate) attempt: u32,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) user: User,
    pub(crate) capabilities: Vec<u8>,
    pub(crate) privileged: bool,
    pub(crate) no_new_privileges: bool,
    pub(crate) read_only_root: bool,
    /// Holds the writable layer of the root; absolute.
    pub(crate) layer: PathBuf,
    pub(crate) mounts: Vec<Mount>,
    /// Directories of the host that the container must not see: the data directory.
    pub(crate) masked: Vec<PathBuf>,
    pub(crate) log: PathBuf,
    pub(crate) stdin: bool,
    pub(crate) tty: bool,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) cgroup: String,
}

/// Who a process runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// A command inside a running container. Its three streams follow as descriptors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExecSpec {
    pub(crate) container: String,
    pub(crate) argv: Vec<String>,
    pub(crate) tty: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Answers [`Reply::Runs`], then [`Reply::Changed`] for each change until the peer goes.
    Watch,
    /// Answers [`Reply::Changed`] or [`Reply::Failed`].
    Start(Box<ContainerSpec>),
    /// Answers [`Reply::Done`].
    Signal { container: String, signal: i32 },
    /// Answers [`Reply::Done`] with the exit code at the end, or [`Reply::Failed`]. When the peer
    /// goes, the command is killed.
    Exec(ExecSpec),
    /// Answers [`Reply::Done`] with a descriptor of the container's standard input.
    Stdin { container: String },
    /// Ends the container's standard input. Answers [`Reply::Done`].
    CloseStdin { container: String },
    /// Kills everything; the shim exits.
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Runs(Vec<Run>),
    Changed(Run),
    Done(i32),
    Failed(String),
}

/// One run of a container's process. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) container: String,
    pub(crate) attempt: u32,
    /// The container's init, seen from outside.
    pub(crate) pid: i32,
    pub(crate) started: i64,
    pub(crate) exit: Option<Exit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// The exit code, or 128 + signal.
    pub(crate) code: i32,
    pub(crate) at: i64,
    pub(crate) out_of_memory: bool,
}

/// Where the shim listens, below the pod's directory.
pub(crate) const SOCKET: &str = "shim.sock";
pub(crate) const CONFIG: &str = "shim.json";

// A socket's path is limited to 108 bytes, a data directory's is not.
fn short(directory: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let fd = OwnedFd::from(std::fs::File::open(directory)?);
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", fd.as_raw_fd()));
    Ok((fd, path))
}

pub(crate) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let (_fd, path) = short(directory)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

pub(crate) fn connect(directory: &Path) -> io::Result<UnixStream> {
    let (_fd, path) = short(directory)?;
    UnixStream::connect(path)
}

/// Sends one message, with descriptors beside it.
pub(crate) fn send(
    stream: &UnixStream,
    message: &impl Serialize,
    fds: &[&OwnedFd],
) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let raw: Vec<i32> = fds.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
    let control = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() {
        &control[..0]
    } else {
        &control[..]
    };
    let mut sent = loop {
        let slices = [io::IoSlice::new(&line)];
        match sendmsg::<()>(
            stream.as_raw_fd(),
            &slices,
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Ok(sent) => break sent,
            Err(nix::errno::Errno::EAGAIN) => wait_writable(stream)?,
            Err(error) => return Err(error.into()),
        }
    };
    while sent < line.len() {
        match nix::sys::socket::send(stream.as_raw_fd(), &line[sent..], MsgFlags::MSG_NOSIGNAL) {
            Ok(more) => sent += more,
            Err(nix::errno::Errno::EAGAIN) => wait_writable(stream)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn wait_writable(stream: &UnixStream) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let ready = poll(
        &mut [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)],
        PollTimeout::from(5_000_u16),
    )?;
    if ready == 0 {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(())
    }
}

/// Received bytes and descriptors, cut into lines.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// The longest message: a container with a large environment.
const LIMIT: usize = 16 << 20;

impl Inbox {
    /// Reads what is there. `false` at the end of the stream.
    pub(crate) fn receive(&mut self, stream: &UnixStream) -> io::Result<bool> {
        use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
        let mut chunk = [0_u8; 16 * 1024];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 3]);
        let (read, fds) = {
            let mut slices = [io::IoSliceMut::new(&mut chunk)];
            let message = recvmsg::<()>(
                stream.as_raw_fd(),
                &mut slices,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            )?;
            let mut fds = Vec::new();
            for control in message.cmsgs()? {
                if let ControlMessageOwned::ScmRights(received) = control {
                    fds.extend(received);
                }
            }
            (message.bytes, fds)
        };
        self.fds.extend(fds.into_iter().map(super::own));
        self.bytes.extend_from_slice(&chunk[..read]);
        if self.bytes.len() > LIMIT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "message too long",
            ));
        }
        Ok(read > 0)
    }

    /// The next whole message.
    pub(crate) fn next<T: for<'a> Deserialize<'a>>(&mut self) -> io::Result<Option<T>> {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.bytes.drain(..=end).collect();
        Ok(Some(serde_json::from_slice(&line)?))
    }
}
