//! What clients ask before they know anything: health, version, served types, schemas, key set.

use http::{Request, header};
use serde_json::{Value, json};

use super::body::{self, Answer};
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::registry::{Resource, Sub};

/// Kubernetes release whose API this server follows.
const MAJOR: &str = "1";
const MINOR: &str = "33";

pub(crate) fn answer<B>(api: &Api, path: &str, request: &Request<B>) -> ApiResult<Answer> {
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return Err(ApiError::method_not_allowed(request.method().as_str()));
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let aggregated = wants_aggregated(request);
    match parts.as_slice() {
        ["healthz" | "readyz" | "livez", ..] => Ok(health(api)),
        ["version"] => Ok(body::json(200, &version())),
        ["api"] if aggregated => Ok(aggregate(api, true)),
        ["apis"] if aggregated => Ok(aggregate(api, false)),
        ["api"] => Ok(body::json(
            200,
            &json!({
                "kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": api.options.advertise.to_string()}],
            }),
        )),
        ["apis"] => {
            let groups: Vec<Value> = api
                .registry
                .groups()
                .iter()
                .filter(|(g, _)| !g.is_empty())
                .map(|(g, v)| group(g, v))
                .collect();
            Ok(body::json(
                200,
                &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
            ))
        }
        ["apis", name] => match api.registry.groups().get(*name) {
            Some(versions) if !name.is_empty() => {
                let mut value = group(name, versions);
                value["kind"] = "APIGroup".into();
                value["apiVersion"] = "v1".into();
                Ok(body::json(200, &value))
            }
            _ => Err(ApiError::no_route()),
        },
        ["api", version] => resources(api, "", version),
        ["apis", group, version] => resources(api, group, version),
        ["openapi", rest @ ..] => crate::openapi::answer(api, rest, request.headers()),
        ["openid", "v1", "jwks"] => Ok(body::json(200, &api.tokens.key_set())),
        [".well-known", "openid-configuration"] => Ok(body::json(
            200,
            &json!({
                "issuer": api.tokens.issuer(),
                "jwks_uri": format!("https://{}/openid/v1/jwks", api.options.advertise),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            }),
        )),
        [""] => Ok(body::json(
            200,
            &json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}),
        )),
        _ => Err(ApiError::no_route()),
    }
}

fn health(api: &Api) -> Answer {
    if api.storage.healthy() {
        body::text(200, "ok")
    } else {
        body::text(500, "the store cannot write; restart the API server\n")
    }
}

pub(crate) fn version() -> Value {
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": format!("v{MAJOR}.{MINOR}.0+ferromesh.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("linux/{}", std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64")),
    })
}

fn group(name: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions[0]})
}

fn of_version<'a>(
    all: &'a [std::sync::Arc<Resource>],
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a std::sync::Arc<Resource>> {
    all.iter()
        .filter(move |r| r.group() == group && &*r.version == version)
}

fn resources(api: &Api, group: &str, version: &str) -> ApiResult<Answer> {
    let all: Vec<_> = api.registry.all().values().cloned().collect();
    let mut list = Vec::new();
    for resource in of_version(&all, group, version) {
        list.push(entry(resource));
        for sub in resource.subresources() {
            list.push(sub_entry(resource, &sub));
        }
    }
    if list.is_empty() {
        return Err(ApiError::no_route());
    }
    let name = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Ok(body::json(
        200,
        &json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": list}),
    ))
}

fn entry(resource: &Resource) -> Value {
    let mut entry = json!({
        "name": resource.plural(), "singularName": &*resource.singular, "namespaced": resource.namespaced,
        "kind": &*resource.kind, "verbs": resource.verbs(),
    });
    if !resource.short.is_empty() {
        entry["shortNames"] = resource.short.clone().into();
    }
    if !resource.categories.is_empty() {
        entry["categories"] = resource.categories.clone().into();
    }
    entry
}

fn sub_kind<'a>(resource: &'a Resource, sub: &'a Sub) -> (&'a str, &'a str, &'a str) {
    if sub.version.is_empty() {
        let kind = if sub.kind.is_empty() {
            &resource.kind
        } else {
            sub.kind
        };
        return (resource.group(), &resource.version, kind);
    }
    (sub.group, sub.version, sub.kind)
}

fn sub_entry(resource: &Resource, sub: &Sub) -> Value {
    let (group, version, kind) = sub_kind(resource, sub);
    let mut entry = json!({
        "name": format!("{}/{}", resource.plural(), sub.name), "singularName": "", "namespaced": resource.namespaced,
        "kind": kind, "verbs": sub.verbs,
    });
    if !sub.version.is_empty() {
        entry["group"] = group.into();
        entry["version"] = version.into();
    }
    entry
}

fn wants_aggregated<B>(request: &Request<B>) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    accept.split(',').any(|part| {
        let part: String = part.chars().filter(|c| !c.is_whitespace()).collect();
        part.starts_with("application/json")
            && part.contains("g=apidiscovery.k8s.io")
            && part.contains("v=v2;") | part.ends_with("v=v2")
            && part.contains("as=APIGroupDiscoveryList")
    })
}

/// `APIGroupDiscoveryList`: everything in one answer.
fn aggregate(api: &Api, core: bool) -> Answer {
    let all: Vec<_> = api.registry.all().values().cloned().collect();
    let mut items = Vec::new();
    for (group, versions) in api.registry.groups() {
        if group.is_empty() != core {
            continue;
        }
        let versions: Vec<Value> = versions
            .iter()
            .map(|version| {
                let resources: Vec<Value> = of_version(&all, &group, version)
                    .map(|r| aggregated_entry(r))
                    .collect();
                json!({"version": version, "resources": resources, "freshness": "Current"})
            })
            .collect();
        let metadata = if core {
            json!({"creationTimestamp": null})
        } else {
            json!({"name": group, "creationTimestamp": null})
        };
        items.push(json!({"metadata": metadata, "versions": versions}));
    }
    let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    body::typed(
        200,
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        list.to_string(),
    )
}

fn aggregated_entry(resource: &Resource) -> Value {
    let subs: Vec<Value> = resource
        .subresources()
        .iter()
        .map(|sub| {
            let (group, version, kind) = sub_kind(resource, sub);
            json!({"subresource": sub.name, "responseKind": {"group": group, "version": version, "kind": kind}, "verbs": sub.verbs})
        })
        .collect();
    let mut entry = json!({
        "resource": resource.plural(),
        "responseKind": {"group": resource.group(), "version": &*resource.version, "kind": &*resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": &*resource.singular,
        "verbs": resource.verbs(),
    });
    if !resource.short.is_empty() {
        entry["shortNames"] = resource.short.clone().into();
    }
    if !resource.categories.is_empty() {
        entry["categories"] = resource.categories.clone().into();
    }
    if !subs.is_empty() {
        entry["subresources"] = subs.into();
    }
    entry
}
