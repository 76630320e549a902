//! Which API server and which pods a command is about.

use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use api::kinds;
use api::store::{Query, ResourceType, Store, StoreError};
use base::ObjectKey;
use http_body_util::{BodyExt, Empty, Limited};
use serde_json::Value;
use source::{Access, Remote};

use crate::exit::{Code, Failure};
use crate::up::data_dir;

/// A proxy that has not answered by then does not.
const ANSWER: Duration = Duration::from_secs(30);

/// The API server: of `up`, unless a kubeconfig is named.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Server {
    /// A kubeconfig; without one, that of `ferromesh up`, else the usual ones.
    #[arg(long, short = 'c', value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    data_dir: super::DataDir,
    /// A namespace: of pods that are named without one (else "default"), or the only one that is shown.
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Port of the proxies' admin interface.
    #[arg(long, value_name = "PORT", default_value_t = ADMIN_PORT)]
    proxy_admin_port: u16,
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

    fn pod_namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    async fn store(&self) -> anyhow::Result<Arc<dyn Store>> {
        source::KubeStore::connect(&self.access())
            .await
            .map_err(|error| self.unreachable(error.into()))
    }

    pub(crate) async fn remote(&self) -> anyhow::Result<Remote> {
        Remote::connect(&self.access())
            .await
            .map_err(|error| self.unreachable(error.into()))
    }

    /// The API server could not be asked: names it and what to do.
    pub(crate) fn unreachable(&self, error: anyhow::Error) -> anyhow::Error {
        let message = match self.access() {
            Access::Kubeconfig { path, .. } => {
                format!("API server of kubeconfig {}: {error:#}", path.display())
            }
            _ => format!("no API server is known: {error:#}"),
        };
        Failure::new(Code::Failure, message)
            .remedy("ferromesh status; or name another with --kubeconfig or --data-dir")
            .into()
    }
}

/// The admin port of a proxy, unless `--proxy-admin-port` names another.
const ADMIN_PORT: u16 = 15000;

/// Pods as istioctl names them: `[TYPE/]NAME[.NAMESPACE]`.
#[derive(Debug, Clone)]
pub(crate) struct PodName {
    kind: Option<String>,
    name: String,
    namespace: Option<String>,
}

impl FromStr for PodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = match text.split_once('/') {
            Some((kind, rest)) => (Some(kind.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let (name, namespace) = match rest.rsplit_once('.') {
            Some((name, namespace)) => (name, Some(namespace.to_owned())),
            None => (rest, None),
        };
        if name.is_empty() || name.contains('/') || namespace.as_deref() == Some("") {
            return Err("write [TYPE/]NAME[.NAMESPACE]".into());
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
            namespace,
        })
    }
}

/// One pod with a proxy.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Pods that one name stands for; never none.
pub(crate) struct Pods(pub(crate) Vec<Pod>);

impl PodName {
    /// The pod, or the first running one of a workload or service.
    pub(crate) async fn one(&self, server: &Server) -> anyhow::Result<Pod> {
        let mut pods = self.all(server).await?.0;
        Ok(pods.swap_remove(0))
    }

    /// The pod, or all of a workload or service, running ones first.
    pub(crate) async fn all(&self, server: &Server) -> anyhow::Result<Pods> {
        let store = server.store().await?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| server.pod_namespace().to_owned());
        let kind = self.kind.as_deref().unwrap_or("pod");
        let (ty, selector) = match kind {
            "pod" | "pods" | "po" => return self.exact(server, &*store, &namespace).await,
            "deployment" | "deployments" | "deploy" => {
                (kinds::DEPLOYMENT, "/spec/selector/matchLabels")
            }
            "replicaset" | "replicasets" | "rs" => {
                (kinds::REPLICA_SET, "/spec/selector/matchLabels")
            }
            "service" | "services" | "svc" => (kinds::SERVICE, "/spec/selector"),
            other => {
                let message = format!("{other}/{}: pods of a {other} cannot be found", self.name);
                return Err(Failure::new(Code::Usage, message)
                    .remedy("name a pod, or deploy/NAME, rs/NAME or svc/NAME")
                    .into());
            }
        };
        let key = ObjectKey::new(namespace.as_str(), self.name.as_str());
        let object = match store.get(&ty, &key).await {
            Ok(object) => object,
            Err(StoreError::NotFound(_)) => {
                let all = list(&*store, &ty, &namespace, "").await?;
                return Err(absent(ty.kind, &self.name, &namespace, &all));
            }
            Err(error) => return Err(server.unreachable(error.into())),
        };
        let labels = object.pointer(selector).and_then(Value::as_object);
        let labels: Vec<String> = labels
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
            .collect();
        let what = format!("{} {}", ty.kind, self.name);
        anyhow::ensure!(!labels.is_empty(), "{what} selects no pods");
        Pods::of(&*store, &namespace, &labels.join(","), &what).await
    }

    async fn exact(
        &self,
        server: &Server,
        store: &dyn Store,
        namespace: &str,
    ) -> anyhow::Result<Pods> {
        let key = ObjectKey::new(namespace, self.name.as_str());
        match store.get(&kinds::POD, &key).await {
            Ok(_) => Ok(Pods(vec![Pod {
                namespace: namespace.to_owned(),
                name: self.name.clone(),
            }])),
            Err(StoreError::NotFound(_)) => {
                let all = list(store, &kinds::POD, namespace, "").await?;
                Err(absent("pod", &self.name, namespace, &all))
            }
            Err(error) => Err(server.unreachable(error.into())),
        }
    }
}

impl Pods {
    /// All pods of the namespace with these labels.
    pub(crate) async fn labelled(server: &Server, labels: &str) -> anyhow::Result<Self> {
        let store = server.store().await?;
        let what = format!("selector {labels}");
        Self::of(&*store, server.pod_namespace(), labels, &what).await
    }

    async fn of(
        store: &dyn Store,
        namespace: &str,
        labels: &str,
        what: &str,
    ) -> anyhow::Result<Self> {
        let mut found = list(store, &kinds::POD, namespace, labels).await?;
        if found.is_empty() {
            let message = format!("{what} has no pods in namespace {namespace}");
            return Err(Failure::new(Code::Failure, message)
                .remedy(format!("kubectl get pods -n {namespace} --show-labels"))
                .into());
        }
        found.sort_by_key(|pod| pod["status"]["phase"] != "Running");
        let name = |pod: &Value| {
            pod["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Self(
            found
                .iter()
                .map(|pod| Pod {
                    namespace: namespace.to_owned(),
                    name: name(pod),
                })
                .collect(),
        ))
    }
}

async fn list(
    store: &dyn Store,
    ty: &ResourceType,
    namespace: &str,
    labels: &str,
) -> anyhow::Result<Vec<Value>> {
    let query = Query {
        namespace: Some(namespace.to_owned()),
        labels: labels.to_owned(),
        ..Query::default()
    };
    Ok(store.list(ty, &query).await?)
}

/// Nothing has this name: says what there is.
fn absent(kind: &str, name: &str, namespace: &str, all: &[Value]) -> anyhow::Error {
    let names: Vec<&str> = all
        .iter()
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    let there = match names.len() {
        0 => "there is none".to_owned(),
        1..=12 => format!("there are: {}", names.join(", ")),
        more => format!("there are {more}, such as {}", names[..12].join(", ")),
    };
    let plural = kind.to_ascii_lowercase();
    Failure::new(
        Code::Failure,
        format!("no {plural} {name} in namespace {namespace}; {there}"),
    )
    .remedy(format!(
        "kubectl get {plural}s -A, then NAME.NAMESPACE or -n NAMESPACE"
    ))
    .into()
}

impl Pod {
    /// Asks the admin interface of the pod's proxy.
    pub(crate) async fn admin(
        &self,
        server: &Server,
        method: http::Method,
        path: &str,
    ) -> anyhow::Result<String> {
        let Self { namespace, name } = self;
        let port = server.proxy_admin_port;
        let remote = server.remote().await?;
        let answer = ask(&remote, self, port, method, path).await;
        let (status, body) = answer.map_err(|error| {
            let message = format!(
                "pod {namespace}/{name}: its proxy's admin port {port} does not answer: {error:#}"
            );
            Failure::new(Code::Failure, message).remedy(format!(
                "kubectl get pod -n {namespace} {name}   (has it a ready istio-proxy?)"
            ))
        })?;
        anyhow::ensure!(
            status.is_success(),
            "pod {namespace}/{name}: {path}: {status}: {}",
            body.trim()
        );
        Ok(body)
    }
}

async fn ask(
    remote: &Remote,
    pod: &Pod,
    port: u16,
    method: http::Method,
    path: &str,
) -> anyhow::Result<(http::StatusCode, String)> {
    let stream = remote.forward(&pod.namespace, &pod.name, port).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("localhost:{port}"))
        .body(Empty::<bytes::Bytes>::new())?;
    let response = tokio::time::timeout(ANSWER, sender.send_request(request))
        .await
        .map_err(|_| anyhow::anyhow!("no answer within {} s", ANSWER.as_secs()))??;
    let status = response.status();
    let body = Limited::new(response.into_body(), 256 << 20)
        .collect()
        .await
        .map_err(|e| anyhow::anyhow!("{e}"))?
        .to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Writes to standard output; a reader that has seen enough, such as `head`, is no failure.
pub(crate) fn write(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
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
