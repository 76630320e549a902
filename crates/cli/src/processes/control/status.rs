//! What the planner says of objects → their statuses; what it remembers → the API server.

use std::sync::Arc;

use api::kinds;
use api::store::Store;
use base::ObjectRef;
use control::{LastResolved, Revision, StatusUpdate};
use source::{Condition, ConditionStatus, Report, Revisions, StatusWriter};
use tokio::sync::mpsc;

/// Last resolved revisions, persisted by `source`.
pub(super) struct Kept(pub(super) Revisions);

impl LastResolved for Kept {
    fn all(&self) -> Vec<(ObjectRef, Arc<Revision>)> {
        let convert = |kept: &source::Revision| {
            let source::Revision {
                uid,
                generation,
                object,
            } = kept.clone();
            Arc::new(Revision {
                uid,
                generation,
                object,
            })
        };
        self.0
            .all()
            .iter()
            .map(|(object, kept)| (object.clone(), convert(kept)))
            .collect()
    }

    fn record(&self, object: &ObjectRef, revision: Revision) {
        let Revision {
            uid,
            generation,
            object: content,
        } = revision;
        self.0.record(
            object,
            source::Revision {
                uid,
                generation,
                object: content,
            },
        );
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
            conditions,
            live,
        } = update;
        let istio = |ty: &&api::store::ResourceType| {
            *ty.kind == *object.kind && ty.group.ends_with("istio.io")
        };
        let Some(ty) = kinds::ALL.iter().find(istio) else {
            continue;
        };
        let mut conditions: Vec<Condition> = conditions
            .into_iter()
            .map(|c| Condition {
                kind: c.kind,
                status: if c.status {
                    ConditionStatus::True
                } else {
                    ConditionStatus::False
                },
                reason: c.reason,
                message: c.message,
            })
            .collect();
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
