//! Keeps the three processes of `up` alive in the node namespace. Each may die alone; it is started
//! again with back-off and finds its listeners and namespace as they were.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};

use net::netns::Namespace;

use super::notify::{LIFELINE, NOTIFY};
use crate::exit::{Code, Failure};

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// A process that lived this long starts over with the first back-off.
const STABLE: Duration = Duration::from_secs(10);

/// One process to keep alive.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) args: Vec<String>,
    pub(crate) log: PathBuf,
    /// Sockets of the host's namespace, by name.
    pub(crate) sockets: Vec<(&'static str, OwnedFd)>,
    /// How long it may take to say that it is ready, and to stop.
    pub(crate) patience: Duration,
}

/// Runs processes in a namespace.
pub(crate) struct Supervisor {
    namespace: Namespace,
    /// The write end lives as long as the supervisor; children hold the read end.
    lifeline: (OwnedFd, OwnedFd),
    running: Vec<Kept>,
}

struct Kept {
    name: &'static str,
    patience: Duration,
    pid: Arc<AtomicI32>,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn new(namespace: Namespace) -> anyhow::Result<Self> {
        // Close-on-exec: no child may hold the write end open.
        let lifeline = pipe2(OFlag::O_CLOEXEC)?;
        Ok(Self {
            namespace,
            lifeline,
            running: Vec::new(),
        })
    }

    /// Starts a process and waits until it says that it is ready.
    pub(crate) fn start(&mut self, spec: Spec) -> anyhow::Result<()> {
        let name = spec.name;
        let (ready, wait) = mpsc::channel();
        let pid = Arc::new(AtomicI32::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let patience = spec.patience;
        let log = spec.log.clone();
        let keeper = Keeper {
            spec,
            namespace: self.namespace.clone(),
            lifeline: self.lifeline.0.try_clone()?,
            pid: pid.clone(),
            stopping: stopping.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || keeper.run(&ready))?;
        self.running.push(Kept {
            name,
            patience,
            pid,
            stopping,
            thread,
        });
        match wait.recv_timeout(patience) {
            Ok(()) => Ok(()),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::new(
                Code::TimedOut,
                format!(
                    "{name} is not ready after {} s; the end of its log:\n{}",
                    patience.as_secs(),
                    tail(&log)
                ),
            )
            .into()),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure::new(
                Code::Failure,
                format!("{name} could not be kept running:\n{}", tail(&log)),
            )
            .into()),
        }
    }

    /// Stops everything, last started first, and waits.
    pub(crate) fn stop(self) {
        for kept in self.running.into_iter().rev() {
            kept.stopping.store(true, Ordering::SeqCst);
            signal(&kept.pid, Signal::SIGTERM);
            let deadline = Instant::now() + kept.patience;
            while !kept.thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            if !kept.thread.is_finished() {
                tracing::warn!(process = kept.name, "did not stop in time; killed");
                signal(&kept.pid, Signal::SIGKILL);
            }
            let _ = kept.thread.join();
        }
    }
}

fn signal(pid: &AtomicI32, signal: Signal) {
    let pid = pid.load(Ordering::SeqCst);
    if pid > 0 {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

struct Keeper {
    spec: Spec,
    namespace: Namespace,
    lifeline: OwnedFd,
    pid: Arc<AtomicI32>,
    stopping: Arc<AtomicBool>,
}

impl Keeper {
    fn run(self, ready: &mpsc::Sender<()>) {
        let mut backoff = FIRST_BACKOFF;
        while !self.stopping.load(Ordering::SeqCst) {
            let born = Instant::now();
            match self.spawn() {
                Ok((mut child, notify)) => {
                    self.pid.store(child.id().cast_signed(), Ordering::SeqCst);
                    let mut line = String::new();
                    if BufReader::new(notify).read_line(&mut line).is_ok() && line == "ready\n" {
                        let _ = ready.send(());
                    }
                    let status = child.wait();
                    self.pid.store(0, Ordering::SeqCst);
                    if !self.stopping.load(Ordering::SeqCst) {
                        let ended =
                            status.map_or_else(|e| e.to_string(), |status| status.to_string());
                        tracing::warn!(process = self.spec.name, %ended, restart_in = ?backoff, "a process ended");
                    }
                }
                Err(error) => {
                    tracing::error!(process = self.spec.name, %error, "cannot be started")
                }
            }
            if born.elapsed() > STABLE {
                backoff = FIRST_BACKOFF;
            }
            self.pause(backoff);
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.stopping.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn spawn(&self) -> anyhow::Result<(Child, File)> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.spec.log)?;
        let (notify, notify_child) = pipe2(OFlag::O_CLOEXEC)?;
        // The program file may be replaced while we run; this is the one that we are.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("internal")
            .args(&self.spec.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut descriptors = vec![
            (NOTIFY.to_owned(), notify_child),
            (LIFELINE.to_owned(), self.lifeline.try_clone()?),
        ];
        for (name, socket) in &self.spec.sockets {
            descriptors.push(((*name).to_owned(), socket.try_clone()?));
        }
        net::listenfd::pass(&mut command, descriptors);
        // A child starts in its parent thread's namespace.
        let child = self.namespace.run(|| command.spawn())?;
        // The child's ends close with `command`, so that end of file on the pipe means its death.
        drop(command);
        Ok((child, File::from(notify)))
    }
}

fn tail(log: &std::path::Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(15);
    lines[start..].iter().fold(String::new(), |mut out, line| {
        out.push_str("  ");
        out.push_str(line);
        out.push('\n');
        out
    })
}
