//! Changes objects: replacement and patches, of the object, its status or another part.

use std::sync::Arc;

use serde_json::Value;

use super::call::Call;
use super::{create, meta};
use crate::admission::service::carry_addresses;
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::storage::{Expect, Object, WriteError};

/// A patch without a resourceVersion is tried again on conflict, this often.
const ATTEMPTS: usize = 16;

impl Api {
    /// Applies `change` to the current object and stores the result; when the object changed meanwhile,
    /// `change` is called again, unless its result names a resourceVersion.
    pub(crate) async fn update(
        &self,
        call: &Call,
        change: impl Fn(&Value) -> ApiResult<Value> + Sync,
    ) -> ApiResult<Arc<Object>> {
        for _ in 0..ATTEMPTS {
            let Some(current) = self
                .storage
                .get(&call.resource.id, &call.namespace, &call.name)
            else {
                return Err(call.not_found());
            };
            let base = self.present_value(call, &current.value);
            let mut new = change(&base)?;
            meta::check_type(call, &mut new)?;
            let given = meta::text(&new, "resourceVersion").to_owned();
            if !given.is_empty() && given != current.revision.to_string() {
                return Err(call.modified());
            }
            match self.replace(call, &current, &base, new).await? {
                Some(stored) => return Ok(stored),
                None if call.verb == "update" && !given.is_empty() => return Err(call.modified()),
                None => {}
            }
        }
        Err(call.modified())
    }

    /// Stores `new` in place of `current`; `None` when the object changed meanwhile.
    async fn replace(
        &self,
        call: &Call,
        current: &Arc<Object>,
        base: &Value,
        mut new: Value,
    ) -> ApiResult<Option<Arc<Object>>> {
        self.clean(call, &mut new)?;
        meta::carry(call, base, &mut new)?;
        self.keep_other_parts(call, base, &mut new);
        carry_addresses(call, base, &mut new);
        self.default(call, &mut new)?;
        meta::bump_generation(call, base, &mut new);
        self.admit(call, "UPDATE", &mut new, Some(base)).await?;
        self.default(call, &mut new)?;
        // Webhooks may have changed what is desired, or put back what was there.
        match base["metadata"].get("generation") {
            Some(before) => {
                drop(meta::metadata(&mut new).insert("generation".into(), before.clone()));
            }
            None => drop(meta::metadata(&mut new).remove("generation")),
        }
        meta::bump_generation(call, base, &mut new);
        self.validate(call, &new, Some(base))?;
        self.review(call, "UPDATE", Some(&new), Some(base)).await?;
        let reservation = self.allocate(call, &mut new, Some(base))?;
        if new == *base {
            return Ok(Some(current.clone()));
        }
        if call.dry_run {
            return create::unsaved(new, meta::text(base, "resourceVersion")).map(Some);
        }
        let finished = meta::is_deleting(&new)
            && !meta::has_finalizers(&new)
            && !self.still_terminating(call, &new);
        let saved = self
            .save(call, Expect::Revision(current.revision), Some(new))
            .await;
        drop(reservation);
        let stored = match saved {
            Ok(stored) => stored,
            Err(WriteError::Conflict | WriteError::Exists) => return Ok(None),
            Err(error) => return Err(ApiError::internal(error)),
        };
        if finished {
            self.remove(call, &stored).await?;
        }
        Ok(Some(stored))
    }

    /// Takes the object out of the store, if it is still the one given.
    pub(crate) async fn remove(&self, call: &Call, object: &Object) -> ApiResult<()> {
        match self
            .save(call, Expect::Revision(object.revision), None)
            .await
        {
            Ok(_) | Err(WriteError::Conflict) => Ok(()),
            Err(error) => Err(ApiError::internal(error)),
        }
    }

    /// Each endpoint changes its own part: `status` the status, the object itself everything else.
    fn keep_other_parts(&self, call: &Call, old: &Value, new: &mut Value) {
        let restore = |new: &mut Value, field: &str| match old.get(field) {
            Some(value) => new[field] = value.clone(),
            None => {
                if let Some(map) = new.as_object_mut() {
                    map.remove(field);
                }
            }
        };
        match call.subresource.as_str() {
            "" if call.resource.has_status() => {
                restore(new, "status");
                if call.resource.is("", "namespaces") {
                    restore(new, "spec");
                }
            }
            "status" => {
                let status = new.get("status").cloned();
                let given = new["metadata"].clone();
                *new = old.clone();
                match status {
                    Some(status) => new["status"] = status,
                    None => {
                        if let Some(map) = new.as_object_mut() {
                            map.remove("status");
                        }
                    }
                }
                // Built-in status endpoints take labels and annotations along; custom ones do not.
                if call.resource.custom().is_none() {
                    for field in ["labels", "annotations"] {
                        match given.get(field) {
                            Some(value) => new["metadata"][field] = value.clone(),
                            None => drop(meta::metadata(new).remove(field)),
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// A pod leaves when its node says so; a namespace when it is empty.
    fn still_terminating(&self, call: &Call, object: &Value) -> bool {
        if call.resource.is("", "pods") {
            return object["metadata"]["deletionGracePeriodSeconds"]
                .as_i64()
                .unwrap_or(0)
                > 0;
        }
        if call.resource.is("", "namespaces") {
            return object["spec"]["finalizers"]
                .as_array()
                .is_some_and(|f| !f.is_empty());
        }
        false
    }
}
