//! Paths and queries of the Kubernetes API, written out by hand: the generic `kube::Api` would decode
//! objects into types, and fields would be lost.

use api::store::{Delete, Patch, Propagation, Query, ResourceType, StoreError};
use base::ObjectKey;
use http::{Method, Request};
use serde_json::{Value, json};

/// Objects fetched by one list request; the rest follows by `continue`.
const PAGE: u32 = 500;

/// The server ends a watch after this many seconds; a client which hears nothing for longer gives up.
pub(crate) const WATCH_SECONDS: u64 = 290;

fn refused(message: String) -> StoreError {
    StoreError::Refused { code: 400, message }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A name that can stand in a path as one segment.
fn segment<'a>(what: &str, name: &'a str) -> Result<&'a str, StoreError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) {
        return Err(refused(format!("{what} {name:?} cannot be part of a path")));
    }
    Ok(name)
}

fn collection(ty: &ResourceType, namespace: Option<&str>) -> Result<String, StoreError> {
    let mut path = if ty.group.is_empty() {
        format!("/api/{}", ty.version)
    } else {
        format!("/apis/{}/{}", ty.group, ty.version)
    };
    if let Some(namespace) = namespace.filter(|ns| ty.namespaced && !ns.is_empty()) {
        path.push_str("/namespaces/");
        path.push_str(&escape(segment("namespace", namespace)?));
    }
    path.push('/');
    path.push_str(ty.plural);
    Ok(path)
}

fn object(
    ty: &ResourceType,
    key: &ObjectKey,
    subresource: Option<&str>,
) -> Result<String, StoreError> {
    if ty.namespaced && key.namespace.is_empty() {
        return Err(refused(format!("{} {} lacks a namespace", ty.kind, key)));
    }
    let mut path = collection(ty, Some(&key.namespace))?;
    path.push('/');
    path.push_str(&escape(segment(ty.kind, &key.name)?));
    if let Some(subresource) = subresource {
        path.push('/');
        path.push_str(segment("subresource", subresource)?);
    }
    Ok(path)
}

fn build(
    method: Method,
    uri: &str,
    content: Option<(&str, &Value)>,
) -> Result<Request<Vec<u8>>, StoreError> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(http::header::ACCEPT, "application/json");
    let body = match content {
        Some((content_type, value)) => {
            request = request.header(http::header::CONTENT_TYPE, content_type);
            serde_json::to_vec(value).map_err(|e| refused(e.to_string()))?
        }
        None => Vec::new(),
    };
    request.body(body).map_err(|e| refused(e.to_string()))
}

/// Namespace and name from an object's `metadata`.
pub(crate) fn key_of(ty: &ResourceType, value: &Value) -> Result<ObjectKey, StoreError> {
    let field = |name| value["metadata"][name].as_str().unwrap_or_default();
    let name = field("name");
    if name.is_empty() {
        return Err(refused(format!("{} without metadata.name", ty.kind)));
    }
    Ok(ObjectKey::new(field("namespace"), name))
}

pub(crate) fn get(ty: &ResourceType, key: &ObjectKey) -> Result<Request<Vec<u8>>, StoreError> {
    build(Method::GET, &object(ty, key, None)?, None)
}

fn selectors(query: &Query) -> String {
    let mut out = String::new();
    for (name, value) in [
        ("labelSelector", &query.labels),
        ("fieldSelector", &query.fields),
    ] {
        if !value.is_empty() {
            out.push_str(&format!("&{name}={}", escape(value)));
        }
    }
    out
}

pub(crate) fn list(
    ty: &ResourceType,
    query: &Query,
    page: Option<&str>,
) -> Result<Request<Vec<u8>>, StoreError> {
    let mut uri = collection(ty, query.namespace.as_deref())?;
    uri.push_str(&format!("?limit={PAGE}{}", selectors(query)));
    if let Some(token) = page {
        uri.push_str(&format!("&continue={}", escape(token)));
    }
    build(Method::GET, &uri, None)
}

pub(crate) fn watch(
    ty: &ResourceType,
    query: &Query,
    resource_version: &str,
) -> Result<Request<Vec<u8>>, StoreError> {
    let uri = format!(
        "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}{}",
        collection(ty, query.namespace.as_deref())?,
        escape(resource_version),
        selectors(query),
    );
    build(Method::GET, &uri, None)
}

pub(crate) fn create(ty: &ResourceType, value: &Value) -> Result<Request<Vec<u8>>, StoreError> {
    let namespace = value["metadata"]["namespace"].as_str();
    if ty.namespaced && namespace.is_none_or(str::is_empty) {
        return Err(refused(format!("{} without metadata.namespace", ty.kind)));
    }
    let uri = collection(ty, namespace)?;
    build(Method::POST, &uri, Some(("application/json", value)))
}

pub(crate) fn replace(
    ty: &ResourceType,
    value: &Value,
    subresource: Option<&str>,
) -> Result<Request<Vec<u8>>, StoreError> {
    let uri = object(ty, &key_of(ty, value)?, subresource)?;
    build(Method::PUT, &uri, Some(("application/json", value)))
}

pub(crate) fn patch(
    ty: &ResourceType,
    key: &ObjectKey,
    patch: &Patch,
    subresource: Option<&str>,
) -> Result<Request<Vec<u8>>, StoreError> {
    let (content_type, value) = match patch {
        Patch::Merge(value) => ("application/merge-patch+json", value),
        Patch::Json(value) => ("application/json-patch+json", value),
        Patch::Strategic(value) => ("application/strategic-merge-patch+json", value),
    };
    let uri = object(ty, key, subresource)?;
    build(Method::PATCH, &uri, Some((content_type, value)))
}

pub(crate) fn delete(
    ty: &ResourceType,
    key: &ObjectKey,
    options: &Delete,
) -> Result<Request<Vec<u8>>, StoreError> {
    let Delete {
        propagation,
        grace,
        uid,
    } = options;
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        },
    });
    if let Some(grace) = grace {
        body["gracePeriodSeconds"] = (*grace).into();
    }
    if let Some(uid) = uid {
        body["preconditions"] = json!({ "uid": uid });
    }
    let uri = object(ty, key, None)?;
    build(Method::DELETE, &uri, Some(("application/json", &body)))
}

pub(crate) fn post(
    ty: &ResourceType,
    key: &ObjectKey,
    subresource: &str,
    body: &Value,
) -> Result<Request<Vec<u8>>, StoreError> {
    // TokenReview, SubjectAccessReview: kinds that are only ever created, without an object in the path.
    let uri = if subresource.is_empty() {
        collection(ty, Some(&key.namespace))?
    } else {
        object(ty, key, Some(subresource))?
    };
    build(Method::POST, &uri, Some(("application/json", body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: ResourceType = ResourceType {
        group: "",
        version: "v1",
        kind: "Pod",
        plural: "pods",
        namespaced: true,
    };
    const VS: ResourceType = ResourceType {
        group: "networking.istio.io",
        version: "v1",
        kind: "VirtualService",
        plural: "virtualservices",
        namespaced: true,
    };
    const NODE: ResourceType = ResourceType {
        group: "",
        version: "v1",
        kind: "Node",
        plural: "nodes",
        namespaced: false,
    };

    fn uri(request: Result<Request<Vec<u8>>, StoreError>) -> String {
        request.unwrap().uri().to_string()
    }

    #[test]
    fn paths_follow_the_group_and_the_scope() {
        assert_eq!(
            uri(get(&POD, &ObjectKey::new("a", "b"))),
            "/api/v1/namespaces/a/pods/b"
        );
        assert_eq!(uri(get(&NODE, &ObjectKey::new("", "n"))), "/api/v1/nodes/n");
        assert_eq!(
            uri(get(&VS, &ObjectKey::new("a", "b"))),
            "/apis/networking.istio.io/v1/namespaces/a/virtualservices/b"
        );
        assert_eq!(
            uri(patch(
                &VS,
                &ObjectKey::new("a", "b"),
                &Patch::Merge(json!({})),
                Some("status")
            )),
            "/apis/networking.istio.io/v1/namespaces/a/virtualservices/b/status"
        );
    }

    #[test]
    fn selectors_are_escaped() {
        let query = Query {
            namespace: Some("a".into()),
            labels: "app in (x, y)".into(),
            fields: "spec.nodeName=n".into(),
        };
        assert_eq!(
            uri(list(&POD, &query, Some("to/ken"))),
            "/api/v1/namespaces/a/pods?limit=500&labelSelector=app%20in%20%28x%2C%20y%29\
             &fieldSelector=spec.nodeName%3Dn&continue=to%2Fken"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_path_segment() {
        for name in ["", "..", "a/../b", "a%2fb"] {
            assert!(get(&POD, &ObjectKey::new("ns", name)).is_err(), "{name}");
            assert!(get(&POD, &ObjectKey::new(name, "x")).is_err(), "{name}");
        }
    }
}
