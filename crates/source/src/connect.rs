//! Where the API server is and who we are to it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

/// How to reach an API server.
#[derive(Clone, Debug)]
pub enum Access {
    /// A kubeconfig file, at its current context or the one named.
    Kubeconfig {
        path: PathBuf,
        context: Option<String>,
    },
    /// The service account of the pod that we run in; its token is read again as it rotates.
    InCluster,
    /// `$KUBECONFIG`, `~/.kube/config`, else the pod's service account.
    Inferred,
    /// Everything spelled out.
    Explicit {
        url: String,
        /// PEM; `None` trusts the system's roots.
        ca: Option<String>,
        credentials: Credentials,
    },
}

impl Access {
    /// The current context of a kubeconfig file.
    #[must_use]
    pub fn kubeconfig(path: impl Into<PathBuf>) -> Self {
        Self::Kubeconfig {
            path: path.into(),
            context: None,
        }
    }
}

/// What a client shows to the API server.
#[derive(Clone)]
pub enum Credentials {
    Anonymous,
    Token(String),
    /// Read again once a minute.
    TokenFile(PathBuf),
    /// PEM.
    Certificate {
        chain: String,
        key: String,
    },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Token(_) => "Token(…)",
            Self::TokenFile(_) => "TokenFile(…)",
            Self::Certificate { .. } => "Certificate(…)",
        })
    }
}

/// Why no client could be made. Nothing has been sent yet: an unreachable server is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot read kubeconfig {path}: {source}")]
    Kubeconfig {
        path: PathBuf,
        source: Box<kube::config::KubeconfigError>,
    },
    #[error("not in a cluster: {0}; pass a kubeconfig")]
    InCluster(Box<kube::config::InClusterError>),
    #[error("neither a kubeconfig nor a pod's service account was found: {0}")]
    Inferred(Box<kube::config::InferConfigError>),
    #[error("API server address or credentials are unusable: {0}")]
    Unusable(String),
}

/// Makes the `kube` client for `access`.
pub(crate) async fn client(access: &Access) -> Result<Client, ConnectError> {
    let mut config = match access {
        Access::Kubeconfig { path, context } => kubeconfig(path, context.clone()).await?,
        Access::InCluster => {
            Config::incluster().map_err(|e| ConnectError::InCluster(Box::new(e)))?
        }
        Access::Inferred => Config::infer()
            .await
            .map_err(|e| ConnectError::Inferred(Box::new(e)))?,
        Access::Explicit {
            url,
            ca,
            credentials,
        } => explicit(url, ca.as_deref(), credentials).await?,
    };
    // Callers retry by themselves, with what they know about the request.
    config.default_retry = false;
    config.connect_timeout = Some(std::time::Duration::from_secs(5));
    Client::try_from(config).map_err(|e| ConnectError::Unusable(e.to_string()))
}

async fn kubeconfig(path: &Path, context: Option<String>) -> Result<Config, ConnectError> {
    let failed = |source| ConnectError::Kubeconfig {
        path: path.into(),
        source: Box::new(source),
    };
    let file = Kubeconfig::read_from(path).map_err(failed)?;
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(failed)
}

async fn explicit(
    url: &str,
    ca: Option<&str>,
    credentials: &Credentials,
) -> Result<Config, ConnectError> {
    let unusable = |e: &dyn std::fmt::Display| ConnectError::Unusable(e.to_string());
    let user = match credentials {
        Credentials::Anonymous => json!({}),
        Credentials::Token(token) => json!({ "token": token }),
        Credentials::TokenFile(path) => json!({ "tokenFile": path }),
        Credentials::Certificate { chain, key } => json!({
            "client-certificate-data": STANDARD.encode(chain),
            "client-key-data": STANDARD.encode(key),
        }),
    };
    let mut cluster = json!({ "server": url });
    if let Some(ca) = ca {
        cluster["certificate-authority-data"] = STANDARD.encode(ca).into();
    }
    let file: Kubeconfig = serde_json::from_value(json!({
        "clusters": [{ "name": "it", "cluster": cluster }],
        "users": [{ "name": "it", "user": user }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        "current-context": "it",
    }))
    .map_err(|_| unusable(&"malformed"))?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(|e| unusable(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_credentials() {
        let shown = format!(
            "{:?}",
            Access::Explicit {
                url: "https://x".into(),
                ca: None,
                credentials: Credentials::Token("hush".into()),
            }
        );
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named() {
        let error = client(&Access::kubeconfig("/nonexistent/kubeconfig"))
            .await
            .err()
            .expect("must fail")
            .to_string();
        assert!(error.contains("/nonexistent/kubeconfig"), "{error}");
    }
}
