//! EndpointSlices and Endpoints of every Service with a selector, from its pods' addresses and readiness.

mod legacy;
mod ports;
mod slices;

use api::kinds::{ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE};
use api::store::ResourceType;
use base::ObjectKey;
use serde_json::Value;
use std::sync::Arc;

use crate::cache::Cache;
use crate::hub::{Controller, Plan};
use crate::object::{deleting, key, labels, meta, pod_finished, pod_ready, strings};
use crate::selector::Selector;

/// By which an EndpointSlice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The controller.
pub(crate) struct EndpointsOfServices;

impl Controller for EndpointsOfServices {
    fn name(&self) -> &'static str {
        "endpointslice-controller"
    }

    fn kinds(&self) -> &'static [ResourceType] {
        &[SERVICE, POD, ENDPOINT_SLICE, ENDPOINTS]
    }

    fn affected(
        &self,
        ty: &ResourceType,
        old: Option<&Value>,
        new: Option<&Value>,
        cache: &Cache,
    ) -> Vec<ObjectKey> {
        let Some(object) = new.or(old) else {
            return Vec::new();
        };
        let at = key(object);
        match ty.kind {
            "Pod" => services_of(old, new, cache),
            "EndpointSlice" => {
                let service = object["metadata"]["labels"][SERVICE_NAME].as_str();
                let named = service.map(|name| ObjectKey::new(at.namespace, name));
                named.into_iter().collect()
            }
            _ => vec![at],
        }
    }

    fn plan(&self, key: &ObjectKey, cache: &Cache, _now: i64) -> Plan {
        let service = cache.get(&SERVICE, key);
        let Some(service) = service.filter(|s| !deleting(s)) else {
            let mut actions = slices::removal(key, cache);
            actions.extend(legacy::removal(key, cache));
            return actions.into();
        };
        let Some(selector) = Selector::of_map(&service["spec"]["selector"]) else {
            return Plan::default();
        };
        if service["spec"]["type"] == "ExternalName" {
            return Plan::default();
        }
        let members: Vec<Member> = cache
            .in_namespace(&POD, &key.namespace)
            .filter(|pod| selector.matches(&labels(pod)))
            .filter_map(|pod| Member::of(service, pod))
            .collect();
        let mut actions = slices::plan(service, &members, cache);
        actions.extend(legacy::plan(service, &members, cache));
        actions.into()
    }
}

/// The services that select the pod, before or after its change. A change which no endpoint shows
/// (a heartbeat, an annotation) affects none.
fn services_of(old: Option<&Value>, new: Option<&Value>, cache: &Cache) -> Vec<ObjectKey> {
    if let (Some(old), Some(new)) = (old, new)
        && visible(old) == visible(new)
    {
        return Vec::new();
    }
    let Some(pod) = new.or(old) else {
        return Vec::new();
    };
    let (before, after) = (old.map(labels), new.map(labels));
    cache
        .in_namespace(&SERVICE, meta(pod, "namespace"))
        .filter(|service| {
            let selector = Selector::of_map(&service["spec"]["selector"]);
            selector.is_some_and(|selector| {
                [&before, &after]
                    .into_iter()
                    .flatten()
                    .any(|labels| selector.matches(labels))
            })
        })
        .map(|service| key(service))
        .collect()
}

/// Everything about a pod that its endpoints depend on.
fn visible(pod: &Value) -> impl PartialEq + use<> {
    let status = &pod["status"];
    (
        labels(pod),
        (pod_ready(pod), pod_finished(pod), deleting(pod)),
        (status["podIP"].clone(), status["podIPs"].clone()),
        pod["spec"]["nodeName"].clone(),
        meta(pod, "uid").to_owned(),
    )
}

/// A pod as an endpoint of a service.
struct Member {
    pod: Arc<Value>,
    ready: bool,
    serving: bool,
    terminating: bool,
    ips: Vec<std::net::IpAddr>,
    ports: Vec<ports::EndpointPort>,
    /// Its own name in a headless service's DNS.
    hostname: Option<String>,
}

impl Member {
    fn of(service: &Value, pod: &Arc<Value>) -> Option<Self> {
        if pod_finished(pod) {
            return None;
        }
        let many = crate::object::items(&pod["status"]["podIPs"]).iter();
        let mut ips: Vec<std::net::IpAddr> = many
            .map(|ip| &ip["ip"])
            .chain([&pod["status"]["podIP"]])
            .filter_map(|ip| ip.as_str()?.parse().ok())
            .collect();
        ips.sort_unstable();
        ips.dedup();
        if ips.is_empty() {
            return None;
        }
        let always = service["spec"]["publishNotReadyAddresses"] == true;
        let serving = pod_ready(pod) || always;
        let terminating = deleting(pod);
        let hostname = pod["spec"]["hostname"].as_str();
        let subdomain = pod["spec"]["subdomain"].as_str();
        Some(Self {
            ready: (serving && !terminating) || always,
            serving,
            terminating,
            ips,
            ports: ports::resolve(service, pod),
            hostname: hostname
                .filter(|name| !name.is_empty() && subdomain == Some(meta(service, "name")))
                .map(Into::into),
            pod: pod.clone(),
        })
    }
}

/// Labels of the service that its slices and Endpoints carry too.
fn mirrored_labels(service: &Value) -> std::collections::BTreeMap<String, String> {
    let mut labels = strings(&service["metadata"]["labels"]);
    labels.remove("service.kubernetes.io/headless");
    if service["spec"]["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".into(), String::new());
    }
    labels
}

#[cfg(test)]
mod tests;
