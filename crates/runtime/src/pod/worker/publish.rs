//! What the API server is told of a pod, and what is left of it at its end.

use api::kinds;
use api::store::{Delete, Patch, StoreError};
use base::ObjectKey;
use serde_json::{Value, json};

use super::Worker;
use crate::plan::Ending;
use crate::pod::status;

impl Worker {
    /// A pod that cannot run here, or has run: it waits for its deletion.
    pub(super) async fn refused(&mut self, reason: &str) -> bool {
        if !matches!(reason, "Succeeded" | "Failed") && self.published["phase"] != "Failed" {
            let status =
                json!({ "phase": "Failed", "reason": "UnsupportedPodSpec", "message": reason });
            self.patch(status).await;
        }
        if self.state.ending() != Some(Ending::Deleted) {
            return false;
        }
        self.finish().await
    }

    /// Ends the shim; logs stay until the object goes.
    pub(super) async fn clean(&mut self) {
        if self.cleaned {
            return;
        }
        self.cleaned = true;
        self.news = None;
        let (shared, uid) = (self.shared.clone(), self.facts.uid().to_owned());
        let _ = tokio::task::spawn_blocking(move || shared.sandboxes.stop(&uid)).await;
        self.sandbox = None;
        self.register();
    }

    pub(super) async fn remove(&self) {
        let (shared, uid) = (self.shared.clone(), self.facts.uid().to_owned());
        let removed = tokio::task::spawn_blocking(move || shared.sandboxes.remove(&uid)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(pod = %self.facts.uid(), %error, "cannot remove the pod's directory");
        }
    }

    pub(super) async fn publish(&mut self) {
        let view = self.state.view();
        let there = self.sandbox.is_some() || self.cleaned;
        let status = status::status(
            &view,
            &self.facts,
            &self.spec,
            self.started,
            &self.object["status"],
            there,
        );
        self.patch(status).await;
    }

    pub(super) async fn patch(&mut self, status: Value) {
        if self.gone || status == self.published {
            self.unpublished = false;
            return;
        }
        let key = ObjectKey::new(self.facts.namespace(), self.facts.name());
        let patch = json!({ "metadata": { "uid": self.facts.uid() }, "status": status });
        match self
            .shared
            .store
            .patch_status(&kinds::POD, &key, Patch::Merge(patch))
            .await
        {
            Ok(object) => {
                self.object["status"] = object["status"].clone();
                self.published = status;
                self.unpublished = false;
            }
            Err(StoreError::NotFound(_)) => self.gone = true,
            Err(StoreError::Refused { message, .. }) => {
                tracing::warn!(pod = %key, %message, "status refused");
                self.published = status;
                self.unpublished = false;
            }
            Err(error) => {
                tracing::debug!(pod = %key, %error, "status not written");
                self.unpublished = true;
            }
        }
    }

    /// Removes the last of a deleted pod. `false` when the API server must be asked again.
    pub(super) async fn finish(&mut self) -> bool {
        // Before the object: whoever sees it gone may count on the rest.
        self.remove().await;
        if !self.gone {
            let key = ObjectKey::new(self.facts.namespace(), self.facts.name());
            let options = Delete {
                grace: Some(0),
                uid: Some(self.facts.uid().into()),
                ..Delete::default()
            };
            match self.shared.store.delete(&kinds::POD, &key, options).await {
                Ok(()) | Err(StoreError::NotFound(_) | StoreError::Conflict(_)) => {}
                Err(_) => {
                    self.unpublished = true;
                    return false;
                }
            }
        }
        self.shared.registry.remove(self.facts.uid());
        true
    }
}
