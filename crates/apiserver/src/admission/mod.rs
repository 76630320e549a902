//! What happens to an object between the request and the store: unknown fields, defaults, admission,
//! validation, allocation.

mod account;
pub(crate) mod defaults;
pub(crate) mod service;
pub(crate) mod validate;
pub(crate) mod webhook;

pub(crate) use account::ROOT_CA;
use serde_json::{Value, json};

use crate::api::Api;
use crate::bounds;
use crate::error::{ApiError, ApiResult, Cause};
use crate::objects::call::Call;
use crate::objects::meta;
use crate::schema;
use crate::storage::ResourceId;

/// Unknown fields reported at a time.
const MAX_UNKNOWN: usize = 16;

impl Api {
    /// Audiences of tokens that speak to this server.
    pub(crate) fn audiences(&self) -> Vec<String> {
        vec![self.options.issuer.clone(), "kubernetes.default.svc".into()]
    }

    /// Removes fields that the type does not have, and says so as `fieldValidation` asks.
    pub(crate) fn clean(&self, call: &Call, object: &mut Value) -> ApiResult<()> {
        let unknown = match call.resource.custom() {
            Some(version) => {
                let mut unknown = self.schemas.prune_metadata(object);
                if !version.preserve_unknown {
                    unknown.extend(schema::prune::object(&version.schema, object));
                }
                unknown
            }
            None => {
                drop_nulls(object);
                self.schemas.prune(&call.resource, object)
            }
        };
        if call.resource.custom().is_none()
            && let Some(wrong) = self.schemas.validate(&call.resource, object).first()
        {
            let (kind, version) = (&call.resource.kind, &call.resource.version);
            let message = format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: {}: {}",
                wrong.field, wrong.message
            );
            return Err(ApiError::bad_request(message));
        }
        if unknown.is_empty() {
            return Ok(());
        }
        match call.query.get("fieldValidation") {
            Some("Ignore") => {}
            Some("Strict") => {
                let list: Vec<String> = unknown
                    .iter()
                    .take(MAX_UNKNOWN)
                    .map(|path| format!("unknown field \"{path}\""))
                    .collect();
                return Err(ApiError::bad_request(format!(
                    "strict decoding error: {}",
                    list.join(", ")
                )));
            }
            None | Some("Warn") => {
                for path in unknown.iter().take(MAX_UNKNOWN) {
                    call.warn(format!("unknown field \"{path}\""));
                }
            }
            Some(other) => {
                let message = format!(
                    "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Warn\", \"Strict\""
                );
                return Err(ApiError::bad_request(message));
            }
        }
        Ok(())
    }

    /// Namespaced objects are created only in namespaces that exist and stay.
    pub(crate) fn check_namespace(&self, call: &Call) -> ApiResult<()> {
        if !call.resource.namespaced {
            return Ok(());
        }
        let Some(namespace) =
            self.storage
                .get(&ResourceId::new("", "namespaces"), "", &call.namespace)
        else {
            return Err(ApiError::not_found("", "namespaces", &call.namespace));
        };
        if meta::is_deleting(&namespace.value) {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                call.namespace
            );
            return Err(call.forbidden(why));
        }
        Ok(())
    }

    /// A new object has no status of its client's making.
    pub(crate) fn reset_status(&self, call: &Call, object: &mut Value) {
        if call.resource.has_status()
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }

    pub(crate) fn default(&self, call: &Call, object: &mut Value) -> ApiResult<()> {
        match call.resource.custom() {
            Some(version) => schema::default::object(&version.schema, object),
            None => {
                defaults::apply(call.resource.group(), call.resource.plural(), object);
                drop_nulls(object);
            }
        }
        Ok(())
    }

    /// Mutating admission: the built-in steps, then the webhooks.
    pub(crate) async fn admit(
        &self,
        call: &Call,
        operation: &'static str,
        object: &mut Value,
        old: Option<&Value>,
    ) -> ApiResult<()> {
        if operation == "CREATE" && call.resource.is("", "pods") {
            self.admit_account(call, object)?;
        }
        self.mutate_by_webhooks(call, operation, object, old)
            .await?;
        if operation == "CREATE" && call.resource.is("", "pods") {
            self.mount_token(call, object);
        }
        Ok(())
    }

    pub(crate) fn validate(
        &self,
        call: &Call,
        object: &Value,
        old: Option<&Value>,
    ) -> ApiResult<()> {
        bounds::check(object)?;
        validate::object(call, object, old)?;
        if call
            .resource
            .is("apiextensions.k8s.io", "customresourcedefinitions")
            && call.subresource.is_empty()
            && has_rules(&object["spec"]["versions"])
        {
            call.warn("x-kubernetes-validations (CEL) are not evaluated by this server; types, enums, patterns, bounds and required fields are");
        }
        let causes: Vec<Cause> = match call.resource.custom() {
            Some(version) => schema::validate::object(&version.schema, object),
            None => self.schemas.validate(&call.resource, object),
        };
        if causes.is_empty() {
            return Ok(());
        }
        // A stored object that no longer fits its schema can still have its finalizers removed.
        if old.is_some_and(meta::is_deleting) {
            return Ok(());
        }
        Err(ApiError::invalid(
            call.resource.group(),
            &call.resource.kind,
            &call.name,
            &causes,
        ))
    }

    /// Validating admission: the webhooks.
    pub(crate) async fn review(
        &self,
        call: &Call,
        operation: &'static str,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> ApiResult<()> {
        self.validate_by_webhooks(
            call,
            operation,
            object.unwrap_or(&Value::Null),
            old.unwrap_or(&Value::Null),
            &json!({}),
        )
        .await
    }
}

/// Whether a schema carries CEL rules anywhere.
fn has_rules(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            map.contains_key("x-kubernetes-validations") || map.values().any(has_rules)
        }
        Value::Array(list) => list.iter().any(has_rules),
        _ => false,
    }
}

/// A null field of a built-in type is an absent one, as in Kubernetes' typed decoding.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
