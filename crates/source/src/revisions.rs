//! The last revision of each object whose references resolved, kept in ConfigMaps so that a restarted
//! control plane still has it while the newer revision dangles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::Revision;
use api::kinds::CONFIG_MAP;
use api::store::{Query, Store, StoreError};
use base::{ContentHash, ObjectKey, ObjectRef};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// The revisions are spread over this many ConfigMaps, as the API server limits the size of each.
const SHARDS: u64 = 16;
/// Bytes of values in one ConfigMap; the API server's limit is 1 MiB.
const SHARD_BYTES: usize = 900 * 1024;
/// Changes are collected for this long before they are written.
const PACE: Duration = Duration::from_secs(1);
const PREFIX: &str = "ferromesh-last-resolved-";
const LABEL: &str = "ferromesh.io/last-resolved";

#[derive(Default)]
struct Table {
    revisions: BTreeMap<ObjectRef, (u64, Arc<Revision>)>,
    /// Orders revisions by when they were recorded.
    clock: u64,
    dirty: BTreeSet<u64>,
}

/// Reads at once, writes in the background. Cheap to clone.
#[derive(Clone)]
pub struct Revisions {
    table: Arc<Mutex<Table>>,
    wake: Arc<Notify>,
    store: Arc<dyn Store>,
    namespace: Arc<str>,
}

fn shard_of(object: &ObjectRef) -> u64 {
    ContentHash::of(object.to_string().as_bytes()).0 % SHARDS
}

/// Keys of a ConfigMap are limited to 253 characters of `[-._a-zA-Z0-9]`.
fn data_key(object: &ObjectRef) -> String {
    let readable = format!(
        "{}.{}.{}",
        object.kind, object.key.namespace, object.key.name
    );
    let safe: String = readable
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        .take(200)
        .collect();
    format!("{safe}.{}", ContentHash::of(object.to_string().as_bytes()))
}

fn encode(object: &ObjectRef, revision: &Revision) -> String {
    json!({
        "kind": &*object.kind,
        "namespace": &*object.key.namespace,
        "name": &*object.key.name,
        "uid": revision.uid,
        "generation": revision.generation,
        "object": revision.object,
    })
    .to_string()
}

fn decode(text: &str) -> Option<(ObjectRef, Revision)> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| value[name].as_str().map(ToOwned::to_owned);
    let object = ObjectRef::new(field("kind")?, field("namespace")?, field("name")?);
    let revision = Revision {
        uid: field("uid")?,
        generation: value["generation"].as_i64()?,
        object: value["object"].take(),
    };
    Some((object, revision))
}

impl Revisions {
    /// Reads what was kept. Entries that cannot be read are passed over.
    pub async fn load(store: Arc<dyn Store>, namespace: &str) -> Result<Self, StoreError> {
        let query = Query {
            namespace: Some(namespace.into()),
            labels: LABEL.into(),
            ..Query::default()
        };
        let mut table = Table::default();
        for map in store.list(&CONFIG_MAP, &query).await? {
            let entries = map["data"].as_object().into_iter().flatten();
            for (object, revision) in entries.filter_map(|(_, v)| decode(v.as_str()?)) {
                table.clock += 1;
                table
                    .revisions
                    .insert(object, (table.clock, Arc::new(revision)));
            }
        }
        Ok(Self {
            table: Arc::new(Mutex::new(table)),
            wake: Arc::default(),
            store,
            namespace: namespace.into(),
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Table) -> T) -> T {
        f(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last revision of the object that resolved, if the object is still the same one.
    #[must_use]
    pub fn get(&self, object: &ObjectRef, uid: &str) -> Option<Arc<Revision>> {
        self.with(|table| {
            let (_, revision) = table.revisions.get(object)?;
            (revision.uid == uid).then(|| revision.clone())
        })
    }

    /// All of them, as at this moment.
    #[must_use]
    pub fn all(&self) -> Vec<(ObjectRef, Arc<Revision>)> {
        self.with(|table| {
            let entries = table.revisions.iter();
            entries
                .map(|(object, (_, revision))| (object.clone(), revision.clone()))
                .collect()
        })
    }

    /// This revision of the object resolved.
    pub fn record(&self, object: &ObjectRef, revision: Revision) {
        let new = self.with(|table| {
            if table
                .revisions
                .get(object)
                .is_some_and(|(_, old)| **old == revision)
            {
                return false;
            }
            table.clock += 1;
            table
                .revisions
                .insert(object.clone(), (table.clock, Arc::new(revision)));
            table.dirty.insert(shard_of(object))
        });
        if new {
            self.wake.notify_one();
        }
    }

    /// The object was deleted.
    pub fn forget(&self, object: &ObjectRef) {
        let known = self.with(|table| {
            let known = table.revisions.remove(object).is_some();
            known && table.dirty.insert(shard_of(object))
        });
        if known {
            self.wake.notify_one();
        }
    }

    /// Writes changes, at most once a second; runs until it is dropped.
    pub async fn persist(&self) {
        loop {
            self.wake.notified().await;
            tokio::time::sleep(PACE).await;
            while let Err(error) = self.flush().await {
                tracing::warn!(%error, "cannot keep the last resolved revisions; trying again");
                tokio::time::sleep(PACE).await;
            }
        }
    }

    /// Writes what changed, now.
    pub async fn flush(&self) -> Result<(), StoreError> {
        while let Some(shard) = self.with(|table| table.dirty.pop_first()) {
            let data = self.with(|table| shard_data(table, shard));
            if let Err(error) = self.write(shard, data).await {
                self.with(|table| table.dirty.insert(shard));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write(&self, shard: u64, data: BTreeMap<String, String>) -> Result<(), StoreError> {
        let name = format!("{PREFIX}{shard}");
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "namespace": &*self.namespace, "name": name, "labels": { LABEL: "true" } },
            "data": data,
        });
        match self.store.replace(&CONFIG_MAP, map.clone()).await {
            Err(StoreError::NotFound(_)) => match self.store.create(&CONFIG_MAP, map.clone()).await
            {
                Err(StoreError::AlreadyExists(_)) => self.store.replace(&CONFIG_MAP, map).await,
                other => other,
            },
            other => other,
        }
        .map(drop)
    }

    /// The ConfigMap of one shard.
    #[must_use]
    pub fn shard_key(&self, object: &ObjectRef) -> ObjectKey {
        ObjectKey::new(
            self.namespace.clone(),
            format!("{PREFIX}{}", shard_of(object)),
        )
    }
}

/// The data of a shard, newest first until it is full; what does not fit is forgotten.
fn shard_data(table: &mut Table, shard: u64) -> BTreeMap<String, String> {
    let mut entries: Vec<(u64, ObjectRef)> = table
        .revisions
        .iter()
        .filter(|(object, _)| shard_of(object) == shard)
        .map(|(object, (at, _))| (*at, object.clone()))
        .collect();
    entries.sort_unstable_by(|a, b| b.cmp(a));
    let mut room = SHARD_BYTES;
    let mut data = BTreeMap::new();
    for (_, object) in entries {
        let Some((_, revision)) = table.revisions.get(&object) else {
            continue;
        };
        let (key, text) = (data_key(&object), encode(&object, revision));
        match room.checked_sub(key.len() + text.len()) {
            Some(rest) => {
                room = rest;
                data.insert(key, text);
            }
            None => {
                table.revisions.remove(&object);
            }
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::MemoryStore;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new("VirtualService", "ns", name)
    }

    fn revision(generation: i64, size: usize) -> Revision {
        Revision {
            uid: "u".into(),
            generation,
            object: json!({ "spec": { "filler": "x".repeat(size) } }),
        }
    }

    #[tokio::test]
    async fn a_restart_finds_what_was_recorded() {
        let store = MemoryStore::default();
        let revisions = Revisions::load(store.shared(), "istio-system")
            .await
            .unwrap();
        revisions.record(&object("a"), revision(1, 1));
        revisions.record(&object("a"), revision(2, 1));
        revisions.record(&object("gone"), revision(1, 1));
        revisions.flush().await.unwrap();
        revisions.forget(&object("gone"));
        revisions.flush().await.unwrap();

        let again = Revisions::load(store.shared(), "istio-system")
            .await
            .unwrap();
        assert_eq!(again.get(&object("a"), "u").unwrap().generation, 2);
        assert!(again.get(&object("a"), "another uid").is_none());
        assert!(again.get(&object("gone"), "u").is_none());
    }

    #[tokio::test]
    async fn an_outage_loses_nothing() {
        let store = MemoryStore::default();
        let revisions = Revisions::load(store.shared(), "istio-system")
            .await
            .unwrap();
        revisions.record(&object("a"), revision(1, 1));
        store.fail_next(
            testkit::Verb::Replace,
            "configmaps",
            StoreError::Unavailable("down".into()),
        );
        assert!(revisions.flush().await.is_err());
        revisions.flush().await.unwrap();
        let again = Revisions::load(store.shared(), "istio-system")
            .await
            .unwrap();
        assert_eq!(again.all().len(), 1);
    }

    #[tokio::test]
    async fn a_full_shard_forgets_its_oldest() {
        let store = MemoryStore::default();
        let revisions = Revisions::load(store.shared(), "istio-system")
            .await
            .unwrap();
        for n in 0..200 {
            revisions.record(&object(&format!("v{n}")), revision(1, 100 * 1024));
        }
        revisions.flush().await.unwrap();
        for map in store.all(&CONFIG_MAP) {
            assert!(map["data"].to_string().len() < 1024 * 1024);
        }
        assert!(revisions.get(&object("v199"), "u").is_some());
        assert!(revisions.all().len() < 200);
    }
}
