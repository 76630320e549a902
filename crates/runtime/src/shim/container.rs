//! Starts one container: an init process in new PID and mount namespaces, and the program as its
//! child. When the init ends, the kernel ends all that is left in its PID namespace.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::pty::openpty;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, pipe2, setgid, setgroups, setsid, setuid};

use super::cgroup::Limits;
use super::protocol::{ContainerSpec, User};
use super::{capability, mounts};

/// A container whose init runs; whether its program does, `errors` tells: it ends empty when the
/// program was started, else it says why not.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) pid: i32,
    pub(super) errors: OwnedFd,
    pub(super) outputs: Vec<(&'static str, OwnedFd)>,
    pub(super) stdin: Option<OwnedFd>,
    pub(super) limits: Limits,
}

/// The child's ends.
struct Streams {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

pub(super) fn spawn(spec: &ContainerSpec) -> io::Result<Spawned> {
    let (streams, outputs, stdin) = streams(spec)?;
    let (errors, error_writer) = pipe2(OFlag::O_CLOEXEC)?;
    let (go, go_writer) = pipe2(OFlag::O_CLOEXEC)?;
    let limits = Limits::create(&spec.cgroup, spec.memory_limit);
    let pid = clone_into(libc::CLONE_NEWPID | libc::CLONE_NEWNS)?;
    if pid == 0 {
        drop((go_writer, errors, outputs, stdin));
        init(spec, streams, error_writer, go, limits.of_memory());
    }
    limits.add(pid);
    drop(go);
    std::fs::File::from(go_writer).write_all(b"g")?;
    Ok(Spawned {
        pid,
        errors,
        outputs,
        stdin,
        limits,
    })
}

type Outputs = Vec<(&'static str, OwnedFd)>;

fn streams(spec: &ContainerSpec) -> io::Result<(Streams, Outputs, Option<OwnedFd>)> {
    if spec.tty {
        let pty = openpty(None, None)?;
        for fd in [&pty.master, &pty.slave] {
            nix::fcntl::fcntl(
                fd,
                nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
            )?;
        }
        let (stdout, stderr) = (pty.slave.try_clone()?, pty.slave.try_clone()?);
        let stdin = pty.master.try_clone()?;
        let streams = Streams {
            stdin: pty.slave,
            stdout,
            stderr,
        };
        return Ok((streams, vec![("stdout", pty.master)], Some(stdin)));
    }
    let (out, stdout) = pipe2(OFlag::O_CLOEXEC)?;
    let (err, stderr) = pipe2(OFlag::O_CLOEXEC)?;
    let (stdin, writer) = if spec.stdin {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        (reader, Some(writer))
    } else {
        (OwnedFd::from(std::fs::File::open("/dev/null")?), None)
    };
    Ok((
        Streams {
            stdin,
            stdout,
            stderr,
        },
        vec![("stdout", out), ("stderr", err)],
        writer,
    ))
}

/// A fork with new namespaces. The caller is the process's only thread.
fn clone_into(flags: libc::c_int) -> io::Result<i32> {
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has its own copy of the memory, and no other thread exists
    // that could have held a lock in it (checked by `shim::main`).
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    if pid < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(pid as i32)
    }
}

/// The container's first process. Never returns.
fn init(spec: &ContainerSpec, streams: Streams, errors: OwnedFd, go: OwnedFd, limited: bool) -> ! {
    let mut reason = std::fs::File::from(errors);
    let program = (|| {
        die_with_parent()?;
        std::fs::File::from(go).read_exact(&mut [0])?;
        take_streams(streams, reason.as_raw_fd())?;
        ignore_nothing()?;
        mounts::build(spec)?;
        // SAFETY: there is one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                let error = program(spec, limited);
                let _ = write!(reason, "{error}");
                exit(127)
            }
        }
    })();
    match program {
        Ok(child) => {
            drop(reason);
            detach_streams();
            supervise(child)
        }
        Err(error) => {
            let error: io::Error = error;
            let _ = write!(reason, "{error}");
            exit(127)
        }
    }
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the process without running the parent's exit handlers.
    unsafe { libc::_exit(code) }
}

pub(super) fn die_with_parent() -> io::Result<()> {
    // SAFETY: a system call on numbers.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Puts the streams where programs look for them and closes all else but `keep`.
fn take_streams(streams: Streams, keep: RawFd) -> io::Result<()> {
    nix::unistd::dup2_stdin(&streams.stdin)?;
    nix::unistd::dup2_stdout(&streams.stdout)?;
    nix::unistd::dup2_stderr(&streams.stderr)?;
    // The numbers are closed below, all at once.
    std::mem::forget(streams);
    close_but(keep);
    Ok(())
}

pub(super) fn close_but(keep: RawFd) {
    let keep = keep as libc::c_uint;
    // SAFETY: this process goes on with its standard streams and `keep` alone.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, keep.saturating_sub(1), 0);
        libc::syscall(libc::SYS_close_range, keep + 1, libc::c_uint::MAX, 0);
    }
}

fn detach_streams() {
    // The init must not keep the container's pipes open.
    // SAFETY: descriptors 0 to 2 are this process's own.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, 2, 0);
    }
}

/// Undoes the shim's handlers, and holds signals back until the program runs.
fn ignore_nothing() -> io::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
    for number in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: restores a default; no handler is installed.
        unsafe { signal(number, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// Passes signals on to the program, buries orphans, and ends as the program did.
fn supervise(child: Pid) -> ! {
    loop {
        match SigSet::all().wait() {
            Ok(Signal::SIGCHLD) => loop {
                match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::Exited(pid, code)) if pid == child => exit(code),
                    Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                        exit(128 + signal as i32)
                    }
                    Ok(WaitStatus::StillAlive) => break,
                    Ok(_) => {}
                    Err(nix::errno::Errno::ECHILD) => exit(0),
                    Err(_) => break,
                }
            },
            Ok(other) => _ = nix::sys::signal::kill(child, other),
            Err(_) => {}
        }
    }
}

/// Becomes the program; returns why that failed.
fn program(spec: &ContainerSpec, limited: bool) -> io::Error {
    let failed = (|| {
        setsid()?;
        if spec.tty {
            controlling_terminal()?;
        }
        if let (false, Some(bytes)) = (limited, spec.memory_limit) {
            limit_data(bytes)?;
        }
        own_outputs(&spec.user);
        directory(&spec.directory)?;
        credentials(spec)?;
        execute(&spec.argv, &spec.env)
    })();
    let Err(error) = failed;
    error
}

fn limit_data(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: the limit is read from a local variable.
    if unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn own_outputs(user: &User) {
    if user.uid != 0 {
        let (uid, gid) = (Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)));
        // So that a program may reopen /dev/stdout.
        let _ = nix::unistd::fchown(io::stdout().as_fd(), uid, gid);
        let _ = nix::unistd::fchown(io::stderr().as_fd(), uid, gid);
    }
}

pub(super) fn controlling_terminal() -> io::Result<()> {
    // SAFETY: descriptor 0 is the terminal of this new session.
    if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

pub(super) fn directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    Ok(nix::unistd::chdir(path)?)
}

pub(super) fn credentials(spec: &ContainerSpec) -> io::Result<()> {
    let User { uid, gid, groups } = &spec.user;
    capability::bound(&spec.capabilities)?;
    setgroups(
        &groups
            .iter()
            .copied()
            .map(Gid::from_raw)
            .collect::<Vec<_>>(),
    )?;
    setgid(Gid::from_raw(*gid))?;
    if *uid == 0 {
        capability::set(&spec.capabilities)?;
    } else {
        setuid(Uid::from_raw(*uid))?;
    }
    if spec.no_new_privileges {
        nix::sys::prctl::set_no_new_privs()?;
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

pub(super) fn execute(
    argv: &[String],
    env: &[(String, String)],
) -> io::Result<std::convert::Infallible> {
    let text = |value: &str| {
        CString::new(value).map_err(|_| io::Error::other("NUL in an argument or variable"))
    };
    let Some(name) = argv.first() else {
        return Err(io::Error::other("no command"));
    };
    let argv = argv
        .iter()
        .map(|arg| text(arg))
        .collect::<io::Result<Vec<_>>>()?;
    let envp = env
        .iter()
        .map(|(key, value)| text(&format!("{key}={value}")))
        .collect::<io::Result<Vec<_>>>()?;
    let path = env
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or("/usr/bin:/bin", |(_, value)| value);
    let candidates: Vec<_> = if name.contains('/') {
        vec![Path::new(name).to_path_buf()]
    } else {
        std::env::split_paths(path)
            .map(|directory| directory.join(name))
            .collect()
    };
    let mut worst = nix::errno::Errno::ENOENT;
    for candidate in candidates {
        let file = CString::new(candidate.as_os_str().as_bytes()).map_err(io::Error::other)?;
        let Err(error) = nix::unistd::execve(&file, &argv, &envp);
        if error != nix::errno::Errno::ENOENT && error != nix::errno::Errno::ENOTDIR {
            worst = error;
        }
    }
    let error = io::Error::from(worst);
    Err(io::Error::new(
        error.kind(),
        format!("exec: {name:?}: {error}"),
    ))
}

/// Joins the namespaces of a running container with a new process whose streams are `streams`.
pub(super) fn enter(
    init: i32,
    spec: &ContainerSpec,
    argv: &[String],
    tty: bool,
    streams: Vec<OwnedFd>,
    errors: OwnedFd,
) -> io::Result<i32> {
    use nix::sched::{CloneFlags, setns};
    let namespace = |name: &str| std::fs::File::open(format!("/proc/{init}/ns/{name}"));
    let (pid_ns, mount_ns) = (namespace("pid")?, namespace("mnt")?);
    // SAFETY: there is one thread.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        return Ok(child.as_raw());
    }
    let mut reason = std::fs::File::from(errors);
    let waiter = (|| {
        die_with_parent()?;
        let [stdin, stdout, stderr] =
            <[OwnedFd; 3]>::try_from(streams).map_err(|_| io::Error::other("streams"))?;
        setns(&pid_ns, CloneFlags::CLONE_NEWPID)?;
        setns(&mount_ns, CloneFlags::CLONE_NEWNS)?;
        take_streams(
            Streams {
                stdin,
                stdout,
                stderr,
            },
            reason.as_raw_fd(),
        )?;
        ignore_nothing()?;
        // SAFETY: there is one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                let failed = (|| {
                    die_with_parent()?;
                    setsid()?;
                    if tty {
                        controlling_terminal()?;
                    }
                    directory(&spec.directory)?;
                    credentials(spec)?;
                    execute(argv, &spec.env)
                })();
                let Err(error) = failed;
                let _ = write!(reason, "{error}");
                exit(127)
            }
        }
    })();
    let child: io::Result<Pid> = waiter;
    if let Err(error) = &child {
        let _ = write!(reason, "{error}");
        exit(127);
    }
    drop(reason);
    detach_streams();
    let Ok(child) = child else { exit(127) };
    supervise(child)
}
