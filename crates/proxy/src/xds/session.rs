//! Ties the applier to the control plane, the clock and the disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Uri};
use xds::client::{
    self, ClientOptions, Connect, Handler, Nack, SessionError, Subscriber, Subscriptions, Update,
};
use xds::envoy::config::core::v3::Node;

use super::applier::Applier;
use super::last_good::LastGood;
use crate::config::cluster::{ClusterInfo, EndpointAddress};
use crate::config::tls::{SecretKind, SecretRef, UpstreamTls, ValidationSource};
use crate::observe::Observe;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long after a change the copy on disk is written, so that a burst is written once.
const SAVE_DELAY: Duration = Duration::from_millis(500);

/// What keeps a proxy's configuration up to date.
pub struct Session {
    pub applier: Arc<Mutex<Applier>>,
    pub node: Node,
    pub connect: Connect,
    /// Sent as bearer token, read anew for each connection.
    pub token: Option<Arc<dyn Fn() -> Option<String> + Send + Sync>>,
    pub last_good: Option<LastGood>,
    /// Counts updates under Envoy's names.
    pub observe: Option<Arc<Observe>>,
}

impl Session {
    /// Loads the last good configuration, then follows the control plane until dropped.
    pub async fn run(self) {
        let Self {
            applier,
            node,
            connect,
            token,
            mut last_good,
            observe,
        } = self;
        let mut options = ClientOptions::new(connect, node);
        options.token = token;
        if let Some(disk) = &mut last_good {
            let mut applier = lock(&applier);
            match disk.load(&mut applier, Instant::now()) {
                Ok(adopted) => {
                    count_restored(observe.as_deref(), &adopted);
                    options.adopted = adopted;
                }
                Err(error) => tracing::warn!(%error, "the last good configuration cannot be read"),
            }
        }
        let subscriptions = lock(&applier).subscriptions();
        let (subscriber, changes) = client::subscriber();
        let handler = Apply {
            applier: Arc::clone(&applier),
            observe,
        };
        tokio::join!(
            client::run(options, handler, subscriptions, changes),
            keep_time(applier, subscriber, last_good)
        );
    }
}

/// How much of each kind came from disk: a server that sees no change sends nothing, and the proxy is as
/// good as one that was just told everything.
fn count_restored(observe: Option<&Observe>, adopted: &[(Arc<str>, Arc<str>, String)]) {
    let Some(observe) = observe else { return };
    for (kind, stat) in [
        (xds::type_url::CLUSTER, "ferromesh.cds.restored"),
        (xds::type_url::LISTENER, "ferromesh.lds.restored"),
    ] {
        let count = adopted.iter().filter(|(url, ..)| &**url == kind).count();
        observe.stats.set(stat, count as u64);
    }
}

struct Apply {
    applier: Arc<Mutex<Applier>>,
    observe: Option<Arc<Observe>>,
}

impl Apply {
    /// Envoy's `update_attempt`, `update_success` and `update_rejected`.
    fn count(&self, type_url: &str, outcome: &Result<(), Nack>) {
        let (Some(observe), Some(scope)) = (&self.observe, scope(type_url)) else {
            return;
        };
        observe.stats.add(&format!("{scope}.update_attempt"), 1);
        let result = if outcome.is_ok() {
            "update_success"
        } else {
            "update_rejected"
        };
        observe.stats.add(&format!("{scope}.{result}"), 1);
    }

    fn report(&self, state: u64) {
        if let Some(observe) = &self.observe {
            observe.stats.set("control_plane.connected_state", state);
        }
    }
}

fn scope(type_url: &str) -> Option<&'static str> {
    match type_url {
        xds::type_url::CLUSTER => Some("cluster_manager.cds"),
        xds::type_url::LISTENER => Some("listener_manager.lds"),
        xds::type_url::ROUTE => Some("ferromesh.rds"),
        xds::type_url::ENDPOINT => Some("ferromesh.eds"),
        xds::type_url::SECRET => Some("ferromesh.sds"),
        _ => None,
    }
}

impl Handler for Apply {
    fn apply(&mut self, update: Update, subscriptions: &mut Subscriptions) -> Result<(), Nack> {
        let outcome = lock(&self.applier).apply(&update, subscriptions, Instant::now());
        if let Err(nack) = &outcome {
            tracing::warn!(type_url = %update.type_url, %nack, "resources refused");
        }
        self.count(&update.type_url, &outcome);
        outcome
    }

    fn connected(&mut self) {
        self.report(1);
        tracing::info!("connected to the control plane");
    }

    fn disconnected(&mut self, error: &SessionError, retry_in: Duration) {
        self.report(0);
        tracing::warn!(%error, ?retry_in, "no control plane; the last good configuration stays in force");
    }
}

/// Ends waits in time and writes changes to disk.
async fn keep_time(
    applier: Arc<Mutex<Applier>>,
    subscriber: Subscriber,
    mut last_good: Option<LastGood>,
) {
    let mut clock = tokio::time::interval(SAVE_DELAY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let now = Instant::now();
        let image = {
            let mut applier = lock(&applier);
            if applier
                .next_deadline()
                .is_some_and(|deadline| deadline <= now)
            {
                let mut subscriptions = Subscriptions::new();
                applier.tick(now, &mut subscriptions);
                if !subscriptions.is_empty() {
                    subscriber.update(subscriptions);
                }
            }
            last_good.as_mut().and_then(|disk| disk.plan(&applier))
        };
        if let Some(image) = image {
            let written = tokio::task::spawn_blocking(move || image.write()).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "the last good configuration cannot be written");
            }
        }
    }
}

fn lock(applier: &Mutex<Applier>) -> std::sync::MutexGuard<'_, Applier> {
    applier.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects to the first endpoint of a static cluster of the bootstrap: over TCP or a Unix socket, with the cluster's TLS.
#[must_use]
pub fn connector(cluster: Arc<ClusterInfo>) -> Connect {
    Arc::new(move || {
        let cluster = Arc::clone(&cluster);
        let connected: BoxFuture<'static, Result<Channel, BoxError>> =
            Box::pin(async move { connect(cluster).await });
        connected
    })
}

async fn connect(cluster: Arc<ClusterInfo>) -> Result<Channel, BoxError> {
    let endpoint = cluster
        .assignment
        .localities
        .iter()
        .flat_map(|group| &group.endpoints)
        .next();
    let address = endpoint
        .ok_or_else(|| format!("cluster {} has no endpoint", cluster.name))?
        .address
        .clone();
    // The authority names the cluster, as Envoy's does.
    let uri = Uri::builder()
        .scheme("http")
        .authority(authority(&address))
        .path_and_query("/")
        .build()?;
    let timeout = cluster.connect_timeout;
    let tls = cluster.tls.as_deref().map(tls_config).transpose()?;
    let sni = cluster
        .tls
        .as_ref()
        .map(|tls| Arc::clone(&tls.sni))
        .unwrap_or_default();
    let service = tower::service_fn(move |_: Uri| {
        let (address, tls, sni) = (address.clone(), tls.clone(), Arc::clone(&sni));
        async move { dial(&address, tls, &sni).await }
    });
    let channel = client::endpoint(uri)
        .connect_timeout(timeout)
        .connect_with_connector(service)
        .await?;
    Ok(channel)
}

fn authority(address: &EndpointAddress) -> String {
    match address {
        EndpointAddress::Socket(address) => address.to_string(),
        EndpointAddress::Name { host, port } => format!("{host}:{port}"),
        EndpointAddress::Pipe(_) => "localhost".into(),
    }
}

type Stream = TokioIo<Box<dyn Duplex>>;

/// Any byte stream.
trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

async fn dial(
    address: &EndpointAddress,
    tls: Option<Arc<rustls::ClientConfig>>,
    sni: &str,
) -> std::io::Result<Stream> {
    let tcp = match address {
        EndpointAddress::Pipe(path) => {
            return Ok(TokioIo::new(Box::new(UnixStream::connect(path).await?)));
        }
        EndpointAddress::Socket(address) => TcpStream::connect(address).await?,
        EndpointAddress::Name { host, port } => TcpStream::connect((&**host, *port)).await?,
    };
    let Some(config) = tls else {
        return Ok(TokioIo::new(Box::new(tcp)));
    };
    let fallback = match address {
        EndpointAddress::Name { host, .. } => host.to_string(),
        EndpointAddress::Socket(address) => address.ip().to_string(),
        EndpointAddress::Pipe(_) => "localhost".into(),
    };
    let name = if sni.is_empty() {
        fallback
    } else {
        sni.to_owned()
    };
    let name = rustls_pki_types::ServerName::try_from(name).map_err(std::io::Error::other)?;
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(name, tcp)
        .await?;
    Ok(TokioIo::new(Box::new(stream)))
}

/// The control plane's TLS from inline secrets and files.
fn tls_config(tls: &UpstreamTls) -> Result<Arc<rustls::ClientConfig>, BoxError> {
    let roots = match &tls.common.validation {
        ValidationSource::Context(SecretRef::Inline(secret)) => match &secret.kind {
            SecretKind::Validation(context) => net::tls::Roots::from_pem(&context.trusted_ca_pem)?,
            SecretKind::Certificate(_) => {
                return Err("a certificate stands where roots are wanted".into());
            }
        },
        _ => return Err("the control plane's cluster needs an inline validation_context".into()),
    };
    let identity = match tls.common.certificates.first() {
        None => None,
        Some(SecretRef::Inline(secret)) => match &secret.kind {
            SecretKind::Certificate(pair) => Some(net::tls::IdentitySlot::new(
                net::tls::Identity::from_pem(&pair.chain_pem, &pair.key_pem)?,
            )),
            SecretKind::Validation(_) => {
                return Err("roots stand where a certificate is wanted".into());
            }
        },
        Some(SecretRef::Sds(_)) => {
            return Err("the control plane's cluster cannot take certificates by SDS".into());
        }
    };
    let config = net::tls::client_config(roots, net::tls::SanRule::ServerName, identity, &[b"h2"])?;
    Ok(Arc::new(config))
}
