//! The state of the mesh as an API server would have it, changed object by object.

use std::collections::HashMap;
use std::sync::Arc;

use api::{Applied, Snapshot};
use base::ObjectKey;
use serde_json::{Value, json};
use tokio::sync::watch;

pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

pub struct Mesh {
    snapshot: Snapshot,
    clock: i64,
    /// Uid and creation of what is there.
    born: HashMap<(String, String), (String, String)>,
    sender: watch::Sender<Option<Arc<Snapshot>>>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn kind(name: &str) -> api::store::ResourceType {
    let known = api::snapshot::KINDS.iter().find(|ty| ty.kind == name);
    *known.unwrap()
}

impl Mesh {
    pub fn new() -> (Self, Snapshots) {
        let (sender, receiver) = watch::channel(None);
        let mesh = Self {
            snapshot: Snapshot::default(),
            clock: 0,
            born: HashMap::new(),
            sender,
        };
        (mesh, receiver)
    }

    /// Creates or replaces an object; nobody hears of it before [`Mesh::commit`].
    pub fn put(&mut self, mut object: Value) -> &mut Self {
        self.clock += 1;
        let clock = self.clock;
        let key = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let (uid, created) = self.born.entry(key.clone()).or_insert_with(|| {
            let (hours, minutes, seconds) = (clock / 3600, clock / 60 % 60, clock % 60);
            (
                format!("uid-{clock}"),
                format!("2026-01-01T{hours:02}:{minutes:02}:{seconds:02}Z"),
            )
        });
        let meta = &mut object["metadata"];
        meta["uid"] = json!(uid);
        meta["creationTimestamp"] = json!(created);
        meta["generation"] = json!(clock);
        let applied = self.snapshot.apply(&kind(&key.0), &object);
        assert!(
            matches!(applied, Applied::Changed | Applied::Unchanged),
            "{key:?}: {applied:?}: {:?}",
            self.snapshot.quarantined
        );
        self
    }

    pub fn delete(&mut self, of: &str, namespace: &str, name: &str) -> &mut Self {
        self.born.remove(&(of.to_owned(), name.to_owned()));
        let gone = self
            .snapshot
            .remove(&kind(of), &ObjectKey::new(namespace, name));
        assert!(gone, "{of} {namespace}/{name} was not there");
        self
    }

    /// What was changed since is in force now.
    pub fn commit(&self) {
        self.sender
            .send_replace(Some(Arc::new(self.snapshot.clone())));
    }
}
