//! Watches into snapshots: one task applies every change in order and publishes the result once all
//! kinds are known and the changes pause for a moment.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use api::istio::MeshConfig;
use api::kinds;
use api::store::{Change, Query, ResourceType, Store};
use api::{Applied, Snapshot};
use base::ObjectKey;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::mesh;

/// A snapshot is published when no change came for this long …
const QUIET: Duration = Duration::from_millis(5);
/// … and in a stream of changes at least this often.
const LONGEST: Duration = Duration::from_millis(50);

/// The state of the mesh as the API server has it; `None` until every kind was listed once. The task
/// behind it ends when the last receiver is dropped.
#[must_use]
pub fn snapshots(
    store: &Arc<dyn Store>,
    kinds: &[ResourceType],
) -> watch::Receiver<Option<Arc<Snapshot>>> {
    let (sender, receiver) = watch::channel(None);
    let streams: Vec<BoxStream<'static, (ResourceType, Change)>> = kinds
        .iter()
        .map(|ty| {
            let ty = *ty;
            let changes = store.watch(&ty, &Query::default());
            changes.map(move |change| (ty, change)).boxed()
        })
        .collect();
    let pending: Vec<ResourceType> = kinds.to_vec();
    tokio::spawn(async move {
        tokio::select! {
            () = follow(stream::select_all(streams), Collector::new(&pending), &sender) => {}
            () = sender.closed() => {}
        }
    });
    receiver
}

async fn follow(
    mut changes: impl Stream<Item = (ResourceType, Change)> + Unpin,
    mut collector: Collector,
    sender: &watch::Sender<Option<Arc<Snapshot>>>,
) {
    // When the first unpublished change must be out, and when it may.
    let mut due: Option<(Instant, Instant)> = None;
    loop {
        let publish = async {
            match due {
                Some((latest, quiet)) => sleep_until(latest.min(quiet)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = publish => {
                due = None;
                sender.send_replace(Some(Arc::new(collector.snapshot.clone())));
            }
            next = changes.next() => {
                let Some((ty, change)) = next else { return };
                let dirty = collector.take(&ty, change);
                if dirty && collector.complete() {
                    let now = Instant::now();
                    let latest = due.map_or(now + LONGEST, |(latest, _)| latest);
                    due = Some((latest, now + QUIET));
                }
            }
        }
    }
}

/// Applies changes to the snapshot; knows nothing of time.
struct Collector {
    snapshot: Snapshot,
    /// Kinds that were not listed yet.
    pending: HashSet<&'static str>,
    known: HashMap<&'static str, HashSet<ObjectKey>>,
}

impl Collector {
    fn new(kinds: &[ResourceType]) -> Self {
        Self {
            snapshot: Snapshot::default(),
            pending: kinds.iter().map(|ty| ty.kind).collect(),
            known: HashMap::new(),
        }
    }

    fn complete(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the published snapshot would differ.
    fn take(&mut self, ty: &ResourceType, change: Change) -> bool {
        match change {
            Change::Synced(objects) => {
                let completed = self.pending.remove(ty.kind) && self.complete();
                let now: HashSet<ObjectKey> = objects.iter().map(key_of).collect();
                let before = self.known.insert(ty.kind, now.clone()).unwrap_or_default();
                let mut dirty = completed;
                for gone in before.difference(&now) {
                    dirty |= self.remove(ty, gone);
                }
                for object in &objects {
                    dirty |= self.apply(ty, object);
                }
                dirty
            }
            Change::Applied(object) => {
                self.known
                    .entry(ty.kind)
                    .or_default()
                    .insert(key_of(&object));
                self.apply(ty, &object)
            }
            Change::Deleted(object) => {
                let key = key_of(&object);
                if let Some(known) = self.known.get_mut(ty.kind) {
                    known.remove(&key);
                }
                self.remove(ty, &key)
            }
        }
    }

    fn apply(&mut self, ty: &ResourceType, object: &Value) -> bool {
        let applied = self.snapshot.apply(ty, object);
        let mesh = is_mesh(ty, &key_of(object)) && self.take_mesh(object);
        if applied == Applied::Ignored {
            tracing::warn!(
                kind = ty.kind,
                "the API server sent an object without a name"
            );
        }
        mesh || matches!(applied, Applied::Changed | Applied::Quarantined)
    }

    fn remove(&mut self, ty: &ResourceType, key: &ObjectKey) -> bool {
        if is_mesh(ty, key) {
            self.snapshot.mesh = Arc::new(MeshConfig::default());
        }
        self.snapshot.remove(ty, key)
    }

    /// A mesh configuration which cannot be read changes nothing: the last good one stays.
    fn take_mesh(&mut self, object: &Value) -> bool {
        match mesh::decode(object) {
            Ok(mesh) if mesh != *self.snapshot.mesh => {
                self.snapshot.mesh = Arc::new(mesh);
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::error!(
                    %error,
                    "ConfigMap istio-system/istio: the key `mesh` is refused; \
                     the last valid mesh configuration stays in force"
                );
                false
            }
        }
    }
}

fn is_mesh(ty: &ResourceType, key: &ObjectKey) -> bool {
    ty.kind == kinds::CONFIG_MAP.kind
        && &*key.namespace == mesh::NAMESPACE
        && &*key.name == mesh::NAME
}

fn key_of(object: &Value) -> ObjectKey {
    let field = |name| object["metadata"][name].as_str().unwrap_or_default();
    ObjectKey::new(field("namespace"), field("name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testkit::MemoryStore;

    fn service(name: &str) -> Value {
        json!({
            "metadata": { "namespace": "ns", "name": name },
            "spec": { "ports": [{ "port": 80 }] },
        })
    }

    fn names(snapshot: &Snapshot) -> Vec<String> {
        snapshot
            .services
            .keys()
            .map(|key| key.name.to_string())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_snapshot_is_complete() {
        let store = MemoryStore::default();
        store.put(&kinds::SERVICE, service("a"));
        store.put(&kinds::NAMESPACE, json!({ "metadata": { "name": "ns" } }));
        let mut snapshots = snapshots(&store.shared(), &[kinds::SERVICE, kinds::NAMESPACE]);
        assert!(snapshots.borrow().is_none());
        let first = snapshots
            .wait_for(Option::is_some)
            .await
            .unwrap()
            .clone()
            .unwrap();
        assert_eq!(names(&first), ["a"]);
        assert_eq!(first.namespaces.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_follow_and_what_vanished_in_an_outage_is_removed() {
        let store = MemoryStore::default();
        store.put(&kinds::SERVICE, service("a"));
        let mut snapshots = snapshots(&store.shared(), &[kinds::SERVICE]);
        snapshots.wait_for(Option::is_some).await.unwrap();
        store.create(&kinds::SERVICE, service("b")).await.unwrap();
        let with = |name: &'static str| {
            move |s: &Option<Arc<Snapshot>>| {
                s.as_ref().is_some_and(|s| names(s).contains(&name.into()))
            }
        };
        snapshots.wait_for(with("b")).await.unwrap();

        let mut collector = Collector::new(&[kinds::SERVICE]);
        collector.take(
            &kinds::SERVICE,
            Change::Synced(vec![service("a"), service("b")]),
        );
        assert!(collector.take(&kinds::SERVICE, Change::Synced(vec![service("b")])));
        assert_eq!(names(&collector.snapshot), ["b"]);
        assert!(!collector.take(&kinds::SERVICE, Change::Synced(vec![service("b")])));
    }

    #[test]
    fn a_bad_mesh_configuration_leaves_the_last_good_one_in_force() {
        let map = |mesh: &str| {
            Change::Applied(json!({
                "metadata": { "namespace": "istio-system", "name": "istio" },
                "data": { "mesh": mesh },
            }))
        };
        let mut collector = Collector::new(&[]);
        assert!(collector.take(&kinds::CONFIG_MAP, map("accessLogFile: /dev/stdout\n")));
        let good = collector.snapshot.mesh.clone();
        collector.take(&kinds::CONFIG_MAP, map("accessLogFile: [1,\n"));
        collector.take(&kinds::CONFIG_MAP, map("noSuchField: 1\n"));
        assert_eq!(collector.snapshot.mesh, good);
    }
}
