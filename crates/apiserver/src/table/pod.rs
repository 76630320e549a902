//! The row of a pod: readiness, the one word that says how it is, restarts.

use serde_json::Value;

use super::cells::{at, count, list};
use super::{Column, NAME, age, text, wide};

pub(super) const COLUMNS: &[Column] = &[
    NAME,
    text("Ready"),
    text("Status"),
    text("Restarts"),
    text("Age"),
    wide("IP"),
    wide("Node"),
    wide("Nominated Node"),
    wide("Readiness Gates"),
];

fn is_sidecar(pod: &Value, name: &Value) -> bool {
    list(pod, "/spec/initContainers").any(|c| c["name"] == *name && c["restartPolicy"] == "Always")
}

fn reason(state: &Value) -> Option<String> {
    let terminated = &state["terminated"];
    if terminated.is_object() {
        let reason = terminated["reason"].as_str().unwrap_or_default();
        let signal = count(terminated, "/signal");
        return Some(match (reason, signal) {
            ("", 0) => format!("ExitCode:{}", count(terminated, "/exitCode")),
            ("", signal) => format!("Signal:{signal}"),
            (reason, _) => reason.into(),
        });
    }
    state["waiting"]["reason"]
        .as_str()
        .filter(|r| !r.is_empty())
        .map(str::to_owned)
}

/// How far the init containers are, while they keep the pod from running.
fn initialising(pod: &Value) -> Option<String> {
    let total = list(pod, "/spec/initContainers").count();
    for (i, status) in list(pod, "/status/initContainerStatuses").enumerate() {
        let state = &status["state"];
        let done = state["terminated"].is_object() && count(state, "/terminated/exitCode") == 0;
        let running_sidecar = is_sidecar(pod, &status["name"]) && status["started"] == true;
        if done || running_sidecar {
            continue;
        }
        return Some(match reason(state) {
            Some(reason) if state["terminated"].is_object() || reason != "PodInitializing" => {
                format!("Init:{reason}")
            }
            _ => format!("Init:{i}/{total}"),
        });
    }
    None
}

fn status(pod: &Value) -> String {
    let phase = pod["status"]["phase"].as_str().unwrap_or("Unknown");
    let mut word = pod["status"]["reason"]
        .as_str()
        .filter(|r| !r.is_empty())
        .unwrap_or(phase)
        .to_owned();
    match initialising(pod) {
        Some(progress) => word = progress,
        None => {
            let mut running = false;
            for status in list(pod, "/status/containerStatuses")
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
            {
                if let Some(reason) = reason(&status["state"]) {
                    word = reason;
                } else {
                    running |= status["ready"] == true && status["state"]["running"].is_object();
                }
            }
            if word == "Completed" && running {
                let ready = list(pod, "/status/conditions")
                    .any(|c| c["type"] == "Ready" && c["status"] == "True");
                word = if ready { "Running" } else { "NotReady" }.into();
            }
        }
    }
    let finished = matches!(phase, "Succeeded" | "Failed");
    if pod["metadata"]["deletionTimestamp"].is_string() && !finished {
        word = if pod["status"]["reason"] == "NodeLost" {
            "Unknown"
        } else {
            "Terminating"
        }
        .into();
    }
    word
}

fn restarts(pod: &Value) -> String {
    let initialising = initialising(pod).is_some();
    let mut statuses: Vec<&Value> = list(pod, "/status/initContainerStatuses")
        .filter(|s| initialising || is_sidecar(pod, &s["name"]))
        .collect();
    if !initialising {
        statuses.extend(list(pod, "/status/containerStatuses"));
    }
    let total: i64 = statuses.iter().map(|s| count(s, "/restartCount")).sum();
    let ends = statuses.iter().filter_map(|s| {
        s.pointer("/lastState/terminated/finishedAt")
            .and_then(Value::as_str)
    });
    match ends.max() {
        Some(last) if total > 0 => format!("{total} ({} ago)", age::since(last)),
        _ => total.to_string(),
    }
}

pub(super) fn cells(pod: &Value) -> Vec<Value> {
    let sidecars =
        list(pod, "/status/initContainerStatuses").filter(|s| is_sidecar(pod, &s["name"]));
    let ready = list(pod, "/status/containerStatuses")
        .chain(sidecars)
        .filter(|s| s["ready"] == true)
        .count();
    let wanted_sidecars = list(pod, "/spec/initContainers")
        .filter(|c| c["restartPolicy"] == "Always")
        .count();
    let total = list(pod, "/spec/containers").count() + wanted_sidecars;
    let gates: Vec<&Value> = list(pod, "/spec/readinessGates").collect();
    let open = gates.iter().filter(|gate| {
        list(pod, "/status/conditions")
            .any(|c| c["type"] == gate["conditionType"] && c["status"] == "True")
    });
    let gates = if gates.is_empty() {
        super::cells::NONE.to_owned()
    } else {
        format!("{}/{}", open.count(), gates.len())
    };
    vec![
        pod["metadata"]["name"].clone(),
        format!("{ready}/{total}").into(),
        status(pod).into(),
        restarts(pod).into(),
        age::of(pod).into(),
        at(pod, "/status/podIP", "<none>"),
        at(pod, "/spec/nodeName", "<none>"),
        at(pod, "/status/nominatedNodeName", "<none>"),
        gates.into(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_status_word_is_the_one_that_users_know() {
        let pod = |status: Value| json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}, "status": status});
        let waiting = pod(
            json!({"phase": "Pending", "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        );
        assert_eq!(status(&waiting), "CrashLoopBackOff");
        let done = pod(
            json!({"phase": "Succeeded", "containerStatuses": [{"name": "a", "state": {"terminated": {"reason": "Completed"}}}]}),
        );
        assert_eq!(status(&done), "Completed");
        let mut leaving = pod(json!({"phase": "Running"}));
        leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(status(&leaving), "Terminating");
    }

    #[test]
    fn native_sidecars_count_as_containers() {
        let pod = json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "init"}, {"name": "proxy", "restartPolicy": "Always"}]},
            "status": {"phase": "Running",
                "initContainerStatuses": [
                    {"name": "init", "state": {"terminated": {"exitCode": 0}}},
                    {"name": "proxy", "ready": true, "started": true, "state": {"running": {}}}],
                "containerStatuses": [{"name": "app", "ready": true, "state": {"running": {}}}]},
        });
        let cells = cells(&pod);
        assert_eq!(
            (cells[1].as_str(), cells[2].as_str()),
            (Some("2/2"), Some("Running"))
        );
    }
}
