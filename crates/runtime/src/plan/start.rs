//! In which order containers start, and when one that ended starts again.

use super::{Action, Container, Hook, Millis, Phase, Pod, RestartPolicy, Role};

impl Pod {
    pub(super) fn start_in_order(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if !self.initialized && !self.initialize(now, actions) {
            return;
        }
        self.initialized = true;
        for index in 0..self.containers.len() {
            let role = self.plan.containers[index].role;
            if role == Role::Init {
                continue;
            }
            if self.wants_start(index) {
                self.start(index, now, actions);
            }
            // Kubernetes starts main containers one after the other, each after the hook of the one before.
            let state = &self.containers[index];
            let hook_open = state.phase == Phase::Running
                && state.post_start != Hook::Done
                && state.stop.is_none();
            if role == Role::Main && (state.phase == Phase::Starting || hook_open) {
                return;
            }
        }
    }

    /// Whether the main containers may start.
    fn initialize(&mut self, now: Millis, actions: &mut Vec<Action>) -> bool {
        for index in 0..self.containers.len() {
            match self.plan.containers[index].role {
                Role::Main => return true,
                Role::Init => {
                    if self.containers[index].succeeded() {
                        continue;
                    }
                    if self.wants_start(index) {
                        self.start(index, now, actions);
                    }
                    // Sidecars that started before it go on being cared for.
                    self.restart_sidecars(index, now, actions);
                    return false;
                }
                Role::Sidecar => {
                    if self.wants_start(index) {
                        self.start(index, now, actions);
                    }
                    if !self.containers[index].started {
                        self.restart_sidecars(index, now, actions);
                        return false;
                    }
                }
            }
        }
        true
    }

    fn restart_sidecars(&mut self, before: usize, now: Millis, actions: &mut Vec<Action>) {
        for index in 0..before {
            if self.plan.containers[index].role == Role::Sidecar && self.wants_start(index) {
                self.start(index, now, actions);
            }
        }
    }

    fn wants_start(&self, index: usize) -> bool {
        match self.containers[index].phase {
            Phase::Waiting { .. } => true,
            Phase::Ended => self.restarts(index),
            Phase::Starting | Phase::Running => false,
        }
    }

    /// Whether a container that ended is to run again.
    pub(super) fn restarts(&self, index: usize) -> bool {
        let success = self.containers[index].succeeded();
        match (self.plan.containers[index].role, self.plan.restart_policy) {
            (Role::Sidecar, _) | (Role::Main, RestartPolicy::Always) => true,
            (_, RestartPolicy::Never) => false,
            (Role::Init, _) | (Role::Main, RestartPolicy::OnFailure) => !success,
        }
    }

    fn start(&mut self, container: usize, now: Millis, actions: &mut Vec<Action>) {
        let name = &self.plan.containers[container].name;
        let state = &mut self.containers[container];
        if now < state.not_before {
            if state.phase == Phase::Ended {
                let wait = (state.not_before - now + 999) / 1000;
                let message = format!("back-off {wait}s restarting failed container={name}");
                actions.push(Action::Event {
                    warning: true,
                    reason: "BackOff",
                    container,
                    message: "Back-off restarting failed container ".to_owned() + name,
                });
                state.phase = Phase::Waiting {
                    why: Some(("CrashLoopBackOff".into(), message)),
                };
            }
            return;
        }
        let attempt = state
            .attempt
            .map_or(0, |attempt| attempt + u32::from(state.ran()));
        state.phase = Phase::Starting;
        actions.push(Action::Start { container, attempt });
    }

    /// Whether no container will run again by itself.
    pub(super) fn is_complete(&self) -> bool {
        let over = |index: usize| self.containers[index].is_over() && !self.restarts(index);
        let of = |role: Role| {
            (0..self.containers.len())
                .filter(move |index| self.plan.containers[*index].role == role)
        };
        let init_failed =
            of(Role::Init).any(|index| over(index) && !self.containers[index].succeeded());
        init_failed || (self.initialized && of(Role::Main).all(over))
    }
}

impl Container {
    pub(super) fn succeeded(&self) -> bool {
        self.phase == Phase::Ended && self.last.as_ref().is_some_and(|ended| ended.code == 0)
    }

    fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether the present attempt's number was used by a run.
    fn ran(&self) -> bool {
        self.last.is_some() || self.previous.is_some()
    }
}
