//! The objects and the rules by which they change.

use std::collections::BTreeMap;

use api::store::{Change, Delete, Propagation, Query, ResourceType, StoreError};
use base::ObjectKey;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::select::matches;
use super::tokens::{self, Token};
use crate::FakeClock;

/// Group and plural: versions of one kind are one store.
type Kind = (&'static str, &'static str);

struct Watcher {
    kind: Kind,
    query: Query,
    sender: UnboundedSender<Change>,
}

pub(crate) struct Objects {
    clock: FakeClock,
    version: u64,
    serial: u64,
    stored: BTreeMap<(Kind, ObjectKey), Value>,
    watchers: Vec<Watcher>,
    tokens: Vec<Token>,
}

fn kind_of(ty: &ResourceType) -> Kind {
    (ty.group, ty.plural)
}

/// Kinds whose status is written through the subresource alone.
fn has_status(ty: &ResourceType) -> bool {
    ty.group.ends_with("istio.io")
        || matches!(
            ty.plural,
            "pods" | "deployments" | "replicasets" | "services" | "nodes" | "namespaces"
        )
}

fn named(ty: &ResourceType, key: &ObjectKey) -> String {
    let group = if ty.group.is_empty() {
        String::new()
    } else {
        format!(".{}", ty.group)
    };
    format!("{}{group} {:?}", ty.plural, &*key.name)
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

impl Objects {
    pub(crate) fn new(clock: FakeClock) -> Self {
        Self {
            clock,
            version: 0,
            serial: 0,
            stored: BTreeMap::new(),
            watchers: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn now(&self) -> Value {
        OffsetDateTime::from_unix_timestamp(self.clock.unix())
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .into()
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn get(&self, ty: &ResourceType, key: &ObjectKey) -> Result<Value, StoreError> {
        self.stored
            .get(&(kind_of(ty), key.clone()))
            .cloned()
            .ok_or_else(|| StoreError::NotFound(named(ty, key)))
    }

    pub(crate) fn list(&self, ty: &ResourceType, query: &Query) -> Vec<Value> {
        self.of_kind(kind_of(ty))
            .filter(|object| matches(query, object))
            .cloned()
            .collect()
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.stored
            .iter()
            .filter(move |((k, _), _)| *k == kind)
            .map(|(_, object)| object)
    }

    pub(crate) fn watch(&mut self, ty: &ResourceType, query: &Query) -> UnboundedReceiver<Change> {
        let (sender, receiver) = unbounded_channel();
        let _ = sender.send(Change::Synced(self.list(ty, query)));
        self.watchers.push(Watcher {
            kind: kind_of(ty),
            query: query.clone(),
            sender,
        });
        receiver
    }

    pub(crate) fn relist(&mut self) {
        for watcher in &self.watchers {
            let state = self
                .stored
                .iter()
                .filter(|((kind, _), object)| {
                    *kind == watcher.kind && matches(&watcher.query, object)
                })
                .map(|(_, object)| object.clone());
            let _ = watcher.sender.send(Change::Synced(state.collect()));
        }
    }

    fn notify(&mut self, kind: Kind, old: Option<&Value>, new: Option<&Value>) {
        self.watchers.retain(|watcher| {
            if watcher.kind != kind {
                return !watcher.sender.is_closed();
            }
            let seen = |object: &&Value| matches(&watcher.query, object);
            let change = match (old.filter(seen), new.filter(seen)) {
                (_, Some(new)) => Change::Applied(new.clone()),
                (Some(old), None) => Change::Deleted(new.unwrap_or(old).clone()),
                (None, None) => return !watcher.sender.is_closed(),
            };
            watcher.sender.send(change).is_ok()
        });
    }

    /// Writes the object with a fresh resourceVersion and tells the watchers.
    fn write(&mut self, kind: Kind, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let key = ObjectKey::new(text(&object, "namespace"), text(&object, "name"));
        let old = self.stored.insert((kind, key), object.clone());
        self.notify(kind, old.as_ref(), Some(&object));
        object
    }

    fn remove(&mut self, kind: Kind, key: &ObjectKey, propagation: Propagation) {
        let Some(mut object) = self.stored.remove(&(kind, key.clone())) else {
            return;
        };
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.notify(kind, Some(&object), None);
        self.release_dependents(text(&object, "uid"), propagation);
    }

    /// What the garbage collector does, at once.
    fn release_dependents(&mut self, owner: &str, propagation: Propagation) {
        let dependents: Vec<(Kind, ObjectKey)> = self
            .stored
            .iter()
            .filter(|(_, object)| owners(object).iter().any(|o| o["uid"] == owner))
            .map(|(id, _)| id.clone())
            .collect();
        for (kind, key) in dependents {
            let Some(mut object) = self.stored.get(&(kind, key.clone())).cloned() else {
                continue;
            };
            let rest: Vec<Value> = owners(&object)
                .iter()
                .filter(|o| o["uid"] != owner)
                .cloned()
                .collect();
            if rest.is_empty() && propagation != Propagation::Orphan {
                let _ = self.delete_object(kind, &key, &object, &Delete::default());
            } else {
                object["metadata"]["ownerReferences"] = rest.into();
                self.write(kind, object);
            }
        }
    }

    pub(crate) fn put(&mut self, ty: &ResourceType, mut object: Value) -> Value {
        self.identify(ty, &mut object);
        self.write(kind_of(ty), object)
    }

    /// Fills in what the server sets at creation, where it is missing.
    fn identify(&mut self, ty: &ResourceType, object: &mut Value) {
        let serial = self.next_serial();
        let now = self.now();
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        let prefix = text(object, "generateName").to_owned();
        if text(object, "name").is_empty() && !prefix.is_empty() {
            object["metadata"]["name"] = format!("{prefix}{}", suffix(serial)).into();
        }
        if let Value::Object(fields) = object {
            fields.insert("apiVersion".into(), ty.api_version().into());
            fields.insert("kind".into(), ty.kind.into());
        }
        if let Value::Object(meta) = &mut object["metadata"] {
            meta.entry("uid")
                .or_insert_with(|| format!("00000000-0000-4000-8000-{serial:012x}").into());
            meta.entry("creationTimestamp").or_insert(now);
            meta.entry("generation").or_insert(1.into());
        }
    }

    pub(crate) fn create(
        &mut self,
        ty: &ResourceType,
        mut object: Value,
    ) -> Result<Value, StoreError> {
        for field in [
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
        ] {
            if let Some(meta) = object["metadata"].as_object_mut() {
                meta.remove(field);
            }
        }
        if !text(&object, "resourceVersion").is_empty() {
            return Err(StoreError::Refused {
                code: 400,
                message: "resourceVersion should not be set on objects to be created".into(),
            });
        }
        if has_status(ty)
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        self.identify(ty, &mut object);
        let key = ObjectKey::new(text(&object, "namespace"), text(&object, "name"));
        if key.name.is_empty() || (ty.namespaced && key.namespace.is_empty()) {
            return Err(StoreError::Refused {
                code: 422,
                message: format!("{} needs a name and a namespace", ty.kind),
            });
        }
        if self.stored.contains_key(&(kind_of(ty), key.clone())) {
            return Err(StoreError::AlreadyExists(named(ty, &key)));
        }
        Ok(self.write(kind_of(ty), object))
    }

    /// The stored object, when `object` may replace it.
    fn current(&self, ty: &ResourceType, object: &Value) -> Result<Value, StoreError> {
        let key = ObjectKey::new(text(object, "namespace"), text(object, "name"));
        let current = self.get(ty, &key)?;
        for field in ["resourceVersion", "uid"] {
            let given = text(object, field);
            if !given.is_empty() && given != text(&current, field) {
                return Err(StoreError::Conflict(format!(
                    "{}: {field} is not {given}",
                    named(ty, &key)
                )));
            }
        }
        Ok(current)
    }

    pub(crate) fn replace(
        &mut self,
        ty: &ResourceType,
        mut object: Value,
    ) -> Result<Value, StoreError> {
        let current = self.current(ty, &object)?;
        for field in [
            "uid",
            "creationTimestamp",
            "resourceVersion",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            match current["metadata"].get(field) {
                Some(value) => object["metadata"][field] = value.clone(),
                None => {
                    if let Some(meta) = object["metadata"].as_object_mut() {
                        meta.remove(field);
                    }
                }
            }
        }
        object["apiVersion"] = current["apiVersion"].clone();
        object["kind"] = current["kind"].clone();
        if has_status(ty)
            && let Some(fields) = object.as_object_mut()
        {
            match current.get("status") {
                Some(status) => fields.insert("status".into(), status.clone()),
                None => fields.remove("status"),
            };
        }
        if object == current {
            return Ok(current);
        }
        if body(&object) != body(&current) {
            let generation = current["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = (generation + 1).into();
        }
        let finished = object["metadata"].get("deletionTimestamp").is_some()
            && finalizers(&object).is_empty()
            && !finalizers(&current).is_empty();
        let written = self.write(kind_of(ty), object);
        if finished {
            let key = ObjectKey::new(text(&written, "namespace"), text(&written, "name"));
            self.remove(kind_of(ty), &key, Propagation::Background);
        }
        Ok(written)
    }

    pub(crate) fn replace_status(
        &mut self,
        ty: &ResourceType,
        object: &Value,
    ) -> Result<Value, StoreError> {
        let current = self.current(ty, object)?;
        let mut next = current.clone();
        if let (Some(next), Some(status)) = (next.as_object_mut(), object.get("status")) {
            next.insert("status".into(), status.clone());
        }
        if next == current {
            return Ok(current);
        }
        Ok(self.write(kind_of(ty), next))
    }

    pub(crate) fn delete(
        &mut self,
        ty: &ResourceType,
        key: &ObjectKey,
        options: &Delete,
    ) -> Result<(), StoreError> {
        let object = self.get(ty, key)?;
        if options
            .uid
            .as_deref()
            .is_some_and(|uid| uid != text(&object, "uid"))
        {
            return Err(StoreError::Conflict(format!(
                "{}: another uid",
                named(ty, key)
            )));
        }
        self.delete_object(kind_of(ty), key, &object, options)
    }

    fn delete_object(
        &mut self,
        kind: Kind,
        key: &ObjectKey,
        object: &Value,
        options: &Delete,
    ) -> Result<(), StoreError> {
        let bound = !object["spec"]["nodeName"]
            .as_str()
            .unwrap_or_default()
            .is_empty();
        let grace = if kind == ("", "pods") && bound {
            let own = object["spec"]["terminationGracePeriodSeconds"].as_i64();
            options.grace.or(own).unwrap_or(30)
        } else {
            0
        };
        if grace == 0 && finalizers(object).is_empty() {
            self.remove(kind, key, options.propagation);
            return Ok(());
        }
        let mut object = object.clone();
        let again = object["metadata"].get("deletionTimestamp").is_some();
        if !again {
            object["metadata"]["deletionTimestamp"] = self.now();
        } else if object["metadata"]["deletionGracePeriodSeconds"] == grace {
            return Ok(());
        }
        object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        self.write(kind, object);
        Ok(())
    }

    pub(crate) fn post(
        &mut self,
        ty: &ResourceType,
        key: &ObjectKey,
        subresource: &str,
        mut body: Value,
    ) -> Result<Value, StoreError> {
        match (ty.plural, subresource) {
            ("serviceaccounts", "token") => {
                let account = self.get(ty, key)?;
                let serial = self.next_serial();
                let uid = text(&account, "uid");
                let now = self.clock.unix();
                let token = tokens::issue(serial, &key.namespace, &key.name, uid, &body, now);
                body["status"] = json!({ "token": token.text });
                self.tokens.push(token);
                Ok(body)
            }
            ("tokenreviews", "") => Ok(self.review(body)),
            ("pods", "binding") => {
                let mut pod = self.get(ty, key)?;
                pod["spec"]["nodeName"] = body["target"]["name"].clone();
                self.write(kind_of(ty), pod);
                Ok(json!({ "kind": "Status", "status": "Success" }))
            }
            _ => Err(StoreError::NotFound(format!("{}/{subresource}", ty.plural))),
        }
    }

    pub(crate) fn review(&self, review: Value) -> Value {
        tokens::review(&self.tokens, review, self.clock.unix())
    }
}

/// Everything whose change makes a new generation.
fn body(object: &Value) -> Map<String, Value> {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    fields.remove("metadata");
    fields.remove("status");
    fields
}

fn owners(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn finalizers(object: &Value) -> &[Value] {
    object["metadata"]["finalizers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Five characters of Kubernetes' alphabet for generated names, the same in every run.
fn suffix(serial: u64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rest = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    (0..5)
        .map(|_| {
            let at = usize::try_from(rest % ALPHABET.len() as u64).unwrap_or(0);
            rest /= ALPHABET.len() as u64;
            char::from(ALPHABET[at])
        })
        .collect()
}
