//! The authority of one mesh: its state in Secrets, its signer in memory, its upkeep.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use api::kinds::SECRET;
use api::store::{Query, Store, StoreError};
use base::{ObjectKey, SpiffeId};
use futures::StreamExt;
use net::tls::{Identity, IdentitySlot};
use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use crate::chain::Certificate;
use crate::csr::Csr;
use crate::error::CaError;
use crate::ledger::{self, Ledger};
use crate::plugged;
use crate::renewal::{Renewal, Step};
use crate::secret::SecretData;
use crate::self_signed::{self, SelfSigned};
use crate::signer::{Issued, Signer, Subject};

/// How often rotation is looked at, besides each change of the Secrets.
const UPKEEP: Duration = Duration::from_secs(3600);

/// How an authority behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its Secrets are.
    pub namespace: Arc<str>,
    pub trust_domain: Arc<str>,
    /// For requests which ask for none.
    pub default_ttl: Duration,
    /// Longer requests are refused.
    pub max_ttl: Duration,
}

impl Default for Options {
    /// Istio's: `istio-system`, `cluster.local`, 24 h, 90 days.
    fn default() -> Self {
        Self {
            namespace: "istio-system".into(),
            trust_domain: "cluster.local".into(),
            default_ttl: Duration::from_secs(24 * 3600),
            max_ttl: Duration::from_secs(90 * 24 * 3600),
        }
    }
}

pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
    })
}

/// What was loaded last.
struct Loaded {
    signer: Signer,
    bundle: Arc<str>,
}

/// Issues certificates. See [`Authority::maintain`] for its upkeep.
pub struct Authority {
    store: Arc<dyn Store>,
    options: Options,
    clock: Clock,
    loaded: RwLock<Arc<Loaded>>,
    roots: watch::Sender<Option<Arc<str>>>,
    /// One load at a time.
    loading: Mutex<()>,
}

impl Authority {
    /// Takes the user's CA from Secret `cacerts`, else the authority's own from Secret `ferromesh-ca`, which is
    /// created if it is not there: exactly once, however many control planes start at the same time.
    pub async fn load_or_create(
        store: Arc<dyn Store>,
        options: Options,
    ) -> Result<Arc<Self>, CaError> {
        Self::at(store, options, system_clock()).await
    }

    pub(crate) async fn at(
        store: Arc<dyn Store>,
        options: Options,
        clock: Clock,
    ) -> Result<Arc<Self>, CaError> {
        let loaded = Arc::new(Loader::new(&*store, &options, clock()).load().await?);
        let (roots, _) = watch::channel(Some(loaded.bundle.clone()));
        Ok(Arc::new(Self {
            store,
            options,
            clock,
            loaded: RwLock::new(loaded),
            roots,
            loading: Mutex::new(()),
        }))
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// PEM of all trusted roots, the one in use first.
    #[must_use]
    pub fn bundle(&self) -> Arc<str> {
        self.loaded().bundle.clone()
    }

    /// The bundle as it changes.
    #[must_use]
    pub fn roots(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.roots.subscribe()
    }

    /// Issues a certificate for this identity: the caller has proved it, the request has not. A `ttl` of
    /// zero is the default.
    pub fn issue(&self, csr: &Csr, identity: &SpiffeId, ttl: Duration) -> Result<Issued, CaError> {
        let ttl = if ttl.is_zero() {
            self.options.default_ttl
        } else {
            ttl
        };
        if ttl > self.options.max_ttl {
            return Err(CaError::TooLong {
                asked: ttl.as_secs(),
                max: self.options.max_ttl.as_secs(),
            });
        }
        let loaded = self.loaded();
        let subject = Subject::Workload(identity);
        let (_, mut issued) = loaded
            .signer
            .leaf(&csr.key, &subject, ttl, (self.clock)())?;
        issued.roots = loaded.bundle.to_string();
        Ok(issued)
    }

    /// A fresh key and certificate for a server of the control plane: these DNS names or addresses, and the
    /// identity of `istiod`.
    pub fn server_identity(&self, names: &[String]) -> Result<(Identity, Renewal), CaError> {
        let id = SpiffeId::new(
            self.options.trust_domain.clone(),
            self.options.namespace.clone(),
            "istiod",
        );
        let key = KeyPair::generate()?;
        let loaded = self.loaded();
        let (leaf, issued) = loaded.signer.leaf(
            &key,
            &Subject::Server(&id, names),
            self.options.default_ttl,
            (self.clock)(),
        )?;
        let mut chain: Vec<CertificateDer<'static>> = vec![leaf];
        for pem in &issued.chain[1..] {
            let more = crate::chain::certificates(pem).map_err(CaError::Crypto)?;
            chain.extend(more.into_iter().map(|certificate| certificate.der));
        }
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let identity =
            Identity::from_der(chain, &der).map_err(|e| CaError::Crypto(e.to_string()))?;
        let renewal = Renewal {
            not_before: issued.not_before,
            not_after: issued.not_after,
        };
        Ok((identity, renewal))
    }

    /// Keeps a server's certificate fresh in `slot`: at half of its life, and whenever the roots change. Runs until
    /// it is dropped.
    pub async fn keep_server_identity(&self, names: Vec<String>, slot: Arc<IdentitySlot>) {
        let mut roots = self.roots();
        loop {
            let wait = match self.server_identity(&names) {
                Ok((identity, renewal)) => {
                    slot.set(identity);
                    renewal
                        .wait((self.clock)(), jitter())
                        .max(Duration::from_secs(1))
                }
                Err(error) => {
                    tracing::error!(%error, "the control plane's certificate cannot be renewed");
                    Duration::from_secs(10)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = roots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Rotates what is due and takes in changes of the Secrets; runs until it is dropped. A Secret that became
    /// unusable changes nothing: the last good state stays in force, and the log says what is wrong.
    pub async fn maintain(&self) {
        let watched = [plugged::NAME, self_signed::NAME].map(|name| {
            let query = Query {
                namespace: Some(self.options.namespace.to_string()),
                fields: format!("metadata.name={name}"),
                ..Query::default()
            };
            self.store.watch(&SECRET, &query)
        });
        let mut changes = futures::stream::select_all(watched);
        loop {
            tokio::select! {
                () = tokio::time::sleep(UPKEEP) => {}
                Some(_) = changes.next() => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::error!(%error, "the CA's state is not taken over; the last good one stays in force");
            }
        }
    }

    /// Loads the state again, after any rotation that is due.
    pub async fn refresh(&self) -> Result<(), CaError> {
        let _one = self.loading.lock().await;
        let loader = Loader::new(&*self.store, &self.options, (self.clock)());
        let loaded = Arc::new(loader.load().await?);
        let bundle = loaded.bundle.clone();
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        self.roots.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&bundle);
            *known = Some(bundle);
            changed
        });
        Ok(())
    }
}

fn jitter() -> f64 {
    let mut bytes = [0u8; 2];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

/// One load of the state.
struct Loader<'a> {
    store: &'a dyn Store,
    options: &'a Options,
    now: i64,
}

impl<'a> Loader<'a> {
    fn new(store: &'a dyn Store, options: &'a Options, now: i64) -> Self {
        Self {
            store,
            options,
            now,
        }
    }

    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::new(self.options.namespace.clone(), name)
    }

    fn unusable(&self, name: &str, problem: String) -> CaError {
        CaError::Unusable {
            secret: self.key(name).to_string(),
            problem,
        }
    }

    async fn find(&self, name: &str) -> Result<Option<Value>, CaError> {
        match self.store.get(&SECRET, &self.key(name)).await {
            Ok(secret) => Ok(Some(secret)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn secret(&self, name: &str, data: &SecretData, version: Option<&Value>) -> Value {
        let mut secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "namespace": &*self.options.namespace, "name": name },
            "type": "istio.io/ca-root",
            "data": data.encode(),
        });
        if let Some(version) = version {
            secret["metadata"]["resourceVersion"] = version.clone();
        }
        secret
    }

    async fn load(&self) -> Result<Loaded, CaError> {
        let (signer, current) = match self.find(plugged::NAME).await? {
            Some(secret) => plugged::read(&SecretData::read(&secret), self.now)
                .map_err(|problem| self.unusable(plugged::NAME, problem))?,
            None => {
                let own = self.own().await?;
                let signer = own
                    .signer()
                    .map_err(|problem| self.unusable(self_signed::NAME, problem))?;
                (signer, own.roots())
            }
        };
        let bundle = self.trusted(&current).await?;
        Ok(Loaded {
            signer,
            bundle: bundle.into(),
        })
    }

    /// The self-signed authority: created if it is missing, rotated if that is due.
    async fn own(&self) -> Result<SelfSigned, CaError> {
        // Two rounds end every race: somebody else's write is read in the next.
        for _ in 0..5 {
            let Some(secret) = self.find(self_signed::NAME).await? else {
                let made = SelfSigned::create(&self.options.trust_domain, self.now)?;
                let secret = self.secret(self_signed::NAME, &made.encode(), None);
                match self.store.create(&SECRET, secret).await {
                    Ok(_) => {
                        tracing::info!("created the mesh's root certificate");
                        return Ok(made);
                    }
                    Err(StoreError::AlreadyExists(_)) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            let own = SelfSigned::decode(&SecretData::read(&secret))
                .map_err(|problem| self.unusable(self_signed::NAME, problem))?;
            let overlap = 2 * i64::try_from(self.options.default_ttl.as_secs()).unwrap_or(0);
            let step = Step::plan(&own.ages(overlap), self.now);
            if step == Step::Rest {
                return Ok(own);
            }
            let after = own.advance(step, &self.options.trust_domain, self.now)?;
            let version = &secret["metadata"]["resourceVersion"];
            let secret = self.secret(self_signed::NAME, &after.encode(), Some(version));
            match self.store.replace(&SECRET, secret).await {
                Ok(_) => {
                    tracing::info!(?step, "rotated the mesh's CA");
                    return Ok(after);
                }
                Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict(self_signed::NAME.into()).into())
    }

    /// Brings the ledger of roots up to date; returns the bundle.
    async fn trusted(&self, current: &[Certificate]) -> Result<String, CaError> {
        let horizon = i64::try_from(self.options.max_ttl.as_secs()).unwrap_or(i64::MAX / 2);
        for _ in 0..5 {
            let secret = self.find(ledger::NAME).await?;
            let known = secret.as_ref().map(SecretData::read).unwrap_or_default();
            let known = Ledger::decode(&known);
            let after = known.update(current, self.now, horizon);
            if after == known && secret.is_some() {
                return Ok(after.bundle(current));
            }
            let version = secret.as_ref().map(|s| &s["metadata"]["resourceVersion"]);
            let new = self.secret(ledger::NAME, &after.encode(), version);
            let written = match secret {
                Some(_) => self.store.replace(&SECRET, new).await,
                None => self.store.create(&SECRET, new).await,
            };
            match written {
                Ok(_) => return Ok(after.bundle(current)),
                Err(
                    StoreError::Conflict(_)
                    | StoreError::AlreadyExists(_)
                    | StoreError::NotFound(_),
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict(ledger::NAME.into()).into())
    }
}

#[cfg(test)]
mod tests;
