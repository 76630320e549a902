//! Writes a pod's state as the `status` of its object.

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

use super::spec;
use crate::facts::Facts;
use crate::plan::Ended;
use crate::plan::status::{ContainerView, State, View};
use crate::time;

/// The status to be written, from the state and the conditions that others have set.
pub(crate) fn status(
    view: &View,
    facts: &Facts,
    spec: &PodSpec,
    started: i64,
    old: &Value,
    sandbox: bool,
) -> Value {
    let image = |name: &str| {
        let container = spec::containers(spec).find(|container| container.name == name);
        container
            .and_then(|container| container.image.clone())
            .unwrap_or_default()
    };
    let list = |init: bool| -> Vec<Value> {
        let chosen = view
            .containers
            .iter()
            .filter(|container| container.init == init);
        chosen
            .map(|container| container_status(container, &image(&container.name), facts.uid()))
            .collect()
    };
    let mut status = json!({
        "phase": view.phase,
        "conditions": conditions(view, spec, old, sandbox),
        "hostIP": facts.host_ip.to_string(),
        "hostIPs": [{ "ip": facts.host_ip.to_string() }],
        "startTime": time::format(started),
        "qosClass": qos(spec),
        "containerStatuses": list(false),
        "reason": view.reason.as_ref().map(|(reason, _)| *reason),
        "message": view.reason.as_ref().map(|(_, message)| message.as_str()),
    });
    let init = list(true);
    if !init.is_empty() {
        status["initContainerStatuses"] = json!(init);
    }
    if sandbox {
        status["podIP"] = json!(facts.pod_ip.to_string());
        status["podIPs"] = json!([{ "ip": facts.pod_ip.to_string() }]);
    }
    status
}

fn container_status(view: &ContainerView, image: &str, uid: &str) -> Value {
    let id = format!("ferromesh://{uid}/{}/{}", view.name, view.restarts);
    let mut status = json!({
        "name": view.name,
        "image": image,
        "imageID": format!("local:{image}"),
        "ready": view.ready,
        "started": view.started,
        "restartCount": view.restarts,
        "state": match &view.state {
            State::Waiting { reason, message } if message.is_empty() => json!({ "waiting": { "reason": reason } }),
            State::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
            State::Running { since } => json!({ "running": { "startedAt": time::format(*since) } }),
            State::Terminated(ended) => json!({ "terminated": terminated(ended, &id) }),
        },
        "lastState": {},
    });
    if let Some(last) = &view.last {
        status["lastState"] = json!({ "terminated": terminated(last, &id) });
    }
    if !matches!(view.state, State::Waiting { .. }) {
        status["containerID"] = json!(id);
    }
    status
}

fn terminated(ended: &Ended, id: &str) -> Value {
    let mut value = json!({
        "exitCode": ended.code,
        "reason": ended.reason,
        "startedAt": time::format(ended.started),
        "finishedAt": time::format(ended.finished),
        "containerID": id,
    });
    if !ended.message.is_empty() {
        value["message"] = json!(ended.message);
    }
    if (129..=192).contains(&ended.code) {
        value["signal"] = json!(ended.code - 128);
    }
    value
}

/// The conditions that the node writes.
const OURS: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

/// Why a condition is not true.
type Problem = Option<(&'static str, String)>;

fn conditions(view: &View, spec: &PodSpec, old: &Value, sandbox: bool) -> Vec<Value> {
    let before: Vec<Value> = old["conditions"].as_array().cloned().unwrap_or_default();
    let not_ready = not_ready(view);
    let ready = not_ready.clone().or_else(|| closed_gate(spec, &before));
    let no_sandbox = (!sandbox).then(|| ("", String::new()));
    let problems = [no_sandbox, uninitialized(view), ready, not_ready, None];
    let mut out: Vec<_> = OURS
        .into_iter()
        .zip(problems)
        .map(|(kind, problem)| condition(kind, problem, &before))
        .collect();
    let foreign = |c: &&Value| c["type"].as_str().is_none_or(|kind| !OURS.contains(&kind));
    out.extend(before.iter().filter(foreign).cloned());
    out
}

fn condition(kind: &str, problem: Problem, before: &[Value]) -> Value {
    let status = if problem.is_none() { "True" } else { "False" };
    let unchanged = before
        .iter()
        .find(|c| c["type"] == kind && c["status"] == status);
    let since = unchanged
        .and_then(|c| c["lastTransitionTime"].as_str())
        .map(str::to_owned);
    let since = since.unwrap_or_else(|| time::format(time::now()));
    let mut condition = json!({
        "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since,
    });
    if let Some((reason, message)) = problem.filter(|(reason, _)| !reason.is_empty()) {
        condition["reason"] = json!(reason);
        condition["message"] = json!(message);
    }
    condition
}

fn names<'a>(view: &'a View, wanted: impl Fn(&&ContainerView) -> bool) -> String {
    let chosen: Vec<&'a str> = view
        .containers
        .iter()
        .filter(wanted)
        .map(|c| c.name.as_str())
        .collect();
    chosen.join(" ")
}

fn not_ready(view: &View) -> Problem {
    if view.containers_ready {
        return None;
    }
    if view.phase == "Succeeded" {
        return Some(("PodCompleted", String::new()));
    }
    let open = names(view, |c| !c.init && !c.ready);
    Some((
        "ContainersNotReady",
        format!("containers with unready status: [{open}]"),
    ))
}

fn uninitialized(view: &View) -> Problem {
    let open = names(view, |c| c.init && !c.ready && !c.started);
    let problem = (
        "ContainersNotInitialized",
        format!("containers with incomplete status: [{open}]"),
    );
    (!view.initialized).then_some(problem)
}

/// A readiness gate whose condition, which somebody else writes, is not true.
fn closed_gate(spec: &PodSpec, before: &[Value]) -> Problem {
    let is_open = |gate: &str| {
        before
            .iter()
            .any(|c| c["type"] == gate && c["status"] == "True")
    };
    let gates = spec
        .readiness_gates
        .iter()
        .flatten()
        .map(|gate| gate.condition_type.as_str());
    let closed: Vec<_> = gates.filter(|gate| !is_open(gate)).collect();
    let problem = (
        "ReadinessGatesNotReady",
        format!("conditions not True: {closed:?}"),
    );
    (!closed.is_empty()).then_some(problem)
}

fn qos(spec: &PodSpec) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    for container in spec::containers(spec) {
        let resources = container.resources.as_ref();
        let requests = resources.and_then(|r| r.requests.as_ref());
        let limits = resources.and_then(|r| r.limits.as_ref());
        for name in ["cpu", "memory"] {
            let (limit, request) = (
                limits.and_then(|l| l.get(name)),
                requests.and_then(|r| r.get(name)),
            );
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
