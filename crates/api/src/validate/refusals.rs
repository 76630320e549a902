//! The tables of [`super::support`] for the reference documentation.

use super::support::{
    GATEWAY, MESH_CONFIG, MESH_HARMLESS, MESH_SERVED, PORT_POLICY, PROXY, PROXY_CONFIG,
    PROXY_SERVED, Refusal, SERVICE_ENTRY, TELEMETRY, TRAFFIC_POLICY, VIRTUAL_SERVICE, When,
};
use crate::kinds;
use crate::store::ResourceType;

/// A field that is valid for Istio and refused here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedField {
    /// `[]` stands for every item, `*` for every entry.
    pub path: String,
    /// Which values are refused; empty: every one that says something.
    pub when: String,
    pub why: &'static str,
    pub instead: &'static str,
}

/// The fields of objects of this kind that are refused.
#[must_use]
pub fn refused_fields(ty: &ResourceType) -> Vec<RefusedField> {
    let plain = |table: &[Refusal]| table.iter().map(|refusal| field("", refusal)).collect();
    match ty {
        _ if *ty == kinds::VIRTUAL_SERVICE => plain(VIRTUAL_SERVICE),
        _ if *ty == kinds::GATEWAY => {
            let mut fields: Vec<RefusedField> = plain(GATEWAY);
            fields.push(RefusedField {
                path: "spec.servers[].tls.mode".into(),
                when: "PASSTHROUGH, or no mode, where the server ends TLS".into(),
                why: "TLS is not passed through yet",
                instead: "use SIMPLE or MUTUAL",
            });
            fields
        }
        _ if *ty == kinds::SERVICE_ENTRY => plain(SERVICE_ENTRY),
        _ if *ty == kinds::TELEMETRY => plain(TELEMETRY),
        _ if *ty == kinds::PROXY_CONFIG => plain(PROXY_CONFIG),
        _ if *ty == kinds::DESTINATION_RULE => {
            let policies = ["spec.trafficPolicy.", "spec.subsets[].trafficPolicy."];
            let below = policies.iter().flat_map(|policy| {
                let port = format!("{policy}portLevelSettings[].");
                let whole = TRAFFIC_POLICY.iter().chain(PORT_POLICY);
                let whole: Vec<_> = whole.map(|refusal| field(policy, refusal)).collect();
                let ports = PORT_POLICY.iter().map(move |refusal| field(&port, refusal));
                whole.into_iter().chain(ports)
            });
            below.collect()
        }
        _ => Vec::new(),
    }
}

/// How the fields of MeshConfig are treated.
#[derive(Debug)]
pub struct MeshFields {
    /// Read by the control plane.
    pub served: &'static [&'static str],
    /// Without effect here, and why that does no harm.
    pub harmless: &'static [(&'static str, &'static str)],
    /// Fields of `defaultConfig` that are read.
    pub proxy: &'static [&'static str],
    /// Refused within those that are read. All other fields are refused as well.
    pub refused: Vec<RefusedField>,
}

/// The mesh's configuration, likewise.
#[must_use]
pub fn mesh_fields() -> MeshFields {
    MeshFields {
        served: MESH_SERVED,
        harmless: MESH_HARMLESS,
        proxy: PROXY_SERVED,
        refused: MESH_CONFIG
            .iter()
            .map(|refusal| field("", refusal))
            .chain(PROXY.iter().map(|refusal| field("defaultConfig.", refusal)))
            .collect(),
    }
}

fn field(prefix: &str, refusal: &Refusal) -> RefusedField {
    let Refusal(path, when, why, instead) = refusal;
    RefusedField {
        path: format!("{prefix}{path}"),
        when: match when {
            When::Set => String::new(),
            When::Is(values) => values.join(", "),
            When::Key(prefix) => format!("keys that begin with {prefix}"),
            When::Begins(prefix) => format!("values that begin with {prefix}"),
        },
        why,
        instead,
    }
}
