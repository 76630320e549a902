//! Every pod runs as a service account and finds its token where Kubernetes puts it.

use serde_json::{Value, json};

use crate::api::Api;
use crate::error::ApiResult;
use crate::objects::call::Call;
use crate::objects::meta;
use crate::storage::ResourceId;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const PREFIX: &str = "kube-api-access-";
/// Kubernetes asks for a token that outlives a minute-long clock disagreement.
const TOKEN_SECONDS: i64 = 3607;
/// Published with the server's certificate authority in every namespace.
pub(crate) const ROOT_CA: &str = "kube-root-ca.crt";

impl Api {
    /// Names the account, and refuses pods whose account does not exist.
    pub(super) fn admit_account(&self, call: &Call, pod: &mut Value) -> ApiResult<()> {
        let spec = &mut pod["spec"];
        if !spec.is_object() {
            return Ok(());
        }
        if spec["serviceAccountName"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
        {
            spec["serviceAccountName"] = "default".into();
            spec["serviceAccount"] = "default".into();
        }
        let name = spec["serviceAccountName"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let Some(account) = self.storage.get(
            &ResourceId::new("", "serviceaccounts"),
            &call.namespace,
            &name,
        ) else {
            let why = format!(
                "error looking up service account {}/{name}: serviceaccount {name:?} not found",
                call.namespace
            );
            return Err(call.forbidden(why));
        };
        if spec["imagePullSecrets"].is_null() && account.value["imagePullSecrets"].is_array() {
            spec["imagePullSecrets"] = account.value["imagePullSecrets"].clone();
        }
        self.mount_token(call, pod);
        Ok(())
    }

    /// Mounts the token into every container that has nothing at its place, also into those that a webhook
    /// added.
    pub(super) fn mount_token(&self, call: &Call, pod: &mut Value) {
        let name = pod["spec"]["serviceAccountName"]
            .as_str()
            .unwrap_or("default")
            .to_owned();
        let account = self.storage.get(
            &ResourceId::new("", "serviceaccounts"),
            &call.namespace,
            &name,
        );
        let by_account = account.is_none_or(|a| a.value["automountServiceAccountToken"] != false);
        let wanted = pod["spec"]["automountServiceAccountToken"]
            .as_bool()
            .unwrap_or(by_account);
        if !wanted {
            return;
        }
        let existing = pod["spec"]["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| v["name"].as_str());
        let known = existing
            .clone()
            .find(|name| name.starts_with(PREFIX))
            .map(str::to_owned);
        let volume = known
            .clone()
            .unwrap_or_else(|| format!("{PREFIX}{}", meta::random_suffix()));
        let mut used = false;
        for field in ["initContainers", "containers"] {
            for container in list_mut(&mut pod["spec"], field) {
                let mounted = container["volumeMounts"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|m| m["mountPath"] == MOUNT);
                if mounted || !container.is_object() {
                    continue;
                }
                used = true;
                let mount = json!({"name": volume, "mountPath": MOUNT, "readOnly": true});
                match container
                    .get_mut("volumeMounts")
                    .and_then(Value::as_array_mut)
                {
                    Some(mounts) => mounts.push(mount),
                    None => container["volumeMounts"] = json!([mount]),
                }
            }
        }
        if used && known.is_none() {
            let volume = token_volume(&volume);
            match pod["spec"].get_mut("volumes").and_then(Value::as_array_mut) {
                Some(volumes) => volumes.push(volume),
                None => pod["spec"]["volumes"] = json!([volume]),
            }
        }
    }
}

fn list_mut<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object
        .get_mut(field)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}
