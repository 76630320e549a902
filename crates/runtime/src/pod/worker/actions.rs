//! Carries out what the state machine decided, each in a task of its own.

use super::{Outcome, Worker};
use crate::plan::{Action, ProbeKind};
use crate::pod::container::Refused;
use crate::pod::{client, prober, tasks};
use crate::shim::protocol::Request;

impl Worker {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Event {
                warning,
                reason,
                container,
                message,
            } => {
                self.event(warning, reason, Some(container), message);
            }
            Action::Terminate { container } => self.signal(container, libc::SIGTERM),
            Action::Kill { container } => self.signal(container, libc::SIGKILL),
            Action::Start { container, attempt } => self.start(container, attempt),
            Action::PostStart { container, attempt } => self.hook(container, attempt, true),
            Action::PreStop { container, attempt } => self.hook(container, attempt, false),
            Action::Probe {
                container,
                attempt,
                kind,
            } => self.probe(container, attempt, kind),
        }
    }

    fn start(&mut self, container: usize, attempt: u32) {
        let containers = self.containers();
        let (Some(chosen), sender) = (containers.get(container).cloned(), self.send()) else {
            return;
        };
        let Some(sandbox) = self.sandbox.clone() else {
            let refused = Refused {
                reason: "RunContainerError",
                message: "the pod has no sandbox".into(),
            };
            let _ = sender.send(Outcome::Started {
                container,
                attempt,
                result: Err(refused),
            });
            return;
        };
        let image = chosen.image.clone().unwrap_or_default();
        if let Some(program) = self.shared.images.find(&image) {
            let message = format!(
                "Image {image:?} stands for {:?} on this machine",
                program.entrypoint.join(" ")
            );
            self.event(false, "Pulled", Some(container), message);
        }
        let (shared, facts) = (self.shared.clone(), self.facts.clone());
        tokio::spawn(async move {
            let result = tasks::start(shared, facts, sandbox, chosen, attempt).await;
            let _ = sender.send(Outcome::Started {
                container,
                attempt,
                result,
            });
        });
    }

    fn signal(&self, container: usize, signal: i32) {
        let Some(sandbox) = self.sandbox.clone() else {
            return;
        };
        let name = self.state.plan().containers[container].name.clone();
        tokio::spawn(async move {
            let request = Request::Signal {
                container: name,
                signal,
            };
            let _ = client::call(&sandbox.directory, &request, Vec::new()).await;
        });
    }

    fn hook(&self, container: usize, attempt: u32, post_start: bool) {
        let Some(chosen) = self.containers().get(container).cloned() else {
            return;
        };
        let lifecycle = chosen.lifecycle.clone().unwrap_or_default();
        let handler = if post_start {
            lifecycle.post_start
        } else {
            lifecycle.pre_stop
        };
        let target = self
            .sandbox
            .as_ref()
            .map(|sandbox| tasks::target(&self.facts, sandbox));
        let sender = self.send();
        tokio::spawn(async move {
            let result = match (handler, target) {
                (Some(handler), Some(target)) => prober::hook(&handler, &chosen, &target).await,
                _ => Ok(()),
            };
            let _ = sender.send(if post_start {
                Outcome::PostStart {
                    container,
                    attempt,
                    result,
                }
            } else {
                Outcome::PreStop {
                    container,
                    attempt,
                    result,
                }
            });
        });
    }

    fn probe(&self, container: usize, attempt: u32, kind: ProbeKind) {
        let Some(chosen) = self.containers().get(container).cloned() else {
            return;
        };
        let probe = match kind {
            ProbeKind::Startup => chosen.startup_probe.clone(),
            ProbeKind::Liveness => chosen.liveness_probe.clone(),
            ProbeKind::Readiness => chosen.readiness_probe.clone(),
        };
        let target = self
            .sandbox
            .as_ref()
            .map(|sandbox| tasks::target(&self.facts, sandbox));
        let sender = self.send();
        tokio::spawn(async move {
            let result = match (probe, target) {
                (Some(probe), Some(target)) => prober::probe(&probe, &chosen, &target).await,
                _ => Err("the pod has no sandbox".into()),
            };
            let _ = sender.send(Outcome::Probed {
                container,
                attempt,
                kind,
                result,
            });
        });
    }
}
