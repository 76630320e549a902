//! The columns of the built-in types and how their cells are made.

use serde_json::{Value, json};

use super::cells::{NONE, at, count, list, selector, size, some};
use super::{Column, NAME, age, number, pod, text, wide};

pub(super) type Render = fn(&Value) -> Vec<Value>;

/// Columns and renderer of a type.
pub(super) fn layout(group: &str, plural: &str) -> (&'static [Column], Render) {
    match (group, plural) {
        ("", "pods") => (pod::COLUMNS, pod::cells),
        ("", "services") => (SERVICES, service),
        ("", "nodes") => (NODES, node),
        ("", "namespaces") => (const { &[NAME, text("Status"), text("Age")] }, |o| {
            vec![name(o), at(o, "/status/phase", ""), age_of(o)]
        }),
        ("", "configmaps") => (const { &[NAME, number("Data"), text("Age")] }, |o| {
            vec![
                name(o),
                json!(size(&o["data"]) + size(&o["binaryData"])),
                age_of(o),
            ]
        }),
        ("", "secrets") => (
            const { &[NAME, text("Type"), number("Data"), text("Age")] },
            |o| {
                vec![
                    name(o),
                    at(o, "/type", ""),
                    json!(size(&o["data"])),
                    age_of(o),
                ]
            },
        ),
        ("", "serviceaccounts") => (const { &[NAME, number("Secrets"), text("Age")] }, |o| {
            vec![name(o), json!(size(&o["secrets"])), age_of(o)]
        }),
        ("", "endpoints") => (const { &[NAME, text("Endpoints"), text("Age")] }, endpoints),
        ("", "events") => (EVENTS, event),
        ("events.k8s.io", "events") => (EVENTS, event),
        ("apps", "deployments") => (DEPLOYMENTS, deployment),
        ("apps", "replicasets") => (REPLICA_SETS, replica_set),
        ("discovery.k8s.io", "endpointslices") => (
            const {
                &[
                    NAME,
                    text("AddressType"),
                    text("Ports"),
                    text("Endpoints"),
                    text("Age"),
                ]
            },
            endpoint_slice,
        ),
        ("coordination.k8s.io", "leases") => {
            (const { &[NAME, text("Holder"), text("Age")] }, |o| {
                vec![name(o), at(o, "/spec/holderIdentity", ""), age_of(o)]
            })
        }
        ("admissionregistration.k8s.io", _) => {
            (const { &[NAME, number("Webhooks"), text("Age")] }, |o| {
                vec![name(o), json!(size(&o["webhooks"])), age_of(o)]
            })
        }
        ("autoscaling", "scales") => (
            const { &[NAME, number("Desired"), number("Available"), text("Age")] },
            |o| {
                vec![
                    name(o),
                    count(o, "/spec/replicas").into(),
                    count(o, "/status/replicas").into(),
                    age_of(o),
                ]
            },
        ),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            (BINDINGS, binding)
        }
        ("rbac.authorization.k8s.io", _) => (const { &[NAME, text("Created At")] }, |o| {
            vec![name(o), o["metadata"]["creationTimestamp"].clone()]
        }),
        ("apiextensions.k8s.io", _) => (const { &[NAME, text("Created At")] }, |o| {
            vec![name(o), o["metadata"]["creationTimestamp"].clone()]
        }),
        _ => (const { &[NAME, text("Age")] }, |o| vec![name(o), age_of(o)]),
    }
}

fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

fn age_of(object: &Value) -> Value {
    age::of(object).into()
}

const SERVICES: &[Column] = &[
    NAME,
    text("Type"),
    text("Cluster-IP"),
    text("External-IP"),
    text("Port(s)"),
    text("Age"),
    wide("Selector"),
];

fn service(object: &Value) -> Vec<Value> {
    let kind = object["spec"]["type"].as_str().unwrap_or_default();
    let ports: Vec<String> = list(object, "/spec/ports")
        .map(|port| {
            let (number, protocol) = (
                count(port, "/port"),
                port["protocol"].as_str().unwrap_or("TCP"),
            );
            match count(port, "/nodePort") {
                0 => format!("{number}/{protocol}"),
                node => format!("{number}:{node}/{protocol}"),
            }
        })
        .collect();
    let mut external: Vec<String> = list(object, "/status/loadBalancer/ingress")
        .filter_map(|i| {
            i["ip"]
                .as_str()
                .or_else(|| i["hostname"].as_str())
                .map(str::to_owned)
        })
        .collect();
    external
        .extend(list(object, "/spec/externalIPs").filter_map(|ip| ip.as_str().map(str::to_owned)));
    let external = match (kind, external.is_empty()) {
        ("ExternalName", _) => object["spec"]["externalName"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        ("LoadBalancer", true) => "<pending>".into(),
        (_, true) => NONE.into(),
        _ => external.join(","),
    };
    vec![
        name(object),
        kind.into(),
        at(object, "/spec/clusterIP", NONE),
        external.into(),
        if ports.is_empty() {
            NONE.into()
        } else {
            ports.join(",").into()
        },
        age_of(object),
        selector(&object["spec"]["selector"]),
    ]
}

const NODES: &[Column] = &[
    NAME,
    text("Status"),
    text("Roles"),
    text("Age"),
    text("Version"),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
];

fn node(object: &Value) -> Vec<Value> {
    let ready = list(object, "/status/conditions").find(|c| c["type"] == "Ready");
    let mut status = match ready.map(|c| c["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    let labels = object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
        .filter(|r| !r.is_empty())
        .collect();
    roles.sort_unstable();
    let address = |kind: &str| {
        let found = list(object, "/status/addresses")
            .find(|a| a["type"] == kind)
            .and_then(|a| a["address"].as_str());
        found.unwrap_or(NONE).into()
    };
    vec![
        name(object),
        status.into(),
        if roles.is_empty() {
            NONE.into()
        } else {
            roles.join(",").into()
        },
        age_of(object),
        at(object, "/status/nodeInfo/kubeletVersion", ""),
        address("InternalIP"),
        address("ExternalIP"),
        at(object, "/status/nodeInfo/osImage", "<unknown>"),
        at(object, "/status/nodeInfo/kernelVersion", "<unknown>"),
        at(
            object,
            "/status/nodeInfo/containerRuntimeVersion",
            "<unknown>",
        ),
    ]
}

const DEPLOYMENTS: &[Column] = &[
    NAME,
    text("Ready"),
    number("Up-to-date"),
    number("Available"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

fn container_cells(object: &Value) -> (Value, Value) {
    let of = |field: &str| {
        let list: Vec<&str> = list(object, "/spec/template/spec/containers")
            .filter_map(|c| c[field].as_str())
            .collect();
        list.join(",").into()
    };
    (of("name"), of("image"))
}

fn deployment(object: &Value) -> Vec<Value> {
    let (containers, images) = container_cells(object);
    vec![
        name(object),
        format!(
            "{}/{}",
            count(object, "/status/readyReplicas"),
            count(object, "/spec/replicas")
        )
        .into(),
        count(object, "/status/updatedReplicas").into(),
        count(object, "/status/availableReplicas").into(),
        age_of(object),
        containers,
        images,
        selector(&object["spec"]["selector"]),
    ]
}

const REPLICA_SETS: &[Column] = &[
    NAME,
    number("Desired"),
    number("Current"),
    number("Ready"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

fn replica_set(object: &Value) -> Vec<Value> {
    let (containers, images) = container_cells(object);
    vec![
        name(object),
        count(object, "/spec/replicas").into(),
        count(object, "/status/replicas").into(),
        count(object, "/status/readyReplicas").into(),
        age_of(object),
        containers,
        images,
        selector(&object["spec"]["selector"]),
    ]
}

fn endpoints(object: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in list(object, "/subsets") {
        for address in list(subset, "/addresses") {
            let ip = address["ip"].as_str().unwrap_or_default();
            let ports: Vec<i64> = list(subset, "/ports").map(|p| count(p, "/port")).collect();
            if ports.is_empty() {
                all.push(ip.to_owned());
            }
            all.extend(ports.iter().map(|port| format!("{ip}:{port}")));
        }
    }
    vec![name(object), some(&all, 3).into(), age_of(object)]
}

fn endpoint_slice(object: &Value) -> Vec<Value> {
    let ports: Vec<String> = list(object, "/ports")
        .map(|p| {
            if p["port"].is_null() {
                "*".into()
            } else {
                p["port"].to_string()
            }
        })
        .collect();
    let ports = if ports.is_empty() {
        "<unset>".into()
    } else {
        some(&ports, 3)
    };
    let addresses: Vec<String> = list(object, "/endpoints")
        .flat_map(|e| {
            list(e, "/addresses")
                .filter_map(|a| a.as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        })
        .collect();
    let addresses = if addresses.is_empty() {
        "<unset>".into()
    } else {
        some(&addresses, 3)
    };
    vec![
        name(object),
        at(object, "/addressType", ""),
        ports.into(),
        addresses.into(),
        age_of(object),
    ]
}

const EVENTS: &[Column] = &[
    text("Last Seen"),
    text("Type"),
    text("Reason"),
    text("Object"),
    wide("Subobject"),
    wide("Source"),
    text("Message"),
    wide("First Seen"),
    wide("Count"),
    Column {
        name: "Name",
        kind: "string",
        format: "name",
        priority: 1,
    },
];

fn event(object: &Value) -> Vec<Value> {
    let pick = |fields: &[&str]| {
        fields
            .iter()
            .find_map(|f| object[*f].as_str().filter(|t| !t.is_empty()))
            .map(age::since)
    };
    let first = pick(&["firstTimestamp", "deprecatedFirstTimestamp", "eventTime"]);
    let series = object
        .pointer("/series/lastObservedTime")
        .and_then(Value::as_str)
        .map(age::since);
    let last = series.or_else(|| pick(&["lastTimestamp", "deprecatedLastTimestamp", "eventTime"]));
    let about = if object["involvedObject"].is_object() {
        &object["involvedObject"]
    } else {
        &object["regarding"]
    };
    let kind = about["kind"].as_str().unwrap_or_default().to_lowercase();
    let source = if object["source"].is_object() {
        &object["source"]
    } else {
        &object["deprecatedSource"]
    };
    let component = source["component"]
        .as_str()
        .or_else(|| object["reportingComponent"].as_str())
        .or_else(|| object["reportingController"].as_str());
    let host = source["host"]
        .as_str()
        .map(|h| format!(", {h}"))
        .unwrap_or_default();
    let message = object["message"]
        .as_str()
        .or_else(|| object["note"].as_str())
        .unwrap_or_default();
    let times = ["count", "deprecatedCount"]
        .iter()
        .find_map(|f| object[*f].as_i64())
        .unwrap_or(1);
    let unknown = || age::UNKNOWN.to_owned();
    vec![
        last.clone()
            .or_else(|| first.clone())
            .unwrap_or_else(unknown)
            .into(),
        at(object, "/type", ""),
        at(object, "/reason", ""),
        format!("{kind}/{}", about["name"].as_str().unwrap_or_default()).into(),
        about["fieldPath"].as_str().unwrap_or_default().into(),
        format!("{}{host}", component.unwrap_or_default()).into(),
        message.trim().into(),
        first.unwrap_or_else(unknown).into(),
        times.into(),
        name(object),
    ]
}

const BINDINGS: &[Column] = &[
    NAME,
    text("Role"),
    text("Age"),
    wide("Users"),
    wide("Groups"),
    wide("ServiceAccounts"),
];

fn binding(object: &Value) -> Vec<Value> {
    let role = format!(
        "{}/{}",
        object["roleRef"]["kind"].as_str().unwrap_or_default(),
        object["roleRef"]["name"].as_str().unwrap_or_default()
    );
    let subjects = |kind: &str| -> Value {
        let of_kind = list(object, "/subjects").filter(|s| s["kind"] == kind);
        let names: Vec<String> = of_kind
            .map(|s| {
                let name = s["name"].as_str().unwrap_or_default();
                s["namespace"]
                    .as_str()
                    .filter(|_| kind == "ServiceAccount")
                    .map_or(name.to_owned(), |ns| format!("{ns}/{name}"))
            })
            .collect();
        names.join(", ").into()
    };
    vec![
        name(object),
        role.into(),
        age_of(object),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}
