//! Serves the control socket of one pod: starts containers, reports their ends, writes their logs.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::cgroup::Limits;
use super::log::{Lines, Log};
use super::protocol::{ContainerSpec, ExecSpec, Exit, Inbox, Reply, Request, Run, send};
use super::{container, now_millis};

/// How long containers have after SIGTERM when the supervisor is gone.
const GRACE: Duration = Duration::from_secs(2);

struct Container {
    spec: ContainerSpec,
    run: Run,
    stdin: Option<OwnedFd>,
    limits: Limits,
    logs: Vec<JoinHandle<()>>,
}

struct Shim {
    containers: RefCell<BTreeMap<String, Container>>,
    commands: RefCell<HashMap<i32, oneshot::Sender<i32>>>,
    changes: broadcast::Sender<Run>,
    stop: Notify,
    stopping: Cell<bool>,
}

/// Runs until the pod is stopped or the supervisor is gone.
pub(super) fn serve(listener: UnixListener, lifeline: Option<OwnedFd>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (changes, _) = broadcast::channel(1024);
    let shim = Rc::new(Shim {
        containers: RefCell::default(),
        commands: RefCell::default(),
        changes,
        stop: Notify::new(),
        stopping: Cell::new(false),
    });
    LocalSet::new().block_on(&runtime, async move {
        let mut children = signal(SignalKind::child())?;
        let reaper = shim.clone();
        spawn_local(async move {
            while children.recv().await.is_some() {
                reaper.reap();
            }
        });
        listener.set_nonblocking(true)?;
        let listener = super::poll(listener)?;
        let acceptor = shim.clone();
        spawn_local(async move { while acceptor.accept(&listener).await.is_ok() {} });
        tokio::select! {
            () = shim.stop.notified() => {}
            () = gone(lifeline) => shim.terminate().await,
        }
        shim.kill_all().await;
        Ok(())
    })
}

/// Resolves when the supervisor's end of the lifeline is closed.
async fn gone(lifeline: Option<OwnedFd>) {
    let Some(lifeline) = lifeline.and_then(|lifeline| reopen(&lifeline).ok()) else {
        return std::future::pending().await;
    };
    loop {
        let Ok(mut ready) = lifeline.readable().await else {
            return;
        };
        if let Ok(Ok(0) | Err(_)) = ready.try_io(|fd| (&mut fd.get_ref()).read(&mut [0; 16])) {
            return;
        }
    }
}

/// The same pipe with flags of its own: others read it too, and expect to wait.
fn reopen(lifeline: &OwnedFd) -> io::Result<AsyncFd<std::fs::File>> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = format!("/proc/self/fd/{}", lifeline.as_raw_fd());
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    super::poll(file)
}

fn nonblocking(fd: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(&fd, FcntlArg::F_GETFL)?);
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

impl Shim {
    async fn accept(self: &Rc<Self>, listener: &AsyncFd<UnixListener>) -> io::Result<()> {
        let mut ready = listener.readable().await?;
        if let Ok(Ok((stream, _))) = ready.try_io(|listener| listener.get_ref().accept()) {
            let shim = self.clone();
            spawn_local(async move { _ = shim.converse(stream).await });
        }
        Ok(())
    }

    async fn converse(self: Rc<Self>, stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let stream = super::poll(stream)?;
        let mut inbox = Inbox::default();
        let request = loop {
            if let Some(request) = inbox.next::<Request>()? {
                break request;
            }
            let mut ready = stream.readable().await?;
            match ready.try_io(|fd| inbox.receive(fd.get_ref())) {
                Ok(Ok(true)) | Err(_) => {}
                Ok(Ok(false)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
            }
        };
        let reply = match request {
            Request::Watch => return self.watch(&stream).await,
            Request::Start(spec) => self.start(*spec).await,
            Request::Signal { container, signal } => self.signal(&container, signal),
            Request::Exec(spec) => self.exec(spec, inbox.fds, &stream).await,
            Request::Stdin { container } => return self.stdin(&container, stream.get_ref()),
            Request::CloseStdin { container } => {
                if let Some(container) = self.containers.borrow_mut().get_mut(&container) {
                    container.stdin = None;
                }
                Ok(Reply::Done(0))
            }
            Request::Stop => {
                self.stop.notify_one();
                Ok(Reply::Done(0))
            }
        };
        send(
            stream.get_ref(),
            &reply.unwrap_or_else(|error| Reply::Failed(error.to_string())),
            &[],
        )
    }

    async fn watch(&self, stream: &AsyncFd<UnixStream>) -> io::Result<()> {
        let mut changes = self.changes.subscribe();
        let runs = self
            .containers
            .borrow()
            .values()
            .map(|c| c.run.clone())
            .collect();
        send(stream.get_ref(), &Reply::Runs(runs), &[])?;
        loop {
            tokio::select! {
                changed = changes.recv() => {
                    let Ok(run) = changed else { return Ok(()) };
                    send(stream.get_ref(), &Reply::Changed(run), &[])?;
                }
                _ = closed(stream) => return Ok(()),
            }
        }
    }

    async fn start(self: &Rc<Self>, spec: ContainerSpec) -> io::Result<Reply> {
        if self.stopping.get() {
            return Err(io::Error::other("the pod is stopping"));
        }
        // A node that was restarted in between asks again: the answer is the same.
        let is_known = |run: &Run| run.exit.is_none() || run.attempt >= spec.attempt;
        if let Some(current) = self
            .containers
            .borrow()
            .get(&spec.name)
            .filter(|c| is_known(&c.run))
        {
            return Ok(Reply::Changed(current.run.clone()));
        }
        let log = Rc::new(RefCell::new(Log::open(&spec.log)?));
        let spawned = container::spawn(&spec)?;
        let run = Run {
            container: spec.name.clone(),
            attempt: spec.attempt,
            pid: spawned.pid,
            started: now_millis(),
            exit: None,
        };
        let mut logs = Vec::new();
        for (stream, fd) in spawned.outputs {
            logs.push(spawn_local(copy(stream, fd, log.clone())));
        }
        let name = spec.name.clone();
        let (stdin, limits) = (spawned.stdin, spawned.limits);
        let entry = Container {
            spec,
            run: run.clone(),
            stdin,
            limits,
            logs,
        };
        self.containers.borrow_mut().insert(name.clone(), entry);
        let reason = read_all(spawned.errors).await?;
        if !reason.is_empty() {
            // Its end is not a run's: the caller alone hears of it.
            self.containers.borrow_mut().remove(&name);
            return Ok(Reply::Failed(reason));
        }
        let _ = self.changes.send(run.clone());
        Ok(Reply::Changed(run))
    }

    fn signal(&self, container: &str, number: i32) -> io::Result<Reply> {
        let containers = self.containers.borrow();
        if let Some(Container {
            run: Run {
                pid, exit: None, ..
            },
            ..
        }) = containers.get(container)
        {
            kill(Pid::from_raw(*pid), Signal::try_from(number)?)?;
        }
        Ok(Reply::Done(0))
    }

    async fn exec(
        &self,
        exec: ExecSpec,
        streams: Vec<OwnedFd>,
        stream: &AsyncFd<UnixStream>,
    ) -> io::Result<Reply> {
        let (errors, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (pid, ended) = {
            let containers = self.containers.borrow();
            let Some(Container {
                run: Run {
                    pid, exit: None, ..
                },
                spec,
                limits,
                ..
            }) = containers.get(&exec.container)
            else {
                return Ok(Reply::Failed(format!(
                    "container {} is not running",
                    exec.container
                )));
            };
            let pid = container::enter(*pid, spec, &exec.argv, exec.tty, streams, writer)?;
            limits.add(pid);
            let (sender, ended) = oneshot::channel();
            self.commands.borrow_mut().insert(pid, sender);
            (pid, ended)
        };
        // Its end may have come before it was known here.
        self.reap();
        let reason = read_all(errors).await?;
        if !reason.is_empty() {
            return Ok(Reply::Failed(reason));
        }
        tokio::select! {
            code = ended => Ok(Reply::Done(code.unwrap_or(137))),
            _ = closed(stream) => {
                kill(Pid::from_raw(pid), Signal::SIGKILL)?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    fn stdin(&self, container: &str, stream: &UnixStream) -> io::Result<()> {
        match self
            .containers
            .borrow()
            .get(container)
            .and_then(|c| c.stdin.as_ref())
        {
            Some(stdin) => send(stream, &Reply::Done(0), &[stdin]),
            None => send(
                stream,
                &Reply::Failed("the container has no standard input".into()),
                &[],
            ),
        }
    }

    /// Buries what has ended.
    fn reap(&self) {
        loop {
            let (pid, code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid.as_raw(), 128 + signal as i32),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(command) = self.commands.borrow_mut().remove(&pid) {
                let _ = command.send(code);
                continue;
            }
            let mut containers = self.containers.borrow_mut();
            let Some(ended) = containers
                .values_mut()
                .find(|c| c.run.pid == pid && c.run.exit.is_none())
            else {
                continue;
            };
            let out_of_memory = ended.limits.killed();
            ended.limits.remove();
            ended.stdin = None;
            ended.run.exit = Some(Exit {
                code,
                at: now_millis(),
                out_of_memory,
            });
            spawn_local(announce(
                ended.run.clone(),
                std::mem::take(&mut ended.logs),
                self.changes.clone(),
            ));
        }
    }

    async fn terminate(&self) {
        self.stopping.set(true);
        self.all(Signal::SIGTERM);
        let _ = tokio::time::timeout(GRACE, self.drained()).await;
    }

    async fn kill_all(&self) {
        self.stopping.set(true);
        self.all(Signal::SIGKILL);
        let _ = tokio::time::timeout(Duration::from_secs(10), self.drained()).await;
    }

    fn all(&self, signal: Signal) {
        for container in self
            .containers
            .borrow()
            .values()
            .filter(|c| c.run.exit.is_none())
        {
            let _ = kill(Pid::from_raw(container.run.pid), signal);
        }
    }

    async fn drained(&self) {
        let mut changes = self.changes.subscribe();
        while self
            .containers
            .borrow()
            .values()
            .any(|c| c.run.exit.is_none())
        {
            let _ = changes.recv().await;
        }
    }
}

/// Tells of an end after the last line of output is in the log.
async fn announce(run: Run, logs: Vec<JoinHandle<()>>, changes: broadcast::Sender<Run>) {
    let written = async {
        for log in logs {
            let _ = log.await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), written).await;
    let _ = changes.send(run);
}

async fn closed(stream: &AsyncFd<UnixStream>) -> io::Result<()> {
    loop {
        let mut ready = stream.readable().await?;
        match ready.try_io(|fd| Inbox::default().receive(fd.get_ref())) {
            Ok(Ok(true)) | Err(_) => {}
            Ok(Ok(false) | Err(_)) => return Ok(()),
        }
    }
}

async fn copy(stream: &'static str, fd: OwnedFd, log: Rc<RefCell<Log>>) {
    let mut lines = Lines::new(stream);
    let _ = read_chunks(fd, |bytes| lines.feed(bytes, &mut log.borrow_mut())).await;
    lines.end(&mut log.borrow_mut());
}

async fn read_all(fd: OwnedFd) -> io::Result<String> {
    let mut all = Vec::new();
    read_chunks(fd, |bytes| all.extend_from_slice(bytes)).await?;
    Ok(String::from_utf8_lossy(&all).into_owned())
}

async fn read_chunks(fd: OwnedFd, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    nonblocking(&fd)?;
    let fd = super::poll(std::fs::File::from(fd))?;
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let mut ready = fd.readable().await?;
        match ready.try_io(|fd| (&mut fd.get_ref()).read(&mut chunk)) {
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(read)) => take(&chunk[..read]),
            // A terminal whose last user is gone reads as EIO.
            Ok(Err(error)) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(Err(_)) | Err(_) => {}
        }
    }
}
