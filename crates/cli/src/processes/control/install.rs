//! The mesh's own objects: resource definitions, namespace, services, webhooks.

use std::time::Duration;

use api::kinds;
use api::store::Store;
use base::ObjectKey;
use base64::Engine as _;
use serde_json::json;

use crate::manifests;

const PATIENCE: Duration = Duration::from_secs(20);

/// Istio's resource definitions, and waits until they are served.
pub(super) async fn crds(store: &dyn Store) -> anyhow::Result<()> {
    let definitions = api::crds();
    let names: Vec<String> = definitions
        .iter()
        .filter_map(|d| d["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    for definition in definitions {
        manifests::apply(store, definition).await?;
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for name in names {
        let key = ObjectKey::new("", name.as_str());
        loop {
            let crd = store.get(&kinds::CUSTOM_RESOURCE_DEFINITION, &key).await?;
            let conditions = crd["status"]["conditions"].as_array();
            let established = conditions
                .into_iter()
                .flatten()
                .any(|c| c["type"] == "Established" && c["status"] == "True");
            if established {
                break;
            }
            anyhow::ensure!(
                tokio::time::Instant::now() < deadline,
                "{name} is not established after 20 s"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Namespace, MeshConfig and the control plane's Service.
pub(super) async fn system(store: &dyn Store) -> anyhow::Result<()> {
    for object in manifests::objects(manifests::SYSTEM, "system.yaml")? {
        // A person's MeshConfig stays as it is.
        if object["kind"] == "ConfigMap" {
            manifests::create_if_missing(store, object).await?;
        } else {
            manifests::apply(store, object).await?;
        }
    }
    Ok(())
}

/// What a control plane needs of any cluster: its namespace, and a MeshConfig to edit.
pub(super) async fn namespace(store: &dyn Store) -> anyhow::Result<()> {
    for object in manifests::objects(manifests::SYSTEM, "system.yaml")? {
        if object["kind"] == "Namespace" || object["kind"] == "ConfigMap" {
            manifests::create_if_missing(store, object).await?;
        }
    }
    Ok(())
}

/// The webhooks, with the CA that their server's certificate comes from.
pub(super) async fn webhooks(store: &dyn Store, bundle: &str) -> anyhow::Result<()> {
    let bundle = base64::engine::general_purpose::STANDARD.encode(bundle);
    for mut object in manifests::objects(manifests::WEBHOOKS, "webhooks.yaml")? {
        for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["clientConfig"]["caBundle"] = json!(bundle);
        }
        manifests::apply(store, object).await?;
    }
    Ok(())
}
