//! Carries out what a pod's state machine decides, and tells it what happened.

use std::sync::Arc;
use std::time::Duration;

use api::kinds;
use api::store::{Delete, Patch, StoreError};
use base::ObjectKey;
use k8s_openapi::api::core::v1::{Container, Pod as PodObject, PodSpec};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::client::{self, News};
use super::container::Refused;
use super::prepare::{Failure, prepare, refresh};
use super::sandbox::Sandbox;
use super::{Entry, Shared, prober, spec, status, tasks};
use crate::events::PodEvent;
use crate::facts::Facts;
use crate::plan::{Action, Ended, Ending, Pod, ProbeKind};
use crate::shim::protocol::{Request, Run};
use crate::time;
use crate::volume::Tokens;

/// What the node tells a worker.
#[derive(Debug)]
pub(crate) enum Update {
    Object(Value),
    /// The object is gone without the node's doing.
    Gone,
}

/// What a task of the worker reports.
enum Outcome {
    Prepared(Result<Sandbox, Failure>),
    Started { container: usize, attempt: u32, result: Result<Run, Refused> },
    PostStart { container: usize, attempt: u32, result: Result<(), String> },
    PreStop { container: usize, attempt: u32, result: Result<(), String> },
    Probed { container: usize, attempt: u32, kind: ProbeKind, result: Result<(), String> },
    Refreshed(Result<Option<i64>, String>),
}

/// Volumes from the API are read again this often.
const REFRESH: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(2);

struct Worker {
    shared: Arc<Shared>,
    object: Value,
    facts: Facts,
    spec: PodSpec,
    state: Pod,
    started: i64,
    sandbox: Option<Sandbox>,
    news: Option<mpsc::UnboundedReceiver<News>>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    tokens: Arc<Mutex<Tokens>>,
    published: Value,
    unpublished: bool,
    preparing: bool,
    refused: Option<String>,
    cleaned: bool,
    gone: bool,
}

/// Runs a pod until its object is gone and nothing of it is left.
pub(crate) async fn run(shared: Arc<Shared>, object: Value, mut updates: mpsc::UnboundedReceiver<Update>) {
    let Ok(pod) = serde_json::from_value::<PodObject>(object.clone()) else { return };
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    let Some(mut worker) = Worker::new(shared, object, pod, sender).await else { return };
    let mut refresh = tokio::time::interval(REFRESH);
    loop {
        if worker.advance().await {
            return;
        }
        let wake = worker.wake();
        tokio::select! {
            update = updates.recv() => match update {
                Some(Update::Object(object)) => worker.update(object),
                Some(Update::Gone) => worker.vanish(),
                None => return,
            },
            Some(outcome) = outcomes.recv() => worker.outcome(outcome),
            news = next(&mut worker.news) => worker.news(news),
            _ = refresh.tick() => worker.refresh(),
            () = tokio::time::sleep(wake) => {}
        }
    }
}

async fn next(news: &mut Option<mpsc::UnboundedReceiver<News>>) -> News {
    match news {
        Some(receiver) => receiver.recv().await.unwrap_or(News::Lost),
        None => std::future::pending().await,
    }
}

impl Worker {
    async fn new(
        shared: Arc<Shared>,
        object: Value,
        pod: PodObject,
        outcomes: mpsc::UnboundedSender<Outcome>,
    ) -> Option<Self> {
        let pod_spec = pod.spec.clone()?;
        let uid = pod.metadata.uid.clone()?;
        let host_network = pod_spec.host_network == Some(true);
        let pod_ip = if host_network { shared.node_ip } else { shared.sandboxes.allocate(&uid).ok()? };
        let started = object["status"]["startTime"].as_str().and_then(time::parse).unwrap_or_else(time::now);
        let unsupported = spec::unsupported(&pod);
        let facts = Facts {
            pod: Arc::new(pod),
            pod_ip,
            host_ip: shared.node_ip,
            node_name: shared.node_name.clone(),
            capacity: shared.capacity,
        };
        let mut worker = Self {
            state: Pod::new(spec::plan_of(&pod_spec), started),
            spec: pod_spec,
            published: object["status"].clone(),
            unpublished: false,
            started,
            facts,
            sandbox: None,
            news: None,
            outcomes,
            tokens: Arc::default(),
            preparing: false,
            refused: (!unsupported.is_empty()).then(|| unsupported.join("; ")),
            cleaned: false,
            gone: false,
            object: Value::Null,
            shared,
        };
        worker.adopt(&uid, &object["status"]).await;
        worker.update(object);
        if let Some(message) = worker.refused.clone() {
            worker.event(true, "UnsupportedPodSpec", None, message);
        }
        Some(worker)
    }

    fn containers(&self) -> Vec<Container> {
        spec::containers(&self.spec).cloned().collect()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.state.plan().containers.iter().position(|container| container.name == name)
    }

    /// Takes over restart counts and last ends from the object; `adopted` says that the present runs are
    /// known from the shim.
    fn recall(&mut self, old: &Value, adopted: bool) {
        for status in statuses(old) {
            let Some(index) = status["name"].as_str().and_then(|name| self.index(name)) else { continue };
            let restarts = u32::try_from(status["restartCount"].as_u64().unwrap_or(0)).unwrap_or(0);
            let present = if adopted { &Value::Null } else { &status["state"]["terminated"] };
            if let Some(ended) = [present, &status["lastState"]["terminated"]].into_iter().find_map(ended_of) {
                self.state.adopt_last(index, restarts, ended);
            } else if !adopted && status["state"]["running"].is_object() {
                let since = status["state"]["running"]["startedAt"].as_str().and_then(time::parse).unwrap_or(0);
                let lost = Ended {
                    code: 137,
                    reason: "ContainerStatusUnknown",
                    message: "The container's end was not seen".into(),
                    started: since,
                    finished: time::now(),
                };
                self.state.adopt_last(index, restarts, lost);
            }
        }
    }

    /// Finds what an earlier node left running.
    async fn adopt(&mut self, uid: &str, old: &Value) {
        if let Some(phase @ ("Succeeded" | "Failed")) = old["phase"].as_str() {
            self.refused.get_or_insert_with(|| phase.to_owned());
            return;
        }
        let shared = self.shared.clone();
        let id = uid.to_owned();
        let found = tokio::task::spawn_blocking(move || shared.sandboxes.find(&id)).await.ok().flatten();
        let Some(sandbox) = found else {
            let (shared, id) = (self.shared.clone(), uid.to_owned());
            let ip = self.facts.pod_ip;
            self.recall(old, false);
            // Whatever is there belongs to a shim that is gone.
            let _ = tokio::task::spawn_blocking(move || shared.sandboxes.remove(&id)).await;
            if self.spec.host_network != Some(true) {
                self.facts.pod_ip = self.shared.sandboxes.allocate(uid).unwrap_or(ip);
            }
            return;
        };
        let Ok((runs, news)) = client::watch(&sandbox.directory).await else { return };
        self.facts.pod_ip = sandbox.record.ip;
        self.sandbox = Some(sandbox);
        self.news = Some(news);
        self.recall(old, true);
        let initialized = old["conditions"].as_array().into_iter().flatten();
        if initialized.into_iter().any(|c| c["type"] == "Initialized" && c["status"] == "True") {
            self.state.adopt_initialized();
        }
        for run in runs {
            let Some(index) = self.index(&run.container) else { continue };
            self.state.running(index, run.attempt, run.started);
            let before = statuses(old).find(|status| status["name"] == run.container.as_str()).cloned();
            let before = before.filter(|s| s["restartCount"].as_u64() == Some(run.attempt.into())).unwrap_or_default();
            let known = before["state"]["running"].is_object();
            if known {
                let flag = |name: &str| before[name].as_bool().unwrap_or(false);
                self.state.adopt_health(index, flag("started"), flag("ready"));
            }
            self.ended(index, &run);
        }
        self.prepare();
    }

    fn send(&self) -> mpsc::UnboundedSender<Outcome> {
        self.outcomes.clone()
    }

    fn prepare(&mut self) {
        if self.preparing || self.refused.is_some() {
            return;
        }
        self.preparing = true;
        let (shared, facts, tokens) = (self.shared.clone(), self.facts.clone(), self.tokens.clone());
        let (existing, sender) = (self.sandbox.clone(), self.send());
        tokio::spawn(async move {
            let result = prepare(shared, facts, tokens, existing).await;
            if result.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            let _ = sender.send(Outcome::Prepared(result));
        });
    }

    fn refresh(&mut self) {
        let Some(sandbox) = self.sandbox.clone() else { return };
        if self.preparing || self.state.ending().is_some() {
            return;
        }
        let (shared, facts, tokens, sender) =
            (self.shared.clone(), self.facts.clone(), self.tokens.clone(), self.send());
        tokio::spawn(async move {
            let _ = sender.send(Outcome::Refreshed(refresh(&shared, &facts, &tokens, &sandbox).await));
        });
    }

    fn update(&mut self, object: Value) {
        if let Ok(pod) = serde_json::from_value::<PodObject>(object.clone()) {
            self.facts.pod = Arc::new(pod);
        }
        let meta = &object["metadata"];
        if meta["deletionTimestamp"].is_string() {
            let grace = meta["deletionGracePeriodSeconds"].as_i64();
            self.state.delete(grace.map(|seconds| seconds * 1000), time::now());
        }
        self.object = object;
        self.register();
    }

    fn vanish(&mut self) {
        self.gone = true;
        self.state.delete(Some(0), time::now());
    }

    fn register(&self) {
        let entry = Entry { object: Arc::new(self.object.clone()), sandbox: self.sandbox.clone() };
        self.shared.registry.set(self.facts.uid(), entry);
    }

    fn outcome(&mut self, outcome: Outcome) {
        let now = time::now();
        match outcome {
            Outcome::Prepared(result) => self.prepared(result),
            Outcome::Started { container, attempt, result } => self.has_started(container, attempt, result),
            Outcome::PostStart { container, attempt, result } => {
                if let Err(message) = &result {
                    self.event(true, "FailedPostStartHook", Some(container), format!("PostStartHook failed: {message}"));
                }
                self.state.post_start_done(container, attempt, result, now);
            }
            Outcome::PreStop { container, attempt, result } => {
                if let Err(message) = result {
                    self.event(true, "FailedPreStopHook", Some(container), format!("PreStopHook failed: {message}"));
                }
                self.state.pre_stop_done(container, attempt);
            }
            Outcome::Probed { container, attempt, kind, result } => {
                for action in self.state.probed(container, attempt, kind, result, now) {
                    self.perform(action);
                }
            }
            Outcome::Refreshed(Err(message)) => self.event(true, "FailedMount", None, message),
            Outcome::Refreshed(Ok(_)) => {}
        }
    }

    fn prepared(&mut self, result: Result<Sandbox, Failure>) {
        self.preparing = false;
        match result {
            Ok(sandbox) => {
                self.sandbox = Some(sandbox);
                self.state.sandbox_ready();
                self.register();
            }
            Err(Failure { reason, message, sandbox }) => {
                self.sandbox = sandbox.or(self.sandbox.take());
                self.event(true, reason, None, message);
                if self.state.ending().is_none() {
                    self.prepare();
                }
            }
        }
    }

    fn has_started(&mut self, container: usize, attempt: u32, result: Result<Run, Refused>) {
        if !self.state.is_starting(container) {
            return;
        }
        match result {
            Ok(run) => {
                self.event(false, "Created", Some(container), format!("Created container: {}", run.container));
                self.event(false, "Started", Some(container), format!("Started container {}", run.container));
                self.state.running(container, attempt, run.started);
                self.ended(container, &run);
            }
            Err(Refused { reason, message }) => {
                self.event(true, "Failed", Some(container), format!("Error: {reason}: {message}"));
                self.state.start_failed(container, reason, message, time::now());
            }
        }
    }

    fn ended(&mut self, container: usize, run: &Run) {
        let (Some(exit), Some(sandbox)) = (&run.exit, &self.sandbox) else { return };
        if self.state.has_ended(container, run.attempt) {
            return;
        }
        if let Some(container_spec) = spec::containers(&self.spec).nth(container) {
            let ended = tasks::ended(sandbox, container_spec, run, exit);
            self.state.exited(container, run.attempt, ended);
        }
    }

    fn news(&mut self, news: News) {
        match news {
            News::Changed(run) => {
                let Some(index) = self.index(&run.container) else { return };
                if self.state.is_starting(index) && run.exit.is_some() {
                    // The end overtook the answer to the start.
                    self.has_started(index, run.attempt, Ok(run));
                } else {
                    self.ended(index, &run);
                }
            }
            News::Lost => self.lost(),
        }
    }

    /// The shim is gone, and all processes with it.
    fn lost(&mut self) {
        self.news = None;
        self.sandbox = None;
        if self.cleaned || self.state.is_done() {
            return;
        }
        self.event(true, "SandboxChanged", None, "Pod sandbox changed, it will be killed and re-created.".into());
        for index in 0..self.state.plan().containers.len() {
            let Some(attempt) = self.state.attempt_of(index) else { continue };
            if !self.state.has_ended(index, attempt) {
                let message = "The pod's shim ended".to_owned();
                let now = time::now();
                let ended = Ended { code: 137, reason: "Error", message, started: self.started, finished: now };
                self.state.exited(index, attempt, ended);
            }
        }
        self.state.sandbox_lost();
    }

    fn wake(&self) -> Duration {
        if self.unpublished {
            return Duration::from_secs(1);
        }
        let now = time::now();
        match self.state.wake_at(now) {
            Some(at) => Duration::from_millis(u64::try_from(at - now).unwrap_or(0).max(1)),
            None => Duration::from_secs(3600),
        }
    }

    /// Does what is due. `true` when nothing is left to do, ever.
    async fn advance(&mut self) -> bool {
        if let Some(reason) = self.refused.clone() {
            return self.refused(&reason).await;
        }
        if self.sandbox.is_none() && self.state.ending().is_none() {
            self.prepare();
        }
        if self.news.is_none() && !self.cleaned {
            if let Some(sandbox) = &self.sandbox {
                self.news = client::watch(&sandbox.directory).await.ok().map(|(_, news)| news);
            }
        }
        for action in self.state.step(time::now()) {
            self.perform(action);
        }
        let over = self.state.is_done() && !self.preparing;
        if over {
            self.clean().await;
        }
        self.publish().await;
        over && self.state.ending() == Some(Ending::Deleted) && self.finish().await
    }

    /// A pod that cannot run here, or has run: it waits for its deletion.
    async fn refused(&mut self, reason: &str) -> bool {
        if !matches!(reason, "Succeeded" | "Failed") && self.published["phase"] != "Failed" {
            let status = json!({ "phase": "Failed", "reason": "UnsupportedPodSpec", "message": reason });
            self.patch(status).await;
        }
        if self.state.ending() != Some(Ending::Deleted) {
            return false;
        }
        self.finish().await
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Event { warning, reason, container, message } => {
                self.event(warning, reason, Some(container), message);
            }
            Action::Terminate { container } => self.signal(container, libc::SIGTERM),
            Action::Kill { container } => self.signal(container, libc::SIGKILL),
            Action::Start { container, attempt } => self.start(container, attempt),
            Action::PostStart { container, attempt } => self.hook(container, attempt, true),
            Action::PreStop { container, attempt } => self.hook(container, attempt, false),
            Action::Probe { container, attempt, kind } => self.probe(container, attempt, kind),
        }
    }

    fn start(&mut self, container: usize, attempt: u32) {
        let containers = self.containers();
        let (Some(chosen), sender) = (containers.get(container).cloned(), self.send()) else { return };
        let Some(sandbox) = self.sandbox.clone() else {
            let refused = Refused { reason: "RunContainerError", message: "the pod has no sandbox".into() };
            let _ = sender.send(Outcome::Started { container, attempt, result: Err(refused) });
            return;
        };
        let image = chosen.image.clone().unwrap_or_default();
        if let Some(program) = self.shared.images.find(&image) {
            let message = format!("Image {image:?} stands for {:?} on this machine", program.entrypoint.join(" "));
            self.event(false, "Pulled", Some(container), message);
        }
        let (shared, facts) = (self.shared.clone(), self.facts.clone());
        tokio::spawn(async move {
            let result = tasks::start(shared, facts, sandbox, chosen, attempt).await;
            let _ = sender.send(Outcome::Started { container, attempt, result });
        });
    }

    fn signal(&self, container: usize, signal: i32) {
        let Some(sandbox) = self.sandbox.clone() else { return };
        let name = self.state.plan().containers[container].name.clone();
        tokio::spawn(async move {
            let request = Request::Signal { container: name, signal };
            let _ = client::call(&sandbox.directory, &request, Vec::new()).await;
        });
    }

    fn hook(&self, container: usize, attempt: u32, post_start: bool) {
        let Some(chosen) = self.containers().get(container).cloned() else { return };
        let lifecycle = chosen.lifecycle.clone().unwrap_or_default();
        let handler = if post_start { lifecycle.post_start } else { lifecycle.pre_stop };
        let target = self.sandbox.as_ref().map(|sandbox| tasks::target(&self.facts, sandbox));
        let sender = self.send();
        tokio::spawn(async move {
            let result = match (handler, target) {
                (Some(handler), Some(target)) => prober::hook(&handler, &chosen, &target).await,
                _ => Ok(()),
            };
            let _ = sender.send(if post_start {
                Outcome::PostStart { container, attempt, result }
            } else {
                Outcome::PreStop { container, attempt, result }
            });
        });
    }

    fn probe(&self, container: usize, attempt: u32, kind: ProbeKind) {
        let Some(chosen) = self.containers().get(container).cloned() else { return };
        let probe = match kind {
            ProbeKind::Startup => chosen.startup_probe.clone(),
            ProbeKind::Liveness => chosen.liveness_probe.clone(),
            ProbeKind::Readiness => chosen.readiness_probe.clone(),
        };
        let target = self.sandbox.as_ref().map(|sandbox| tasks::target(&self.facts, sandbox));
        let sender = self.send();
        tokio::spawn(async move {
            let result = match (probe, target) {
                (Some(probe), Some(target)) => prober::probe(&probe, &chosen, &target).await,
                _ => Err("the pod has no sandbox".into()),
            };
            let _ = sender.send(Outcome::Probed { container, attempt, kind, result });
        });
    }

    fn event(&self, warning: bool, reason: &str, container: Option<usize>, message: String) {
        let field_path = container.map(|index| {
            let name = &self.state.plan().containers[index].name;
            let init = self.spec.init_containers.as_ref().map_or(0, Vec::len);
            let list = if index < init { "initContainers" } else { "containers" };
            format!("spec.{list}{{{name}}}")
        });
        self.shared.recorder.record(PodEvent {
            namespace: self.facts.namespace().into(),
            name: self.facts.name().into(),
            uid: self.facts.uid().into(),
            field_path,
            warning,
            reason: reason.into(),
            message,
        });
    }

    /// Ends the shim; logs stay until the object goes.
    async fn clean(&mut self) {
        if self.cleaned {
            return;
        }
        self.cleaned = true;
        self.news = None;
        let (shared, uid) = (self.shared.clone(), self.facts.uid().to_owned());
        let _ = tokio::task::spawn_blocking(move || shared.sandboxes.stop(&uid)).await;
        self.sandbox = None;
        self.register();
    }

    async fn remove(&self) {
        let (shared, uid) = (self.shared.clone(), self.facts.uid().to_owned());
        let removed = tokio::task::spawn_blocking(move || shared.sandboxes.remove(&uid)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(pod = %self.facts.uid(), %error, "cannot remove the pod's directory");
        }
    }

    async fn publish(&mut self) {
        let view = self.state.view();
        let there = self.sandbox.is_some() || self.cleaned;
        let status = status::status(&view, &self.facts, &self.spec, self.started, &self.object["status"], there);
        self.patch(status).await;
    }

    async fn patch(&mut self, status: Value) {
        if self.gone || status == self.published {
            self.unpublished = false;
            return;
        }
        let key = ObjectKey::new(self.facts.namespace(), self.facts.name());
        let patch = json!({ "metadata": { "uid": self.facts.uid() }, "status": status });
        match self.shared.store.patch_status(&kinds::POD, &key, Patch::Merge(patch)).await {
            Ok(object) => {
                self.object["status"] = object["status"].clone();
                self.published = status;
                self.unpublished = false;
            }
            Err(StoreError::NotFound(_)) => self.gone = true,
            Err(StoreError::Refused { message, .. }) => {
                tracing::warn!(pod = %key, %message, "status refused");
                self.published = status;
                self.unpublished = false;
            }
            Err(error) => {
                tracing::debug!(pod = %key, %error, "status not written");
                self.unpublished = true;
            }
        }
    }

    /// Removes the last of a deleted pod. `false` when the API server must be asked again.
    async fn finish(&mut self) -> bool {
        // Before the object: whoever sees it gone may count on the rest.
        self.remove().await;
        if !self.gone {
            let key = ObjectKey::new(self.facts.namespace(), self.facts.name());
            let options = Delete { grace: Some(0), uid: Some(self.facts.uid().into()), ..Delete::default() };
            match self.shared.store.delete(&kinds::POD, &key, options).await {
                Ok(()) | Err(StoreError::NotFound(_) | StoreError::Conflict(_)) => {}
                Err(_) => {
                    self.unpublished = true;
                    return false;
                }
            }
        }
        self.shared.registry.remove(self.facts.uid());
        true
    }
}

fn statuses(status: &Value) -> impl Iterator<Item = &Value> {
    let list = |name: &str| status[name].as_array().into_iter().flatten();
    list("initContainerStatuses").chain(list("containerStatuses"))
}

fn ended_of(value: &Value) -> Option<Ended> {
    let time = |name: &str| value[name].as_str().and_then(time::parse).unwrap_or(0);
    let code = i32::try_from(value["exitCode"].as_i64()?).ok()?;
    let known = ["Completed", "OOMKilled", "ContainerStatusUnknown"];
    let reason = value["reason"].as_str().unwrap_or_default();
    Some(Ended {
        code,
        reason: known.into_iter().find(|k| *k == reason).unwrap_or("Error"),
        message: value["message"].as_str().unwrap_or_default().into(),
        started: time("startedAt"),
        finished: time("finishedAt"),
    })
}
