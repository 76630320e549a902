//! `/config_dump`: resources as they were received, in the shape of `envoy.admin.v3.ConfigDump`.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use regex::Regex;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xds::json::{Pool, Print};
use xds::type_url;

use super::Sources;
use super::info::base64;
use super::server::{Page, Query};
use crate::config::tls::SecretKind;

/// A resource as it was received.
#[derive(Debug, Clone)]
pub struct DumpResource {
    pub type_url: Arc<str>,
    pub name: Arc<str>,
    /// Empty for static resources.
    pub version: Arc<str>,
    pub body: Bytes,
    pub updated: SystemTime,
    /// From the bootstrap.
    pub is_static: bool,
    /// Waits for what it refers to.
    pub warming: bool,
    /// Why the newest version was refused, if it was.
    pub error: Option<String>,
}

const PREFIX: &str = "type.googleapis.com/envoy.admin.v3.";

struct Dump<'a> {
    pool: Pool,
    resources: &'a [DumpResource],
    name: Option<Regex>,
}

pub(super) fn page(sources: &Sources, query: &Query) -> Page {
    let name = match query
        .get("name_regex")
        .filter(|r| !r.is_empty())
        .map(|r| Regex::new(r))
    {
        None => None,
        Some(Ok(regex)) => Some(regex),
        Some(Err(error)) => {
            return Page::error(
                StatusCode::BAD_REQUEST,
                format!("Error while parsing name_regex: {error}\n"),
            );
        }
    };
    let resources = (sources.resources)();
    let dump = Dump {
        pool: Pool::pruned(),
        resources: &resources,
        name,
    };
    let mut configs = vec![dump.bootstrap(sources), dump.clusters()];
    if query.contains_key("include_eds") {
        configs.push(dump.endpoints());
    }
    configs.extend([
        dump.listeners(),
        json!({"@type": format!("{PREFIX}ScopedRoutesConfigDump")}),
        dump.routes(),
        secrets(sources, &dump),
    ]);
    match query.get("resource").filter(|r| !r.is_empty()) {
        None => Page::json(&json!({"configs": configs})),
        Some(field) => {
            let found: Vec<Value> = configs
                .iter()
                .filter_map(|config| config.get(field)?.as_array().cloned())
                .flatten()
                .collect();
            if found.is_empty() {
                let message = format!("{field} not found in config dump\n");
                return Page::error(StatusCode::NOT_FOUND, message);
            }
            Page::json(&json!({"configs": found}))
        }
    }
}

fn date(time: SystemTime) -> Value {
    json!(
        OffsetDateTime::from(time)
            .format(&Rfc3339)
            .unwrap_or_default()
    )
}

impl Dump<'_> {
    fn of(&self, wanted: &str, is_static: bool) -> impl Iterator<Item = &DumpResource> {
        self.resources
            .iter()
            .filter(move |r| &*r.type_url == wanted && r.is_static == is_static)
            .filter(|r| {
                self.name
                    .as_ref()
                    .is_none_or(|regex| regex.is_match(&r.name))
            })
    }

    /// A resource as an expanded `Any`.
    fn body(&self, resource: &DumpResource) -> Value {
        let mut body = Map::new();
        body.insert("@type".into(), json!(&*resource.type_url));
        match self
            .pool
            .to_json(&resource.type_url, &resource.body, Print::default())
        {
            Ok(Value::Object(fields)) => body.extend(fields),
            Ok(_) => {}
            Err(error) => _ = body.insert("error".into(), json!(error.to_string())),
        }
        Value::Object(body)
    }

    fn entry(&self, key: &str, resource: &DumpResource) -> Value {
        let mut entry = json!({key: self.body(resource), "last_updated": date(resource.updated)});
        if !resource.version.is_empty() {
            entry["version_info"] = json!(&*resource.version);
        }
        if let Some(error) = &resource.error {
            entry["error_state"] = json!({"details": error});
        }
        entry
    }

    fn list(&self, url: &str, is_static: bool, key: &str) -> Vec<Value> {
        self.of(url, is_static)
            .map(|resource| self.entry(key, resource))
            .collect()
    }

    fn bootstrap(&self, sources: &Sources) -> Value {
        let body = self
            .pool
            .to_json(
                "envoy.config.bootstrap.v3.Bootstrap",
                &sources.bootstrap,
                Print::default(),
            )
            .unwrap_or(Value::Null);
        json!({"@type": format!("{PREFIX}BootstrapConfigDump"), "bootstrap": body})
    }

    fn clusters(&self) -> Value {
        let (warm, warming): (Vec<_>, Vec<_>) = self
            .of(type_url::CLUSTER, false)
            .partition(|resource| !resource.warming);
        let entries = |list: Vec<&DumpResource>| -> Vec<Value> {
            list.into_iter()
                .map(|resource| self.entry("cluster", resource))
                .collect()
        };
        with_lists(
            "ClustersConfigDump",
            [
                (
                    "static_clusters",
                    self.list(type_url::CLUSTER, true, "cluster"),
                ),
                ("dynamic_active_clusters", entries(warm)),
                ("dynamic_warming_clusters", entries(warming)),
            ],
        )
    }

    fn endpoints(&self) -> Value {
        with_lists(
            "EndpointsConfigDump",
            [(
                "dynamic_endpoint_configs",
                self.list(type_url::ENDPOINT, false, "endpoint_config"),
            )],
        )
    }

    fn listeners(&self) -> Value {
        let dynamic = self
            .of(type_url::LISTENER, false)
            .map(|resource| {
                let mut state = self.entry("listener", resource);
                let error = state
                    .as_object_mut()
                    .and_then(|state| state.remove("error_state"));
                let key = if resource.warming {
                    "warming_state"
                } else {
                    "active_state"
                };
                let mut listener = json!({"name": &*resource.name, key: state});
                if let Some(error) = error {
                    listener["error_state"] = error;
                }
                listener
            })
            .collect();
        with_lists(
            "ListenersConfigDump",
            [
                (
                    "static_listeners",
                    self.list(type_url::LISTENER, true, "listener"),
                ),
                ("dynamic_listeners", dynamic),
            ],
        )
    }

    fn routes(&self) -> Value {
        with_lists(
            "RoutesConfigDump",
            [
                (
                    "static_route_configs",
                    self.list(type_url::ROUTE, true, "route_config"),
                ),
                (
                    "dynamic_route_configs",
                    self.list(type_url::ROUTE, false, "route_config"),
                ),
            ],
        )
    }
}

/// Envoy leaves empty lists out.
fn with_lists<const N: usize>(name: &str, lists: [(&str, Vec<Value>); N]) -> Value {
    let mut dump = json!({"@type": format!("{PREFIX}{name}")});
    for (key, list) in lists {
        if !list.is_empty() {
            dump[key] = Value::Array(list);
        }
    }
    dump
}

/// Secrets with their keys withheld, as Envoy does.
fn secrets(sources: &Sources, dump: &Dump<'_>) -> Value {
    const TYPE: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    let config = (sources.config)();
    let list = config
        .secrets
        .values()
        .filter(|secret| {
            dump.name
                .as_ref()
                .is_none_or(|regex| regex.is_match(&secret.name))
        })
        .map(|secret| {
            let mut body = json!({"@type": TYPE, "name": &*secret.name});
            match &secret.kind {
                SecretKind::Certificate(pair) => {
                    body["tls_certificate"] = json!({
                        "certificate_chain": {"inline_bytes": base64(&pair.chain_pem)},
                        "private_key": {"inline_bytes": base64(b"[redacted]")},
                    });
                }
                SecretKind::Validation(context) => {
                    body["validation_context"] =
                        json!({"trusted_ca": {"inline_bytes": base64(&context.trusted_ca_pem)}});
                }
            }
            json!({
                "name": &*secret.name, "version_info": secret.version.to_string(),
                "last_updated": date(SystemTime::now()), "secret": body,
            })
        })
        .collect();
    with_lists("SecretsConfigDump", [("dynamic_active_secrets", list)])
}
