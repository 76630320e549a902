//! Evaluates the stored RBAC objects: Roles, ClusterRoles and their bindings.

use serde_json::Value;

use super::User;
use super::authorize::Action;
use crate::storage::{ResourceId, Storage};

const GROUP: &str = "rbac.authorization.k8s.io";

fn id(plural: &str) -> ResourceId {
    ResourceId::new(GROUP, plural)
}

fn items(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn names(user: &User, subject: &Value, namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => user.name == name,
        Some("Group") => user.in_group(name),
        Some("ServiceAccount") => {
            let namespace = subject["namespace"].as_str().unwrap_or(namespace);
            user.service_account() == Some((namespace, name))
        }
        _ => false,
    }
}

fn allows(rule: &Value, action: &Action<'_>) -> bool {
    let any = |field: &str, wanted: &str| items(&rule[field]).any(|v| v == "*" || v == wanted);
    if !any("verbs", action.verb) {
        return false;
    }
    if let Some(path) = action.path {
        return items(&rule["nonResourceURLs"]).any(|pattern| {
            pattern == path
                || pattern
                    .strip_suffix('*')
                    .is_some_and(|prefix| path.starts_with(prefix))
        });
    }
    let with_sub = format!("{}/{}", action.plural, action.subresource);
    let any_sub = format!("*/{}", action.subresource);
    let resource = if action.subresource.is_empty() {
        action.plural
    } else {
        &with_sub
    };
    let resources = any("resources", resource) || items(&rule["resources"]).any(|v| v == any_sub);
    let named = rule["resourceNames"].as_array().is_none_or(Vec::is_empty)
        || items(&rule["resourceNames"]).any(|n| n == action.name);
    resources && any("apiGroups", action.group) && named
}

/// Rules of the roles bound to `user` that apply in `namespace` (empty: cluster scope).
pub(crate) fn rules(storage: &Storage, user: &User, namespace: &str) -> Vec<Value> {
    let mut rules = Vec::new();
    let cluster = storage.snapshot(&id("clusterrolebindings"));
    let local = storage.snapshot(&id("rolebindings"));
    let mut collect = |binding: &Value, namespace: &str| {
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        if !subjects
            .into_iter()
            .any(|subject| names(user, subject, namespace))
        {
            return;
        }
        let reference = &binding["roleRef"];
        let name = reference["name"].as_str().unwrap_or_default();
        let role = match reference["kind"].as_str() {
            Some("ClusterRole") => storage.get(&id("clusterroles"), "", name),
            _ => storage.get(&id("roles"), namespace, name),
        };
        if let Some(role) = role {
            rules.extend(
                role.value["rules"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
        }
    };
    for (_, binding) in cluster.range(None, None) {
        collect(&binding.value, "");
    }
    if !namespace.is_empty() {
        for (_, binding) in local.range(Some(namespace), None) {
            collect(&binding.value, namespace);
        }
    }
    rules
}

/// Whether a stored role allows the action.
pub(crate) fn permits(storage: &Storage, user: &User, action: &Action<'_>) -> bool {
    rules(storage, user, action.namespace)
        .iter()
        .any(|rule| allows(rule, action))
}
