//! Talks to a pod's shim without blocking the node.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::shim::protocol::{self, Inbox, Reply, Request, Run};

struct Connection {
    stream: AsyncFd<UnixStream>,
    inbox: Inbox,
}

impl Connection {
    fn open(directory: &Path, request: &Request, fds: &[&OwnedFd]) -> io::Result<Self> {
        let stream = protocol::connect(directory)?;
        stream.set_nonblocking(true)?;
        protocol::send(&stream, request, fds)?;
        Ok(Self {
            stream: crate::shim::poll(stream)?,
            inbox: Inbox::default(),
        })
    }

    async fn next(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = self.inbox.next()? {
                return Ok(reply);
            }
            let mut ready = self.stream.readable().await?;
            match ready.try_io(|stream| self.inbox.receive(stream.get_ref())) {
                Ok(Ok(true)) | Err(_) => {}
                Ok(Ok(false)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Err(error)) => return Err(error),
            }
        }
    }
}

/// One request and its answer. Dropping it half-way ends an exec.
pub(crate) async fn call(
    directory: &Path,
    request: &Request,
    fds: Vec<OwnedFd>,
) -> io::Result<Reply> {
    let mut connection = Connection::open(directory, request, &fds.iter().collect::<Vec<_>>())?;
    // The shim has its own copies; ours would keep the other side's pipes open.
    drop(fds);
    connection.next().await
}

/// The descriptor of a container's standard input.
pub(crate) async fn stdin_of(directory: &Path, container: &str) -> io::Result<OwnedFd> {
    let request = Request::Stdin {
        container: container.into(),
    };
    let mut connection = Connection::open(directory, &request, &[])?;
    match connection.next().await? {
        Reply::Failed(message) => Err(io::Error::other(message)),
        _ => connection
            .inbox
            .fds
            .pop()
            .ok_or_else(|| io::Error::other("the shim sent no descriptor")),
    }
}

/// What the shim tells.
#[derive(Debug)]
pub(crate) enum News {
    Changed(Run),
    /// The shim is gone, and its containers with it.
    Lost,
}

/// Starts following a shim: its present runs, and everything after them.
pub(crate) async fn watch(
    directory: &Path,
) -> io::Result<(Vec<Run>, mpsc::UnboundedReceiver<News>)> {
    let mut connection = Connection::open(directory, &Request::Watch, &[])?;
    let Reply::Runs(runs) = connection.next().await? else {
        return Err(io::Error::other("the shim answered something else"));
    };
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                reply = connection.next() => match reply {
                    Ok(Reply::Changed(run)) => _ = sender.send(News::Changed(run)),
                    Ok(_) => {}
                    Err(_) => {
                        let _ = sender.send(News::Lost);
                        return;
                    }
                },
                () = sender.closed() => return,
            }
        }
    });
    Ok((runs, receiver))
}
