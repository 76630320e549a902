//! Taking over a pod from an earlier node, and losing one.

use serde_json::Value;

use super::Worker;
use crate::plan::Ended;
use crate::pod::client;
use crate::time;

impl Worker {
    /// Takes over restart counts and last ends from the object; `adopted` says that the present runs are
    /// known from the shim.
    fn recall(&mut self, old: &Value, adopted: bool) {
        for status in statuses(old) {
            let Some(index) = status["name"].as_str().and_then(|name| self.index(name)) else {
                continue;
            };
            let restarts = u32::try_from(status["restartCount"].as_u64().unwrap_or(0)).unwrap_or(0);
            let present = if adopted {
                &Value::Null
            } else {
                &status["state"]["terminated"]
            };
            if let Some(ended) = [present, &status["lastState"]["terminated"]]
                .into_iter()
                .find_map(ended_of)
            {
                self.state.adopt_last(index, restarts, ended);
            } else if !adopted && status["state"]["running"].is_object() {
                let since = status["state"]["running"]["startedAt"]
                    .as_str()
                    .and_then(time::parse)
                    .unwrap_or(0);
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
    pub(super) async fn adopt(&mut self, uid: &str, old: &Value) {
        if let Some(phase @ ("Succeeded" | "Failed")) = old["phase"].as_str() {
            self.refused.get_or_insert_with(|| phase.to_owned());
            return;
        }
        let shared = self.shared.clone();
        let id = uid.to_owned();
        let found = tokio::task::spawn_blocking(move || shared.sandboxes.find(&id))
            .await
            .ok()
            .flatten();
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
        let Ok((runs, news)) = client::watch(&sandbox.directory).await else {
            return;
        };
        self.facts.pod_ip = sandbox.record.ip;
        self.sandbox = Some(sandbox);
        self.news = Some(news);
        self.recall(old, true);
        let initialized = old["conditions"].as_array().into_iter().flatten();
        if initialized
            .into_iter()
            .any(|c| c["type"] == "Initialized" && c["status"] == "True")
        {
            self.state.adopt_initialized();
        }
        for run in runs {
            let Some(index) = self.index(&run.container) else {
                continue;
            };
            self.state.running(index, run.attempt, run.started);
            let before = statuses(old)
                .find(|status| status["name"] == run.container.as_str())
                .cloned();
            let before = before
                .filter(|s| s["restartCount"].as_u64() == Some(run.attempt.into()))
                .unwrap_or_default();
            let known = before["state"]["running"].is_object();
            if known {
                let flag = |name: &str| before[name].as_bool().unwrap_or(false);
                self.state
                    .adopt_health(index, flag("started"), flag("ready"));
            }
            self.ended(index, &run);
        }
        self.prepare();
    }

    /// The shim is gone, and all processes with it.
    pub(super) fn lost(&mut self) {
        self.news = None;
        self.sandbox = None;
        if self.cleaned || self.state.is_done() {
            return;
        }
        self.event(
            true,
            "SandboxChanged",
            None,
            "Pod sandbox changed, it will be killed and re-created.".into(),
        );
        for index in 0..self.state.plan().containers.len() {
            let Some(attempt) = self.state.attempt_of(index) else {
                continue;
            };
            if !self.state.has_ended(index, attempt) {
                let message = "The pod's shim ended".to_owned();
                let now = time::now();
                let ended = Ended {
                    code: 137,
                    reason: "Error",
                    message,
                    started: self.started,
                    finished: now,
                };
                self.state.exited(index, attempt, ended);
            }
        }
        self.state.sandbox_lost();
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
