//! Finding things in a `/config_dump`.

use serde_json::Value;

/// A parsed `/config_dump`.
pub(super) struct Dump(pub(super) Value);

impl Dump {
    fn section(&self, name: &str) -> Option<&Value> {
        let suffix = format!(".{name}");
        let configs = self.0["configs"].as_array()?;
        configs
            .iter()
            .find(|c| c["@type"].as_str().is_some_and(|t| t.ends_with(&suffix)))
    }

    /// The objects under `key` in lists of a section.
    fn objects(&self, section: &str, lists: &[&str], key: &str) -> Vec<&Value> {
        let Some(section) = self.section(section) else {
            return Vec::new();
        };
        lists
            .iter()
            .filter_map(|list| section[*list].as_array())
            .flatten()
            .filter_map(|entry| {
                entry
                    .get(key)
                    .or_else(|| entry.get("active_state")?.get(key))
            })
            .collect()
    }

    pub(super) fn clusters(&self) -> Vec<&Value> {
        self.objects(
            "ClustersConfigDump",
            &["static_clusters", "dynamic_active_clusters"],
            "cluster",
        )
    }

    pub(super) fn listeners(&self) -> Vec<&Value> {
        self.objects(
            "ListenersConfigDump",
            &["static_listeners", "dynamic_listeners"],
            "listener",
        )
    }

    pub(super) fn routes(&self) -> Vec<&Value> {
        self.objects(
            "RoutesConfigDump",
            &["static_route_configs", "dynamic_route_configs"],
            "route_config",
        )
    }

    pub(super) fn secrets(&self) -> Vec<&Value> {
        self.objects(
            "SecretsConfigDump",
            &["static_secrets", "dynamic_active_secrets"],
            "secret",
        )
    }

    pub(super) fn bootstrap(&self) -> anyhow::Result<String> {
        let section = self.section("BootstrapConfigDump");
        let bootstrap = section.ok_or_else(|| anyhow::anyhow!("no bootstrap in the dump"))?;
        Ok(super::pretty(bootstrap))
    }
}

/// A string field.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// `outbound|80|v1|host` in parts.
pub(super) fn cluster_name(name: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = name.splitn(4, '|');
    Some((parts.next()?, parts.next()?, parts.next()?, parts.next()?))
}

/// `name.namespace` of the object in Istio's config metadata.
pub(super) fn origin(object: &Value) -> String {
    let path = text(object, "/metadata/filter_metadata/istio/config");
    let mut parts = path.rsplit('/');
    let (Some(name), _, Some(namespace)) = (parts.next(), parts.next(), parts.next()) else {
        return String::new();
    };
    format!("{name}.{namespace}")
}
