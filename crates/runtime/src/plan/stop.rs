//! In which order containers stop: main ones together, then sidecars in reverse order, all within the
//! pod's grace; each by its preStop hook, SIGTERM, and SIGKILL when its time is up.

use super::{Action, Container, Hook, Millis, Phase, Pod, Role, Stop};

/// What a sidecar has at least when the main containers used up the grace (as the kubelet gives).
const LEAST: Millis = 2_000;

impl Pod {
    pub(super) fn stop_in_order(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let mut open = false;
        for index in self.indices(|role| role != Role::Sidecar) {
            open |= self.stop_one(index, self.stop_by, now, actions);
        }
        for index in self.indices(|role| role == Role::Sidecar).into_iter().rev() {
            if open {
                return;
            }
            open |= self.stop_one(index, self.stop_by.max(now + LEAST), now, actions);
        }
    }

    fn indices(&self, wanted: impl Fn(Role) -> bool) -> Vec<usize> {
        (0..self.containers.len())
            .filter(|index| wanted(self.plan.containers[*index].role))
            .collect()
    }

    /// Whether the container is still there.
    fn stop_one(
        &mut self,
        index: usize,
        by: Millis,
        now: Millis,
        actions: &mut Vec<Action>,
    ) -> bool {
        let plan = &self.plan.containers[index];
        let state = &mut self.containers[index];
        match state.phase {
            Phase::Starting => true,
            Phase::Running => {
                if state.stop.is_none() {
                    let message = format!("Stopping container {}", plan.name);
                    actions.push(Action::Event {
                        warning: false,
                        reason: "Killing",
                        container: index,
                        message,
                    });
                    state.begin_stop(plan.pre_stop, now, by);
                }
                true
            }
            Phase::Waiting { .. } | Phase::Ended => false,
        }
    }
}

impl Container {
    pub(super) fn begin_stop(&mut self, pre_stop: bool, now: Millis, by: Millis) {
        if self.stop.is_some() {
            return;
        }
        let hook = if pre_stop && by > now {
            Hook::Due
        } else {
            Hook::Done
        };
        self.ready = false;
        self.stop = Some(Stop {
            hook,
            terminated: false,
            kill_at: by,
            killed: false,
        });
    }
}

impl Stop {
    pub(super) fn advance(
        &mut self,
        container: usize,
        attempt: u32,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        if self.hook == Hook::Due {
            self.hook = Hook::Asked;
            actions.push(Action::PreStop { container, attempt });
        }
        if self.hook == Hook::Done && !self.terminated {
            self.terminated = true;
            actions.push(Action::Terminate { container });
        }
        if now >= self.kill_at && !self.killed {
            self.killed = true;
            actions.push(Action::Kill { container });
        }
    }
}
