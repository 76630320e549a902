//! The life of one pod as a pure state machine: what was observed goes in with the time, what to do
//! comes out. It knows no processes, sockets or clocks.

mod backoff;
mod probe;
mod start;
pub(crate) mod status;
mod stop;
#[cfg(test)]
mod tests;

use backoff::Backoff;
use probe::Probes;
pub(crate) use probe::{Kind as ProbeKind, ProbePlan};

/// Unix milliseconds.
pub(crate) type Millis = i64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// What a container is to its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`: runs beside the main containers, outlives them.
    Sidecar,
    Main,
}

#[derive(Debug, Clone)]
pub(crate) struct ContainerPlan {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) startup: Option<ProbePlan>,
    pub(crate) liveness: Option<ProbePlan>,
    pub(crate) readiness: Option<ProbePlan>,
    pub(crate) post_start: bool,
    pub(crate) pre_stop: bool,
}

/// What a pod's specification says about its life. Init containers first, in order.
#[derive(Debug, Clone)]
pub(crate) struct PodPlan {
    pub(crate) containers: Vec<ContainerPlan>,
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) grace: Millis,
    pub(crate) deadline: Option<Millis>,
}

/// What the caller is to do. Containers are named by their index in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Answer with [`Pod::running`] or [`Pod::start_failed`].
    Start {
        container: usize,
        attempt: u32,
    },
    /// Answer with [`Pod::post_start_done`].
    PostStart {
        container: usize,
        attempt: u32,
    },
    /// Answer with [`Pod::pre_stop_done`].
    PreStop {
        container: usize,
        attempt: u32,
    },
    Terminate {
        container: usize,
    },
    Kill {
        container: usize,
    },
    /// Answer with [`Pod::probed`].
    Probe {
        container: usize,
        attempt: u32,
        kind: ProbeKind,
    },
    Event {
        warning: bool,
        reason: &'static str,
        container: usize,
        message: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) started: Millis,
    pub(crate) finished: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Not to run, or not yet; `why` overrides the usual reason.
    Waiting {
        why: Option<(String, String)>,
    },
    Starting,
    Running,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Due,
    Asked,
    Done,
}

/// A stop under way.
#[derive(Debug, Clone)]
struct Stop {
    hook: Hook,
    terminated: bool,
    kill_at: Millis,
    killed: bool,
}

#[derive(Debug, Clone)]
struct Container {
    phase: Phase,
    /// Runs so far, less one: Kubernetes' `restartCount`.
    attempt: Option<u32>,
    started_at: Millis,
    started: bool,
    ready: bool,
    post_start: Hook,
    probes: Probes,
    stop: Option<Stop>,
    last: Option<Ended>,
    previous: Option<Ended>,
    backoff: Backoff,
    not_before: Millis,
}

/// Why the pod as a whole ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Deleted,
    DeadlineExceeded,
    /// All main containers, or an init container that may not be tried again, have ended.
    Completed,
}

/// One pod's state.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    plan: PodPlan,
    containers: Vec<Container>,
    sandbox: bool,
    initialized: bool,
    ending: Option<Ending>,
    stop_by: Millis,
    started_at: Millis,
}

impl Pod {
    /// `started_at` is when this node accepted the pod.
    pub(crate) fn new(plan: PodPlan, started_at: Millis) -> Self {
        let containers = plan.containers.iter().map(Container::new).collect();
        Self {
            plan,
            containers,
            sandbox: false,
            initialized: false,
            ending: None,
            stop_by: Millis::MAX,
            started_at,
        }
    }

    /// The network and the shim are there; without it nothing starts.
    pub(crate) fn sandbox_ready(&mut self) {
        self.sandbox = true;
    }

    /// A run was started, or found again after the node's own restart.
    pub(crate) fn running(&mut self, container: usize, attempt: u32, started: Millis) {
        let plan = &self.plan.containers[container];
        let state = &mut self.containers[container];
        state.phase = Phase::Running;
        state.attempt = Some(attempt);
        state.started_at = started;
        state.started = false;
        state.ready = false;
        state.post_start = if plan.post_start {
            Hook::Due
        } else {
            Hook::Done
        };
        state.probes = Probes::new(plan, started);
        state.stop = None;
        state.settle(plan);
    }

    /// Takes over what an earlier node knew of a running container, so that its restart is not seen.
    pub(crate) fn adopt_health(&mut self, container: usize, started: bool, ready: bool) {
        let state = &mut self.containers[container];
        state.post_start = Hook::Done;
        state.started = started;
        state.ready = ready;
        state.probes.adopt(started);
        state.probes.adopt_readiness(ready);
        let plan = &self.plan.containers[container];
        state.settle(plan);
    }

    /// Restores the end of an earlier run.
    pub(crate) fn adopt_last(&mut self, container: usize, attempt: u32, ended: Ended) {
        let state = &mut self.containers[container];
        state.attempt.get_or_insert(attempt);
        state.previous = Some(ended);
    }

    /// All init containers were through before the node was restarted.
    pub(crate) fn adopt_initialized(&mut self) {
        self.initialized = true;
    }

    /// The process could not be started at all.
    pub(crate) fn start_failed(
        &mut self,
        container: usize,
        reason: &str,
        message: String,
        now: Millis,
    ) {
        let state = &mut self.containers[container];
        state.phase = Phase::Waiting {
            why: Some((reason.into(), message)),
        };
        state.not_before = now + state.backoff.next(now).max(backoff::FIRST);
    }

    /// A run is over.
    pub(crate) fn exited(&mut self, container: usize, attempt: u32, ended: Ended) {
        let plan = &self.plan.containers[container];
        let state = &mut self.containers[container];
        if state.attempt.is_some_and(|current| current > attempt) {
            return;
        }
        state.attempt = Some(attempt);
        state.previous = state.last.take().or(state.previous.take());
        state.not_before = ended.finished + state.backoff.delay(ended.finished);
        state.phase = Phase::Ended;
        state.started = false;
        state.ready = plan.role == Role::Init && ended.code == 0;
        state.stop = None;
        state.last = Some(ended);
    }

    pub(crate) fn post_start_done(
        &mut self,
        container: usize,
        attempt: u32,
        outcome: &Result<(), String>,
        now: Millis,
    ) {
        let plan = &self.plan.containers[container];
        let grace = self.plan.grace;
        let state = &mut self.containers[container];
        if !state.is_running(attempt) || state.post_start != Hook::Asked {
            return;
        }
        state.post_start = Hook::Done;
        match outcome {
            Ok(()) => state.settle(plan),
            // Kubernetes kills a container whose postStart hook failed.
            Err(_) => state.begin_stop(false, now, now + grace),
        }
    }

    pub(crate) fn pre_stop_done(&mut self, container: usize, attempt: u32) {
        let state = &mut self.containers[container];
        if let (true, Some(stop)) = (state.is_running(attempt), &mut state.stop) {
            stop.hook = Hook::Done;
        }
    }

    /// The result of a probe that [`Action::Probe`] asked for. Returns what to tell the user.
    pub(crate) fn probed(
        &mut self,
        container: usize,
        attempt: u32,
        kind: ProbeKind,
        outcome: &Result<(), String>,
        now: Millis,
    ) -> Vec<Action> {
        let plan = &self.plan.containers[container];
        let state = &mut self.containers[container];
        if !state.is_running(attempt) {
            return Vec::new();
        }
        let failure = outcome.as_ref().err().cloned();
        let verdict = state.probes.result(kind, outcome.is_ok(), now);
        let mut actions = Vec::new();
        if let Some(failure) = failure {
            let message = format!("{kind} probe failed: {failure}");
            actions.push(Action::Event {
                warning: true,
                reason: "Unhealthy",
                container,
                message,
            });
        }
        if verdict == probe::Verdict::Restart && state.stop.is_none() {
            let message = format!(
                "Container {} failed {} probe, will be restarted",
                plan.name,
                kind.lower()
            );
            actions.push(Action::Event {
                warning: false,
                reason: "Killing",
                container,
                message,
            });
            let grace = state.probes.grace(kind).unwrap_or(self.plan.grace);
            state.begin_stop(plan.pre_stop, now, now + grace);
        }
        state.settle(plan);
        actions
    }

    /// The pod is to go; a shorter grace than before counts.
    pub(crate) fn delete(&mut self, grace: Option<Millis>, now: Millis) {
        let by = now + grace.unwrap_or(self.plan.grace);
        if self.ending != Some(Ending::Deleted) || by < self.stop_by {
            self.stop_by = by;
            for state in &mut self.containers {
                if let Some(stop) = &mut state.stop {
                    stop.kill_at = stop.kill_at.min(by);
                }
            }
        }
        self.ending = Some(Ending::Deleted);
    }

    /// Decides what to do now. Call it after each observation and at [`Pod::wake_at`].
    pub(crate) fn step(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = Vec::new();
        self.check_ending(now);
        if self.ending.is_some() {
            self.stop_in_order(now, &mut actions);
        } else if self.sandbox {
            self.start_in_order(now, &mut actions);
        }
        for index in 0..self.containers.len() {
            self.containers[index].advance(index, &self.plan.containers[index], now, &mut actions);
        }
        actions
    }

    fn check_ending(&mut self, now: Millis) {
        if self.ending.is_some() {
            return;
        }
        let overdue = self
            .plan
            .deadline
            .is_some_and(|after| now >= self.started_at + after);
        if overdue {
            self.ending = Some(Ending::DeadlineExceeded);
        } else if self.is_complete() {
            self.ending = Some(Ending::Completed);
        }
        if self.ending.is_some() {
            self.stop_by = now + self.plan.grace;
        }
    }

    /// Whether all is over: nothing runs and nothing will.
    pub(crate) fn is_done(&self) -> bool {
        let idle = |c: &Container| !matches!(c.phase, Phase::Running | Phase::Starting);
        self.ending.is_some() && self.containers.iter().all(idle)
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// When to call [`Pod::step`] again if nothing happens before.
    pub(crate) fn wake_at(&self, now: Millis) -> Option<Millis> {
        let deadline = self
            .plan
            .deadline
            .filter(|_| self.ending.is_none())
            .map(|after| self.started_at + after);
        let containers = self.containers.iter().flat_map(|state| {
            let restart = matches!(state.phase, Phase::Ended | Phase::Waiting { .. })
                && self.ending.is_none();
            [
                restart.then_some(state.not_before).filter(|at| *at > now),
                state
                    .stop
                    .as_ref()
                    .filter(|stop| !stop.killed)
                    .map(|stop| stop.kill_at),
                if state.phase == Phase::Running && state.stop.is_none() {
                    state.probes.next_at()
                } else {
                    None
                },
            ]
        });
        deadline.into_iter().chain(containers.flatten()).min()
    }

    /// Whether a container of this name is running, and in which attempt.
    pub(crate) fn attempt_of(&self, container: usize) -> Option<u32> {
        self.containers[container].attempt
    }

    pub(crate) fn is_starting(&self, container: usize) -> bool {
        self.containers[container].phase == Phase::Starting
    }

    /// Whether the run of this number is known to have ended.
    pub(crate) fn has_ended(&self, container: usize, attempt: u32) -> bool {
        let state = &self.containers[container];
        let over = matches!(state.phase, Phase::Ended | Phase::Waiting { .. });
        state.attempt.is_some_and(|current| current > attempt)
            || (over && state.attempt == Some(attempt))
    }

    /// Everything that ran is gone with its shim; what may run again does once there is a new one.
    /// Init containers run again: what they did to the network went with it.
    pub(crate) fn sandbox_lost(&mut self) {
        self.sandbox = false;
        self.initialized = false;
        for (plan, state) in self.plan.containers.iter().zip(&mut self.containers) {
            if plan.role == Role::Init && state.phase == Phase::Ended {
                state.phase = Phase::Waiting { why: None };
                state.not_before = 0;
            }
        }
    }

    pub(crate) fn plan(&self) -> &PodPlan {
        &self.plan
    }
}

impl Container {
    fn new(plan: &ContainerPlan) -> Self {
        Self {
            phase: Phase::Waiting { why: None },
            attempt: None,
            started_at: 0,
            started: false,
            ready: false,
            post_start: Hook::Done,
            probes: Probes::new(plan, 0),
            stop: None,
            last: None,
            previous: None,
            backoff: Backoff::default(),
            not_before: 0,
        }
    }

    fn is_running(&self, attempt: u32) -> bool {
        self.phase == Phase::Running && self.attempt == Some(attempt)
    }

    /// Derives `started` and `ready` from the hook and the probes.
    fn settle(&mut self, plan: &ContainerPlan) {
        if self.phase != Phase::Running || self.post_start != Hook::Done {
            return;
        }
        self.started = self.started || self.probes.startup_passed();
        self.ready =
            self.started && plan.role != Role::Init && self.probes.readiness().unwrap_or(true);
    }

    fn advance(
        &mut self,
        index: usize,
        plan: &ContainerPlan,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let (Phase::Running, Some(attempt)) = (&self.phase, self.attempt) else {
            return;
        };
        if self.post_start == Hook::Due {
            self.post_start = Hook::Asked;
            actions.push(Action::PostStart {
                container: index,
                attempt,
            });
        }
        if let Some(stop) = &mut self.stop {
            stop.advance(index, attempt, now, actions);
            return;
        }
        if plan.role != Role::Init && self.post_start == Hook::Done {
            for kind in self.probes.due(self.started, now) {
                actions.push(Action::Probe {
                    container: index,
                    attempt,
                    kind,
                });
            }
        }
    }
}
