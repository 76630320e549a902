//! ConfigMaps, Secrets and tokens that containers ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::kinds;
use api::store::{ResourceType, Store, StoreError};
use base::ObjectKey;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A bag of named bytes: the data of a ConfigMap or Secret.
pub(crate) type Data = BTreeMap<String, Vec<u8>>;

/// Reads what pods of one namespace may use.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) namespace: String,
}

/// A projected service-account token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) token: String,
    /// Unix seconds.
    pub(crate) expires: i64,
}

impl Sources {
    /// `None` when the object is missing and that is allowed.
    pub(crate) async fn config_map(
        &self,
        name: &str,
        optional: bool,
    ) -> Result<Option<Data>, String> {
        let Some(object) = self.get(&kinds::CONFIG_MAP, name, optional).await? else {
            return Ok(None);
        };
        let mut data = Data::new();
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            data.insert(key.clone(), value.as_str().unwrap_or_default().into());
        }
        decode_into(&mut data, &object["binaryData"])?;
        Ok(Some(data))
    }

    pub(crate) async fn secret(&self, name: &str, optional: bool) -> Result<Option<Data>, String> {
        let Some(object) = self.get(&kinds::SECRET, name, optional).await? else {
            return Ok(None);
        };
        let mut data = Data::new();
        decode_into(&mut data, &object["data"])?;
        Ok(Some(data))
    }

    async fn get(
        &self,
        ty: &ResourceType,
        name: &str,
        optional: bool,
    ) -> Result<Option<Value>, String> {
        match self
            .store
            .get(ty, &ObjectKey::new(self.namespace.as_str(), name))
            .await
        {
            Ok(object) => Ok(Some(object)),
            Err(StoreError::NotFound(_)) if optional => Ok(None),
            Err(StoreError::NotFound(_)) => {
                Err(format!("{} {name:?} not found", ty.kind.to_lowercase()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks for a token that is bound to the pod.
    pub(crate) async fn token(
        &self,
        account: &str,
        audience: Option<&str>,
        seconds: i64,
        pod: (&str, &str),
    ) -> Result<Token, String> {
        let audiences: Vec<_> = audience.into_iter().filter(|a| !a.is_empty()).collect();
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": pod.0, "uid": pod.1 },
            },
        });
        let key = ObjectKey::new(self.namespace.as_str(), account);
        let answer = self
            .store
            .post(&kinds::SERVICE_ACCOUNT, &key, "token", body)
            .await;
        let answer =
            answer.map_err(|error| format!("token of service account {account:?}: {error}"))?;
        let token = answer["status"]["token"]
            .as_str()
            .ok_or("the API server returned no token")?;
        let expires = answer["status"]["expirationTimestamp"]
            .as_str()
            .and_then(crate::time::parse);
        let expires = expires.map_or_else(
            || crate::time::now() / 1000 + seconds,
            |millis| millis / 1000,
        );
        Ok(Token {
            token: token.into(),
            expires,
        })
    }
}

fn decode_into(data: &mut Data, encoded: &Value) -> Result<(), String> {
    for (key, value) in encoded.as_object().into_iter().flatten() {
        let bytes = BASE64_STANDARD.decode(value.as_str().unwrap_or_default());
        data.insert(
            key.clone(),
            bytes.map_err(|_| format!("key {key:?} is not base64"))?,
        );
    }
    Ok(())
}
