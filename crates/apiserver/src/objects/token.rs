//! Tokens of service accounts, bound to what they were asked for.

use serde_json::{Value, json};

use super::call::Call;
use super::meta;
use crate::api::Api;
use crate::auth::token::{Binding, Bound, Claims};
use crate::clock;
use crate::error::{ApiError, ApiResult, Cause};
use crate::storage::ResourceId;

const MIN_TOKEN_SECONDS: i64 = 600;
const MAX_TOKEN_SECONDS: i64 = 1 << 32;
const DEFAULT_TOKEN_SECONDS: i64 = 3600;

fn invalid(call: &Call, cause: Cause) -> ApiError {
    ApiError::invalid(
        "authentication.k8s.io",
        "TokenRequest",
        &call.name,
        &[cause],
    )
}

fn lifetime(call: &Call, spec: &Value) -> ApiResult<i64> {
    let seconds = spec["expirationSeconds"]
        .as_i64()
        .unwrap_or(DEFAULT_TOKEN_SECONDS);
    let detail = match seconds {
        short if short < MIN_TOKEN_SECONDS => "may not specify a duration less than 10 minutes",
        long if long > MAX_TOKEN_SECONDS => "may not specify a duration larger than 2^32 seconds",
        fitting => return Ok(fitting),
    };
    Err(invalid(
        call,
        Cause::invalid("spec.expirationSeconds", &seconds.into(), detail),
    ))
}

impl Api {
    /// Answers a TokenRequest.
    pub(super) fn issue_token(&self, call: &Call, mut request: Value) -> ApiResult<Value> {
        let spec = request["spec"].clone();
        let seconds = lifetime(call, &spec)?;
        let asked = spec["audiences"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|a| a.as_str().map(str::to_owned));
        let mut audiences: Vec<String> = asked.collect();
        if audiences.is_empty() {
            audiences = self.audiences();
        }
        let now = clock::unix();
        let claims = Claims {
            aud: audiences.clone(),
            exp: now + seconds,
            iat: now,
            iss: self.tokens.issuer().into(),
            jti: uuid::Uuid::new_v4().to_string(),
            kubernetes: self.binding(call, &spec["boundObjectRef"])?,
            nbf: now,
            sub: format!("system:serviceaccount:{}:{}", call.namespace, call.name),
        };
        let token = self.tokens.issue(&claims).map_err(ApiError::internal)?;
        let expires =
            time::OffsetDateTime::from_unix_timestamp(claims.exp).map_err(ApiError::internal)?;
        request["kind"] = "TokenRequest".into();
        request["apiVersion"] = "authentication.k8s.io/v1".into();
        meta::metadata(&mut request).insert("creationTimestamp".into(), clock::now().into());
        request["spec"]["audiences"] = audiences.into();
        request["spec"]["expirationSeconds"] = seconds.into();
        request["status"] = json!({"token": token, "expirationTimestamp": clock::rfc3339(expires)});
        Ok(request)
    }

    /// What the token dies with: the account, and the object that `reference` names.
    fn binding(&self, call: &Call, reference: &Value) -> ApiResult<Binding> {
        let account = self.get(call)?;
        let uid = meta::text(&account.value, "uid").into();
        let mut binding = Binding {
            namespace: call.namespace.clone(),
            node: None,
            pod: None,
            secret: None,
            serviceaccount: Bound {
                name: call.name.clone(),
                uid,
            },
        };
        if !reference.is_object() {
            return Ok(binding);
        }
        match reference["kind"].as_str() {
            Some("Pod") => {
                binding.pod = Some(self.bound("pods", &call.namespace, reference)?);
                binding.node =
                    self.node_of(call, reference["name"].as_str().unwrap_or_default())?;
            }
            Some("Secret") => {
                binding.secret = Some(self.bound("secrets", &call.namespace, reference)?);
            }
            Some("Node") => binding.node = Some(self.bound("nodes", "", reference)?),
            _ => {
                let kinds = ["Pod", "Secret", "Node"];
                return Err(invalid(
                    call,
                    Cause::unsupported("spec.boundObjectRef.kind", &reference["kind"], &kinds),
                ));
            }
        }
        Ok(binding)
    }

    fn bound(&self, plural: &str, namespace: &str, reference: &Value) -> ApiResult<Bound> {
        let (name, uid) = (
            reference["name"].as_str().unwrap_or_default(),
            reference["uid"].as_str().unwrap_or_default(),
        );
        let object = self
            .storage
            .get(&ResourceId::new("", plural), namespace, name);
        let object = object.ok_or_else(|| ApiError::not_found("", plural, name))?;
        let own = meta::text(&object.value, "uid");
        if !uid.is_empty() && uid != own {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            return Err(ApiError::conflict("", plural, name, why));
        }
        Ok(Bound {
            name: name.into(),
            uid: own.into(),
        })
    }

    /// The node of a bound pod; the pod has to run as the account of the call.
    fn node_of(&self, call: &Call, pod: &str) -> ApiResult<Option<Bound>> {
        let Some(pod) = self
            .storage
            .get(&ResourceId::new("", "pods"), &call.namespace, pod)
        else {
            return Ok(None);
        };
        let account = pod.value["spec"]["serviceAccountName"]
            .as_str()
            .unwrap_or("default");
        if account != call.name {
            let message = format!(
                "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                call.name
            );
            return Err(ApiError::bad_request(message));
        }
        let Some(name) = pod.value["spec"]["nodeName"]
            .as_str()
            .filter(|n| !n.is_empty())
        else {
            return Ok(None);
        };
        let node = self.storage.get(&ResourceId::new("", "nodes"), "", name);
        Ok(node.map(|node| Bound {
            name: name.into(),
            uid: meta::text(&node.value, "uid").into(),
        }))
    }
}
