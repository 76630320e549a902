//! What the downward API tells a container about its pod.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};

use crate::quantity;

/// A pod with what its node knows about it.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) pod: Arc<Pod>,
    pub(crate) pod_ip: Ipv4Addr,
    pub(crate) host_ip: Ipv4Addr,
    pub(crate) node_name: String,
    /// Thousandths of a CPU, and bytes.
    pub(crate) capacity: (u64, u64),
}

impl Facts {
    pub(crate) fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or("default")
    }

    pub(crate) fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(crate) fn service_account(&self) -> &str {
        let spec = self.pod.spec.as_ref();
        spec.and_then(|spec| spec.service_account_name.as_deref())
            .filter(|name| !name.is_empty())
            .unwrap_or("default")
    }

    pub(crate) fn hostname(&self) -> String {
        let spec = self.pod.spec.as_ref();
        let chosen = spec
            .and_then(|spec| {
                spec.hostname_override
                    .as_deref()
                    .or(spec.hostname.as_deref())
            })
            .unwrap_or_else(|| self.name());
        chosen
            .chars()
            .take(63)
            .collect::<String>()
            .trim_end_matches(['-', '.'])
            .to_owned()
    }

    /// The value of a `fieldRef`.
    pub(crate) fn field(&self, path: &str) -> Result<String, String> {
        let meta = &self.pod.metadata;
        Ok(match path {
            "metadata.name" => self.name().into(),
            "metadata.namespace" => self.namespace().into(),
            "metadata.uid" => self.uid().into(),
            "metadata.labels" => lines(meta.labels.as_ref()),
            "metadata.annotations" => lines(meta.annotations.as_ref()),
            "spec.nodeName" => self.node_name.clone(),
            "spec.serviceAccountName" => self.service_account().into(),
            "status.hostIP" | "status.hostIPs" => self.host_ip.to_string(),
            "status.podIP" | "status.podIPs" => self.pod_ip.to_string(),
            _ => {
                let entry = |prefix: &str, map: &Option<BTreeMap<String, String>>| {
                    let key = path
                        .strip_prefix(prefix)?
                        .strip_prefix("['")?
                        .strip_suffix("']")?;
                    Some(
                        map.as_ref()
                            .and_then(|map| map.get(key))
                            .cloned()
                            .unwrap_or_default(),
                    )
                };
                entry("metadata.labels", &meta.labels)
                    .or_else(|| entry("metadata.annotations", &meta.annotations))
                    .ok_or_else(|| format!("unknown field path {path:?}"))?
            }
        })
    }

    /// The value of a `resourceFieldRef`; the node's capacity stands in for a missing limit.
    pub(crate) fn resource(
        &self,
        selector: &ResourceFieldSelector,
        own: Option<&Container>,
    ) -> Result<String, String> {
        let spec = self.pod.spec.as_ref();
        let containers = || {
            let spec = spec.into_iter();
            spec.flat_map(|spec| {
                spec.containers
                    .iter()
                    .chain(spec.init_containers.iter().flatten())
            })
        };
        let container = match &selector.container_name {
            Some(name) => containers().find(|container| container.name == *name),
            None => own,
        };
        let container = container.ok_or("resourceFieldRef names no container of the pod")?;
        let (list, resource) = selector
            .resource
            .split_once('.')
            .unwrap_or(("", &selector.resource));
        let resources = container.resources.as_ref();
        let limits = resources
            .and_then(|r| r.limits.as_ref())
            .and_then(|map| map.get(resource));
        let quantity = match list {
            "limits" => limits,
            "requests" => resources
                .and_then(|r| r.requests.as_ref())
                .and_then(|map| map.get(resource))
                .or(limits),
            _ => return Err(format!("unknown resource {:?}", selector.resource)),
        };
        let milli = match (quantity, list, resource) {
            (Some(quantity), ..) => {
                quantity::parse_milli(&quantity.0).ok_or("malformed quantity")?
            }
            (None, "limits", "cpu") => self.capacity.0.into(),
            (None, "limits", "memory") => i128::from(self.capacity.1) * 1_000,
            _ => 0,
        };
        let divisor = selector
            .divisor
            .as_ref()
            .and_then(|d| quantity::parse_milli(&d.0))
            .filter(|d| *d > 0);
        let divisor = divisor.unwrap_or(1_000);
        Ok((milli.div_euclid(divisor) + i128::from(milli.rem_euclid(divisor) != 0)).to_string())
    }
}

/// `key="value"` lines, as the downward API writes maps.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<_> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}
