//! Who is calling: by the certificate of the connection, or by a service account's token.

use std::sync::Arc;

use api::store::{ResourceType, Store};
use base::SpiffeId;
use serde_json::json;

/// The audience that a token must be for.
pub const AUDIENCE: &str = "istio-ca";

/// Longer tokens are refused unread; a service account's has about 1 KiB.
const LONGEST: usize = 16 * 1024;

const TOKEN_REVIEW: ResourceType = ResourceType {
    group: "authentication.k8s.io",
    version: "v1",
    kind: "TokenReview",
    plural: "tokenreviews",
    namespaced: false,
};

/// What the connection proved. The composition root puts it into each request's extensions, after it
/// has verified the client's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The identity in the client's verified certificate.
    pub certificate: Option<SpiffeId>,
}

/// Why a caller is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("neither a client certificate of this mesh nor a bearer token was presented")]
    Anonymous,
    #[error("the token is refused: {0}")]
    BadToken(String),
    #[error("the token belongs to {0:?}, which is no service account")]
    NoServiceAccount(String),
    #[error("the client certificate's trust domain {0} is not this mesh's")]
    ForeignTrustDomain(Arc<str>),
    /// Retry later.
    #[error("tokens cannot be reviewed now: {0}")]
    Unavailable(String),
}

/// Asks the API server whose a token is.
#[derive(Clone)]
pub struct TokenReviewer {
    store: Arc<dyn Store>,
    trust_domain: Arc<str>,
}

impl TokenReviewer {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, trust_domain: Arc<str>) -> Self {
        Self {
            store,
            trust_domain,
        }
    }

    /// The identity of the token's service account. The token must be for the audience [`AUDIENCE`].
    pub async fn identity(&self, token: &str) -> Result<SpiffeId, AuthError> {
        if token.is_empty() || token.len() > LONGEST {
            return Err(AuthError::BadToken(format!(
                "a token of {} bytes",
                token.len()
            )));
        }
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": { "token": token, "audiences": [AUDIENCE] },
        });
        let answer = match self.store.create(&TOKEN_REVIEW, review).await {
            Ok(answer) => answer,
            Err(error) if error.retryable() => {
                return Err(AuthError::Unavailable(error.to_string()));
            }
            Err(error) => return Err(AuthError::BadToken(error.to_string())),
        };
        let status = &answer["status"];
        if status["authenticated"] != true {
            let reason = status["error"].as_str().unwrap_or("not authenticated");
            return Err(AuthError::BadToken(reason.into()));
        }
        // A server which does not know audiences leaves them out, and has checked none.
        let audiences = status["audiences"].as_array();
        if !audiences.is_some_and(|all| all.iter().any(|a| a == AUDIENCE)) {
            return Err(AuthError::BadToken(format!(
                "its audience is not {AUDIENCE}"
            )));
        }
        let user = status["user"]["username"].as_str().unwrap_or_default();
        service_account(user)
            .map(|(namespace, name)| SpiffeId::new(self.trust_domain.clone(), namespace, name))
            .ok_or_else(|| AuthError::NoServiceAccount(user.into()))
    }

    /// The caller's one identity: its certificate's, else its token's.
    pub(crate) async fn caller(
        &self,
        caller: &Caller,
        token: Option<&str>,
    ) -> Result<SpiffeId, AuthError> {
        match (&caller.certificate, token) {
            (Some(id), _) if id.trust_domain == self.trust_domain => Ok(id.clone()),
            (_, Some(token)) => self.identity(token).await,
            (Some(id), None) => Err(AuthError::ForeignTrustDomain(id.trust_domain.clone())),
            (None, None) => Err(AuthError::Anonymous),
        }
    }
}

/// Namespace and name from `system:serviceaccount:<namespace>:<name>`.
fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    let plain = |text: &str| {
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        !text.is_empty() && text.chars().all(allowed)
    };
    (plain(namespace) && plain(name)).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_service_accounts_have_identities() {
        assert_eq!(
            service_account("system:serviceaccount:ns:a"),
            Some(("ns", "a"))
        );
        for user in [
            "system:node:n",
            "system:serviceaccount:ns",
            "system:serviceaccount:ns:",
            "system:serviceaccount:ns:a/../b",
            "system:serviceaccount:ns:a:b",
            "admin",
        ] {
            assert_eq!(service_account(user), None, "{user}");
        }
    }
}
