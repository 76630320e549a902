//! Services and their ready endpoints, from Kubernetes and from ServiceEntries.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use api::istio;
use api::snapshot::{Resource, Snapshot};
use base::{ContentHasher, Hostname, ObjectKey, Protocol};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::model::{
    Endpoint, EndpointSet, ExportTo, Port, Resolution, Service, TargetPort, subset_of,
};
use super::settings::MeshSettings;
use super::workload::{self, Workloads};
use crate::pb::parse_cidr;

/// Annotation by which a Kubernetes Service limits who sees it.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// A Kubernetes Service. `None` for `ExternalName`, which is a DNS alias that proxies do not serve, and while it has no address.
pub(crate) fn kubernetes_service(
    resource: &Resource<core::Service>,
    settings: &MeshSettings,
) -> Option<Service> {
    let key = &resource.meta.key;
    let spec = resource.spec.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    let cluster_ip = spec.cluster_ip.as_deref().unwrap_or_default();
    let headless = cluster_ip == "None";
    let addresses = if headless {
        Vec::new()
    } else {
        addresses(cluster_ip, spec.cluster_ips.as_deref())
    };
    if !headless && addresses.is_empty() {
        return None;
    }
    let export = exported(&resource.meta);
    let mut service = Service {
        hostname: format!(
            "{}.{}.svc.{}",
            key.name, key.namespace, settings.domain_suffix
        )
        .into(),
        name: Arc::clone(&key.name),
        namespace: Arc::clone(&key.namespace),
        origin: resource.meta.reference(),
        created: resource.meta.created,
        addresses,
        ports: spec
            .ports
            .iter()
            .flatten()
            .filter_map(kubernetes_port)
            .collect(),
        resolution: if headless {
            Resolution::Passthrough
        } else {
            Resolution::Endpoints
        },
        headless,
        external: false,
        export_to: ExportTo::parse(&export, &key.namespace, &settings.service_export_to),
        selector: spec
            .selector
            .clone()
            .filter(|selector| !selector.is_empty()),
        subject_alt_names: Vec::new(),
        hash: resource.hash,
    };
    service.hash = hash(&service);
    Some(service)
}

/// The namespaces of the annotation, if there is one.
fn exported(meta: &api::snapshot::Meta) -> Vec<String> {
    let list = meta.annotations.get(EXPORT_TO).map_or("", String::as_str);
    let items = list.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

fn addresses(first: &str, all: Option<&[String]>) -> Vec<ipnet::IpNet> {
    let listed: Vec<ipnet::IpNet> = all
        .into_iter()
        .flatten()
        .filter_map(|text| parse_cidr(text))
        .collect();
    if listed.is_empty() {
        parse_cidr(first).into_iter().collect()
    } else {
        listed
    }
}

fn kubernetes_port(port: &core::ServicePort) -> Option<Port> {
    let number = u32::try_from(port.port)
        .ok()
        .filter(|number| (1..=65535).contains(number))?;
    let name = port.name.as_deref().unwrap_or_default();
    let transport = port.protocol.as_deref().unwrap_or("TCP");
    Some(Port {
        name: name.into(),
        number,
        protocol: Protocol::of_service_port(name, port.app_protocol.as_deref(), transport),
        target: match &port.target_port {
            Some(IntOrString::String(name)) => match name.parse() {
                Ok(number) => TargetPort::Number(number),
                Err(_) => TargetPort::Name(name.as_str().into()),
            },
            Some(IntOrString::Int(target)) if *target > 0 => {
                TargetPort::Number(u32::try_from(*target).unwrap_or(number))
            }
            _ => TargetPort::Number(number),
        },
    })
}

fn entry_port(port: &istio::ServicePort) -> Option<Port> {
    (1..=65535).contains(&port.number).then(|| Port {
        name: port.name.as_str().into(),
        number: port.number,
        protocol: Protocol::from_name(&port.protocol).unwrap_or(Protocol::Auto),
        target: TargetPort::Number(if port.target_port == 0 {
            port.number
        } else {
            port.target_port
        }),
    })
}

/// The services of a ServiceEntry, one for each host. Resolution by DNS is not served, and validation refuses it.
pub(crate) fn entry_services(
    resource: &Resource<istio::ServiceEntry>,
    settings: &MeshSettings,
) -> Vec<Service> {
    let entry = &resource.spec;
    let key = &resource.meta.key;
    let resolution = match entry.resolution {
        istio::Resolution::None => Resolution::Passthrough,
        istio::Resolution::Static => Resolution::Endpoints,
        istio::Resolution::Dns
        | istio::Resolution::DnsRoundRobin
        | istio::Resolution::DynamicDns => return Vec::new(),
    };
    let ports: Vec<Port> = entry.ports.iter().filter_map(entry_port).collect();
    entry
        .hosts
        .iter()
        .filter_map(|host| Hostname::parse(host).ok())
        .map(|host| {
            let mut service = Service {
                hostname: host.as_str().into(),
                name: Arc::clone(&key.name),
                namespace: Arc::clone(&key.namespace),
                origin: resource.meta.reference(),
                created: resource.meta.created,
                addresses: entry
                    .addresses
                    .iter()
                    .filter_map(|text| parse_cidr(text))
                    .collect(),
                ports: ports.clone(),
                resolution,
                headless: false,
                external: entry.location == istio::Location::MeshExternal,
                export_to: ExportTo::parse(
                    &entry.export_to,
                    &key.namespace,
                    &settings.service_export_to,
                ),
                selector: entry
                    .workload_selector
                    .as_ref()
                    .map(|selector| selector.labels.clone()),
                subject_alt_names: entry.subject_alt_names.clone(),
                hash: resource.hash,
            };
            service.hash = hash(&service);
            service
        })
        .collect()
}

/// Only what generation reads: a change of anything else must not reach a proxy.
fn hash(service: &Service) -> base::ContentHash {
    let mut hasher = ContentHasher::default();
    let Service {
        hostname,
        name,
        namespace,
        origin,
        created,
        addresses,
        ports,
        resolution,
        headless,
        external,
        export_to,
        selector,
        subject_alt_names,
        hash: _,
    } = service;
    let text = format!(
        "{hostname} {name} {namespace} {origin} {created} {addresses:?} {ports:?} {resolution:?} {headless} {external} \
         {export_to:?} {selector:?} {subject_alt_names:?}"
    );
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Ready endpoints of a Kubernetes service, from its slices.
pub(crate) fn kubernetes_endpoints(
    service: &Service,
    snapshot: &Snapshot,
    workloads: &Workloads<'_>,
) -> EndpointSet {
    let mut set = EndpointSet::default();
    let key = &service.origin.key;
    for slice in snapshot
        .indices
        .slices_of(key)
        .filter_map(|key| snapshot.endpoint_slices.get(key))
    {
        let slice = &slice.spec;
        if slice.address_type == "FQDN" {
            continue;
        }
        for port in &service.ports {
            let number = slice
                .ports
                .iter()
                .flatten()
                .find(|candidate| candidate.name.as_deref().unwrap_or_default() == &*port.name);
            let Some(number) = number
                .and_then(|port| port.port)
                .and_then(|number| u32::try_from(number).ok())
            else {
                continue;
            };
            let endpoints = set.by_port.entry(port.number).or_default();
            for endpoint in slice
                .endpoints
                .iter()
                .flatten()
                .filter(|endpoint| is_ready(endpoint))
            {
                let workload = workloads.of_endpoint(endpoint, &key.namespace);
                for address in endpoint
                    .addresses
                    .iter()
                    .filter_map(|text| text.parse::<IpAddr>().ok())
                {
                    endpoints.push(Endpoint {
                        address,
                        port: number,
                        weight: 1,
                        workload: Arc::clone(&workload),
                    });
                }
            }
        }
    }
    finish(set)
}

/// Istio serves ready endpoints only; a terminating one is not ready, unless the service publishes it
/// (`PILOT_SEND_UNHEALTHY_ENDPOINTS` is off by default). The absence of the condition means ready.
fn is_ready(endpoint: &discovery::Endpoint) -> bool {
    endpoint
        .conditions
        .as_ref()
        .and_then(|conditions| conditions.ready)
        .unwrap_or(true)
}

/// Endpoints of a ServiceEntry: those listed, or the ready pods that it selects.
pub(crate) fn entry_endpoints(
    service: &Service,
    entry: &Resource<istio::ServiceEntry>,
    snapshot: &Snapshot,
    workloads: &Workloads<'_>,
) -> EndpointSet {
    let mut set = EndpointSet::default();
    for port in &service.ports {
        let target = match port.target {
            TargetPort::Number(number) => number,
            TargetPort::Name(_) => port.number,
        };
        let mut endpoints = Vec::new();
        for listed in &entry.spec.endpoints {
            let Ok(address) = listed.address.parse() else {
                continue;
            };
            endpoints.push(Endpoint {
                address,
                port: listed.ports.get(&*port.name).copied().unwrap_or(target),
                weight: listed.weight.max(1),
                workload: Arc::new(workload::of_entry(
                    listed,
                    &service.namespace,
                    &service.name,
                )),
            });
        }
        if let Some(selector) = &service.selector {
            endpoints.extend(selected_pods(
                selector,
                &service.namespace,
                target,
                snapshot,
                workloads,
            ));
        }
        set.by_port.insert(port.number, endpoints);
    }
    finish(set)
}

fn selected_pods(
    selector: &BTreeMap<String, String>,
    namespace: &str,
    target: u32,
    snapshot: &Snapshot,
    workloads: &Workloads<'_>,
) -> Vec<Endpoint> {
    let first = ObjectKey::new(namespace, "");
    snapshot
        .pods
        .range(first..)
        .take_while(|(key, _)| &*key.namespace == namespace)
        .filter(|(_, pod)| subset_of(selector, &pod.meta.labels) && workload::is_ready(&pod.spec))
        .filter_map(|(_, pod)| {
            Some(Endpoint {
                address: pod.spec.status.as_ref()?.pod_ip.as_deref()?.parse().ok()?,
                port: target,
                weight: 1,
                workload: workloads.of_pod(pod),
            })
        })
        .collect()
}

/// Sorts endpoints, so that the order in which slices arrived leaves no trace, and drops what slices repeat.
fn finish(mut set: EndpointSet) -> EndpointSet {
    let mut hasher = ContentHasher::default();
    for (port, endpoints) in &mut set.by_port {
        endpoints.sort_by_key(|endpoint| (endpoint.address, endpoint.port));
        endpoints.dedup_by(|a, b| (a.address, a.port) == (b.address, b.port));
        hasher.write(&port.to_le_bytes());
        for endpoint in endpoints.iter() {
            hasher.write(format!("{endpoint:?}").as_bytes());
        }
    }
    set.hash = hasher.finish();
    set
}
