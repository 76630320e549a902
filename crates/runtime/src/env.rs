//! The environment of a container: the program's, service links, `envFrom`, `env`, with `$(VAR)`
//! expanded as Kubernetes does.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar};

use crate::facts::Facts;
use crate::source::{Data, Sources};

/// Variables in the order of their first definition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    order: Vec<String>,
    values: BTreeMap<String, String>,
}

impl Environment {
    pub(crate) fn set(&mut self, name: &str, value: String) {
        if self.values.insert(name.into(), value).is_none() {
            self.order.push(name.into());
        }
    }

    pub(crate) fn set_default(&mut self, name: &str, value: &str) {
        if !self.values.contains_key(name) {
            self.set(name, value.into());
        }
    }

    pub(crate) fn into_pairs(mut self) -> Vec<(String, String)> {
        let take = |name: String| {
            let value = self.values.remove(&name).unwrap_or_default();
            (name, value)
        };
        self.order.into_iter().map(take).collect()
    }

    /// Replaces `$(NAME)` by what is defined so far; `$$` is a dollar sign.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let tail = &rest[at + 1..];
            if let Some(after) = tail.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) =
                tail.strip_prefix('(').and_then(|t| t.split_once(')'))
            {
                match self.values.get(name) {
                    Some(value) => out.push_str(value),
                    None => out.push_str(&format!("$({name})")),
                }
                rest = after;
            } else {
                out.push('$');
                rest = tail;
            }
        }
        out.push_str(rest);
        out
    }

    /// Adds `envFrom` and `env` of the container.
    pub(crate) async fn add_container(
        &mut self,
        container: &Container,
        facts: &Facts,
        sources: &Sources,
    ) -> Result<(), String> {
        for from in container.env_from.iter().flatten() {
            let prefix = from.prefix.as_deref().unwrap_or_default();
            if let Some(reference) = &from.config_map_ref {
                let optional = reference.optional.unwrap_or(false);
                self.add_all(prefix, sources.config_map(&reference.name, optional).await?);
            }
            if let Some(reference) = &from.secret_ref {
                let optional = reference.optional.unwrap_or(false);
                self.add_all(prefix, sources.secret(&reference.name, optional).await?);
            }
        }
        for variable in container.env.iter().flatten() {
            if let Some(value) = self.value(variable, container, facts, sources).await? {
                self.set(&variable.name, value);
            }
        }
        Ok(())
    }

    fn add_all(&mut self, prefix: &str, data: Option<Data>) {
        for (key, value) in data.into_iter().flatten() {
            if let Ok(value) = String::from_utf8(value) {
                self.set(&format!("{prefix}{key}"), value);
            }
        }
    }

    async fn value(
        &self,
        variable: &EnvVar,
        container: &Container,
        facts: &Facts,
        sources: &Sources,
    ) -> Result<Option<String>, String> {
        let Some(from) = &variable.value_from else {
            return Ok(Some(
                self.expand(variable.value.as_deref().unwrap_or_default()),
            ));
        };
        if let Some(field) = &from.field_ref {
            return facts.field(&field.field_path).map(Some);
        }
        if let Some(resource) = &from.resource_field_ref {
            return facts.resource(resource, Some(container)).map(Some);
        }
        if let Some(r) = &from.config_map_key_ref {
            let optional = r.optional.unwrap_or(false);
            return key_of(
                sources.config_map(&r.name, optional).await?,
                &r.key,
                &r.name,
                optional,
            );
        }
        if let Some(r) = &from.secret_key_ref {
            let optional = r.optional.unwrap_or(false);
            return key_of(
                sources.secret(&r.name, optional).await?,
                &r.key,
                &r.name,
                optional,
            );
        }
        Err(format!(
            "variable {}: this kind of valueFrom is not supported",
            variable.name
        ))
    }
}

fn key_of(
    data: Option<Data>,
    key: &str,
    object: &str,
    optional: bool,
) -> Result<Option<String>, String> {
    match data.and_then(|mut data| data.remove(key)) {
        Some(value) => String::from_utf8(value)
            .map(Some)
            .map_err(|_| format!("key {key:?} of {object:?} is not text")),
        None if optional => Ok(None),
        None => Err(format!("couldn't find key {key} in {object}")),
    }
}

/// `{SVC}_SERVICE_HOST` and its companions for services of the pod's namespace.
pub(crate) fn service_links(
    name: &str,
    ip: &str,
    ports: &[(Option<String>, u16)],
) -> Vec<(String, String)> {
    let prefix = name.to_ascii_uppercase().replace('-', "_");
    let mut out = vec![(format!("{prefix}_SERVICE_HOST"), ip.to_owned())];
    if let Some((_, port)) = ports.first() {
        out.push((format!("{prefix}_SERVICE_PORT"), port.to_string()));
        // Docker's links, which kubelets make too.
        out.push((format!("{prefix}_PORT"), format!("tcp://{ip}:{port}")));
    }
    for (_, port) in ports {
        let link = format!("{prefix}_PORT_{port}_TCP");
        out.push((link.clone(), format!("tcp://{ip}:{port}")));
        out.push((format!("{link}_PROTO"), "tcp".into()));
        out.push((format!("{link}_PORT"), port.to_string()));
        out.push((format!("{link}_ADDR"), ip.to_owned()));
    }
    for (port_name, port) in ports {
        if let Some(port_name) = port_name {
            let port_name = port_name.to_ascii_uppercase().replace('-', "_");
            out.push((
                format!("{prefix}_SERVICE_PORT_{port_name}"),
                port.to_string(),
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_the_variables_of_kubelets() {
        let links = service_links("my-db", "10.96.0.7", &[(Some("pg".into()), 5432)]);
        let value = |name: &str| {
            let found = links.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("MY_DB_SERVICE_HOST"), Some("10.96.0.7"));
        assert_eq!(value("MY_DB_SERVICE_PORT_PG"), Some("5432"));
        assert_eq!(value("MY_DB_PORT"), Some("tcp://10.96.0.7:5432"));
        assert_eq!(value("MY_DB_PORT_5432_TCP_ADDR"), Some("10.96.0.7"));
    }

    #[test]
    fn references_expand_to_what_is_defined_before() {
        let mut env = Environment::default();
        env.set("A", "1".into());
        for (text, expected) in [
            ("$(A)2", "12"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("a$", "a$"),
            ("$(A", "$(A"),
            ("$A", "$A"),
        ] {
            assert_eq!(env.expand(text), expected, "{text}");
        }
    }
}
