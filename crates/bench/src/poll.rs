//! A thread's event loop: epoll with a timer finer than a millisecond.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::Pid;

/// Binds the calling thread, and threads that it starts, to one core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

const TIMER: u64 = u64::MAX;

/// Sockets by token, and one timer.
pub(crate) struct Poll {
    epoll: Epoll,
    timer: TimerFd,
    events: Vec<EpollEvent>,
}

impl Poll {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self {
            epoll,
            timer,
            events: vec![EpollEvent::empty(); 256],
        })
    }

    pub(crate) fn add(&self, socket: impl AsFd, token: usize) -> anyhow::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
        Ok(self
            .epoll
            .add(socket, EpollEvent::new(flags, token as u64))?)
    }

    /// Tokens that are readable, or nothing once the time is over.
    pub(crate) fn wait(
        &mut self,
        patience: Duration,
        ready: &mut Vec<usize>,
    ) -> anyhow::Result<()> {
        ready.clear();
        // A timer of zero would be disarmed.
        let patience = patience.max(Duration::from_nanos(1));
        self.timer.set(
            Expiration::OneShot(TimeSpec::from_duration(patience)),
            TimerSetTimeFlags::empty(),
        )?;
        let count = match self.epoll.wait(&mut self.events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &self.events[..count] {
            if event.data() == TIMER {
                let _ = self.timer.wait();
            } else {
                ready.push(usize::try_from(event.data())?);
            }
        }
        Ok(())
    }
}
