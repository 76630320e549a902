//! Istio's admission rules: what the validating webhook refuses or warns of, with the field that is at fault.

mod destination_rule;
mod fields;
mod gateway;
mod header;
mod http_route;
mod locality;
mod mesh;
mod policies;
mod refusals;
mod report;
mod service_entry;
mod shadow;
mod support;
mod virtual_service;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::report::Report;
use crate::Diagnostic;
use crate::istio;
use crate::kinds;
use crate::parse::decode::decode;
use crate::parse::{Kind, Node};
use crate::path::Path;
use crate::registry::{Object, Visit, with_type};
use crate::schema;
use crate::store::ResourceType;

pub use self::mesh::{mesh_config, proxy_config};
pub use self::refusals::{MeshFields, RefusedField, mesh_fields, refused_fields};
pub use self::support::{unsupported, unsupported_mesh};

/// Everything that Istio's admission finds wrong with an object: unknown and mistyped fields, then the
/// rules of its kind. Warnings do not refuse it.
#[must_use]
pub fn validate(ty: &ResourceType, object: &Value) -> Vec<Diagnostic> {
    check(ty, &Node::from_value(object))
}

/// As [`validate`], on a tree that has positions.
#[must_use]
pub fn validate_at(ty: &ResourceType, node: &Node) -> Vec<Diagnostic> {
    check(ty, node)
}

/// The same on a tree that may have positions.
pub(crate) fn check(ty: &ResourceType, node: &Node) -> Vec<Diagnostic> {
    let mut diagnostics = named(node);
    diagnostics.extend(judge(ty, node));
    diagnostics.extend(empty_modes(ty, node));
    for diagnostic in &mut diagnostics {
        if diagnostic.line == 0 {
            (diagnostic.line, diagnostic.column) = node.place_of(&diagnostic.path);
        }
    }
    diagnostics
}

/// The rules of one Istio kind on its decoded spec.
pub(crate) trait Rules {
    fn check(&self, report: &mut Report, metadata: &ObjectMeta, spec: Path<'_>);
}

fn judge(ty: &ResourceType, node: &Node) -> Vec<Diagnostic> {
    match ty {
        _ if is(ty, &kinds::VIRTUAL_SERVICE) => istio::<istio::VirtualService>(ty, node),
        _ if is(ty, &kinds::DESTINATION_RULE) => istio::<istio::DestinationRule>(ty, node),
        _ if is(ty, &kinds::GATEWAY) => istio::<istio::Gateway>(ty, node),
        _ if is(ty, &kinds::SERVICE_ENTRY) => istio::<istio::ServiceEntry>(ty, node),
        _ if is(ty, &kinds::PEER_AUTHENTICATION) => istio::<istio::PeerAuthentication>(ty, node),
        _ if is(ty, &kinds::TELEMETRY) => istio::<istio::Telemetry>(ty, node),
        _ if is(ty, &kinds::PROXY_CONFIG) => istio::<istio::ProxyConfig>(ty, node),
        _ => with_type(ty, Fits { ty, node }).unwrap_or_default(),
    }
}

fn is(ty: &ResourceType, other: &ResourceType) -> bool {
    ty.kind == other.kind && ty.group == other.group
}

fn istio<T: Rules + DeserializeOwned + Default>(ty: &ResourceType, node: &Node) -> Vec<Diagnostic> {
    match decode::<Object<T>>(node, Path::Root, schema::tree(ty)) {
        Ok(object) => {
            let mut report = Report::default();
            report.metadata(&object.metadata);
            object
                .spec
                .check(&mut report, &object.metadata, Path::Root.key("spec"));
            report.finish()
        }
        Err(diagnostics) => diagnostics,
    }
}

/// Whether the object decodes as its kind.
struct Fits<'a> {
    ty: &'a ResourceType,
    node: &'a Node,
}

impl Visit for Fits<'_> {
    type Out = Vec<Diagnostic>;

    fn visit<T: DeserializeOwned>(self) -> Vec<Diagnostic> {
        decode::<T>(self.node, Path::Root, schema::tree(self.ty))
            .err()
            .unwrap_or_default()
    }
}

/// An empty map of modes by port: decoded, it cannot be told from an absent one.
fn empty_modes(ty: &ResourceType, node: &Node) -> Option<Diagnostic> {
    let modes = node.get("spec")?.get("portLevelMtls")?;
    let empty = matches!(&modes.kind, Kind::Map(entries) if entries.is_empty());
    (is(ty, &kinds::PEER_AUTHENTICATION) && empty).then(|| {
        Diagnostic::error("spec.portLevelMtls", "there is no port in it").suggest("remove it")
    })
}

fn named(node: &Node) -> Vec<Diagnostic> {
    let metadata = node.get("metadata");
    let has = |field| {
        metadata
            .and_then(|metadata| metadata.get(field))
            .is_some_and(|name| name.kind != Kind::Null)
    };
    if has("name") || has("generateName") {
        return Vec::new();
    }
    vec![
        Diagnostic::error("metadata.name", "the object has no name").suggest("write metadata.name"),
    ]
}

/// Runs the rules on a decoded spec; paths begin at `spec`. For callers that have decoded already.
pub(crate) fn spec_rules<T: Rules>(spec: &T, metadata: &ObjectMeta) -> Vec<Diagnostic> {
    let mut report = Report::default();
    report.metadata(metadata);
    spec.check(&mut report, metadata, Path::Root.key("spec"));
    report.finish()
}
