//! MeshConfig that the control plane refuses whole, and keys that it drops.

use super::{Code, Report, Rule};
use crate::facts::{Facts, Kind};
use crate::finding::Level;

const VERIFY: &str = "kubectl logs -n istio-system deployment/istiod | grep -i 'mesh config'";

pub(super) const RULE: Rule = Rule {
    name: "mesh_config",
    analyzer: "meshconfig.Validation",
    summary: "Reads MeshConfig of the ConfigMap istio as the control plane does",
    codes: &[
        Code {
            id: "FM0601",
            level: Level::Error,
            name: "MeshConfigRefused",
            meaning: "One value that cannot be read or is not valid makes istiod refuse the whole map and keep its last \
                      good one (after a restart: the defaults). Nothing of the map applies, access logs and providers \
                      included.",
            remedy: "Correct the value.",
            verify: VERIFY,
        },
        Code {
            id: "FM0602",
            level: Level::Warning,
            name: "MeshConfigKeyDropped",
            meaning: "MeshConfig has no such field here: it is dropped without a word, and the setting has no effect.",
            remedy: "Correct the key or its place (settings of proxies belong to defaultConfig).",
            verify: "istioctl proxy-config bootstrap POD -o json",
        },
        Code {
            id: "FM0603",
            level: Level::Error,
            name: "MeshConfigEmpty",
            meaning: "The map has no key mesh, or an empty one: the mesh runs on defaults. A merge patch of this key \
                      replaces the whole text.",
            remedy: "Restore the whole text of the key mesh.",
            verify: "kubectl get configmap istio -n istio-system -o jsonpath='{.data.mesh}'",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let namespace = facts.mesh.istio_namespace();
    for map in facts.within(Kind::ConfigMap, namespace) {
        if &*map.name != "istio" && !map.name.starts_with("istio-1-") {
            continue;
        }
        let Some(value) = map.node.get("data").and_then(|data| data.get("mesh")) else {
            report.find("FM0603", map, "data", "The key mesh is missing");
            continue;
        };
        let text = value.as_str().unwrap_or_default();
        if text.trim().is_empty() {
            report.find("FM0603", map, "data.mesh", "The key mesh is empty");
            continue;
        }
        let Err(found) = api::mesh_config(text) else {
            continue;
        };
        // What another implementation does not serve is none of Istio's business.
        let unserved = api::parse::documents(text, "")
            .ok()
            .and_then(|nodes| nodes.into_iter().next())
            .map(|node| api::unsupported_mesh(&node.to_value()))
            .unwrap_or_default();
        for problem in found {
            let same = |other: &api::Diagnostic| other.path == problem.path && other.message == problem.message;
            if !problem.is_error() || unserved.iter().any(same) {
                continue;
            }
            let line = problem.line;
            let field = if problem.path.is_empty() { "mesh" } else { &problem.path };
            let hint = problem.suggestion.clone();
            let tail = hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
            let (code, effect) = if problem.message.starts_with("unknown field") {
                ("FM0602", "and is dropped")
            } else {
                ("FM0601", "and the whole map is refused")
            };
            let message = format!("{field}: {} {effect}{tail} (line {line} of mesh)", problem.message);
            let finding = report.find(code, map, "data.mesh", message);
            finding.evidence[0].text = field.to_owned();
            if let Some(hint) = hint {
                finding.advise(hint);
            }
        }
    }
}
