//! An API server in memory, faithful where controllers can tell: resourceVersions, conflicts, watches
//! with selectors, the status subresource, generateName, finalizers, graceful deletion of pods, cascading
//! deletion by owner. It is not strict about schemas and knows no admission.

mod merge;
mod objects;
mod select;
mod tokens;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::store::{Change, Delete, Patch, Query, ResourceType, Store, StoreError};
use async_trait::async_trait;
use base::ObjectKey;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use crate::FakeClock;
use objects::Objects;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Create,
    Replace,
    ReplaceStatus,
    Patch,
    PatchStatus,
    Delete,
    Post,
}

/// One call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub verb: Verb,
    pub plural: &'static str,
    pub key: ObjectKey,
}

type Interceptor = Box<dyn Fn(&Call, Option<&Value>) -> Option<StoreError> + Send>;

struct State {
    objects: Objects,
    calls: Vec<Call>,
    interceptor: Option<Interceptor>,
    failures: VecDeque<(Verb, &'static str, StoreError)>,
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(FakeClock::default())
    }
}

impl MemoryStore {
    /// An empty store; `clock` dates what is created and deleted.
    #[must_use]
    pub fn new(clock: FakeClock) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                objects: Objects::new(clock),
                calls: Vec::new(),
                interceptor: None,
                failures: VecDeque::new(),
            })),
        }
    }

    /// As the trait object that controllers take.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call of this verb on this plural fails so.
    pub fn fail_next(&self, verb: Verb, plural: &'static str, error: StoreError) {
        self.lock().failures.push_back((verb, plural, error));
    }

    /// Every call is shown to `judge`, with its body, before it is done; an error stands in its place.
    pub fn intercept(
        &self,
        judge: impl Fn(&Call, Option<&Value>) -> Option<StoreError> + Send + 'static,
    ) {
        self.lock().interceptor = Some(Box::new(judge));
    }

    /// The calls since the last `take_calls`, in order.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    /// Creates or replaces an object whole, status included, past all rules. For setting the scene.
    pub fn put(&self, ty: &ResourceType, object: Value) -> Value {
        self.lock().objects.put(ty, object)
    }

    /// The object, outside of the call log.
    #[must_use]
    pub fn peek(&self, ty: &ResourceType, namespace: &str, name: &str) -> Option<Value> {
        let key = ObjectKey::new(namespace, name);
        self.lock().objects.get(ty, &key).ok()
    }

    /// All objects of a type, outside of the call log.
    #[must_use]
    pub fn all(&self, ty: &ResourceType) -> Vec<Value> {
        self.lock().objects.list(ty, &Query::default())
    }

    /// Ends every watch with a fresh [`Change::Synced`], as a relist after an outage does.
    pub fn relist(&self) {
        self.lock().objects.relist();
    }

    fn call(
        &self,
        verb: Verb,
        ty: &ResourceType,
        key: ObjectKey,
        body: Option<&Value>,
    ) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.lock();
        let call = Call {
            verb,
            plural: ty.plural,
            key,
        };
        let planned = state
            .failures
            .iter()
            .position(|(v, plural, _)| *v == verb && *plural == ty.plural);
        let error = planned
            .and_then(|at| state.failures.remove(at))
            .map(|(_, _, error)| error)
            .or_else(|| {
                state
                    .interceptor
                    .as_ref()
                    .and_then(|judge| judge(&call, body))
            });
        state.calls.push(call);
        match error {
            Some(error) => Err(error),
            None => Ok(state),
        }
    }
}

fn key_of(object: &Value) -> ObjectKey {
    let field = |name| object["metadata"][name].as_str().unwrap_or_default();
    ObjectKey::new(field("namespace"), field("name"))
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, ty: &ResourceType, key: &ObjectKey) -> Result<Value, StoreError> {
        self.call(Verb::Get, ty, key.clone(), None)?
            .objects
            .get(ty, key)
    }

    async fn list(&self, ty: &ResourceType, query: &Query) -> Result<Vec<Value>, StoreError> {
        let key = ObjectKey::new(query.namespace.clone().unwrap_or_default(), "");
        let state = self.call(Verb::List, ty, key, None)?;
        Ok(state.objects.list(ty, query))
    }

    fn watch(&self, ty: &ResourceType, query: &Query) -> BoxStream<'static, Change> {
        let receiver = self.lock().objects.watch(ty, query);
        stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|change| (change, receiver))
        })
        .boxed()
    }

    async fn create(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        let mut state = self.call(Verb::Create, ty, key_of(&object), Some(&object))?;
        if ty.plural == "tokenreviews" {
            return Ok(state.objects.review(object));
        }
        state.objects.create(ty, object)
    }

    async fn replace(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        self.call(Verb::Replace, ty, key_of(&object), Some(&object))?
            .objects
            .replace(ty, object)
    }

    async fn replace_status(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        self.call(Verb::ReplaceStatus, ty, key_of(&object), Some(&object))?
            .objects
            .replace_status(ty, &object)
    }

    async fn patch(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError> {
        let mut state = self.call(Verb::Patch, ty, key.clone(), Some(body_of(&patch)))?;
        let patched = patched(&state, ty, key, &patch)?;
        state.objects.replace(ty, patched)
    }

    async fn patch_status(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError> {
        let mut state = self.call(Verb::PatchStatus, ty, key.clone(), Some(body_of(&patch)))?;
        let patched = patched(&state, ty, key, &patch)?;
        state.objects.replace_status(ty, &patched)
    }

    async fn delete(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        options: Delete,
    ) -> Result<(), StoreError> {
        self.call(Verb::Delete, ty, key.clone(), None)?
            .objects
            .delete(ty, key, &options)
    }

    async fn post(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        subresource: &str,
        body: Value,
    ) -> Result<Value, StoreError> {
        let mut state = self.call(Verb::Post, ty, key.clone(), Some(&body))?;
        state.objects.post(ty, key, subresource, body)
    }
}

fn body_of(patch: &Patch) -> &Value {
    let (Patch::Merge(value) | Patch::Json(value) | Patch::Strategic(value)) = patch;
    value
}

fn patched(
    state: &State,
    ty: &ResourceType,
    key: &ObjectKey,
    patch: &Patch,
) -> Result<Value, StoreError> {
    let mut object = state.objects.get(ty, key)?;
    // A patch is unconditional unless it names a resourceVersion itself.
    if let Value::Object(meta) = &mut object["metadata"] {
        meta.remove("resourceVersion");
    }
    match patch {
        Patch::Merge(body) => merge::merge(&mut object, body),
        Patch::Strategic(body) => merge::strategic(&mut object, body),
        Patch::Json(body) => merge::json(&mut object, body)
            .map_err(|message| StoreError::Refused { code: 422, message })?,
    }
    Ok(object)
}

#[cfg(test)]
mod tests;
