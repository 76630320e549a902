//! An API server in memory: enough of one for a node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use api::store::{Change, Delete, Patch, Query, ResourceType, Store, StoreError};
use async_trait::async_trait;
use base::ObjectKey;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use tokio::sync::broadcast;

type Id = (&'static str, ObjectKey);

#[derive(Default)]
struct State {
    objects: BTreeMap<Id, Value>,
    version: u64,
}

pub struct FakeStore {
    state: Mutex<State>,
    changes: broadcast::Sender<(&'static str, Change)>,
}

impl FakeStore {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changes: broadcast::channel(4096).0,
        })
    }

    fn write(&self, ty: &ResourceType, mut object: Value) -> Value {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", state.version));
        }
        let done = object["metadata"]["deletionTimestamp"].is_string()
            && object["metadata"]["deletionGracePeriodSeconds"] == 0;
        let id = (ty.plural, key_of(&object));
        let change = if done {
            state.objects.remove(&id);
            Change::Deleted(object.clone())
        } else {
            state.objects.insert(id, object.clone());
            Change::Applied(object.clone())
        };
        let _ = self.changes.send((ty.plural, change));
        object
    }

    pub fn peek(&self, ty: &ResourceType, namespace: &str, name: &str) -> Option<Value> {
        let state = self.state.lock().unwrap();
        state
            .objects
            .get(&(ty.plural, ObjectKey::new(namespace, name)))
            .cloned()
    }

    pub fn all(&self, ty: &ResourceType) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        state
            .objects
            .iter()
            .filter(|((plural, _), _)| *plural == ty.plural)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Waits until an object is as `wanted`; `Null` stands for one that is not there.
    pub async fn until(
        &self,
        ty: &ResourceType,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut changes = self.changes.subscribe();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(40);
        loop {
            let object = self.peek(ty, "default", name).unwrap_or(Value::Null);
            if wanted(&object) {
                return object;
            }
            if tokio::time::timeout_at(deadline, changes.recv())
                .await
                .is_err()
            {
                panic!(
                    "{} {name} never {what}: {object:#}\n{:#?}",
                    ty.kind,
                    self.events()
                );
            }
        }
    }

    pub fn events(&self) -> Vec<String> {
        let line = |e: &Value| {
            let text = |name: &str| e[name].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {}",
                e["involvedObject"]["name"].as_str().unwrap_or_default(),
                text("reason"),
                text("message")
            )
        };
        self.all(&api::kinds::CORE_EVENT).iter().map(line).collect()
    }
}

fn key_of(object: &Value) -> ObjectKey {
    let text = |name: &str| {
        object["metadata"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    ObjectKey::new(text("namespace"), text("name"))
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let into = target.as_object_mut().unwrap();
    for (key, value) in fields {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn get(&self, ty: &ResourceType, key: &ObjectKey) -> Result<Value, StoreError> {
        self.peek(ty, &key.namespace, &key.name)
            .ok_or_else(|| StoreError::NotFound(key.to_string()))
    }

    async fn list(&self, ty: &ResourceType, query: &Query) -> Result<Vec<Value>, StoreError> {
        let mut all = self.all(ty);
        if let Some(namespace) = &query.namespace {
            all.retain(|object| object["metadata"]["namespace"] == namespace.as_str());
        }
        Ok(all)
    }

    fn watch(&self, ty: &ResourceType, _: &Query) -> BoxStream<'static, Change> {
        let changes = self.changes.subscribe();
        let plural = ty.plural;
        let first = futures::stream::iter([Change::Synced(self.all(ty))]);
        let rest = futures::stream::unfold(changes, move |mut changes| async move {
            loop {
                match changes.recv().await {
                    Ok((kind, change)) if kind == plural => return Some((change, changes)),
                    Ok(_) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        first.chain(rest).boxed()
    }

    async fn create(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        Ok(self.write(ty, object))
    }

    async fn replace(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        Ok(self.write(ty, object))
    }

    async fn replace_status(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        Ok(self.write(ty, object))
    }

    async fn patch(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError> {
        let mut object = self.get(ty, key).await?;
        let (Patch::Merge(patch) | Patch::Strategic(patch)) = patch else {
            panic!("json patch")
        };
        if let Some(uid) = patch["metadata"]["uid"].as_str() {
            assert_eq!(object["metadata"]["uid"], uid);
        }
        merge(&mut object, &patch);
        Ok(self.write(ty, object))
    }

    async fn patch_status(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError> {
        self.patch(ty, key, patch).await
    }

    async fn delete(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        options: Delete,
    ) -> Result<(), StoreError> {
        let mut object = self.get(ty, key).await?;
        let grace = options
            .grace
            .or(object["spec"]["terminationGracePeriodSeconds"].as_i64())
            .unwrap_or(30);
        let grace = if ty.plural == "pods" { grace } else { 0 };
        object["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        self.write(ty, object);
        Ok(())
    }

    async fn post(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        sub: &str,
        body: Value,
    ) -> Result<Value, StoreError> {
        match sub {
            "binding" => {
                let mut object = self.get(ty, key).await?;
                object["spec"]["nodeName"] = body["target"]["name"].clone();
                Ok(self.write(ty, object))
            }
            "token" => {
                let audience = body["spec"]["audiences"][0].as_str().unwrap_or("api");
                Ok(
                    json!({ "status": { "token": format!("token-for-{}-{audience}", key.name), "expirationTimestamp": "2099-01-01T00:00:00Z" } }),
                )
            }
            other => panic!("{other}"),
        }
    }
}
