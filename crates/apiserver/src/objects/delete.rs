//! Deletes objects: at once, after a grace period, or when the last finalizer is gone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::Call;
use super::meta;
use super::select::{FieldSelector, LabelSelector};
use crate::api::Api;
use crate::clock;
use crate::error::{ApiError, ApiResult};
use crate::storage::{Expect, Object, WriteError};

pub(crate) const ORPHAN: &str = "orphan";
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
const ATTEMPTS: usize = 16;

/// `DeleteOptions`, from the body and the query.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    grace: Option<i64>,
    propagation: Option<String>,
    uid: Option<String>,
    revision: Option<String>,
}

impl DeleteOptions {
    pub(crate) fn read(call: &Call, body: &Value) -> ApiResult<Self> {
        let query = &call.query;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let grace = match body["gracePeriodSeconds"].as_i64() {
            Some(seconds) => Some(seconds),
            None => query
                .number("gracePeriodSeconds")?
                .map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
        };
        if grace.is_some_and(|seconds| seconds < 0) {
            return Err(ApiError::bad_request(
                "gracePeriodSeconds must not be negative",
            ));
        }
        let propagation = text(&body["propagationPolicy"])
            .or_else(|| query.get("propagationPolicy").map(str::to_owned));
        let orphan = body["orphanDependents"]
            .as_bool()
            .map(|orphan| if orphan { "Orphan" } else { "Background" });
        let propagation = propagation.or_else(|| orphan.map(str::to_owned));
        if propagation
            .as_deref()
            .is_some_and(|p| !matches!(p, "Orphan" | "Background" | "Foreground"))
        {
            let message = "invalid propagationPolicy: must be Orphan, Background or Foreground";
            return Err(ApiError::bad_request(message));
        }
        Ok(Self {
            grace,
            propagation,
            uid: text(&body["preconditions"]["uid"]),
            revision: text(&body["preconditions"]["resourceVersion"]),
        })
    }
}

/// What a delete led to.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; this was its last state.
    Gone(Arc<Object>),
    /// The object is still there, on its way out.
    Leaving(Arc<Object>),
}

impl Api {
    pub(crate) async fn delete(&self, call: &Call, options: &DeleteOptions) -> ApiResult<Deleted> {
        for _ in 0..ATTEMPTS {
            let Some(current) = self
                .storage
                .get(&call.resource.id, &call.namespace, &call.name)
            else {
                return Err(call.not_found());
            };
            self.check_preconditions(call, options, &current)?;
            self.protect(call)?;
            self.review(call, "DELETE", None, Some(&current.value))
                .await?;
            let step = self.deletion_step(call, options, &current.value);
            if call.dry_run {
                return Ok(if step.is_some() {
                    Deleted::Leaving(current)
                } else {
                    Deleted::Gone(current)
                });
            }
            let leaving = step.is_some();
            if step.as_ref() == Some(&current.value) {
                return Ok(Deleted::Leaving(current));
            }
            match self
                .save(call, Expect::Revision(current.revision), step)
                .await
            {
                Ok(object) if leaving => return Ok(Deleted::Leaving(object)),
                Ok(object) => return Ok(Deleted::Gone(object)),
                Err(WriteError::Failed(why)) => return Err(ApiError::internal(why)),
                Err(WriteError::Conflict | WriteError::Exists) => {}
            }
        }
        Err(call.modified())
    }

    fn check_preconditions(
        &self,
        call: &Call,
        options: &DeleteOptions,
        current: &Object,
    ) -> ApiResult<()> {
        let uid = meta::text(&current.value, "uid");
        if let Some(wanted) = options.uid.as_deref().filter(|wanted| *wanted != uid) {
            let why = format!(
                "Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
            );
            return Err(call.conflict(why));
        }
        let revision = current.revision.to_string();
        if let Some(wanted) = options
            .revision
            .as_deref()
            .filter(|wanted| *wanted != revision)
        {
            let why = format!(
                "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {revision}"
            );
            return Err(call.conflict(why));
        }
        Ok(())
    }

    /// Namespaces that the server needs are not deleted.
    fn protect(&self, call: &Call) -> ApiResult<()> {
        let kept = ["default", "kube-system", "kube-public"];
        if call.resource.is("", "namespaces") && kept.contains(&call.name.as_str()) {
            return Err(call.forbidden("this namespace may not be deleted"));
        }
        Ok(())
    }

    /// The object with the marks of its deletion, or `None` when it goes at once.
    fn deletion_step(
        &self,
        call: &Call,
        options: &DeleteOptions,
        current: &Value,
    ) -> Option<Value> {
        let mut next = current.clone();
        let policy = options.propagation.as_deref();
        if let Some(policy) = policy {
            let mut finalizers: Vec<Value> = current["metadata"]["finalizers"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            finalizers.retain(|f| f != ORPHAN && f != FOREGROUND);
            match policy {
                "Orphan" => finalizers.push(ORPHAN.into()),
                "Foreground" => finalizers.push(FOREGROUND.into()),
                _ => {}
            }
            if finalizers.is_empty() {
                meta::metadata(&mut next).remove("finalizers");
            } else {
                next["metadata"]["finalizers"] = finalizers.into();
            }
        }
        let grace = if call.resource.is("", "pods") {
            pod_grace(options, current)
        } else {
            0
        };
        let is_namespace = call.resource.is("", "namespaces");
        let kept = meta::has_finalizers(&next)
            || grace > 0
            || (is_namespace
                && current["spec"]["finalizers"]
                    .as_array()
                    .is_some_and(|f| !f.is_empty()));
        if !kept {
            return None;
        }
        let shorter = current["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .is_none_or(|before| grace < before);
        if !meta::is_deleting(current) || shorter {
            let at = time::OffsetDateTime::now_utc() + time::Duration::seconds(grace);
            next["metadata"]["deletionTimestamp"] = clock::rfc3339(at).into();
            next["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        }
        if is_namespace {
            next["status"]["phase"] = "Terminating".into();
        }
        if !meta::is_deleting(current) && current["metadata"]["generation"].is_i64() {
            let generation = current["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            next["metadata"]["generation"] = generation.into();
        }
        Some(next)
    }

    /// Deletes everything that the selectors of the call select; returns the last states.
    pub(crate) async fn delete_collection(
        &self,
        call: &Call,
        options: &DeleteOptions,
    ) -> ApiResult<Vec<Arc<Object>>> {
        let labels = LabelSelector::parse(call.query.get("labelSelector").unwrap_or_default())?;
        let fields = FieldSelector::parse(
            call.query.get("fieldSelector").unwrap_or_default(),
            &call.resource,
        )?;
        let snapshot = self.storage.snapshot(&call.resource.id);
        let namespace = (!call.namespace.is_empty()).then_some(call.namespace.as_str());
        let mut deleted = Vec::new();
        for ((namespace, name), object) in snapshot.range(namespace, None) {
            let shown = self.present_value(call, &object.value);
            if !labels.matches(&shown) || !fields.matches(&shown) {
                continue;
            }
            match self.delete(&call.about(namespace, name), options).await {
                Ok(Deleted::Gone(object) | Deleted::Leaving(object)) => deleted.push(object),
                Err(error) if error.code() == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }
}

/// Seconds that a pod has: none when nothing of it can be running.
fn pod_grace(options: &DeleteOptions, pod: &Value) -> i64 {
    let finished = matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    let unscheduled = pod["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty();
    if finished || unscheduled {
        return 0;
    }
    let own = pod["spec"]["terminationGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(30);
    let wanted = options.grace.unwrap_or(own).max(0);
    match pod["metadata"]["deletionGracePeriodSeconds"].as_i64() {
        // Already leaving: the time only gets shorter.
        Some(before) => wanted.min(before),
        None => wanted,
    }
}

/// The answer for an object that is gone.
pub(crate) fn success(call: &Call, object: &Value) -> Value {
    let mut details = json!({"name": call.name, "kind": call.resource.plural(), "uid": meta::text(object, "uid")});
    if !call.resource.group().is_empty() {
        details["group"] = call.resource.group().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
