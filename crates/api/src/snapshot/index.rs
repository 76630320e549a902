//! Look-ups kept in step with the tables, so that the control plane never scans.

use std::sync::Arc;

use base::ObjectKey;
use imbl::{OrdMap, OrdSet};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;

use super::Resource;
use crate::istio;

/// Label by which an EndpointSlice names its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Objects by what refers to them.
#[derive(Debug, Clone, Default)]
pub struct Indices {
    slices_by_service: OrdMap<ObjectKey, OrdSet<ObjectKey>>,
    pods_by_ip: OrdMap<Arc<str>, OrdSet<ObjectKey>>,
    service_entries_by_host: OrdMap<Arc<str>, OrdSet<ObjectKey>>,
    destination_rules_by_host: OrdMap<Arc<str>, OrdSet<ObjectKey>>,
    virtual_services_by_host: OrdMap<Arc<str>, OrdSet<ObjectKey>>,
}

type Step<'a, T> = Option<&'a Resource<T>>;

fn shift<K: Ord + Clone>(
    map: &mut OrdMap<K, OrdSet<ObjectKey>>,
    key: &ObjectKey,
    old: Vec<K>,
    new: &[K],
) {
    for gone in old {
        if new.contains(&gone) {
            continue;
        }
        let Some(set) = map.get_mut(&gone) else {
            continue;
        };
        set.remove(key);
        if set.is_empty() {
            map.remove(&gone);
        }
    }
    for kept in new {
        map.entry(kept.clone()).or_default().insert(key.clone());
    }
}

fn update<T, K: Ord + Clone>(
    map: &mut OrdMap<K, OrdSet<ObjectKey>>,
    old: Step<'_, T>,
    new: Step<'_, T>,
    keys: impl Fn(&Resource<T>) -> Vec<K>,
) {
    let Some(key) = old.or(new).map(|resource| &resource.meta.key) else {
        return;
    };
    let (before, after) = (
        old.map(&keys).unwrap_or_default(),
        new.map(&keys).unwrap_or_default(),
    );
    if before != after {
        shift(map, key, before, &after);
    }
}

macro_rules! unindexed {
    ($($name:ident: $ty:ty,)*) => {
        $(pub(super) fn $name(&mut self, _: Step<'_, $ty>, _: Step<'_, $ty>) {})*
    };
}

impl Indices {
    /// Slices whose label names the service.
    pub fn slices_of<'a>(
        &'a self,
        service: &ObjectKey,
    ) -> impl Iterator<Item = &'a ObjectKey> + use<'a> {
        self.slices_by_service.get(service).into_iter().flatten()
    }

    /// Pods with this address in their status. Pods of the host's network share one.
    pub fn pods_at<'a>(&'a self, ip: &str) -> impl Iterator<Item = &'a ObjectKey> + use<'a> {
        self.pods_by_ip.get(ip).into_iter().flatten()
    }

    /// ServiceEntries that list the host, as written but in lower case.
    pub fn service_entries_for<'a>(
        &'a self,
        host: &str,
    ) -> impl Iterator<Item = &'a ObjectKey> + use<'a> {
        self.service_entries_by_host.get(host).into_iter().flatten()
    }

    /// DestinationRules whose host resolves to this full name or wildcard.
    pub fn destination_rules_for<'a>(
        &'a self,
        host: &str,
    ) -> impl Iterator<Item = &'a ObjectKey> + use<'a> {
        self.destination_rules_by_host
            .get(host)
            .into_iter()
            .flatten()
    }

    /// VirtualServices that list a host which resolves to this full name or wildcard.
    pub fn virtual_services_for<'a>(
        &'a self,
        host: &str,
    ) -> impl Iterator<Item = &'a ObjectKey> + use<'a> {
        self.virtual_services_by_host
            .get(host)
            .into_iter()
            .flatten()
    }

    unindexed! {
        namespaces: core::Namespace,
        services: core::Service,
        nodes: core::Node,
        secrets: core::Secret,
        config_maps: core::ConfigMap,
        service_accounts: core::ServiceAccount,
        gateways: istio::Gateway,
        peer_authentications: istio::PeerAuthentication,
        telemetries: istio::Telemetry,
        proxy_configs: istio::ProxyConfig,
    }

    pub(super) fn endpoint_slices(
        &mut self,
        old: Step<'_, discovery::EndpointSlice>,
        new: Step<'_, discovery::EndpointSlice>,
    ) {
        update(&mut self.slices_by_service, old, new, |slice| {
            let service = slice.meta.labels.get(SERVICE_NAME);
            service
                .map(|name| ObjectKey::new(slice.meta.key.namespace.clone(), name.as_str()))
                .into_iter()
                .collect()
        });
    }

    pub(super) fn pods(&mut self, old: Step<'_, core::Pod>, new: Step<'_, core::Pod>) {
        update(&mut self.pods_by_ip, old, new, |pod| {
            let Some(status) = &pod.spec.status else {
                return Vec::new();
            };
            let many = status.pod_ips.iter().flatten().map(|ip| ip.ip.as_str());
            let mut ips: Vec<Arc<str>> = many
                .chain(status.pod_ip.as_deref())
                .map(Arc::from)
                .collect();
            ips.sort_unstable();
            ips.dedup();
            ips
        });
    }

    pub(super) fn service_entries(
        &mut self,
        old: Step<'_, istio::ServiceEntry>,
        new: Step<'_, istio::ServiceEntry>,
    ) {
        update(&mut self.service_entries_by_host, old, new, |entry| {
            entry
                .spec
                .hosts
                .iter()
                .map(|host| host.to_ascii_lowercase().into())
                .collect()
        });
    }

    pub(super) fn destination_rules(
        &mut self,
        old: Step<'_, istio::DestinationRule>,
        new: Step<'_, istio::DestinationRule>,
    ) {
        update(&mut self.destination_rules_by_host, old, new, |rule| {
            vec![full_name(&rule.spec.host, &rule.meta.key.namespace)]
        });
    }

    pub(super) fn virtual_services(
        &mut self,
        old: Step<'_, istio::VirtualService>,
        new: Step<'_, istio::VirtualService>,
    ) {
        update(&mut self.virtual_services_by_host, old, new, |service| {
            service
                .spec
                .hosts
                .iter()
                .map(|host| full_name(host, &service.meta.key.namespace))
                .collect()
        });
    }
}

/// A host as a resource in `namespace` means it: a name without dots is a service of that namespace
/// (Istio's `ResolveShortnameToFQDN`), everything else stands for itself.
#[must_use]
pub fn full_name(host: &str, namespace: &str) -> Arc<str> {
    let host = host.to_ascii_lowercase();
    if host.is_empty() || host.contains(['.', '*']) {
        host.into()
    } else {
        format!("{host}.{namespace}.svc.cluster.local").into()
    }
}
