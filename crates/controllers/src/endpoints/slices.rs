//! EndpointSlices: for each address family and set of ports, slices of up to a hundred endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use api::kinds::{ENDPOINT_SLICE, SERVICE};
use base::{ContentHasher, ObjectKey};
use serde_json::{Value, json};

use super::ports::{EndpointPort, resolve};
use super::{Member, SERVICE_NAME, mirrored_labels};
use crate::action::{Action, Deletion};
use crate::cache::Cache;
use crate::object::{controller_reference, deleting, items, key, meta, normalised, safe_hash, uid};

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const OURS: &str = "endpointslice-controller.k8s.io";
/// Endpoints in one slice.
const SLICE: usize = 100;

fn existing<'a>(at: &'a ObjectKey, cache: &'a Cache) -> impl Iterator<Item = &'a Arc<Value>> {
    cache
        .in_namespace(&ENDPOINT_SLICE, &at.namespace)
        .filter(move |slice| {
            let labels = &slice["metadata"]["labels"];
            labels[SERVICE_NAME] == *at.name && labels[MANAGED_BY] == OURS
        })
}

fn deletion(slice: &Value) -> Action {
    let deletion = Deletion {
        uid: uid(slice).into(),
        grace: None,
    };
    Action::Delete(ENDPOINT_SLICE, key(slice), deletion)
}

/// The service is gone.
pub(super) fn removal(at: &ObjectKey, cache: &Cache) -> Vec<Action> {
    let slices = existing(at, cache).filter(|slice| !deleting(slice));
    slices.map(|slice| deletion(slice)).collect()
}

/// New and changed slices first, so that no endpoint is without a slice in between.
pub(super) fn plan(service: &Value, members: &[Member], cache: &Cache) -> Vec<Action> {
    let at = key(service);
    let mut wanted = desired(service, members);
    let mut actions = Vec::new();
    let mut surplus = Vec::new();
    for slice in existing(&at, cache).filter(|slice| !deleting(slice)) {
        match wanted.remove(meta(slice, "name")) {
            None => surplus.push(deletion(slice)),
            Some(new) if same(slice, &new) => {}
            Some(mut new) => {
                new["metadata"]["resourceVersion"] = slice["metadata"]["resourceVersion"].clone();
                actions.push(Action::Replace(ENDPOINT_SLICE, new));
            }
        }
    }
    actions.extend(
        wanted
            .into_values()
            .map(|new| Action::Create(ENDPOINT_SLICE, new)),
    );
    actions.extend(surplus);
    actions
}

fn same(slice: &Value, new: &Value) -> bool {
    let part = |slice: &Value| {
        normalised(&json!([
            slice["endpoints"],
            slice["ports"],
            slice["addressType"],
            slice["metadata"]["labels"],
            slice["metadata"]["ownerReferences"],
        ]))
    };
    part(slice) == part(new)
}

fn desired(service: &Value, members: &[Member]) -> BTreeMap<String, Value> {
    let mut slices = BTreeMap::new();
    for family in families(service) {
        let mut groups: BTreeMap<Vec<EndpointPort>, Vec<Value>> = BTreeMap::new();
        for member in members {
            let of_family = |ip: &&IpAddr| ip.is_ipv4() == (family == "IPv4");
            if let Some(ip) = member.ips.iter().find(of_family) {
                let group = groups.entry(member.ports.clone()).or_default();
                group.push(endpoint(member, ip));
            }
        }
        if groups.is_empty() {
            // A placeholder: readers can tell an empty service from an unknown one.
            groups.insert(resolve(service, &Value::Null), Vec::new());
        }
        for (ports, mut endpoints) in groups {
            endpoints.sort_by(|a, b| {
                a["targetRef"]["name"]
                    .as_str()
                    .cmp(&b["targetRef"]["name"].as_str())
            });
            let chunks = endpoints.chunks(SLICE).map(<[Value]>::to_vec);
            let chunks: Vec<Vec<Value>> = if endpoints.is_empty() {
                vec![Vec::new()]
            } else {
                chunks.collect()
            };
            for (index, chunk) in chunks.into_iter().enumerate() {
                let slice = slice(service, family, &ports, index, &chunk);
                slices.insert(meta(&slice, "name").to_owned(), slice);
            }
        }
    }
    slices
}

fn families(service: &Value) -> Vec<&str> {
    let named: Vec<&str> = items(&service["spec"]["ipFamilies"])
        .iter()
        .filter_map(Value::as_str)
        .filter(|family| matches!(*family, "IPv4" | "IPv6"))
        .collect();
    if !named.is_empty() {
        return named;
    }
    match service["spec"]["clusterIP"].as_str() {
        Some(ip) if ip.contains(':') => vec!["IPv6"],
        _ => vec!["IPv4"],
    }
}

/// The name says what the slice is for, so that two writers at once cannot make two of it.
fn slice(
    service: &Value,
    family: &str,
    ports: &[EndpointPort],
    index: usize,
    endpoints: &[Value],
) -> Value {
    let at = key(service);
    let ports: Vec<Value> = ports.iter().map(EndpointPort::json).collect();
    let mut hasher = ContentHasher::default();
    hasher.write(family.as_bytes());
    hasher.write(Value::from(ports.clone()).to_string().as_bytes());
    hasher.write(&index.to_le_bytes());
    let mut labels = mirrored_labels(service);
    labels.insert(SERVICE_NAME.into(), at.name.to_string());
    labels.insert(MANAGED_BY.into(), OURS.into());
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": &*at.namespace,
            "name": format!("{}-{}", at.name, safe_hash(hasher.finish().0)),
            "labels": labels,
            "ownerReferences": [controller_reference(&SERVICE, service)],
        },
        "addressType": family,
        "endpoints": endpoints,
        "ports": ports,
    })
}

fn endpoint(member: &Member, ip: &IpAddr) -> Value {
    let Member {
        pod,
        ready,
        serving,
        terminating,
        hostname,
        ips: _,
        ports: _,
    } = member;
    let at = key(pod);
    let mut endpoint = json!({
        "addresses": [ip.to_string()],
        "conditions": { "ready": ready, "serving": serving, "terminating": terminating },
        "targetRef": {
            "kind": "Pod",
            "namespace": &*at.namespace,
            "name": &*at.name,
            "uid": uid(pod),
        },
    });
    if let Some(node) = pod["spec"]["nodeName"]
        .as_str()
        .filter(|node| !node.is_empty())
    {
        endpoint["nodeName"] = node.into();
    }
    if let Some(hostname) = hostname {
        endpoint["hostname"] = hostname.as_str().into();
    }
    endpoint
}
