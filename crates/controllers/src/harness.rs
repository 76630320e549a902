//! Tests' world: an API server in memory, virtual time, and a kubelet that does as it is told.

use std::sync::RwLock;
use std::time::Duration;

use api::kinds::POD;
use api::store::{Change, Delete, Patch, ResourceType, Store, StoreError};
use base::ObjectKey;
use futures::executor::block_on;
use serde_json::{Value, json};
use testkit::{FakeClock, MemoryStore};

use crate::cache::Cache;
use crate::hub::{Controller, reconcile};
use crate::object::{deleting, key, timestamp};

pub(crate) struct Harness {
    pub(crate) store: MemoryStore,
    clock: FakeClock,
    /// What the last `settle` met.
    pub(crate) errors: Vec<StoreError>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let clock = FakeClock::default();
        Self {
            store: MemoryStore::new(clock.clone()),
            clock,
            errors: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.unix()
    }

    pub(crate) fn advance(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn create(&mut self, ty: &ResourceType, object: Value) -> Value {
        block_on(self.store.create(ty, object)).expect("created")
    }

    pub(crate) fn put(&mut self, ty: &ResourceType, object: Value) {
        self.store.put(ty, object);
    }

    pub(crate) fn find(&self, ty: &ResourceType, namespace: &str, name: &str) -> Option<Value> {
        self.store.peek(ty, namespace, name)
    }

    pub(crate) fn get(&self, ty: &ResourceType, namespace: &str, name: &str) -> Value {
        self.find(ty, namespace, name).expect("the object exists")
    }

    pub(crate) fn patch(&mut self, ty: &ResourceType, namespace: &str, name: &str, patch: Value) {
        let key = ObjectKey::new(namespace, name);
        block_on(self.store.patch(ty, &key, Patch::Merge(patch))).expect("patched");
    }

    pub(crate) fn patch_status(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        name: &str,
        status: &Value,
    ) {
        let key = ObjectKey::new(namespace, name);
        let patch = Patch::Merge(json!({ "status": status }));
        block_on(self.store.patch_status(ty, &key, patch)).expect("patched");
    }

    pub(crate) fn delete(&mut self, ty: &ResourceType, namespace: &str, name: &str) {
        let key = ObjectKey::new(namespace, name);
        block_on(self.store.delete(ty, &key, Delete::default())).expect("deleted");
    }

    /// The cache that a perfectly timely watch would give.
    pub(crate) fn cache(&self, controller: &dyn Controller) -> Cache {
        let mut cache = Cache::default();
        for ty in controller.kinds() {
            cache.observe(ty, Change::Synced(self.store.all(ty)), self.now());
        }
        cache
    }

    /// One look at every key. Whether something was written.
    pub(crate) fn step(&mut self, controller: &dyn Controller) -> bool {
        let cache = self.cache(controller);
        let mut keys: Vec<ObjectKey> = Vec::new();
        for ty in controller.kinds() {
            for object in self.store.all(ty) {
                keys.extend(controller.affected(ty, None, Some(&object), &cache));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        let before = self.state(controller);
        let cache = RwLock::new(cache);
        self.errors.clear();
        for key in keys {
            let work = reconcile(controller, &key, &self.store, &cache, self.now());
            if let Err(error) = block_on(work) {
                self.errors.push(error);
            }
        }
        before != self.state(controller)
    }

    fn state(&self, controller: &dyn Controller) -> Vec<Value> {
        let kinds = controller.kinds().iter();
        kinds.flat_map(|ty| self.store.all(ty)).collect()
    }

    /// Steps until nothing changes.
    pub(crate) fn settle(&mut self, controller: &dyn Controller) {
        self.settle_all(&[controller]);
    }

    pub(crate) fn settle_all(&mut self, controllers: &[&dyn Controller]) {
        for _ in 0..100 {
            let mut changed = false;
            for controller in controllers {
                changed |= self.step(*controller);
            }
            if !changed {
                return;
            }
        }
        panic!("the controllers do not come to rest");
    }

    /// The kubelet: every living pod runs and is ready; deleted ones end.
    pub(crate) fn run_pods(&mut self) {
        let now = timestamp(self.now());
        for pod in self.store.all(&POD) {
            let at = key(&pod);
            if deleting(&pod) {
                let gone = Delete {
                    grace: Some(0),
                    ..Delete::default()
                };
                block_on(self.store.delete(&POD, &at, gone)).expect("deleted");
            } else if pod["status"]["phase"] != "Running" {
                self.pod_status(&at, true, &now);
            }
        }
    }

    /// Sets a pod running, ready or not.
    pub(crate) fn pod_status(&mut self, at: &ObjectKey, ready: bool, since: &str) {
        let status = json!({
            "phase": "Running",
            "podIP": format!("10.0.0.{}", 1 + self.store.all(&POD).len()),
            "conditions": [{
                "type": "Ready",
                "status": if ready { "True" } else { "False" },
                "lastTransitionTime": since,
            }],
        });
        self.patch_status(&POD, &at.namespace, &at.name, &status);
    }
}
