//! Decides whether a user may do something. First the fixed policy, then the stored RBAC objects:
//!
//! * `system:masters` may do everything;
//! * everybody may ask for health, version, discovery, schemas and about themselves;
//! * a node (`system:node:*` in `system:nodes`) may do what a kubelet does: read what its pods need, write
//!   nodes, pods and their statuses, events and leases, and request tokens for service accounts. Which pods
//!   are its own is not told apart: one machine has one node;
//! * anybody else gets what Roles and ClusterRoles bound to them grant.

use super::rbac;
use super::{AUTHENTICATED, MASTERS, User};
use crate::storage::Storage;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Action<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Set for requests that are not about resources; everything above but the verb is then empty.
    pub(crate) path: Option<&'a str>,
}

/// The decision with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    pub(crate) reason: &'static str,
}

const PUBLIC_PATHS: &[&str] = &["/healthz", "/readyz", "/livez", "/version"];
const READ: &[&str] = &["get", "list", "watch"];

pub(crate) fn decide(storage: &Storage, user: &User, action: &Action<'_>) -> Decision {
    let yes = |reason| Decision {
        allowed: true,
        reason,
    };
    if user.in_group(MASTERS) {
        return yes("member of system:masters");
    }
    if let Some(path) = action.path {
        let open = PUBLIC_PATHS.iter().any(|p| {
            path == *p
                || path
                    .strip_prefix(p)
                    .is_some_and(|rest| rest.starts_with('/'))
        });
        if open && action.verb == "get" {
            return yes("public endpoint");
        }
        if user.in_group(AUTHENTICATED) && action.verb == "get" && path != "/metrics" {
            return yes("discovery");
        }
    }
    if user.in_group(AUTHENTICATED) && is_self_review(action) {
        return yes("asks about itself");
    }
    if user.in_group("system:nodes") && user.name.starts_with("system:node:") && node_may(action) {
        return yes("node policy");
    }
    if rbac::permits(storage, user, action) {
        return yes("RBAC");
    }
    Decision {
        allowed: false,
        reason: "",
    }
}

fn is_self_review(action: &Action<'_>) -> bool {
    action.verb == "create"
        && matches!(
            action.plural,
            "selfsubjectreviews" | "selfsubjectaccessreviews" | "selfsubjectrulesreviews"
        )
}

fn node_may(action: &Action<'_>) -> bool {
    if READ.contains(&action.verb) {
        return matches!(
            action.plural,
            "pods"
                | "nodes"
                | "services"
                | "endpoints"
                | "endpointslices"
                | "configmaps"
                | "secrets"
                | "namespaces"
                | "serviceaccounts"
                | "leases"
                | "events"
        );
    }
    match (action.plural, action.subresource) {
        ("nodes" | "pods", "" | "status") => true,
        ("events" | "leases", "") => true,
        ("serviceaccounts", "token") | ("tokenreviews" | "subjectaccessreviews", "") => {
            action.verb == "create"
        }
        _ => false,
    }
}

/// The text of kube-apiserver's refusals.
pub(crate) fn refusal(user: &User, action: &Action<'_>) -> String {
    let Action {
        verb,
        group,
        plural,
        subresource,
        namespace,
        path,
        ..
    } = *action;
    if let Some(path) = path {
        return format!("User {:?} cannot {verb} path {path:?}", user.name);
    }
    let resource = if subresource.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}/{subresource}")
    };
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {namespace:?}")
    };
    format!(
        "User {:?} cannot {verb} resource {resource:?} in API group {group:?} {place}",
        user.name
    )
}
