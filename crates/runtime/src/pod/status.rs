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

fn conditions(view: &View, spec: &PodSpec, old: &Value, sandbox: bool) -> Vec<Value> {
    let before: Vec<Value> = old["conditions"].as_array().cloned().unwrap_or_default();
    let find = |kind: &str| before.iter().find(|condition| condition["type"] == kind);
    let completed = view.phase == "Succeeded";
    let unready: Vec<_> = view
        .containers
        .iter()
        .filter(|c| !c.init && !c.ready)
        .map(|c| c.name.as_str())
        .collect();
    let gates: Vec<_> = spec
        .readiness_gates
        .iter()
        .flatten()
        .map(|gate| gate.condition_type.as_str())
        .collect();
    let closed: Vec<_> = gates
        .iter()
        .filter(|gate| find(gate).is_none_or(|condition| condition["status"] != "True"))
        .collect();
    let not_ready = || {
        (!view.containers_ready).then(|| {
            if completed {
                ("PodCompleted", String::new())
            } else {
                (
                    "ContainersNotReady",
                    format!("containers with unready status: [{}]", unready.join(" ")),
                )
            }
        })
    };
    let gate = || {
        (!closed.is_empty()).then(|| {
            (
                "ReadinessGatesNotReady",
                format!("conditions not True: {closed:?}"),
            )
        })
    };
    let uninitialized = (!view.initialized).then(|| {
        let open: Vec<_> = view
            .containers
            .iter()
            .filter(|c| c.init && !c.ready && !c.started)
            .map(|c| c.name.as_str())
            .collect();
        (
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{}]", open.join(" ")),
        )
    });
    let wanted = [
        (
            "PodReadyToStartContainers",
            (!sandbox).then(|| ("", String::new())),
        ),
        ("Initialized", uninitialized),
        ("Ready", not_ready().or_else(gate)),
        ("ContainersReady", not_ready()),
        ("PodScheduled", None),
    ];
    let now = time::format(time::now());
    let mut out: Vec<Value> = wanted
        .into_iter()
        .map(|(kind, problem)| {
            let status = if problem.is_none() { "True" } else { "False" };
            let unchanged = find(kind).filter(|condition| condition["status"] == status);
            let since = unchanged.and_then(|c| c["lastTransitionTime"].as_str()).unwrap_or(&now).to_owned();
            let mut condition =
                json!({ "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since });
            if let Some((reason, message)) = problem.filter(|(reason, _)| !reason.is_empty()) {
                condition["reason"] = json!(reason);
                condition["message"] = json!(message);
            }
            condition
        })
        .collect();
    let ours = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    out.extend(
        before
            .iter()
            .filter(|c| c["type"].as_str().is_none_or(|kind| !ours.contains(&kind)))
            .cloned(),
    );
    out
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
