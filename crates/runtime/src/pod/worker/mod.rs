//! Carries out what a pod's state machine decides, and tells it what happened.

mod actions;
mod adopt;
mod publish;

use std::sync::Arc;
use std::time::Duration;

use api::kinds;
use api::store::{Delete, Patch};
use base::ObjectKey;
use k8s_openapi::api::core::v1::{Container, Pod as PodObject, PodSpec};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::client::{self, News};
use super::container::Refused;
use super::prepare::{Failure, prepare, refresh};
use super::sandbox::Sandbox;
use super::{Entry, Shared, admission, spec, tasks};
use crate::events::PodEvent;
use crate::facts::Facts;
use crate::plan::{Ending, Pod, ProbeKind};
use crate::shim::protocol::Run;
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
    Started {
        container: usize,
        attempt: u32,
        result: Result<Run, Refused>,
    },
    PostStart {
        container: usize,
        attempt: u32,
        result: Result<(), String>,
    },
    PreStop {
        container: usize,
        attempt: u32,
        result: Result<(), String>,
    },
    Probed {
        container: usize,
        attempt: u32,
        kind: ProbeKind,
        result: Result<(), String>,
    },
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
pub(crate) async fn run(
    shared: Arc<Shared>,
    object: Value,
    mut updates: mpsc::UnboundedReceiver<Update>,
) {
    let pod = match read(&object) {
        Ok(pod) => pod,
        Err(message) => return malformed(&shared, &object, &message, updates).await,
    };
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    let Some(mut worker) = Worker::new(shared, object, pod, sender).await else {
        return;
    };
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

/// Reads the object. JSON may write a quantity as a number.
fn read(object: &Value) -> Result<PodObject, String> {
    let mut object = object.clone();
    for list in ["containers", "initContainers"] {
        for container in object["spec"][list].as_array_mut().into_iter().flatten() {
            for map in ["limits", "requests"] {
                let quantities = container["resources"][map]
                    .as_object_mut()
                    .into_iter()
                    .flatten();
                for (_, quantity) in quantities.filter(|(_, quantity)| quantity.is_number()) {
                    *quantity = Value::String(quantity.to_string());
                }
            }
        }
    }
    serde_json::from_value(object).map_err(|error| error.to_string())
}

/// A pod whose object cannot be read fails, and goes when it is deleted.
async fn malformed(
    shared: &Shared,
    object: &Value,
    message: &str,
    mut updates: mpsc::UnboundedReceiver<Update>,
) {
    let meta = &object["metadata"];
    let text = |name: &str| meta[name].as_str().unwrap_or_default();
    let key = ObjectKey::new(text("namespace"), text("name"));
    let status = json!({ "phase": "Failed", "reason": "InvalidPod", "message": message });
    let patch = Patch::Merge(json!({ "metadata": { "uid": text("uid") }, "status": status }));
    if let Err(error) = shared.store.patch_status(&kinds::POD, &key, patch).await {
        tracing::warn!(pod = %key, %error, "status not written");
    }
    let mut deleted = meta["deletionTimestamp"].is_string();
    while !deleted {
        match updates.recv().await {
            Some(Update::Object(object)) => {
                deleted = object["metadata"]["deletionTimestamp"].is_string();
            }
            Some(Update::Gone) | None => return,
        }
    }
    let options = Delete {
        grace: Some(0),
        uid: Some(text("uid").into()),
        ..Delete::default()
    };
    if let Err(error) = shared.store.delete(&kinds::POD, &key, options).await {
        tracing::warn!(pod = %key, %error, "not deleted");
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
        let pod_ip = if host_network {
            shared.node_ip
        } else {
            shared.sandboxes.allocate(&uid).ok()?
        };
        let started = object["status"]["startTime"]
            .as_str()
            .and_then(time::parse)
            .unwrap_or_else(time::now);
        let unsupported = admission::unsupported(&object, &pod_spec);
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
        self.state
            .plan()
            .containers
            .iter()
            .position(|container| container.name == name)
    }

    fn send(&self) -> mpsc::UnboundedSender<Outcome> {
        self.outcomes.clone()
    }

    fn prepare(&mut self) {
        if self.preparing || self.refused.is_some() {
            return;
        }
        self.preparing = true;
        let (shared, facts, tokens) =
            (self.shared.clone(), self.facts.clone(), self.tokens.clone());
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
        let Some(sandbox) = self.sandbox.clone() else {
            return;
        };
        if self.preparing || self.state.ending().is_some() {
            return;
        }
        let (shared, facts, tokens, sender) = (
            self.shared.clone(),
            self.facts.clone(),
            self.tokens.clone(),
            self.send(),
        );
        tokio::spawn(async move {
            let _ = sender.send(Outcome::Refreshed(
                refresh(&shared, &facts, &tokens, &sandbox).await,
            ));
        });
    }

    fn update(&mut self, object: Value) {
        if let Ok(pod) = read(&object) {
            self.facts.pod = Arc::new(pod);
        }
        let meta = &object["metadata"];
        if meta["deletionTimestamp"].is_string() {
            let grace = meta["deletionGracePeriodSeconds"].as_i64();
            self.state
                .delete(grace.map(|seconds| seconds * 1000), time::now());
        }
        self.object = object;
        self.register();
    }

    fn vanish(&mut self) {
        self.gone = true;
        self.state.delete(Some(0), time::now());
    }

    fn register(&self) {
        let entry = Entry {
            object: Arc::new(self.object.clone()),
            sandbox: self.sandbox.clone(),
        };
        self.shared.registry.set(self.facts.uid(), entry);
    }

    fn outcome(&mut self, outcome: Outcome) {
        let now = time::now();
        match outcome {
            Outcome::Prepared(result) => self.prepared(result),
            Outcome::Started {
                container,
                attempt,
                result,
            } => self.has_started(container, attempt, result),
            Outcome::PostStart {
                container,
                attempt,
                result,
            } => {
                if let Err(message) = &result {
                    self.event(
                        true,
                        "FailedPostStartHook",
                        Some(container),
                        format!("PostStartHook failed: {message}"),
                    );
                }
                self.state.post_start_done(container, attempt, &result, now);
            }
            Outcome::PreStop {
                container,
                attempt,
                result,
            } => {
                if let Err(message) = result {
                    self.event(
                        true,
                        "FailedPreStopHook",
                        Some(container),
                        format!("PreStopHook failed: {message}"),
                    );
                }
                self.state.pre_stop_done(container, attempt);
            }
            Outcome::Probed {
                container,
                attempt,
                kind,
                result,
            } => {
                for action in self.state.probed(container, attempt, kind, &result, now) {
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
            Err(Failure {
                reason,
                message,
                sandbox,
            }) => {
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
                self.event(
                    false,
                    "Created",
                    Some(container),
                    format!("Created container: {}", run.container),
                );
                self.event(
                    false,
                    "Started",
                    Some(container),
                    format!("Started container {}", run.container),
                );
                self.state.running(container, attempt, run.started);
                self.ended(container, &run);
            }
            Err(Refused { reason, message }) => {
                self.event(
                    true,
                    "Failed",
                    Some(container),
                    format!("Error: {reason}: {message}"),
                );
                self.state
                    .start_failed(container, reason, message, time::now());
            }
        }
    }

    fn ended(&mut self, container: usize, run: &Run) {
        let (Some(exit), Some(sandbox)) = (&run.exit, &self.sandbox) else {
            return;
        };
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
                let Some(index) = self.index(&run.container) else {
                    return;
                };
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
        if let (None, false, Some(sandbox)) = (&self.news, self.cleaned, &self.sandbox) {
            self.news = client::watch(&sandbox.directory)
                .await
                .ok()
                .map(|(_, news)| news);
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

    fn event(&self, warning: bool, reason: &str, container: Option<usize>, message: String) {
        let field_path = container.map(|index| {
            let name = &self.state.plan().containers[index].name;
            let init = self.spec.init_containers.as_ref().map_or(0, Vec::len);
            let list = if index < init {
                "initContainers"
            } else {
                "containers"
            };
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
}
