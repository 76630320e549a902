//! What a request is about: path, verb and query, read once at the edge.

use std::time::Duration;

use http::{Method, Uri};

use crate::error::{ApiError, ApiResult};

/// A request to a resource path, `/api/v1/…` or `/apis/<group>/<version>/…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// What follows the subresource: the path of `proxy`.
    pub(crate) rest: String,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Resource(ResourcePath),
    /// Discovery, health, version, OpenAPI; without the trailing slash.
    Other(String),
}

impl Route {
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(decode)
            .collect::<Option<_>>()?;
        let (group, version, rest) = match parts
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            ["api", version, _, ..] => (String::new(), (*version).to_owned(), &parts[2..]),
            ["apis", group, version, _, ..] => {
                ((*group).to_owned(), (*version).to_owned(), &parts[3..])
            }
            _ => return Some(Self::Other(format!("/{}", parts.join("/")))),
        };
        let mut found = ResourcePath {
            group,
            version,
            ..ResourcePath::default()
        };
        let rest = match rest {
            [word, namespace, tail @ ..]
                if word == "namespaces"
                    && !tail.is_empty()
                    && !matches!(tail[0].as_str(), "status" | "finalize") =>
            {
                found.namespace = Some(namespace.clone());
                tail
            }
            all => all,
        };
        let mut rest = rest.iter();
        found.plural = rest.next()?.clone();
        found.name = rest.next().cloned();
        found.subresource = rest.next().cloned();
        found.rest = rest.map(|part| format!("/{part}")).collect();
        let parts = [&found.namespace, &found.name, &found.subresource];
        if parts.into_iter().flatten().any(String::is_empty) {
            return None;
        }
        Some(Self::Resource(found))
    }
}

fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let hex = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
            }
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

/// The query of a request, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(uri: &Uri) -> ApiResult<Self> {
        let mut pairs = Vec::new();
        for pair in uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|p| !p.is_empty())
        {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| decode(&text.replace('+', " "));
            let (Some(key), Some(value)) = (plain(key), plain(value)) else {
                return Err(ApiError::bad_request(
                    "the query string is not valid percent-encoded UTF-8",
                ));
            };
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    /// The value of `key`; an empty one counts as absent, as in Kubernetes.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
            .filter(|v| !v.is_empty())
    }

    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.0.iter().any(|(k, v)| {
            k == key && matches!(v.as_str(), "" | "1" | "true" | "True" | "TRUE" | "t")
        })
    }

    pub(crate) fn number(&self, key: &str) -> ApiResult<Option<u64>> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let bad = |_| {
            ApiError::bad_request(format!(
                "invalid value {text:?} of query parameter {key}: not a number"
            ))
        };
        text.parse().map(Some).map_err(bad)
    }

    pub(crate) fn seconds(&self, key: &str) -> ApiResult<Option<Duration>> {
        Ok(self.number(key)?.map(Duration::from_secs))
    }

    pub(crate) fn dry_run(&self) -> ApiResult<bool> {
        let mut wanted = false;
        for value in self.all("dryRun") {
            match value {
                "All" => wanted = true,
                "" => {}
                other => {
                    return Err(ApiError::bad_request(format!(
                        "invalid dryRun value {other:?}: only \"All\" is known"
                    )));
                }
            }
        }
        Ok(wanted)
    }
}

/// The verb that authorization and admission speak of.
pub(crate) fn verb(method: &Method, named: bool, watch: bool) -> ApiResult<&'static str> {
    Ok(match (method.as_str(), named) {
        ("GET" | "HEAD", _) if watch => "watch",
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", true) => "update",
        ("PATCH", true) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        (other, _) => return Err(ApiError::method_not_allowed(other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> ResourcePath {
        match Route::parse(path) {
            Some(Route::Resource(found)) => found,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn reads_namespaced_and_cluster_paths() {
        let pod = resource("/api/v1/namespaces/shop/pods/web-1/log");
        assert_eq!(
            (pod.namespace.as_deref(), pod.plural.as_str()),
            (Some("shop"), "pods")
        );
        assert_eq!(
            (pod.name.as_deref(), pod.subresource.as_deref()),
            (Some("web-1"), Some("log"))
        );
        let namespace = resource("/api/v1/namespaces/shop");
        assert_eq!(
            (namespace.plural.as_str(), namespace.name.as_deref()),
            ("namespaces", Some("shop"))
        );
        let status = resource("/api/v1/namespaces/shop/status");
        assert_eq!(
            (status.plural.as_str(), status.subresource.as_deref()),
            ("namespaces", Some("status"))
        );
        let custom = resource("/apis/networking.istio.io/v1/virtualservices");
        assert_eq!(
            (custom.group.as_str(), custom.namespace, custom.name),
            ("networking.istio.io", None, None)
        );
        assert_eq!(
            Route::parse("/apis/apps/v1"),
            Some(Route::Other("/apis/apps/v1".into()))
        );
    }

    #[test]
    fn keeps_the_path_of_a_proxied_request() {
        let proxied = resource("/api/v1/namespaces/a/pods/b:80/proxy/x/y%20z");
        assert_eq!(
            (proxied.name.as_deref(), proxied.rest.as_str()),
            (Some("b:80"), "/x/y z")
        );
    }

    #[test]
    fn refuses_broken_escapes_without_panicking() {
        assert_eq!(Route::parse("/api/v1/pods/%f"), None);
        assert!(Query::parse(&"/x?a=%zz".parse().unwrap()).is_err());
    }
}
