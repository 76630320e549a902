//! Opens the data directory, serves connections, and stops without cutting anybody off.

mod connection;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use net::tls::{ClientAuth, Identity, IdentitySlot, Roots};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::api::Api;
use crate::auth::token::Tokens;
use crate::controllers;
use crate::options::Options;
use crate::pki::{Pki, PkiError};
use crate::registry::Registry;
use crate::storage::{Storage, StorageError};

/// How long requests in flight have after a stop.
const GRACE: Duration = Duration::from_secs(10);

/// Why the server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path}: {error}")]
    Directory {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("cannot create {what}: {reason}")]
    Bootstrap { what: String, reason: String },
}

/// An opened API server. Cheap to clone; all clones are one server.
#[derive(Clone)]
pub struct Server {
    api: Arc<Api>,
    acceptor: TlsAcceptor,
    tasks: TaskTracker,
}

impl Server {
    /// Opens or creates the data directory, its keys and its database, and makes the objects that every
    /// cluster has.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        net::tls::install_provider();
        let directory = options.data_dir.clone();
        fs::create_dir_all(&directory).map_err(|error| OpenError::Directory {
            path: directory.clone(),
            error,
        })?;
        let path = directory.join("state.redb");
        let history = options.watch_history;
        let storage = tokio::task::spawn_blocking(move || Storage::open(&path, history))
            .await
            .map_err(|e| OpenError::Tls(e.to_string()))??;
        Self::with_storage(options, storage).await
    }

    /// As [`Server::open`], over a store that is already open.
    pub async fn with_storage(options: Options, storage: Storage) -> Result<Self, OpenError> {
        net::tls::install_provider();
        let pki = Pki::load_or_create(&options.data_dir.join("pki"))?;
        let serving = pki.serving(&options)?;
        let acceptor = acceptor(&pki, &serving)?;
        if let Some(kubeconfig) = &options.kubeconfig {
            pki.write_kubeconfig(kubeconfig)?;
        }
        pki.write_kubelet_serving(&options)?;
        let api = Arc::new(Api {
            tokens: Tokens::new(&pki.token_key, &options.issuer),
            addresses: crate::admission::service::Addresses::new(
                options.service_cidr,
                options.node_ports,
            ),
            webhooks: crate::admission::webhook::Webhooks::default(),
            kubelets: crate::node::KubeletClient::new(&pki)?,
            schemas: crate::openapi::Schemas::default(),
            documents: crate::openapi::Documents::default(),
            registry: Registry::new(),
            open_lists: crate::objects::read::OpenLists::default(),
            in_flight: Semaphore::new(crate::http::dispatch::IN_FLIGHT),
            stop: tokio::sync::watch::Sender::new(false),
            storage,
            options,
            pki,
        });
        controllers::definitions::load(&api);
        controllers::bootstrap::run(&api)
            .await
            .map_err(|(what, error)| OpenError::Bootstrap {
                what,
                reason: error.message().into(),
            })?;
        Ok(Self {
            api,
            acceptor,
            tasks: TaskTracker::new(),
        })
    }

    /// The certificate authority that signed the serving certificate, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.api.pki.ca_pem.clone()
    }

    /// Writes one more kubeconfig for the administrator, readable by its owner alone.
    pub fn write_kubeconfig(&self, to: &crate::Kubeconfig) -> Result<(), PkiError> {
        self.api.pki.write_kubeconfig(to)
    }

    /// A new client certificate and key (PEM) for `user` in `groups`, signed by the server's authority.
    pub fn client_certificate(
        &self,
        user: &str,
        groups: &[&str],
    ) -> Result<(String, String), PkiError> {
        self.api
            .pki
            .client(user, groups)
            .map(|issued| (issued.certificate, issued.key))
    }

    /// Serves TLS on the listeners until [`Server::stop`]; returns when the last request is done or the
    /// grace period is over. An error means that the store can no longer be written: start again.
    pub async fn serve(&self, listeners: Vec<TcpListener>) -> std::io::Result<()> {
        let slots = Arc::new(Semaphore::new(self.api.options.max_connections));
        controllers::start(&self.api, &self.tasks);
        for listener in listeners {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let accepting = connection::accept(
                self.api.clone(),
                self.acceptor.clone(),
                listener,
                slots.clone(),
                self.tasks.clone(),
            );
            self.tasks.spawn(accepting);
        }
        let failed = tokio::select! {
            () = self.api.stopping() => false,
            () = self.api.storage.failed() => true,
        };
        self.stop();
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests were still running at the end of the grace period");
        }
        if failed {
            return Err(std::io::Error::other(
                "the store cannot write any more; start the API server again",
            ));
        }
        Ok(())
    }

    /// Ends watches, lets running requests finish and makes [`Server::serve`] return.
    pub fn stop(&self) {
        self.api.stop.send_replace(true);
    }
}

fn acceptor(pki: &Pki, serving: &crate::pki::Issued) -> Result<TlsAcceptor, OpenError> {
    let failed = |e: &dyn std::fmt::Display| OpenError::Tls(e.to_string());
    let identity = Identity::from_pem(serving.certificate.as_bytes(), serving.key.as_bytes())
        .map_err(|e| failed(&e))?;
    let roots = Roots::from_pem(pki.ca_pem.as_bytes()).map_err(|e| failed(&e))?;
    let config = net::tls::server_config(
        IdentitySlot::new(identity),
        &ClientAuth::Optional(roots),
        &[b"h2", b"http/1.1"],
    )
    .map_err(|e| failed(&e))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
