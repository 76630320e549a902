//! The mesh configuration: key `mesh` of ConfigMap `istio-system/istio`, YAML.

use api::istio::MeshConfig;
use serde_json::Value;

pub(crate) const NAMESPACE: &str = "istio-system";
pub(crate) const NAME: &str = "istio";

/// Reads the ConfigMap; without the key the defaults hold. The error names every mistake.
pub(crate) fn decode(config_map: &Value) -> Result<MeshConfig, String> {
    let text = config_map["data"]["mesh"].as_str().unwrap_or_default();
    api::mesh_config(text).map_err(|found| {
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        all.join("; ")
    })
}
