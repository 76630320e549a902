//! Which API server and which pod a command is about.

use std::path::PathBuf;

use anyhow::Context;
use api::kinds;
use api::store::Query;
use http_body_util::{BodyExt, Empty, Limited};
use source::{Access, Remote};

use crate::up::data_dir;

/// The API server: of `up`, unless a kubeconfig is named.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Server {
    /// A kubeconfig; without one, that of `ferromesh up`, else the usual ones.
    #[arg(long, short = 'c', value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    data_dir: super::DataDir,
}

impl Server {
    pub(crate) fn access(&self) -> Access {
        if let Some(path) = &self.kubeconfig {
            return Access::kubeconfig(path);
        }
        let own = data_dir::kubeconfig(&self.data_dir.data_dir);
        if own.exists() {
            Access::kubeconfig(own)
        } else {
            Access::Inferred
        }
    }

    pub(crate) async fn remote(&self) -> anyhow::Result<Remote> {
        Remote::connect(&self.access()).await.context("API server")
    }
}

/// A pod as istioctl names it: `pod`, `pod.namespace`, `deployment/name` or `deploy/name`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PodArg {
    /// POD, POD.NAMESPACE or deployment/NAME
    pod: String,
    /// Namespace of the pod.
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

impl PodArg {
    /// Namespace and name of the pod.
    async fn find(&self, server: &Server) -> anyhow::Result<(String, String)> {
        let store = source::KubeStore::connect(&server.access()).await?;
        let (wanted, namespace) = match self.pod.rsplit_once('.') {
            Some((pod, namespace)) if !self.pod.contains('/') => (pod, namespace),
            _ => (self.pod.as_str(), self.namespace.as_str()),
        };
        let query = Query {
            namespace: Some(namespace.to_owned()),
            ..Query::default()
        };
        let pods = store.list(&kinds::POD, &query).await?;
        let owner = wanted
            .split_once('/')
            .filter(|(kind, _)| kind.starts_with("deploy"));
        let matches = |name: &str| match owner {
            Some((_, deployment)) => name
                .strip_prefix(deployment)
                .is_some_and(|rest| rest.starts_with('-')),
            None => name == wanted,
        };
        let names: Vec<&str> = pods
            .iter()
            .filter_map(|p| p["metadata"]["name"].as_str())
            .collect();
        match names.iter().find(|name| matches(name)) {
            Some(name) => Ok((namespace.to_owned(), (*name).to_owned())),
            None if names.is_empty() => {
                anyhow::bail!("no pods in namespace {namespace}; name another with -n")
            }
            None => anyhow::bail!(
                "no pod {wanted} in namespace {namespace}; there are: {}",
                names.join(", ")
            ),
        }
    }

    /// Asks the admin interface of the pod's proxy.
    pub(crate) async fn admin(
        &self,
        server: &Server,
        method: http::Method,
        path: &str,
    ) -> anyhow::Result<String> {
        let (namespace, pod) = self.find(server).await?;
        let remote = server.remote().await?;
        let stream = remote
            .forward(&namespace, &pod, 15000)
            .await
            .with_context(|| format!("pod {namespace}/{pod}: its proxy's admin port 15000"))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:15000")
            .body(Empty::<bytes::Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), 256 << 20)
            .collect()
            .await
            .map_err(|e| anyhow::anyhow!("pod {namespace}/{pod}: {e}"))?
            .to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        anyhow::ensure!(
            status.is_success(),
            "pod {namespace}/{pod}: {path}: {status}: {}",
            body.trim()
        );
        Ok(body)
    }
}

/// Rows under a header, columns aligned, as kubectl prints them.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|h| h.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for (index, (cell, width)) in cells.zip(&widths).enumerate() {
            if index + 1 == widths.len() {
                out.push_str(cell);
            } else {
                out.push_str(&format!("{cell:width$}     "));
            }
        }
        out.trim_end().to_owned() + "\n"
    };
    let mut out = line(&mut header.iter().copied());
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}
