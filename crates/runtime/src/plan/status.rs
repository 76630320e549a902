//! A pod's state as Kubernetes' status shows it.

use super::{Container, Ended, Ending, Phase, Pod, Role};

/// The state of one container, to be written as `containerStatuses[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerView {
    pub(crate) name: String,
    pub(crate) init: bool,
    pub(crate) state: State,
    pub(crate) last: Option<Ended>,
    pub(crate) ready: bool,
    pub(crate) started: bool,
    pub(crate) restarts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Waiting { reason: String, message: String },
    Running { since: i64 },
    Terminated(Ended),
}

/// The state of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) phase: &'static str,
    pub(crate) reason: Option<(&'static str, String)>,
    pub(crate) initialized: bool,
    pub(crate) containers_ready: bool,
    pub(crate) containers: Vec<ContainerView>,
}

impl Pod {
    pub(crate) fn view(&self) -> View {
        let containers: Vec<_> = (0..self.containers.len())
            .map(|index| self.container_view(index))
            .collect();
        let mains =
            || (0..self.containers.len()).filter(|i| self.plan.containers[*i].role == Role::Main);
        let cared = |index: &usize| self.plan.containers[*index].role != Role::Init;
        let phase = self.phase();
        let containers_ready = !matches!(phase, "Succeeded" | "Failed")
            && self.initialized
            && (0..self.containers.len())
                .filter(cared)
                .all(|index| self.containers[index].ready);
        let reason = (self.ending == Some(Ending::DeadlineExceeded)).then(|| {
            (
                "DeadlineExceeded",
                "Pod was active on the node longer than the specified deadline".to_owned(),
            )
        });
        let has_ended = mains().all(|index| self.containers[index].phase == Phase::Ended);
        View {
            phase,
            reason,
            initialized: self.initialized || (phase == "Succeeded" && has_ended),
            containers_ready,
            containers,
        }
    }

    fn phase(&self) -> &'static str {
        let mains: Vec<_> = (0..self.containers.len())
            .filter(|index| self.plan.containers[*index].role == Role::Main)
            .map(|index| &self.containers[index])
            .collect();
        let over = self.is_done() || self.ending == Some(Ending::Completed);
        if over && self.is_done() {
            let success = self.ending != Some(Ending::DeadlineExceeded)
                && mains.iter().all(|c| c.succeeded());
            return if success { "Succeeded" } else { "Failed" };
        }
        let ran = |c: &&Container| c.attempt.is_some();
        if self.initialized && mains.iter().any(ran) {
            "Running"
        } else {
            "Pending"
        }
    }

    fn container_view(&self, index: usize) -> ContainerView {
        let plan = &self.plan.containers[index];
        let state = &self.containers[index];
        let has_init = self.plan.containers.iter().any(|c| c.role != Role::Main);
        let waiting = || {
            let initializing = has_init && plan.role == Role::Main && !self.initialized;
            if initializing {
                "PodInitializing"
            } else {
                "ContainerCreating"
            }
        };
        let (view, last) = match (&state.phase, &state.last) {
            (Phase::Running, _) => (
                State::Running {
                    since: state.started_at,
                },
                state.last.clone(),
            ),
            (Phase::Ended, Some(ended)) => (State::Terminated(ended.clone()), None),
            (
                Phase::Waiting {
                    why: Some((reason, message)),
                },
                last,
            ) => (
                State::Waiting {
                    reason: reason.clone(),
                    message: message.clone(),
                },
                last.clone(),
            ),
            (_, last) => {
                let plain = State::Waiting {
                    reason: waiting().into(),
                    message: String::new(),
                };
                (plain, last.clone())
            }
        };
        ContainerView {
            name: plan.name.clone(),
            init: plan.role != Role::Main,
            state: view,
            last: last.or_else(|| state.previous.clone()),
            ready: state.ready,
            started: state.started,
            restarts: state.attempt.unwrap_or(0),
        }
    }
}
