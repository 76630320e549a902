//! Finding things in a `/config_dump`.

use std::cmp::Ordering;

use anyhow::Context;
use serde_json::Value;

/// A parsed `/config_dump`.
pub(super) struct Dump(pub(super) Value);

impl Dump {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let dump: Value = serde_json::from_str(text).context("this is no /config_dump")?;
        anyhow::ensure!(
            dump["configs"].is_array(),
            "this is no /config_dump: it has no list \"configs\""
        );
        Ok(Self(dump))
    }

    /// The part of the dump that is a message of `envoy.admin.v3`.
    pub(super) fn section(&self, name: &str) -> anyhow::Result<&Value> {
        let suffix = format!(".{name}");
        self.0["configs"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|c| c["@type"].as_str().is_some_and(|t| t.ends_with(&suffix)))
            .with_context(|| format!("the dump has no {name}"))
    }

    /// The objects under `key` in lists of a section, in this order.
    fn objects(&self, section: &str, lists: &[&str], key: &str) -> anyhow::Result<Vec<&Value>> {
        let section = self.section(section)?;
        let entries = lists
            .iter()
            .filter_map(|list| section[*list].as_array())
            .flatten();
        Ok(entries
            .filter_map(|entry| {
                entry
                    .get(key)
                    .or_else(|| entry.get("active_state")?.get(key))
            })
            .collect())
    }

    pub(super) fn clusters(&self) -> anyhow::Result<Vec<&Value>> {
        self.objects(
            "ClustersConfigDump",
            &["dynamic_active_clusters", "static_clusters"],
            "cluster",
        )
    }

    pub(super) fn listeners(&self) -> anyhow::Result<Vec<&Value>> {
        self.objects(
            "ListenersConfigDump",
            &["dynamic_listeners", "static_listeners"],
            "listener",
        )
    }

    pub(super) fn routes(&self) -> anyhow::Result<Vec<&Value>> {
        self.objects(
            "RoutesConfigDump",
            &["dynamic_route_configs", "static_route_configs"],
            "route_config",
        )
    }

    pub(super) fn endpoints(&self) -> anyhow::Result<Vec<&Value>> {
        self.objects(
            "EndpointsConfigDump",
            &["dynamic_endpoint_configs", "static_endpoint_configs"],
            "endpoint_config",
        )
    }
}

/// A string field.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

pub(super) fn texts<'a>(value: &'a Value, pointer: &str) -> Vec<&'a str> {
    list(value, pointer).filter_map(Value::as_str).collect()
}

/// A cluster's name in parts: `outbound|80|v1|host`, or a name of another form as host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClusterName<'a> {
    pub(super) direction: &'a str,
    pub(super) port: &'a str,
    pub(super) subset: &'a str,
    pub(super) host: &'a str,
    /// Whether it is of Istio's form.
    pub(super) of_service: bool,
}

impl<'a> ClusterName<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        let parts: Vec<&str> = name.splitn(4, '|').collect();
        match parts[..] {
            [direction, port, subset, host] => Self {
                direction,
                port,
                subset,
                host,
                of_service: true,
            },
            _ => Self {
                direction: "",
                port: "",
                subset: "",
                host: name,
                of_service: false,
            },
        }
    }

    /// By host, subset, port and direction.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let port = |name: &Self| name.port.parse::<u32>().unwrap_or(0);
        (self.host, self.subset, port(self), self.direction).cmp(&(
            other.host,
            other.subset,
            port(other),
            other.direction,
        ))
    }
}

/// `name.namespace` of the networking object in Istio's metadata that the resource was made from.
pub(super) fn origin(object: &Value) -> String {
    let path = text(object, "/metadata/filter_metadata/istio/config");
    if path.is_empty() {
        return String::new();
    }
    if !path.starts_with("/apis/networking.istio.io/") {
        return "<unknown>".into();
    }
    // "", apis, group, version, namespaces, NAMESPACE, kind, NAME
    match path.split('/').collect::<Vec<_>>()[..] {
        [_, _, _, _, _, namespace, _, name] => format!("{name}.{namespace}"),
        _ => String::new(),
    }
}

/// The conditions of a route on the path.
pub(super) fn path_match(condition: &Value) -> String {
    let mut parts = Vec::new();
    let prefix = text(condition, "/prefix");
    if !prefix.is_empty() {
        parts.push(format!("{prefix}*"));
    }
    let separated = text(condition, "/path_separated_prefix");
    if !separated.is_empty() {
        parts.push(format!("PathPrefix:{separated}"));
    }
    let exact = text(condition, "/path");
    if !exact.is_empty() {
        parts.push(exact.to_owned());
    }
    if let Some(regex) = condition.get("safe_regex") {
        parts.push(format!("regex {}", text(regex, "/regex")));
    }
    parts.join(" ")
}
