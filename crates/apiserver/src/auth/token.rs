//! Service account tokens: ES256 JWTs with Kubernetes' claims, bound to what they were issued for.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

use super::{AUTHENTICATED, User};
use crate::storage::{ResourceId, Storage};

/// Tokens expire on the second; clocks are one and the same here.
const LEEWAY: u64 = 0;

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) aud: Vec<String>,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) iss: String,
    pub(crate) jti: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Binding,
    pub(crate) nbf: i64,
    pub(crate) sub: String,
}

/// What the token is bound to; it dies with any of them.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Bound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Bound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Bound>,
    pub(crate) serviceaccount: Bound,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// Why a token was refused. Never quotes the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("invalid bearer token: {0}")]
    Invalid(String),
    #[error("service account token has been invalidated: {0}")]
    Revoked(String),
    #[error("token audiences {found:?} is invalid for the target audiences {wanted:?}")]
    Audience {
        found: Vec<String>,
        wanted: Vec<String>,
    },
}

/// Issues and verifies tokens.
pub(crate) struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    issuer: String,
    /// Key id: names the key in the published key set.
    key_id: String,
    /// x and y of the public key.
    point: (Vec<u8>, Vec<u8>),
}

impl Tokens {
    pub(crate) fn new(key: &KeyPair, issuer: &str) -> Self {
        let public = key.public_key_raw();
        // An uncompressed P-256 point: 0x04, x, y (SEC 1 §2.3.3).
        let half = (public.len() - 1) / 2;
        let point = (public[1..=half].to_vec(), public[half + 1..].to_vec());
        let key_id = base::ContentHash::of(public).to_string();
        Self {
            signing: EncodingKey::from_ec_der(&key.serialize_der()),
            verifying: DecodingKey::from_ec_der(public),
            issuer: issuer.into(),
            key_id,
            point,
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn issue(&self, claims: &Claims) -> Result<String, TokenError> {
        let header = Header {
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, claims, &self.signing)
            .map_err(|e| TokenError::Invalid(e.to_string()))
    }

    /// The JWK set that verifies these tokens.
    pub(crate) fn key_set(&self) -> serde_json::Value {
        use base64::Engine;
        let text = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        serde_json::json!({"keys": [{
            "use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
            "x": text(&self.point.0), "y": text(&self.point.1),
        }]})
    }

    /// Checks signature, time, issuer, audience and that the bound objects still exist. Returns the user
    /// and the audiences that matched.
    pub(crate) fn verify(
        &self,
        token: &str,
        audiences: &[String],
        storage: &Storage,
    ) -> Result<(User, Vec<String>), TokenError> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        rules.validate_aud = false;
        rules.set_issuer(&[&self.issuer]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &rules)
            .map_err(|e| TokenError::Invalid(e.to_string()))?
            .claims;
        let matched: Vec<String> = claims
            .aud
            .iter()
            .filter(|a| audiences.contains(a))
            .cloned()
            .collect();
        if matched.is_empty() {
            return Err(TokenError::Audience {
                found: claims.aud,
                wanted: audiences.to_vec(),
            });
        }
        check_bindings(&claims.kubernetes, storage)?;
        Ok((user(claims), matched))
    }
}

fn check_bindings(binding: &Binding, storage: &Storage) -> Result<(), TokenError> {
    let Binding {
        namespace,
        node,
        pod,
        secret,
        serviceaccount,
    } = binding;
    let bound = [
        ("nodes", "", node.as_ref()),
        ("pods", namespace.as_str(), pod.as_ref()),
        ("secrets", namespace.as_str(), secret.as_ref()),
        ("serviceaccounts", namespace.as_str(), Some(serviceaccount)),
    ];
    for (plural, namespace, bound) in bound {
        let Some(Bound { name, uid }) = bound else {
            continue;
        };
        let current = storage.get(&ResourceId::new("", plural), namespace, name);
        if current.is_none_or(|object| object.value["metadata"]["uid"] != **uid) {
            return Err(TokenError::Revoked(format!(
                "{plural} {namespace}/{name} no longer exists"
            )));
        }
    }
    Ok(())
}

fn user(claims: Claims) -> User {
    let Binding {
        namespace,
        node,
        pod,
        serviceaccount,
        ..
    } = claims.kubernetes;
    let mut extra = vec![(
        "authentication.kubernetes.io/credential-id".to_owned(),
        format!("JTI={}", claims.jti),
    )];
    for (what, bound) in [("node", node), ("pod", pod)] {
        if let Some(Bound { name, uid }) = bound {
            extra.push((format!("authentication.kubernetes.io/{what}-name"), name));
            extra.push((format!("authentication.kubernetes.io/{what}-uid"), uid));
        }
    }
    User {
        name: claims.sub,
        uid: serviceaccount.uid,
        groups: vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{namespace}"),
            AUTHENTICATED.into(),
        ],
        extra,
    }
}
