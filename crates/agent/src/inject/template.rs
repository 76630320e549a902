//! The shape of an injected pod: Istio's container, volume, label and environment names, so that what
//! reads injected pods today keeps working.

use api::istio::MeshProxyConfig;
use serde_json::{Map, Value, json};

use super::{Annotations, Engine, Settings, app_probes};

/// Where the image of either engine has this program.
pub const PROGRAM: &str = "/.ferromesh/bin/ferromesh";

/// Ports of the agent and proxy that are never captured.
const PROXY_PORTS: [&str; 3] = ["15090", "15021", "15020"];

pub(super) fn render(
    original: &Value,
    namespace: &str,
    settings: &Settings,
    annotations: &Annotations,
    settings_of_proxy: &MeshProxyConfig,
) -> Value {
    let mut pod = original.clone();
    let probes = if annotations.rewrite_probes {
        app_probes(&mut pod)
    } else {
        super::probes::Probes::new()
    };
    let native = annotations
        .native_sidecar
        .unwrap_or(settings.native_sidecars);
    let workload = Workload::of(original, namespace);
    let mut proxy = proxy_container(settings, annotations, native);
    proxy["env"] = environment(original, settings, settings_of_proxy, &workload);
    if !probes.is_empty() {
        let probes = serde_json::to_string(&probes).unwrap_or_default();
        push(
            &mut proxy,
            "env",
            json!({"name": "ISTIO_KUBE_APP_PROBERS", "value": probes}),
        );
    }
    // A native sidecar holds the application in any case.
    let hold = settings_of_proxy.hold_application_until_proxy_starts;
    if !native && hold == Some(true) {
        // A request to the agent would be made once, maybe before the agent listens; the command asks again.
        proxy["lifecycle"] =
            json!({"postStart": {"exec": {"command": [PROGRAM, "agent", "wait"]}}});
    }
    place(
        &mut pod,
        init_container(settings, annotations),
        proxy,
        native,
    );
    for volume in volumes() {
        push(&mut pod["spec"], "volumes", volume);
    }
    if pod.pointer("/spec/securityContext/fsGroup").is_none() {
        // Lets the proxy's user read the projected token.
        pod["spec"]["securityContext"]["fsGroup"] = json!(1337);
    }
    mark(&mut pod, settings, &workload, native);
    pod
}

struct Workload {
    name: String,
    canonical: String,
    canonical_revision: String,
    owner: String,
}

impl Workload {
    fn of(pod: &Value, namespace: &str) -> Self {
        let meta = &pod["metadata"];
        let label = |names: &[&str]| {
            names
                .iter()
                .find_map(|n| meta["labels"][*n].as_str())
                .map(str::to_owned)
        };
        let owner = meta["ownerReferences"]
            .as_array()
            .and_then(|owners| owners.iter().find(|o| o["controller"] == json!(true)));
        let (name, kind) = match owner {
            Some(owner) => {
                let name = owner["name"].as_str().unwrap_or_default();
                match (owner["kind"].as_str(), label(&["pod-template-hash"])) {
                    (Some("ReplicaSet"), Some(hash)) => {
                        let suffix = format!("-{hash}");
                        (
                            name.strip_suffix(&suffix).unwrap_or(name).to_owned(),
                            "Deployment",
                        )
                    }
                    (kind, _) => (name.to_owned(), kind.unwrap_or("Pod")),
                }
            }
            None => {
                let name = meta["name"]
                    .as_str()
                    .or_else(|| meta["generateName"].as_str());
                (
                    name.unwrap_or_default().trim_end_matches('-').to_owned(),
                    "Pod",
                )
            }
        };
        let (plural, group) = match kind {
            "Deployment" => ("deployments", "apps/v1"),
            "ReplicaSet" => ("replicasets", "apps/v1"),
            "StatefulSet" => ("statefulsets", "apps/v1"),
            "DaemonSet" => ("daemonsets", "apps/v1"),
            "Job" => ("jobs", "batch/v1"),
            _ => ("pods", "v1"),
        };
        Self {
            canonical: label(&[
                "service.istio.io/canonical-name",
                "app.kubernetes.io/name",
                "app",
            ])
            .unwrap_or_else(|| name.clone()),
            canonical_revision: label(&[
                "service.istio.io/canonical-revision",
                "app.kubernetes.io/version",
                "version",
            ])
            .unwrap_or_else(|| "latest".into()),
            owner: format!("kubernetes://apis/{group}/namespaces/{namespace}/{plural}/{name}"),
            name,
        }
    }
}

fn init_container(settings: &Settings, annotations: &Annotations) -> Value {
    let mut excluded: Vec<&str> = PROXY_PORTS.to_vec();
    excluded.extend(
        annotations
            .exclude_inbound_ports
            .split(',')
            .filter(|p| !p.is_empty()),
    );
    json!({
        "name": "istio-init",
        "image": settings.init_image,
        // Istio's `istio-iptables` flags, by their long names.
        "args": [
            "redirect",
            "--envoy-port", "15001",
            "--inbound-capture-port", "15006",
            "--proxy-uid", "1337",
            "--proxy-gid", "1337",
            "--istio-inbound-ports", annotations.include_inbound_ports,
            "--istio-local-exclude-ports", excluded.join(","),
            "--istio-service-cidr", annotations.include_outbound_cidrs,
            "--istio-service-exclude-cidr", annotations.exclude_outbound_cidrs,
            "--istio-outbound-ports", annotations.include_outbound_ports,
            "--istio-local-outbound-ports-exclude", annotations.exclude_outbound_ports,
        ],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "privileged": false,
            "readOnlyRootFilesystem": false,
            "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false,
        },
    })
}

fn proxy_container(settings: &Settings, annotations: &Annotations, native: bool) -> Value {
    let ready = |failures: u32, period: u32| {
        json!({
            "httpGet": {"path": "/healthz/ready", "port": 15021},
            "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures,
        })
    };
    let mut args = vec!["sidecar".to_owned()];
    if settings.engine == Engine::Envoy {
        args.extend(["--engine".into(), "envoy".into()]);
    }
    if let Some(level) = &annotations.log_level {
        args.extend(["--log-level".into(), level.clone()]);
    }
    let mut container = json!({
        "name": "istio-proxy",
        "image": settings.proxy_image,
        "args": args,
        "ports": [{"name": "http-envoy-prom", "containerPort": 15090, "protocol": "TCP"}],
        // Bounded start-up: one minute at one probe a second.
        "startupProbe": ready(60, 1),
        "readinessProbe": ready(4, 15),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "privileged": false,
            "runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": true,
        },
        "volumeMounts": mounts(),
    });
    let resources = resources(annotations);
    if !resources.is_empty() {
        container["resources"] = Value::Object(resources);
    }
    if native {
        container["restartPolicy"] = json!("Always");
    }
    container
}

fn resources(annotations: &Annotations) -> Map<String, Value> {
    let mut resources = Map::new();
    for (index, class) in ["requests", "limits"].into_iter().enumerate() {
        for (name, values) in [("cpu", &annotations.cpu), ("memory", &annotations.memory)] {
            if let Some(quantity) = &values[index] {
                resources.entry(class).or_insert_with(|| json!({}))[name] = json!(quantity);
            }
        }
    }
    resources
}

fn environment(
    pod: &Value,
    settings: &Settings,
    proxy: &MeshProxyConfig,
    workload: &Workload,
) -> Value {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let containers = pod["spec"]["containers"].as_array();
    let ports: Vec<&Value> = containers
        .into_iter()
        .flatten()
        .filter_map(|c| c["ports"].as_array())
        .flatten()
        .collect();
    let names: Vec<&str> = containers
        .into_iter()
        .flatten()
        .filter_map(|c| c["name"].as_str())
        .collect();
    let mut env = vec![
        value("CA_ADDR", &settings.discovery_address),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        value("TRUST_DOMAIN", &settings.trust_domain),
        value(
            "PROXY_CONFIG",
            &serde_json::to_string(proxy).unwrap_or_default(),
        ),
        value(
            "ISTIO_META_POD_PORTS",
            &serde_json::to_string(&ports).unwrap_or_default(),
        ),
        value("ISTIO_META_APP_CONTAINERS", &names.join(",")),
        value("ISTIO_META_CLUSTER_ID", &settings.cluster_id),
        value("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
        value("ISTIO_META_WORKLOAD_NAME", &workload.name),
        value("ISTIO_META_OWNER", &workload.owner),
        value("ISTIO_META_MESH_ID", &settings.mesh_id),
    ];
    // After our own, so that a person's word counts.
    let more = proxy.proxy_metadata.iter();
    env.extend(more.map(|(name, text)| value(name, text)));
    Value::Array(env)
}

fn mounts() -> Value {
    json!([
        {"name": "istiod-ca-cert", "mountPath": "/var/run/secrets/istio"},
        {"name": "istio-data", "mountPath": "/var/lib/istio/data"},
        {"name": "istio-envoy", "mountPath": "/etc/istio/proxy"},
        {"name": "istio-token", "mountPath": "/var/run/secrets/tokens"},
        {"name": "istio-podinfo", "mountPath": "/etc/istio/pod"},
    ])
}

fn volumes() -> Vec<Value> {
    let label = |path: &str, field: &str| json!({"path": path, "fieldRef": {"fieldPath": field}});
    vec![
        json!({"name": "istio-envoy", "emptyDir": {"medium": "Memory"}}),
        json!({"name": "istio-data", "emptyDir": {}}),
        json!({"name": "istio-podinfo", "downwardAPI": {"items": [
            label("labels", "metadata.labels"),
            label("annotations", "metadata.annotations"),
        ]}}),
        json!({"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": {
            "audience": "istio-ca", "expirationSeconds": 43_200, "path": "istio-token",
        }}]}}),
        json!({"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}}),
    ]
}

/// `istio-init` runs before everything of the application's; a native sidecar directly after it, any
/// other proxy as the first container, so that a postStart hook can hold the rest.
fn place(pod: &mut Value, init: Value, proxy: Value, native: bool) {
    let spec = &mut pod["spec"];
    let mut inits = vec![init];
    if native {
        inits.push(proxy);
    } else {
        insert_first(spec, "containers", vec![proxy]);
    }
    insert_first(spec, "initContainers", inits);
}

fn insert_first(spec: &mut Value, list: &str, mut items: Vec<Value>) {
    if let Some(existing) = spec[list].as_array_mut() {
        items.append(existing);
    }
    spec[list] = Value::Array(items);
}

fn push(parent: &mut Value, list: &str, item: Value) {
    match parent[list].as_array_mut() {
        Some(items) => items.push(item),
        None => parent[list] = Value::Array(vec![item]),
    }
}

fn mark(pod: &mut Value, settings: &Settings, workload: &Workload, native: bool) {
    let metadata = &mut pod["metadata"];
    let labels = [
        ("security.istio.io/tlsMode", "istio"),
        ("service.istio.io/canonical-name", &workload.canonical),
        (
            "service.istio.io/canonical-revision",
            &workload.canonical_revision,
        ),
        ("istio.io/rev", &settings.revision),
    ];
    for (name, value) in labels {
        if metadata["labels"].get(name).is_none() {
            metadata["labels"][name] = json!(value);
        }
    }
    let (inits, containers): (&[&str], &[&str]) = if native {
        (&["istio-init", "istio-proxy"], &[])
    } else {
        (&["istio-init"], &["istio-proxy"])
    };
    let volumes: Vec<Value> = volumes().iter().map(|v| v["name"].clone()).collect();
    let status = json!({
        "initContainers": inits, "containers": containers, "volumes": volumes,
        "imagePullSecrets": null, "revision": settings.revision,
    });
    metadata["annotations"]["sidecar.istio.io/status"] = json!(status.to_string());
}
