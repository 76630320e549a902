//! Events about pods. Repetitions of one become a count, so that a crash loop does not fill the store.

use std::collections::HashMap;
use std::sync::Arc;

use api::kinds;
use api::store::{Patch, Store};
use base::ObjectKey;
use serde_json::json;
use tokio::sync::mpsc;

use crate::time;

/// What happened to a pod.
#[derive(Debug, Clone)]
pub(crate) struct PodEvent {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// Such as `spec.containers{web}`.
    pub(crate) field_path: Option<String>,
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Recorder(mpsc::Sender<PodEvent>);

impl Recorder {
    /// Never waits; a flood loses events rather than memory.
    pub(crate) fn record(&self, event: PodEvent) {
        let _ = self.0.try_send(event);
    }
}

const REMEMBERED: usize = 2048;

/// The recorder and the task that writes.
pub(crate) fn recorder(
    store: Arc<dyn Store>,
    node: String,
) -> (Recorder, impl Future<Output = ()>) {
    let (sender, mut events) = mpsc::channel::<PodEvent>(512);
    let writer = async move {
        let mut seen: HashMap<(String, String, String), (String, u32)> = HashMap::new();
        while let Some(event) = events.recv().await {
            if seen.len() > REMEMBERED {
                seen.clear();
            }
            let id = (
                event.uid.clone(),
                event.reason.clone(),
                event.message.clone(),
            );
            if let Some((name, count)) = seen.get_mut(&id) {
                *count += 1;
                let key = ObjectKey::new(event.namespace.as_str(), name.as_str());
                let patch = json!({ "count": *count, "lastTimestamp": time::format(time::now()) });
                if store
                    .patch(&kinds::CORE_EVENT, &key, Patch::Merge(patch))
                    .await
                    .is_ok()
                {
                    continue;
                }
            }
            let name = format!(
                "{}.{}",
                event.name,
                &uuid::Uuid::new_v4().simple().to_string()[..16]
            );
            if store
                .create(&kinds::CORE_EVENT, object(&event, &name, &node))
                .await
                .is_ok()
            {
                seen.insert(id, (name, 1));
            }
        }
    };
    (Recorder(sender), writer)
}

fn object(event: &PodEvent, name: &str, node: &str) -> serde_json::Value {
    let now = time::format(time::now());
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": name, "namespace": event.namespace },
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": event.namespace, "name": event.name, "uid": event.uid,
            "fieldPath": event.field_path,
        },
        "type": if event.warning { "Warning" } else { "Normal" },
        "reason": event.reason,
        "message": event.message,
        "source": { "component": "kubelet", "host": node },
        "reportingComponent": "kubelet",
        "reportingInstance": node,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    })
}
