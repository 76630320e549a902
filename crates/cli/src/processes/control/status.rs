//! What the planner says of objects → their statuses; what it remembers → the API server.

use std::sync::Arc;

use api::kinds;
use api::store::Store;
use api::{Condition, Revision};
use base::ObjectRef;
use control::{LastResolved, StatusUpdate};
use source::{Report, Revisions, StatusWriter};
use tokio::sync::mpsc;

/// Last resolved revisions, persisted by `source`.
pub(super) struct Kept(pub(super) Revisions);

impl LastResolved for Kept {
    fn all(&self) -> Vec<(ObjectRef, Arc<Revision>)> {
        self.0.all()
    }

    fn record(&self, object: &ObjectRef, revision: Revision) {
        self.0.record(object, revision);
    }

    fn forget(&self, object: &ObjectRef) {
        self.0.forget(object);
    }
}

/// Writes statuses until the planner ends.
pub(super) async fn write(
    store: Arc<dyn Store>,
    mut updates: mpsc::UnboundedReceiver<StatusUpdate>,
) {
    let writer = StatusWriter::start(store);
    while let Some(update) = updates.recv().await {
        let StatusUpdate {
            object,
            generation,
            mut conditions,
            live,
        } = update;
        let istio = |ty: &&api::store::ResourceType| {
            *ty.kind == *object.kind && ty.group.ends_with("istio.io")
        };
        let Some(ty) = kinds::ALL.iter().find(istio) else {
            continue;
        };
        if let Some(live) = live
            && !conditions.iter().any(|c| c.kind == "Live")
        {
            conditions.push(Condition::live(live.acknowledged, live.wanted));
        }
        writer.report(Report {
            ty: *ty,
            key: object.key.clone(),
            generation,
            conditions,
        });
    }
}
