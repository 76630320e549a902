//! What the controllers know of the API server: the watches' state, with their own writes already in
//! it. Without those a ReplicaSet would create its pods twice whenever the watch lags.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use api::store::{Change, ResourceType};
use base::ObjectKey;
use serde_json::Value;

use crate::object::{key, meta, timestamp, uid};

/// How long an own write is believed that no watch confirms, in seconds.
const UNCONFIRMED: i64 = 30;
/// Deleted objects remembered, so that a late answer does not bring one back.
const GONE: usize = 8192;

/// Objects by kind and key.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kinds: HashMap<&'static str, BTreeMap<ObjectKey, Arc<Value>>>,
    /// Own creations that the watch has not shown yet: uid → unix time.
    unconfirmed: HashMap<String, i64>,
    /// Own deletions that the watch has not shown yet.
    deleting: HashSet<String>,
    gone: HashSet<String>,
    gone_order: VecDeque<String>,
}

/// An object before and after.
pub(crate) struct Step {
    pub(crate) old: Option<Arc<Value>>,
    pub(crate) new: Option<Arc<Value>>,
}

fn version(object: &Value) -> Option<u64> {
    meta(object, "resourceVersion").parse().ok()
}

impl Cache {
    pub(crate) fn get(&self, ty: &ResourceType, key: &ObjectKey) -> Option<&Arc<Value>> {
        self.kinds.get(ty.kind)?.get(key)
    }

    pub(crate) fn all(&self, ty: &ResourceType) -> impl Iterator<Item = &Arc<Value>> {
        self.kinds
            .get(ty.kind)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    pub(crate) fn in_namespace<'a>(
        &'a self,
        ty: &ResourceType,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Value>> + use<'a> {
        let namespace: Arc<str> = namespace.into();
        let first = ObjectKey {
            namespace: namespace.clone(),
            name: "".into(),
        };
        let kind = self.kinds.get(ty.kind).into_iter();
        kind.flat_map(move |objects| objects.range(first.clone()..))
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, object)| object)
    }

    /// Takes in what a watch says.
    pub(crate) fn observe(&mut self, ty: &ResourceType, change: Change, now: i64) -> Vec<Step> {
        match change {
            Change::Applied(object) => {
                self.unconfirmed.remove(uid(&object));
                self.insert(ty, object).into_iter().collect()
            }
            Change::Deleted(object) => self.forget(ty, &object).into_iter().collect(),
            Change::Synced(objects) => self.sync(ty, objects, now),
        }
    }

    fn sync(&mut self, ty: &ResourceType, objects: Vec<Value>, now: i64) -> Vec<Step> {
        self.unconfirmed
            .retain(|_, since| now - *since < UNCONFIRMED);
        let listed: HashSet<String> = objects.iter().map(|o| uid(o).to_owned()).collect();
        let vanished: Vec<Arc<Value>> = self
            .all(ty)
            .filter(|o| !listed.contains(uid(o)) && !self.unconfirmed.contains_key(uid(o)))
            .cloned()
            .collect();
        let mut steps: Vec<Step> = vanished
            .iter()
            .filter_map(|object| self.forget(ty, object))
            .collect();
        for object in objects {
            self.unconfirmed.remove(uid(&object));
            steps.extend(self.insert(ty, object));
        }
        steps
    }

    /// The answer to an own write.
    pub(crate) fn written(&mut self, ty: &ResourceType, object: Value, created: bool, now: i64) {
        if created {
            self.unconfirmed.insert(uid(&object).into(), now);
        }
        self.insert(ty, object);
    }

    /// An own deletion was accepted; the object ends soon, or is gone already.
    pub(crate) fn deleted(&mut self, ty: &ResourceType, key: &ObjectKey, id: &str, now: i64) {
        let known = self.kinds.get_mut(ty.kind).and_then(|k| k.get_mut(key));
        let Some(object) = known.filter(|object| uid(object) == id) else {
            return;
        };
        self.deleting.insert(uid(object).into());
        mark(Arc::make_mut(object), now);
    }

    fn insert(&mut self, ty: &ResourceType, mut object: Value) -> Option<Step> {
        let id = uid(&object).to_owned();
        if self.gone.contains(&id) {
            return None;
        }
        let objects = self.kinds.entry(ty.kind).or_default();
        let old = objects.get(&key(&object)).cloned();
        if let Some(old) = old.as_deref().filter(|old| uid(old) == id)
            && let (Some(had), Some(has)) = (version(old), version(&object))
            && has < had
        {
            return None;
        }
        if self.deleting.contains(&id) && meta(&object, "deletionTimestamp").is_empty() {
            mark(&mut object, 0);
        }
        let new = Arc::new(object);
        objects.insert(key(&new), new.clone());
        Some(Step {
            old,
            new: Some(new),
        })
    }

    fn forget(&mut self, ty: &ResourceType, object: &Value) -> Option<Step> {
        let id = uid(object).to_owned();
        self.unconfirmed.remove(&id);
        self.deleting.remove(&id);
        if !id.is_empty() && self.gone.insert(id.clone()) {
            self.gone_order.push_back(id.clone());
            if self.gone_order.len() > GONE
                && let Some(oldest) = self.gone_order.pop_front()
            {
                self.gone.remove(&oldest);
            }
        }
        let objects = self.kinds.get_mut(ty.kind)?;
        let at = key(object);
        // The name may belong to a successor by now.
        if objects.get(&at).is_none_or(|known| uid(known) != id) {
            return None;
        }
        let old = objects.remove(&at);
        Some(Step { old, new: None })
    }
}

fn mark(object: &mut Value, now: i64) {
    if meta(object, "deletionTimestamp").is_empty() {
        object["metadata"]["deletionTimestamp"] = timestamp(now).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::deleting;
    use api::kinds::POD;
    use serde_json::json;

    fn pod(uid: &str, version: u64) -> Value {
        json!({ "metadata": {
            "namespace": "ns", "name": "a", "uid": uid, "resourceVersion": version.to_string()
        } })
    }

    fn known(cache: &Cache) -> Option<&Arc<Value>> {
        cache.get(&POD, &ObjectKey::new("ns", "a"))
    }

    #[test]
    fn an_own_creation_survives_an_older_list_but_not_for_ever() {
        let mut cache = Cache::default();
        cache.written(&POD, pod("u", 5), true, 100);
        cache.observe(&POD, Change::Synced(vec![]), 101);
        assert!(known(&cache).is_some());
        cache.observe(&POD, Change::Synced(vec![]), 200);
        assert!(known(&cache).is_none());
    }

    #[test]
    fn a_late_answer_does_not_resurrect_a_deleted_object() {
        let mut cache = Cache::default();
        cache.observe(&POD, Change::Applied(pod("u", 5)), 0);
        cache.observe(&POD, Change::Deleted(pod("u", 6)), 0);
        cache.written(&POD, pod("u", 5), true, 0);
        assert!(known(&cache).is_none());
        cache.observe(&POD, Change::Applied(pod("v", 7)), 0);
        cache.observe(&POD, Change::Deleted(pod("u", 6)), 0);
        assert!(known(&cache).is_some(), "the successor stays");
    }

    #[test]
    fn an_own_deletion_is_seen_at_once_and_older_events_do_not_hide_it() {
        let mut cache = Cache::default();
        cache.observe(&POD, Change::Applied(pod("u", 5)), 0);
        cache.deleted(&POD, &ObjectKey::new("ns", "a"), "u", 10);
        cache.observe(&POD, Change::Applied(pod("u", 6)), 0);
        assert!(deleting(known(&cache).unwrap()));
    }

    #[test]
    fn an_older_version_does_not_replace_a_newer_one() {
        let mut cache = Cache::default();
        cache.written(&POD, pod("u", 9), false, 0);
        assert!(
            cache
                .observe(&POD, Change::Applied(pod("u", 8)), 0)
                .is_empty()
        );
    }
}
