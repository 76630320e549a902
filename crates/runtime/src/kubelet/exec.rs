//! Runs a command in a container, or joins the container's own streams.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::streams::{Channel, Ends, Size, Wanted};
use super::terminal::{self, Terminal};
use crate::pod::client;
use crate::shim::protocol::{ExecSpec, Reply, Request};

/// A child left in the background may hold the output open after the command's end.
const DRAIN: Duration = Duration::from_millis(500);

/// Runs the command to its end. Dropping the future kills it.
pub(super) async fn exec(
    directory: &Path,
    container: &str,
    wanted: Wanted,
    ends: Ends,
) -> Result<i32, String> {
    let request = Request::Exec(ExecSpec {
        container: container.into(),
        argv: wanted.command.clone(),
        tty: wanted.tty,
    });
    let mut readers = JoinSet::new();
    let mut writers = JoinSet::new();
    let say = |error: io::Error| error.to_string();
    let fds = if wanted.tty {
        terminal_streams(&wanted, ends, &mut readers, &mut writers).map_err(say)?
    } else {
        pipes(&wanted, ends, &mut readers, &mut writers).map_err(say)?
    };
    let outcome = client::call(directory, &request, fds).await.map_err(say)?;
    let drained = async { while readers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    match outcome {
        Reply::Done(code) => Ok(code),
        Reply::Failed(message) => Err(format!("error executing command in container: {message}")),
        _ => Err("unexpected answer of the shim".into()),
    }
}

fn pipes(
    wanted: &Wanted,
    ends: Ends,
    readers: &mut JoinSet<()>,
    writers: &mut JoinSet<()>,
) -> io::Result<Vec<OwnedFd>> {
    let Ends {
        mut stdin,
        resize: _,
        output,
    } = ends;
    let input = if wanted.stdin {
        let (reader, writer) = io::pipe()?;
        let mut writer = pipe::Sender::from_owned_fd(OwnedFd::from(writer))?;
        writers.spawn(async move {
            while let Some(bytes) = stdin.recv().await {
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        OwnedFd::from(reader)
    } else {
        OwnedFd::from(std::fs::File::open("/dev/null")?)
    };
    let mut fds = vec![input];
    for (channel, asked) in [
        (Channel::Stdout, wanted.stdout),
        (Channel::Stderr, wanted.stderr),
    ] {
        let (reader, writer) = io::pipe()?;
        let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        readers.spawn(copy(reader, channel, asked.then(|| output.clone())));
        fds.push(OwnedFd::from(writer));
    }
    Ok(fds)
}

async fn copy(
    mut reader: pipe::Receiver,
    channel: Channel,
    output: Option<mpsc::Sender<(Channel, Bytes)>>,
) {
    use tokio::io::AsyncReadExt;
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = reader.read(&mut chunk).await {
        let Some(output) = &output else { continue };
        if output
            .send((channel, Bytes::copy_from_slice(&chunk[..read])))
            .await
            .is_err()
        {
            return;
        }
    }
}

fn terminal_streams(
    wanted: &Wanted,
    ends: Ends,
    readers: &mut JoinSet<()>,
    writers: &mut JoinSet<()>,
) -> io::Result<Vec<OwnedFd>> {
    let Ends {
        mut stdin,
        mut resize,
        output,
    } = ends;
    let (terminal, user) = Terminal::open()?;
    let (writer, sizer) = (terminal.clone(), terminal.clone());
    let (asked, reading) = (wanted.stdin, wanted.stdout);
    writers.spawn(async move {
        while let Some(bytes) = stdin.recv().await {
            if asked && writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
        if asked {
            // End of input, as a typed Ctrl-D.
            let _ = writer.write_all(&[4]).await;
        }
    });
    writers.spawn(async move {
        while let Some(size) = resize.recv().await {
            let _ = sizer.resize(size);
        }
    });
    readers.spawn(async move {
        while let Ok(bytes) = terminal.read().await {
            if bytes.is_empty() || (reading && output.send((Channel::Stdout, bytes)).await.is_err())
            {
                return;
            }
        }
    });
    Ok(vec![user.try_clone()?, user.try_clone()?, user])
}

/// Joins a running container: its output from now on, and its input, which `once` ends with the client's.
pub(super) async fn attach(
    log: super::logs::Follow,
    directory: &Path,
    container: &str,
    wanted: Wanted,
    once: bool,
    ends: Ends,
) -> Result<i32, String> {
    let Ends {
        mut stdin,
        mut resize,
        output,
    } = ends;
    let mut writers = JoinSet::new();
    if wanted.stdin {
        let fd = client::stdin_of(directory, container)
            .await
            .map_err(|error| error.to_string())?;
        let sizer = fd.try_clone().map_err(|error| error.to_string())?;
        let (directory, name) = (directory.to_owned(), container.to_owned());
        let mut writer = tokio::fs::File::from_std(std::fs::File::from(fd));
        writers.spawn(async move {
            while let Some(bytes) = stdin.recv().await {
                if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
            }
            drop(writer);
            if once {
                let request = Request::CloseStdin { container: name };
                let _ = client::call(&directory, &request, Vec::new()).await;
            }
        });
        if wanted.tty {
            writers.spawn(async move {
                while let Some(size) = resize.recv().await {
                    let _ = terminal::resize(sizer.as_raw_fd(), size);
                }
            });
        }
    }
    let mut log = log;
    while let Some((channel, bytes)) = log.next().await {
        let asked = if channel == Channel::Stderr {
            wanted.stderr
        } else {
            wanted.stdout
        };
        if asked && output.send((channel, bytes)).await.is_err() {
            return Ok(0);
        }
    }
    Ok(0)
}

impl Size {
    pub(super) fn window(self) -> libc::winsize {
        libc::winsize {
            ws_row: self.height,
            ws_col: self.width,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    }
}
