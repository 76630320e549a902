//! The Endpoints object, for `kubectl get endpoints` and readers from before EndpointSlices.

use std::collections::BTreeMap;

use api::kinds::ENDPOINTS;
use base::ObjectKey;
use serde_json::{Value, json};

use super::ports::EndpointPort;
use super::{Member, mirrored_labels};
use crate::action::{Action, Deletion};
use crate::cache::Cache;
use crate::object::{deleting, key, normalised, uid};

/// Marks the Endpoints that this controller made; it deletes no others.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const OURS: &str = "endpoint-controller";
/// Kubernetes cuts Endpoints at this many addresses.
const LIMIT: usize = 1000;

/// The service is gone.
pub(super) fn removal(at: &ObjectKey, cache: &Cache) -> Option<Action> {
    let endpoints = cache.get(&ENDPOINTS, at)?;
    let ours = endpoints["metadata"]["labels"][MANAGED_BY] == OURS && !deleting(endpoints);
    let deletion = Deletion {
        uid: uid(endpoints).into(),
        grace: None,
    };
    ours.then(|| Action::Delete(ENDPOINTS, at.clone(), deletion))
}

pub(super) fn plan(service: &Value, members: &[Member], cache: &Cache) -> Option<Action> {
    let mut new = desired(service, members);
    let Some(old) = cache.get(&ENDPOINTS, &key(service)) else {
        return Some(Action::Create(ENDPOINTS, new));
    };
    let part =
        |object: &Value| normalised(&json!([object["subsets"], object["metadata"]["labels"]]));
    if part(old) == part(&new) {
        return None;
    }
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    Some(Action::Replace(ENDPOINTS, new))
}

fn desired(service: &Value, members: &[Member]) -> Value {
    let at = key(service);
    let ipv6 = service["spec"]["clusterIP"]
        .as_str()
        .is_some_and(|ip| ip.contains(':'));
    let mut subsets: BTreeMap<&[EndpointPort], (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for member in members.iter().take(LIMIT) {
        // Endpoints know no terminating addresses.
        if member.terminating && !member.ready {
            continue;
        }
        let Some(ip) = member.ips.iter().find(|ip| ip.is_ipv6() == ipv6) else {
            continue;
        };
        let (ready, not_ready) = subsets.entry(&member.ports).or_default();
        let list = if member.ready { ready } else { not_ready };
        list.push(address(member, &ip.to_string()));
    }
    let subsets: Vec<Value> = subsets
        .into_iter()
        .map(|(ports, (ready, not_ready))| {
            let ports: Vec<Value> = ports.iter().map(EndpointPort::json).collect();
            normalised(&json!({
                "addresses": ready, "notReadyAddresses": not_ready, "ports": ports
            }))
        })
        .collect();
    let mut labels = mirrored_labels(service);
    labels.insert(MANAGED_BY.into(), OURS.into());
    json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": { "namespace": &*at.namespace, "name": &*at.name, "labels": labels },
        "subsets": subsets,
    })
}

fn address(member: &Member, ip: &str) -> Value {
    let pod = &member.pod;
    let at = key(pod);
    json!({
        "ip": ip,
        "hostname": member.hostname,
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {
            "kind": "Pod",
            "namespace": &*at.namespace,
            "name": &*at.name,
            "uid": uid(pod),
        },
    })
}
