//! Service-account tokens: issued by TokenRequest, judged by TokenReview.

use serde_json::{Value, json};

/// A token that was issued.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) uid: String,
    pub(crate) audiences: Vec<String>,
    /// Unix seconds.
    pub(crate) expires: i64,
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_str().map(Into::into))
        .collect()
}

/// The token for a TokenRequest's spec.
pub(crate) fn issue(
    serial: u64,
    namespace: &str,
    service_account: &str,
    uid: &str,
    request: &Value,
    now: i64,
) -> Token {
    let lifetime = request["spec"]["expirationSeconds"]
        .as_i64()
        .unwrap_or(3600);
    Token {
        text: format!("memory.{serial}.{namespace}.{service_account}"),
        namespace: namespace.into(),
        service_account: service_account.into(),
        uid: uid.into(),
        audiences: strings(&request["spec"]["audiences"]),
        expires: now + lifetime,
    }
}

/// A TokenReview with its status filled in, as the API server answers it.
pub(crate) fn review(tokens: &[Token], mut review: Value, now: i64) -> Value {
    let text = review["spec"]["token"].as_str().unwrap_or_default();
    let wanted = strings(&review["spec"]["audiences"]);
    let found = tokens.iter().find(|token| token.text == text);
    review["status"] = match found {
        None => json!({ "authenticated": false, "error": "invalid bearer token" }),
        Some(token) if token.expires <= now => {
            json!({ "authenticated": false, "error": "token has expired" })
        }
        Some(token) => {
            let shared: Vec<&String> = wanted
                .iter()
                .filter(|a| token.audiences.contains(a))
                .collect();
            if shared.is_empty() {
                json!({ "authenticated": false, "error": "token audiences do not match" })
            } else {
                json!({
                    "authenticated": true,
                    "audiences": shared,
                    "user": {
                        "username": format!(
                            "system:serviceaccount:{}:{}", token.namespace, token.service_account
                        ),
                        "uid": token.uid,
                        "groups": ["system:serviceaccounts", "system:authenticated"],
                    },
                })
            }
        }
    };
    review
}
