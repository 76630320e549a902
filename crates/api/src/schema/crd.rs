//! The manifests of Istio's custom resources, as Istio's base chart installs them.

use serde_json::{Value, json};

use super::{openapi, tree};
use crate::kinds::{self, served_versions};
use crate::store::ResourceType;

/// Name, JSON path and description of a column of `kubectl get`.
type Column = (&'static str, &'static str, &'static str);

/// What a kind has beside its schema.
struct Facts {
    short: Option<&'static str>,
    columns: &'static [Column],
}

const AGE: Column = (
    "Age",
    ".metadata.creationTimestamp",
    "When the object was created",
);

const VIRTUAL_SERVICE: &[Column] = &[
    (
        "Gateways",
        ".spec.gateways",
        "The names of gateways and sidecars that should apply these routes",
    ),
    (
        "Hosts",
        ".spec.hosts",
        "The destination hosts to which traffic is being sent",
    ),
    AGE,
];

const SERVICE_ENTRY: &[Column] = &[
    (
        "Hosts",
        ".spec.hosts",
        "The hosts associated with the ServiceEntry",
    ),
    (
        "Location",
        ".spec.location",
        "Whether the service is external to the mesh or part of the mesh",
    ),
    (
        "Resolution",
        ".spec.resolution",
        "How the hosts are resolved (NONE, STATIC or DNS)",
    ),
    AGE,
];

const DESTINATION_RULE: &[Column] = &[
    (
        "Host",
        ".spec.host",
        "The name of a service from the service registry",
    ),
    AGE,
];
const WORKLOAD_ENTRY: &[Column] = &[
    AGE,
    (
        "Address",
        ".spec.address",
        "Address associated with the network endpoint.",
    ),
];
const AUTHORIZATION_POLICY: &[Column] =
    &[("Action", ".spec.action", "The operation to take."), AGE];
const PEER_AUTHENTICATION: &[Column] = &[
    (
        "Mode",
        ".spec.mtls.mode",
        "Defines the mTLS mode used for peer authentication.",
    ),
    AGE,
];

fn facts(kind: &str) -> Facts {
    let (short, columns) = match kind {
        "VirtualService" => (Some("vs"), VIRTUAL_SERVICE),
        "DestinationRule" => (Some("dr"), DESTINATION_RULE),
        "Gateway" => (Some("gw"), &[][..]),
        "ServiceEntry" => (Some("se"), SERVICE_ENTRY),
        "WorkloadEntry" => (Some("we"), WORKLOAD_ENTRY),
        "WorkloadGroup" => (Some("wg"), &[AGE][..]),
        "AuthorizationPolicy" => (Some("ap"), AUTHORIZATION_POLICY),
        "PeerAuthentication" => (Some("pa"), PEER_AUTHENTICATION),
        "RequestAuthentication" => (Some("ra"), &[][..]),
        "Telemetry" => (Some("telemetry"), &[AGE][..]),
        "WasmPlugin" | "TrafficExtension" => (None, &[AGE][..]),
        _ => (None, &[][..]),
    };
    Facts { short, columns }
}

/// The CustomResourceDefinitions of all Istio kinds, those that are refused included: their objects reach
/// the admission webhook, which names what is not served.
#[must_use]
pub fn crds() -> Vec<Value> {
    kinds::ISTIO
        .iter()
        .chain(kinds::ISTIO_REFUSED)
        .map(definition)
        .collect()
}

fn definition(ty: &ResourceType) -> Value {
    let Facts { short, columns } = facts(ty.kind);
    let schema = schema(ty);
    let columns: Vec<Value> = columns.iter().map(column).collect();
    let versions: Vec<Value> = served_versions(ty)
        .iter()
        .enumerate()
        .map(|(index, version)| {
            let mut version = json!({
                "name": version,
                "served": true,
                "storage": index == 0,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
            });
            if !columns.is_empty() {
                version["additionalPrinterColumns"] = json!(columns);
            }
            version
        })
        .collect();
    let mut names = json!({
        "kind": ty.kind,
        "listKind": format!("{}List", ty.kind),
        "plural": ty.plural,
        "singular": ty.kind.to_ascii_lowercase(),
        "categories": ["istio-io", ty.group.replace('.', "-")],
    });
    if let Some(short) = short {
        names["shortNames"] = json!([short]);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", ty.plural, ty.group),
            "labels": {"app": "istio-pilot", "release": "istio"},
        },
        "spec": {
            "group": ty.group,
            "names": names,
            "scope": "Namespaced",
            "versions": versions,
        },
    })
}

fn column((name, path, description): &Column) -> Value {
    let kind = if *name == "Age" { "date" } else { "string" };
    json!({"name": name, "jsonPath": path, "type": kind, "description": description})
}

fn schema(ty: &ResourceType) -> Value {
    let refused = kinds::ISTIO_REFUSED
        .iter()
        .any(|refused| refused.kind == ty.kind);
    let spec = match tree(ty).and_then(|tree| tree.field("spec")) {
        Some(spec) if !refused => openapi(spec),
        _ => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
    };
    json!({"type": "object", "properties": {"spec": spec, "status": status()}})
}

/// Istio's status, open for what the status of a kind adds.
fn status() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {
            "observedGeneration": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true},
            "conditions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "type": text,
                        "status": text,
                        "reason": text,
                        "message": text,
                        "lastProbeTime": time,
                        "lastTransitionTime": time,
                        "observedGeneration":
                            {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true},
                    },
                },
            },
            "validationMessages": {
                "type": "array",
                "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
        },
    })
}
