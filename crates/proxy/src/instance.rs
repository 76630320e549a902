//! A whole proxy: bootstrap, workers, control plane session, admin interface. Starts from the same
//! bootstrap document as Envoy.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use base::ContentHasher;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use xds::envoy::config::core::v3::Node;
use xds::json::{Pool, Print};
use xds::type_url;

use crate::admin::{self, Control, DumpResource, Sources};
use crate::bootstrap::Bootstrap;
use crate::config::tls::{Secret, SecretKind, TlsCertificate, ValidationContext};
use crate::config::{Config, Ids, ListenAddress};
use crate::observe::Observe;
use crate::proxy::{Handle, Options, Proxy};
use crate::xds::{
    Applier, DumpEntry, DumpState, LastGood, Session, Settings, connector, resolve_clusters,
};

/// How long after a configuration its leftovers are given back, so that a burst of them costs this once.
const SETTLED: Duration = Duration::from_secs(1);

/// Queries (`None`) or changes the log filter; answers the one in force.
pub type Logging = Box<dyn Fn(Option<&str>) -> Result<String, String> + Send + Sync>;

/// How a proxy is started.
pub struct InstanceOptions {
    pub bootstrap: Bootstrap,
    /// Worker threads.
    pub concurrency: usize,
    /// Secrets that this process makes itself, by SDS name.
    pub local_secrets: Option<watch::Receiver<Vec<LocalSecret>>>,
    /// Where the last good configuration is kept.
    pub state_dir: Option<PathBuf>,
    pub drain_time: Duration,
    pub logging: Logging,
}

/// A secret of the process's own.
#[derive(Clone)]
pub enum LocalSecret {
    Certificate {
        name: String,
        chain_pem: String,
        key_pem: String,
    },
    Roots {
        name: String,
        pem: String,
    },
}

impl std::fmt::Debug for LocalSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate { name, .. } => write!(f, "Certificate({name}, key withheld)"),
            Self::Roots { name, .. } => write!(f, "Roots({name})"),
        }
    }
}

impl LocalSecret {
    fn compile(self) -> Arc<Secret> {
        let mut hasher = ContentHasher::default();
        let (name, kind) = match self {
            Self::Certificate {
                name,
                chain_pem,
                key_pem,
            } => {
                hasher.write(chain_pem.as_bytes());
                hasher.write(key_pem.as_bytes());
                let pair = TlsCertificate {
                    chain_pem: chain_pem.into_bytes(),
                    key_pem: key_pem.into_bytes(),
                };
                (name, SecretKind::Certificate(pair))
            }
            Self::Roots { name, pem } => {
                hasher.write(pem.as_bytes());
                let context = ValidationContext {
                    trusted_ca_pem: pem.into_bytes(),
                    ..ValidationContext::default()
                };
                (name, SecretKind::Validation(context))
            }
        };
        Arc::new(Secret {
            name: name.into(),
            version: hasher.finish(),
            kind,
        })
    }
}

/// Why a proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("bootstrap: {0}")]
    Bootstrap(String),
    #[error("admin interface on {address}: {source}")]
    Admin {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("worker threads: {0}")]
    Workers(#[source] std::io::Error),
}

/// A running proxy.
pub struct Instance {
    handle: Option<Arc<Handle>>,
    observe: Arc<Observe>,
    applier: Arc<Mutex<Applier>>,
    session: Option<tokio::task::JoinHandle<()>>,
    housekeeping: tokio::task::JoinHandle<()>,
    quit: watch::Receiver<bool>,
    admin: Option<SocketAddr>,
}

fn lock(applier: &Mutex<Applier>) -> std::sync::MutexGuard<'_, Applier> {
    applier.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Instance {
    /// Starts a proxy; the session with the control plane runs on the calling runtime.
    pub fn start(options: InstanceOptions) -> Result<Self, StartError> {
        let InstanceOptions {
            bootstrap,
            concurrency,
            local_secrets,
            state_dir,
            drain_time,
            logging,
        } = options;
        let ids = Arc::new(Ids::default());
        let proxy = Options {
            workers: concurrency,
            ids: ids.clone(),
            drain_time,
        };
        let handle = Arc::new(Proxy::start(&proxy).map_err(StartError::Workers)?);
        let observe = handle.shared().observe.clone();
        let published = Arc::new(Notify::new());
        let applier = Arc::new(Mutex::new(Applier::new(Settings {
            ids,
            publish: publisher(&handle, Arc::clone(&published)),
        })));
        bootstrap
            .apply(&mut lock(&applier), Instant::now())
            .map_err(|error| StartError::Bootstrap(error.to_string()))?;
        if let Some(mut secrets) = local_secrets {
            put_secrets(&applier, &secrets.borrow_and_update());
            let applier = applier.clone();
            tokio::spawn(async move {
                while secrets.changed().await.is_ok() {
                    let now = secrets.borrow_and_update().clone();
                    put_secrets(&applier, &now);
                }
            });
        }
        let dynamic = bootstrap.ads_cluster.clone();
        let (quit_sender, quit) = watch::channel(false);
        let node = bootstrap.node.clone();
        let session = session(&applier, &observe, node, dynamic.as_deref(), state_dir)?;
        let control = AdminControl {
            handle: Arc::downgrade(&handle),
            quit: quit_sender,
            logging,
        };
        let admin = serve_admin(
            &bootstrap,
            &handle,
            &applier,
            dynamic.is_some(),
            concurrency,
            Arc::new(control),
        )?;
        Ok(Self {
            handle: Some(handle),
            observe,
            applier,
            session: Some(session),
            housekeeping: tokio::spawn(give_back_memory(published)),
            quit,
            admin,
        })
    }

    /// Where the admin interface listens.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The addresses that a listener really has.
    #[must_use]
    pub fn addresses(&self, listener: &str) -> Vec<SocketAddr> {
        self.handle
            .as_ref()
            .map(|handle| handle.addresses(listener))
            .unwrap_or_default()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        lock(&self.applier).config().clone()
    }

    /// Completes when the admin interface was told to quit.
    pub async fn quit(&mut self) {
        if self.quit.wait_for(|quit| *quit).await.is_err() {
            std::future::pending().await
        }
    }

    /// Ends everything and writes what is left of the logs.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(session) = self.session.take() {
            session.abort();
        }
        self.housekeeping.abort();
        drop(self.handle.take());
        self.observe.sinks.flush();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

/// Compiling a configuration takes several times the memory that stays.
async fn give_back_memory(published: Arc<Notify>) {
    let mut started = false;
    loop {
        published.notified().await;
        tokio::time::sleep(SETTLED).await;
        net::memory::give_back();
        if !std::mem::replace(&mut started, true) {
            net::memory::forget_startup_code();
        }
    }
}

fn publisher(handle: &Arc<Handle>, published: Arc<Notify>) -> crate::xds::Publish {
    let handle = Arc::downgrade(handle);
    Box::new(move |config| {
        published.notify_one();
        let errors = handle
            .upgrade()
            .map(|handle| handle.publish(&config))
            .unwrap_or_default();
        errors
            .into_iter()
            .map(|error| {
                tracing::error!(%error, "listener");
                (error.listener.clone(), error.to_string())
            })
            .collect()
    })
}

fn put_secrets(applier: &Mutex<Applier>, secrets: &[LocalSecret]) {
    for secret in secrets {
        lock(applier).put_local_secret(secret.clone().compile(), Instant::now());
    }
}

fn session(
    applier: &Arc<Mutex<Applier>>,
    observe: &Arc<Observe>,
    node: Node,
    cluster: Option<&str>,
    state_dir: Option<PathBuf>,
) -> Result<tokio::task::JoinHandle<()>, StartError> {
    let resolver = resolve_clusters(applier.clone());
    let Some(name) = cluster else {
        return Ok(tokio::spawn(resolver));
    };
    let info = lock(applier)
        .config()
        .clusters()
        .find(|c| &*c.info.name == name)
        .map(|c| c.info.clone());
    let info = info.ok_or_else(|| {
        StartError::Bootstrap(format!(
            "ads_config names cluster {name}, which is not among static_resources.clusters"
        ))
    })?;
    let session = Session {
        applier: applier.clone(),
        node,
        connect: connector(info),
        token: None,
        last_good: state_dir.map(|dir| LastGood::new(&dir)),
        observe: Some(observe.clone()),
    };
    Ok(tokio::spawn(async move {
        tokio::join!(session.run(), resolver);
    }))
}

struct AdminControl {
    handle: Weak<Handle>,
    quit: watch::Sender<bool>,
    logging: Logging,
}

impl Control for AdminControl {
    fn drain_listeners(&self, graceful: bool) {
        if let Some(handle) = self.handle.upgrade() {
            handle.drain();
            if !graceful {
                handle.stop_accepting();
            }
        }
    }

    fn quit(&self) {
        self.quit.send_replace(true);
    }

    fn logging(&self, level: Option<&str>) -> Result<String, String> {
        (self.logging)(level)
    }
}

fn serve_admin(
    bootstrap: &Bootstrap,
    handle: &Arc<Handle>,
    applier: &Arc<Mutex<Applier>>,
    dynamic: bool,
    concurrency: usize,
    control: Arc<dyn Control>,
) -> Result<Option<SocketAddr>, StartError> {
    let address = match bootstrap.admin {
        None => return Ok(None),
        Some(ListenAddress::Tcp(address)) => address,
        Some(ListenAddress::Pipe { .. }) => {
            return Err(StartError::Bootstrap(
                "admin.address: only socket_address is supported".into(),
            ));
        }
    };
    let failed = |source| StartError::Admin { address, source };
    let listener: TcpListener =
        net::socket::listen(address, net::socket::Sharing::Exclusive, 128).map_err(failed)?;
    let actual = listener.local_addr().map_err(failed)?;
    let (weak, current, dumped, state) = (
        Arc::downgrade(handle),
        applier.clone(),
        applier.clone(),
        applier.clone(),
    );
    let sources = Sources {
        observe: handle.shared().observe.clone(),
        config: Box::new(move || {
            weak.upgrade().map_or_else(
                || lock(&current).config().clone(),
                |handle| handle.shared().config(),
            )
        }),
        resources: Box::new(move || resources(&lock(&dumped))),
        initialized: Box::new(move || !dynamic || lock(&state).initialised()),
        control,
        bootstrap: bootstrap.body.0.clone(),
        node: node_json(bootstrap),
        concurrency,
        unhealthy: AtomicBool::new(false),
        draining: AtomicBool::new(false),
    };
    admin::serve(listener, Arc::new(sources)).map_err(failed)?;
    Ok(Some(actual))
}

fn node_json(bootstrap: &Bootstrap) -> Value {
    Pool::pruned()
        .print(&bootstrap.node, Print::default())
        .unwrap_or(Value::Null)
}

fn resources(applier: &Applier) -> Vec<DumpResource> {
    let dump = applier.dump();
    [
        (type_url::CLUSTER, dump.clusters),
        (type_url::ENDPOINT, dump.endpoints),
        (type_url::LISTENER, dump.listeners),
        (type_url::ROUTE, dump.routes),
    ]
    .into_iter()
    .flat_map(|(url, entries)| entries.into_iter().map(move |entry| resource(url, entry)))
    .collect()
}

fn resource(url: &str, entry: DumpEntry) -> DumpResource {
    let DumpEntry {
        name,
        state,
        version,
        body,
        updated,
        refused,
    } = entry;
    DumpResource {
        type_url: url.into(),
        name,
        version: version.into(),
        body,
        updated,
        is_static: state == DumpState::Static,
        warming: state == DumpState::Warming,
        error: refused.map(|(version, reason, _)| format!("version {version}: {reason}")),
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}
