//! The scheduler of a cluster with one node: binds what may run here, and says why when it may not.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use api::kinds;
use api::store::{Change, Patch, Query, Store};
use base::ObjectKey;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::events::{PodEvent, Recorder};
use crate::time;

/// Kubernetes' own name; pods for other schedulers are left to them.
const SCHEDULER: &str = "default-scheduler";

/// Binds pending pods to `node`.
pub(super) async fn run(store: Arc<dyn Store>, node: String, recorder: Recorder) {
    let mut changes = store.watch(&kinds::POD, &Query::default());
    let mut told = HashSet::new();
    while let Some(change) = changes.next().await {
        let pods = match change {
            Change::Synced(pods) => pods,
            Change::Applied(pod) => vec![pod],
            Change::Deleted(pod) => {
                told.remove(pod["metadata"]["uid"].as_str().unwrap_or_default());
                continue;
            }
        };
        for pod in pods.iter().filter(|pod| is_pending(pod)) {
            schedule(&store, &node, &recorder, pod, &mut told).await;
        }
    }
}

fn is_pending(pod: &Value) -> bool {
    let spec = &pod["spec"];
    let mine = spec["schedulerName"]
        .as_str()
        .is_none_or(|name| name.is_empty() || name == SCHEDULER);
    let gated = spec["schedulingGates"]
        .as_array()
        .is_some_and(|gates| !gates.is_empty());
    let unbound = spec["nodeName"].as_str().is_none_or(str::is_empty);
    mine && !gated && unbound && pod["metadata"]["deletionTimestamp"].is_null()
}

async fn schedule(
    store: &Arc<dyn Store>,
    node: &str,
    recorder: &Recorder,
    pod: &Value,
    told: &mut HashSet<String>,
) {
    let meta = &pod["metadata"];
    let text = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
    let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
    let key = ObjectKey::new(namespace.as_str(), name.as_str());
    let event = |warning, reason: &str, message: String| PodEvent {
        namespace: namespace.clone(),
        name: name.clone(),
        uid: uid.clone(),
        field_path: None,
        warning,
        reason: reason.into(),
        message,
    };
    let labels = match store.get(&kinds::NODE, &ObjectKey::new("", node)).await {
        Ok(object) => object["metadata"]["labels"].clone(),
        Err(_) => Value::Null,
    };
    if let Some(problem) = mismatch(&pod["spec"], &labels) {
        if told.insert(uid.clone()) {
            let message = format!("0/1 nodes are available: 1 node(s) {problem}.");
            recorder.record(event(true, "FailedScheduling", message.clone()));
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
                "lastTransitionTime": time::format(time::now()),
            });
            let patch = json!({ "status": { "phase": "Pending", "conditions": [condition] } });
            let _ = store
                .patch_status(&kinds::POD, &key, Patch::Merge(patch))
                .await;
        }
        return;
    }
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": { "name": name, "namespace": namespace, "uid": uid },
        "target": { "apiVersion": "v1", "kind": "Node", "name": node },
    });
    for attempt in 0..5_u32 {
        match store
            .post(&kinds::POD, &key, "binding", binding.clone())
            .await
        {
            Ok(_) => {
                let message = format!("Successfully assigned {namespace}/{name} to {node}");
                recorder.record(event(false, "Scheduled", message));
                return;
            }
            Err(error) if error.retryable() => {
                tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
            }
            Err(error) => {
                tracing::debug!(pod = %key, %error, "not bound");
                return;
            }
        }
    }
}

/// Why the pod may not run on a node with these labels.
fn mismatch(spec: &Value, labels: &Value) -> Option<String> {
    let selector = spec["nodeSelector"].as_object().into_iter().flatten();
    let unmet =
        |(key, value): (&String, &Value)| (labels[key] != *value).then(|| format!("{key}={value}"));
    let missing: Vec<_> = selector.filter_map(unmet).collect();
    if !missing.is_empty() {
        let wanted = missing.join(",").replace('"', "");
        return Some(format!(
            "didn't match Pod's node affinity/selector ({wanted})"
        ));
    }
    let required =
        &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = required["nodeSelectorTerms"].as_array()?;
    let fits = |term: &Value| {
        let all = term["matchExpressions"].as_array().into_iter().flatten();
        all.into_iter()
            .all(|expression| matches(expression, labels))
    };
    (!terms.iter().any(fits)).then(|| "didn't match Pod's node affinity/selector".into())
}

fn matches(expression: &Value, labels: &Value) -> bool {
    let key = expression["key"].as_str().unwrap_or_default();
    let label = labels[key].as_str();
    let listed = label.is_some_and(|label| {
        expression["values"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|value| value.as_str() == Some(label))
    });
    let number = |value: Option<&str>| value.and_then(|text| text.parse::<i64>().ok());
    let bound = number(expression["values"][0].as_str());
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => number(label) > bound && bound.is_some(),
        "Lt" => number(label).is_some() && number(label) < bound,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_required_affinity_are_honoured() {
        let labels = json!({ "disk": "ssd" });
        assert_eq!(
            mismatch(&json!({ "nodeSelector": { "disk": "ssd" } }), &labels),
            None
        );
        assert!(
            mismatch(&json!({ "nodeSelector": { "disk": "hdd" } }), &labels)
                .unwrap()
                .contains("disk=hdd")
        );
        let affinity = |operator: &str| {
            let term = json!({ "matchExpressions": [{ "key": "disk", "operator": operator, "values": ["ssd"] }] });
            let required = json!({ "nodeSelectorTerms": [term] });
            json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } } })
        };
        assert_eq!(mismatch(&affinity("In"), &labels), None);
        assert!(mismatch(&affinity("NotIn"), &labels).is_some());
    }
}
