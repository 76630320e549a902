//! Refuses wrong objects of the built-in types, with every wrong field and Kubernetes' wording.

mod metadata;
mod misc;
pub(crate) mod names;
mod pod;
mod service;
mod workload;

use serde_json::Value;

use crate::error::{ApiError, ApiResult, Cause};
use crate::objects::call::Call;

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Checks(Vec<Cause>);

impl Checks {
    fn add(&mut self, cause: Cause) {
        // Bounded: a hostile object has no end of mistakes.
        if self.0.len() < 64 {
            self.0.push(cause);
        }
    }

    fn required(&mut self, value: &Value, field: &str) -> bool {
        let missing = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if missing {
            self.add(Cause::required(field, ""));
        }
        !missing
    }

    /// The value is one of `allowed`, or absent.
    fn one_of(&mut self, value: &Value, field: &str, allowed: &[&str]) {
        if !value.is_null() && !value.as_str().is_some_and(|v| allowed.contains(&v)) {
            self.add(Cause::unsupported(field, value, allowed));
        }
    }

    fn at_least(&mut self, value: &Value, field: &str, least: i64) {
        if value.is_null() {
            return;
        }
        let detail = match least {
            0 => "must be greater than or equal to 0".to_owned(),
            n => format!("must be greater than or equal to {n}"),
        };
        if value.as_i64().is_none_or(|v| v < least) {
            self.add(Cause::invalid(field, value, detail));
        }
    }

    fn port(&mut self, value: &Value, field: &str) {
        if value.as_i64().is_none_or(|v| !(1..=65535).contains(&v)) {
            self.add(Cause::invalid(
                field,
                value,
                "must be between 1 and 65535, inclusive",
            ));
        }
    }

    fn dns_label(&mut self, value: &Value, field: &str) {
        if self.required(value, field)
            && let Some(problem) = value
                .as_str()
                .map_or(Some("must be a string"), names::dns_label)
        {
            self.add(Cause::invalid(field, value, problem));
        }
    }

    fn immutable(&mut self, old: &Value, new: &Value, field: &str) {
        if old != new {
            self.add(Cause::invalid(field, new, "field is immutable"));
        }
    }

    fn list<'a>(&mut self, object: &'a Value, field: &str, at: &str) -> &'a [Value] {
        match &object[field] {
            Value::Null => &[],
            Value::Array(list) => list,
            other => {
                self.add(Cause::invalid(at, other, "must be a list"));
                &[]
            }
        }
    }
}

/// Validates a new object, or the change of an old one.
pub(crate) fn object(call: &Call, object: &Value, old: Option<&Value>) -> ApiResult<()> {
    let mut checks = Checks::default();
    metadata::check(&mut checks, call, object);
    match (call.resource.group(), call.resource.plural()) {
        ("", "pods") => pod::check(&mut checks, call, object, old),
        ("", "services") => service::check(&mut checks, object, old),
        ("", "configmaps") => misc::config_map(&mut checks, object, old),
        ("", "secrets") => misc::secret(&mut checks, object, old),
        ("apps", "deployments" | "replicasets") => workload::check(&mut checks, object, old),
        ("discovery.k8s.io", "endpointslices") => misc::endpoint_slice(&mut checks, object, old),
        ("coordination.k8s.io", "leases") => misc::lease(&mut checks, object),
        ("admissionregistration.k8s.io", _) => misc::webhooks(&mut checks, object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            misc::definition(&mut checks, object, old);
        }
        ("rbac.authorization.k8s.io", plural) => misc::rbac(&mut checks, plural, object, old),
        _ => {}
    }
    if checks.0.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(
        call.resource.group(),
        &call.resource.kind,
        &call.name,
        &checks.0,
    ))
}
