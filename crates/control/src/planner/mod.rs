//! Keeps every connected proxy's view in step with the mesh, and tells what became of it.
//!
//! One task generates: it waits for the changes to pause, decides which revisions are in use, indexes the
//! snapshot and gives each proxy its view. Only proxies whose view changed are woken. A second task reports statuses.

mod connection;
pub(crate) mod resolve;
pub(crate) mod status;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::Condition;
use api::Severity;
use api::snapshot::{Meta, Snapshot};
use async_trait::async_trait;
use base::{ObjectRef, SpiffeId};
use tokio::sync::{Notify, mpsc, watch};
use tonic::Status;
use xds::View;
use xds::server::{ConnId, ConnInfo, Event};

use self::connection::Connection;
pub use self::connection::{ProxyStatus, SyncState};
use self::resolve::{LastResolved, Resolved, Resolver};
use self::status::{Live, Pacer, StatusUpdate};
use crate::generate::{Generated, Generator, Warning};
use crate::mesh_view::MeshView;
use crate::node::NodeInfo;

/// Changes are collected until none came for this long …
const QUIET: Duration = Duration::from_millis(10);
/// … but in a stream of changes no longer than this.
const LONGEST: Duration = Duration::from_millis(100);
/// How often statuses are looked at while something changes; each object has its own pace of a second.
const REPORT: Duration = Duration::from_millis(200);

/// Tells whose a bearer token is.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// The identity that the token proves, if any.
    async fn identity(&self, token: &str) -> Option<SpiffeId>;
}

/// What a planner works with.
pub struct PlannerOptions {
    /// The name of this control plane, shown in `proxy-status`.
    pub istiod: String,
    pub last_resolved: Arc<dyn LastResolved>,
    pub authenticator: Option<Arc<dyn Authenticator>>,
}

/// Plans pushes for all connected proxies.
pub struct Planner {
    options: PlannerOptions,
    core: Mutex<Core>,
    connections: Mutex<HashMap<ConnId, Connection>>,
    changed: Notify,
}

/// What generation needs, under one lock: one generation at a time.
#[derive(Default)]
struct Core {
    generator: Generator,
    resolver: Resolver,
    view: Option<Arc<MeshView>>,
    missing: BTreeMap<ObjectRef, String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in generation must not take the control plane down with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Planner {
    /// Starts to follow snapshots. The tasks end when the snapshots end or the planner is dropped. The receiver yields what
    /// the objects' statuses should say: when it changes, and at most once a second an object.
    #[must_use]
    pub fn start(
        snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        options: PlannerOptions,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<StatusUpdate>) {
        let planner = Arc::new(Self {
            options,
            core: Mutex::default(),
            connections: Mutex::default(),
            changed: Notify::new(),
        });
        let (reports, receiver) = mpsc::unbounded_channel();
        tokio::spawn(follow(Arc::downgrade(&planner), snapshots));
        tokio::spawn(report(Arc::downgrade(&planner), reports));
        (planner, receiver)
    }

    /// Takes in a snapshot and gives every proxy its view; returns how many were woken. Runs for as long as generation takes.
    pub fn plan(&self, snapshot: &Arc<Snapshot>) -> usize {
        let mut core = lock(&self.core);
        let Resolved { snapshot, missing } = core
            .resolver
            .resolve(snapshot, &*self.options.last_resolved);
        let view = Arc::new(MeshView::new(&snapshot, core.view.as_deref()));
        core.view = Some(Arc::clone(&view));
        core.missing = missing;
        core.generator.next_generation();
        let nodes: Vec<(ConnId, NodeInfo, bool)> = lock(&self.connections)
            .iter()
            .map(|(id, connection)| (*id, connection.node.clone(), connection.verified))
            .collect();
        let mut woken = 0;
        for (id, node, verified) in nodes {
            let Generated { view, warnings } = core.generator.generate(&view, &node, verified);
            if let Some(connection) = lock(&self.connections).get_mut(&id) {
                woken += usize::from(connection.publish(&view, warnings));
            }
        }
        drop(core);
        self.changed.notify_one();
        woken
    }

    /// The indexed snapshot in use.
    #[must_use]
    pub fn mesh_view(&self) -> Option<Arc<MeshView>> {
        lock(&self.core).view.clone()
    }

    /// One row for each connected proxy, by name.
    #[must_use]
    pub fn proxy_status(&self) -> Vec<ProxyStatus> {
        let mut rows: Vec<ProxyStatus> = lock(&self.connections)
            .values()
            .map(|connection| connection.row(&self.options.istiod))
            .collect();
        rows.sort_by(|a, b| (&a.name, &a.node_id).cmp(&(&b.name, &b.node_id)));
        rows
    }

    /// Where an object is in force.
    #[must_use]
    pub fn live(&self, object: &ObjectRef) -> Live {
        self.all_live().remove(object).unwrap_or_default()
    }

    fn all_live(&self) -> HashMap<ObjectRef, Live> {
        let mut live = HashMap::new();
        for connection in lock(&self.connections).values() {
            connection.count(&mut live);
        }
        live
    }

    /// What the status of every Istio object should say now.
    #[must_use]
    pub fn statuses(&self) -> Vec<StatusUpdate> {
        let (view, missing) = {
            let core = lock(&self.core);
            (core.view.clone(), core.missing.clone())
        };
        let Some(view) = view else {
            return Vec::new();
        };
        let mut warnings: BTreeMap<ObjectRef, Vec<Warning>> = BTreeMap::new();
        let mut add = |warning: &Warning| {
            let known = warnings.entry(warning.object.clone()).or_default();
            if !known.contains(warning) {
                known.push(warning.clone());
            }
        };
        view.warnings().iter().for_each(&mut add);
        for connection in lock(&self.connections).values() {
            connection.warnings.iter().for_each(&mut add);
        }
        let statuses = Statuses {
            live: self.all_live(),
            missing,
            warnings,
        };
        statuses.of(&view.snapshot)
    }

    async fn identity(&self, conn: &ConnInfo) -> Option<SpiffeId> {
        if let Some(identity) = &conn.peer.spiffe {
            return Some(identity.clone());
        }
        let token = conn.bearer.as_ref()?;
        self.options
            .authenticator
            .as_ref()?
            .identity(&token.0)
            .await
    }
}

/// Whether an identity is the one that a node claims.
fn is_own(node: &NodeInfo, identity: &SpiffeId) -> bool {
    identity.namespace == node.namespace
        && (node.service_account.is_empty() || identity.service_account == node.service_account)
}

#[async_trait]
impl xds::server::Planner for Planner {
    async fn connect(&self, conn: ConnInfo) -> Result<watch::Receiver<Arc<View>>, Status> {
        let node = NodeInfo::parse(&conn.node)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let verified = match self.identity(&conn).await {
            Some(identity) if is_own(&node, &identity) => true,
            Some(identity) => {
                return Err(Status::permission_denied(format!(
                    "{identity} may not act for namespace {} and service account {:?}",
                    node.namespace, node.service_account
                )));
            }
            None => false,
        };
        // Generating for one proxy is short, but not short enough for a thread that serves others.
        tokio::task::yield_now().await;
        let mut core = lock(&self.core);
        let Some(view) = core.view.clone() else {
            return Err(Status::unavailable(
                "the state of the mesh is not known yet",
            ));
        };
        let Generated { view, warnings } = core.generator.generate(&view, &node, verified);
        let connection = Connection::new(node, verified, conn.form, view, warnings);
        let receiver = connection.views.subscribe();
        lock(&self.connections).insert(conn.id, connection);
        drop(core);
        self.changed.notify_one();
        Ok(receiver)
    }

    fn event(&self, conn: ConnId, event: Event) {
        if let Event::Nack {
            type_url, message, ..
        } = &event
        {
            tracing::warn!(conn = conn.0, %type_url, %message, "a proxy refused its configuration");
        }
        let changed = lock(&self.connections)
            .get_mut(&conn)
            .is_some_and(|connection| connection.on_event(event));
        if changed {
            self.changed.notify_one();
        }
    }

    fn closed(&self, conn: ConnId) {
        lock(&self.connections).remove(&conn);
        self.changed.notify_one();
    }
}

/// Follows snapshots until they end.
async fn follow(
    planner: std::sync::Weak<Planner>,
    mut snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
) {
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            let Some(planner) = planner.upgrade() else {
                return;
            };
            let planned = tokio::task::spawn_blocking(move || planner.plan(&snapshot)).await;
            if let Err(error) = planned {
                tracing::error!(%error, "generation failed; proxies keep what they have");
            }
        }
        if snapshots.changed().await.is_err() || pause(&mut snapshots).await.is_err() {
            return;
        }
    }
}

/// Waits until the changes pause.
async fn pause(
    snapshots: &mut watch::Receiver<Option<Arc<Snapshot>>>,
) -> Result<(), watch::error::RecvError> {
    let longest = tokio::time::Instant::now() + LONGEST;
    loop {
        snapshots.borrow_and_update();
        let quiet = tokio::time::Instant::now() + QUIET;
        match tokio::time::timeout_at(quiet.min(longest), snapshots.changed()).await {
            Err(_) => return Ok(()),
            Ok(changed) => changed?,
        }
    }
}

/// Sends reports until nobody listens or the planner is gone.
async fn report(planner: std::sync::Weak<Planner>, reports: mpsc::UnboundedSender<StatusUpdate>) {
    let mut pacer = Pacer::default();
    let mut waiting = false;
    loop {
        if !waiting {
            let Some(planner) = planner.upgrade() else {
                return;
            };
            let notified = planner.changed.notified();
            tokio::select! {
                () = notified => {}
                () = reports.closed() => return,
                // The planner may have been dropped meanwhile by everybody else.
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
            }
        }
        tokio::time::sleep(REPORT).await;
        let Some(planner) = planner.upgrade() else {
            return;
        };
        let (due, more) = pacer.due(Instant::now(), planner.statuses());
        waiting = more;
        for update in due {
            if reports.send(update).is_err() {
                return;
            }
        }
    }
}

/// Everything that statuses are made of.
struct Statuses {
    live: HashMap<ObjectRef, Live>,
    missing: BTreeMap<ObjectRef, String>,
    warnings: BTreeMap<ObjectRef, Vec<Warning>>,
}

impl Statuses {
    fn of(&self, snapshot: &Snapshot) -> Vec<StatusUpdate> {
        let metas = snapshot
            .virtual_services
            .values()
            .map(|r| &r.meta)
            .chain(snapshot.destination_rules.values().map(|r| &r.meta))
            .chain(snapshot.gateways.values().map(|r| &r.meta))
            .chain(snapshot.service_entries.values().map(|r| &r.meta))
            .chain(snapshot.peer_authentications.values().map(|r| &r.meta))
            .chain(snapshot.telemetries.values().map(|r| &r.meta))
            .chain(snapshot.proxy_configs.values().map(|r| &r.meta));
        let mut updates: Vec<StatusUpdate> = metas.map(|meta| self.accepted(meta)).collect();
        for quarantine in snapshot.quarantined.values() {
            let message = quarantine
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.severity == Severity::Error)
                .map(|diagnostic| diagnostic.message.clone())
                .collect::<Vec<_>>()
                .join("; ");
            updates.push(StatusUpdate {
                object: quarantine.meta.reference(),
                generation: quarantine.meta.generation,
                conditions: Condition::quarantined(message).to_vec(),
                live: None,
            });
        }
        updates
    }

    fn accepted(&self, meta: &Meta) -> StatusUpdate {
        let object = meta.reference();
        let live = self.live.get(&object).copied().unwrap_or_default();
        let mut conditions = vec![
            Condition::accepted(),
            Condition::live(live.acknowledged, live.wanted),
            Condition::resolved(self.missing.get(&object).cloned()),
        ];
        if let Some(warnings) = self.warnings.get(&object)
            && let Some(first) = warnings.first()
        {
            let text: Vec<&str> = warnings
                .iter()
                .map(|warning| warning.message.as_str())
                .collect();
            conditions.push(Condition::warning(first.reason, text.join("; ")));
        }
        StatusUpdate {
            object,
            generation: meta.generation,
            conditions,
            live: Some(live),
        }
    }
}
