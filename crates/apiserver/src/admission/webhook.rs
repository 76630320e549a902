//! Which admission webhooks a request goes to, in which order, and what their answers mean.

mod client;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::objects::call::Call;
use crate::objects::select::LabelSelector;
use crate::storage::ResourceId;

pub(crate) use client::Webhooks;
use client::{CallError, Review};

const GROUP: &str = "admissionregistration.k8s.io";

/// One webhook of one configuration.
#[derive(Debug)]
struct Hook {
    configuration: Arc<str>,
    spec: Value,
}

impl Hook {
    fn name(&self) -> &str {
        self.spec["name"].as_str().unwrap_or_default()
    }

    fn ignores_failure(&self) -> bool {
        self.spec["failurePolicy"] == "Ignore"
    }
}

fn any(list: &Value, wanted: &str) -> bool {
    list.as_array()
        .into_iter()
        .flatten()
        .any(|v| v == "*" || v == wanted)
}

/// `pods`, `pods/status`, `*/scale`, `pods/*`, `*/*`.
fn resource_matches(list: &Value, plural: &str, subresource: &str) -> bool {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .any(|pattern| {
            let (resource, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
            let sub_fits = sub == subresource || (sub == "*" && pattern.contains('/'));
            // `*` alone means every resource without its subresources; `*/*` means everything.
            (resource == "*" || resource == plural) && sub_fits
        })
}

impl Api {
    fn hooks(&self, plural: &str) -> Vec<Hook> {
        let snapshot = self.storage.snapshot(&ResourceId::new(GROUP, plural));
        let mut hooks = Vec::new();
        for ((_, name), object) in snapshot.range(None, None) {
            for spec in object.value["webhooks"].as_array().into_iter().flatten() {
                hooks.push(Hook {
                    configuration: name.clone(),
                    spec: spec.clone(),
                });
            }
        }
        hooks
    }

    /// Whether the hook wants the request, and in which version it wants to see it.
    fn wants(
        &self,
        hook: &Hook,
        call: &Call,
        operation: &str,
        object: &Value,
        old: &Value,
    ) -> Option<Arc<crate::registry::Resource>> {
        // Webhook configurations are never sent to webhooks: a broken one could not be repaired.
        if call.resource.group() == GROUP {
            return None;
        }
        let version = self.wanted_version(hook, call, operation)?;
        if !self.namespace_selected(hook, call, object) {
            return None;
        }
        let selector = LabelSelector::from_object(&hook.spec["objectSelector"]);
        let selected = (!object.is_null() && selector.matches(object))
            || (!old.is_null() && selector.matches(old));
        selected.then_some(version)
    }

    fn wanted_version(
        &self,
        hook: &Hook,
        call: &Call,
        operation: &str,
    ) -> Option<Arc<crate::registry::Resource>> {
        let resource = &call.resource;
        let rules = || hook.spec["rules"].as_array().into_iter().flatten();
        let fits = |rule: &Value, version: &str| {
            let scope = match rule["scope"].as_str() {
                Some("Namespaced") => resource.namespaced,
                Some("Cluster") => !resource.namespaced,
                _ => true,
            };
            scope
                && any(&rule["operations"], operation)
                && any(&rule["apiGroups"], resource.group())
                && any(&rule["apiVersions"], version)
                && resource_matches(&rule["resources"], resource.plural(), &call.subresource)
        };
        if rules().any(|rule| fits(rule, &resource.version)) {
            return Some(resource.clone());
        }
        if hook.spec["matchPolicy"] == "Exact" {
            return None;
        }
        // `Equivalent`: the same object seen through another served version.
        let all = self.registry.all();
        let mut others = all
            .values()
            .filter(|other| other.id == resource.id && other.version != resource.version);
        others
            .find(|other| rules().any(|rule| fits(rule, &other.version)))
            .cloned()
    }

    fn namespace_selected(&self, hook: &Hook, call: &Call, object: &Value) -> bool {
        let selector = LabelSelector::from_object(&hook.spec["namespaceSelector"]);
        if call.resource.is("", "namespaces") {
            let stored = self
                .storage
                .get(&ResourceId::new("", "namespaces"), "", &call.name);
            return selector.matches(
                stored
                    .as_ref()
                    .map_or(object, |o| if object.is_null() { &o.value } else { object }),
            );
        }
        if !call.resource.namespaced {
            return true;
        }
        let namespace = self
            .storage
            .get(&ResourceId::new("", "namespaces"), "", &call.namespace);
        namespace.is_some_and(|namespace| selector.matches(&namespace.value))
    }

    /// Lets mutating webhooks change the object, in the order of their configurations' names; those that
    /// asked for it see it again when a later one changed it.
    pub(super) async fn mutate_by_webhooks(
        &self,
        call: &Call,
        operation: &'static str,
        object: &mut Value,
        old: Option<&Value>,
    ) -> ApiResult<()> {
        let hooks = self.hooks("mutatingwebhookconfigurations");
        let old = old.cloned().unwrap_or(Value::Null);
        // For each hook: the object as it left it.
        let mut seen: Vec<Option<Value>> = Vec::with_capacity(hooks.len());
        for hook in &hooks {
            let called = self
                .mutate_once(hook, call, operation, object, &old)
                .await?;
            seen.push(called.then(|| object.clone()));
        }
        for (hook, seen) in hooks.iter().zip(seen) {
            let again = hook.spec["reinvocationPolicy"] == "IfNeeded"
                && seen.is_some_and(|seen| seen != *object);
            if again {
                self.mutate_once(hook, call, operation, object, &old)
                    .await?;
            }
        }
        Ok(())
    }

    async fn mutate_once(
        &self,
        hook: &Hook,
        call: &Call,
        operation: &'static str,
        object: &mut Value,
        old: &Value,
    ) -> ApiResult<bool> {
        let Some(seen_as) = self.wants(hook, call, operation, object, old) else {
            return Ok(false);
        };
        let own_version = object["apiVersion"].clone();
        let response = match self
            .ask(hook, call, operation, object, old, &seen_as)
            .await?
        {
            Some(response) => response,
            None => return Ok(false),
        };
        if let Some(patch) = response.patch {
            let mut seen = object.clone();
            seen["apiVersion"] = seen_as.api_version().into();
            let mut patched = patch.apply(&seen).map_err(|error| {
                ApiError::internal(format!(
                    "failed to apply the patch of webhook {:?}: {error}",
                    hook.name()
                ))
            })?;
            patched["apiVersion"] = own_version;
            if !patched["metadata"].is_object() {
                return Err(ApiError::internal(format!(
                    "webhook {:?} removed the object's metadata",
                    hook.name()
                )));
            }
            *object = patched;
        }
        Ok(true)
    }

    /// Asks every validating webhook; the first refusal, in the order of their names, is the answer.
    pub(super) async fn validate_by_webhooks(
        &self,
        call: &Call,
        operation: &'static str,
        object: &Value,
        old: &Value,
        _options: &Value,
    ) -> ApiResult<()> {
        let hooks = self.hooks("validatingwebhookconfigurations");
        let asked = hooks.iter().filter_map(|hook| {
            let seen_as = self.wants(hook, call, operation, object, old)?;
            Some(async move { self.ask(hook, call, operation, object, old, &seen_as).await })
        });
        for outcome in futures::future::join_all(asked).await {
            outcome?;
        }
        Ok(())
    }

    /// Calls the hook. `None` when it failed and its policy is to go on.
    async fn ask(
        &self,
        hook: &Hook,
        call: &Call,
        operation: &'static str,
        object: &Value,
        old: &Value,
        seen_as: &crate::registry::Resource,
    ) -> ApiResult<Option<Review>> {
        if call.dry_run
            && !matches!(
                hook.spec["sideEffects"].as_str(),
                Some("None" | "NoneOnDryRun")
            )
        {
            return Err(ApiError::bad_request(format!(
                "admission webhook {:?} does not support dry run",
                hook.name()
            )));
        }
        let request = admission_request(call, operation, object, old, seen_as);
        match self.webhooks.call(self, &hook.spec, request).await {
            Ok(review) => {
                for warning in &review.warnings {
                    call.warn(warning.clone());
                }
                if review.allowed {
                    Ok(Some(review))
                } else {
                    Err(denied(hook.name(), &review))
                }
            }
            Err(error) if hook.ignores_failure() => {
                tracing::warn!(webhook = hook.name(), configuration = %hook.configuration, %error, "failed open");
                Ok(None)
            }
            Err(error) => Err(failed(hook.name(), &error)),
        }
    }
}

fn failed(name: &str, error: &CallError) -> ApiError {
    ApiError::internal(format!("failed calling webhook {name:?}: {error}"))
}

fn denied(name: &str, review: &Review) -> ApiError {
    let status = &review.status;
    let code = status["code"]
        .as_u64()
        .and_then(|c| u16::try_from(c).ok())
        .filter(|c| (400..600).contains(c));
    let base = format!("admission webhook {name:?} denied the request");
    let text = match (status["message"].as_str(), status["reason"].as_str()) {
        (Some(message), _) if !message.is_empty() => format!("{base}: {message}"),
        (_, Some(reason)) if !reason.is_empty() => format!("{base}: {reason}"),
        _ => format!("{base} without explanation"),
    };
    let code = code.unwrap_or(403);
    let reason = match code {
        400 => "BadRequest",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        429 => "TooManyRequests",
        500.. => "InternalError",
        _ => "Forbidden",
    };
    ApiError::new(code, reason, text)
}

fn gvk(resource: &crate::registry::Resource) -> Value {
    json!({"group": resource.group(), "version": &*resource.version, "kind": &*resource.kind})
}

fn gvr(resource: &crate::registry::Resource) -> Value {
    json!({"group": resource.group(), "version": &*resource.version, "resource": resource.plural()})
}

fn in_version(object: &Value, resource: &crate::registry::Resource) -> Value {
    let mut shown = object.clone();
    if shown.is_object() && resource.custom().is_some() {
        shown["apiVersion"] = resource.api_version().into();
    }
    shown
}

fn admission_request(
    call: &Call,
    operation: &str,
    object: &Value,
    old: &Value,
    seen_as: &crate::registry::Resource,
) -> Value {
    let options = match operation {
        "CREATE" => "CreateOptions",
        "UPDATE" => "UpdateOptions",
        _ => "DeleteOptions",
    };
    let mut request = json!({
        "uid": uuid::Uuid::new_v4().to_string(),
        "kind": gvk(seen_as),
        "resource": gvr(seen_as),
        "requestKind": gvk(&call.resource),
        "requestResource": gvr(&call.resource),
        "name": call.name,
        "operation": operation,
        "userInfo": call.user.info(),
        "object": in_version(object, seen_as),
        "oldObject": in_version(old, seen_as),
        "dryRun": call.dry_run,
        "options": {"kind": options, "apiVersion": "meta.k8s.io/v1"},
    });
    if !call.namespace.is_empty() {
        request["namespace"] = call.namespace.clone().into();
    } else if call.resource.is("", "namespaces") {
        request["namespace"] = call.name.clone().into();
    }
    if !call.subresource.is_empty() {
        request["subResource"] = call.subresource.clone().into();
        request["requestSubResource"] = call.subresource.clone().into();
    }
    request
}
