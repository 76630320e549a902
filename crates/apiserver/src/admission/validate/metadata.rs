//! The metadata of every object.

use serde_json::Value;

use super::{Checks, names};
use crate::error::Cause;
use crate::objects::call::Call;

const MAX_ANNOTATIONS: usize = 256 * 1024;

pub(super) fn check(checks: &mut Checks, call: &Call, object: &Value) {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    let problem = match (call.resource.group(), call.resource.plural()) {
        ("", "namespaces") => names::dns_label(name),
        ("", "services") => names::dns_1035(name),
        ("rbac.authorization.k8s.io", _) => names::path_segment(name),
        _ => names::subdomain(name),
    };
    if let Some(problem) = problem {
        checks.add(Cause::invalid("metadata.name", &meta["name"], problem));
    }
    labels(checks, &meta["labels"], "metadata.labels");
    let mut size = 0;
    for (key, value) in meta["annotations"].as_object().into_iter().flatten() {
        size += key.len() + value.as_str().map_or(0, str::len);
        if let Some(problem) = names::qualified(&key.to_lowercase()) {
            checks.add(Cause::invalid(
                "metadata.annotations",
                &key.as_str().into(),
                problem,
            ));
        }
    }
    if size > MAX_ANNOTATIONS {
        let message = format!("Too long: may not be more than {MAX_ANNOTATIONS} bytes");
        checks.add(Cause {
            reason: "FieldValueTooLong",
            message,
            field: "metadata.annotations".into(),
        });
    }
    for finalizer in meta["finalizers"].as_array().into_iter().flatten() {
        let problem = finalizer
            .as_str()
            .map_or(Some("must be a string"), names::qualified);
        if let Some(problem) = problem {
            checks.add(Cause::invalid("metadata.finalizers", finalizer, problem));
        }
    }
    owners(checks, meta);
}

pub(super) fn labels(checks: &mut Checks, labels: &Value, field: &str) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if let Some(problem) = names::qualified(key) {
            checks.add(Cause::invalid(field, &key.as_str().into(), problem));
        }
        if let Some(problem) = value
            .as_str()
            .map_or(Some("must be a string"), names::label_value)
        {
            checks.add(Cause::invalid(field, value, problem));
        }
    }
}

fn owners(checks: &mut Checks, meta: &Value) {
    let owners = checks.list(meta, "ownerReferences", "metadata.ownerReferences");
    let mut controllers = 0;
    for (i, owner) in owners.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            checks.required(
                &owner[field],
                &format!("metadata.ownerReferences[{i}].{field}"),
            );
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true";
        checks.add(Cause::invalid(
            "metadata.ownerReferences",
            &meta["ownerReferences"],
            detail,
        ));
    }
}
