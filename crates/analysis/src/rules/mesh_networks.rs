//! Networks whose endpoints come from a registry that does not exist.

use std::collections::HashSet;

use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind};
use crate::finding::{Level, Origin};

pub(super) const RULE: Rule = Rule {
    name: "mesh_networks",
    analyzer: "meshnetworks.MeshNetworksAnalyzer",
    summary: "Checks the registries that MeshNetworks name",
    codes: &[Code {
        id: "IST0126",
        level: Level::Error,
        name: "UnknownMeshNetworksServiceRegistry",
        meaning: "No cluster has this name, so its endpoints count as the local network and are called directly, past \
                  the gateway.",
        remedy: "Write the cluster's name as its remote secret has it, or Kubernetes for this one.",
        verify: "kubectl get secret -n istio-system -l istio/multiCluster=true",
    }],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let mut known: HashSet<&str> = HashSet::from(["Mock", "Kubernetes", "External"]);
    for secret in facts.all(Kind::Secret) {
        if secret.label("istio/multiCluster") == Some("true") {
            for data in ["data", "stringData"] {
                known.extend(secret.node.map(data).iter().map(|(key, _)| key.text.as_str()));
            }
        }
    }
    for (network, value) in facts.mesh.networks().map("networks") {
        for endpoint in value.list("endpoints") {
            let registry = endpoint.text("fromRegistry");
            if registry.is_empty() || known.contains(registry) {
                continue;
            }
            let message = format!(
                "Unknown service registry {registry} in network {}",
                network.text
            );
            let finding = report.find_mesh("IST0126", message);
            finding.origin = Some(Origin {
                kind: "MeshNetworks".into(),
                namespace: facts.mesh.istio_namespace().into(),
                name: "meshnetworks".into(),
                file: String::new(),
                line: 0,
            });
        }
    }
}
