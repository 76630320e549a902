//! Applies updates of the control plane. Sans IO: updates and time come in, configurations and subscriptions go out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use xds::client::{Nack, ReceivedResource, Subscriptions, Update};
use xds::type_url;

use super::table::{Dump, Entry, Origin, Table};
use crate::balance::HostSets;
use crate::config::cluster::{Assignment, Discovery};
use crate::config::compile::{self, CompileError};
use crate::config::hcm::RouteSource;
use crate::config::tls::{SdsRef, SdsSource};
use crate::config::{ClusterInfo, Config, Ids, Listener, RouteTable, Secret};

/// Makes a configuration current; answers listeners that cannot be opened, by name, with the reason.
pub type Publish = Box<dyn FnMut(Arc<Config>) -> Vec<(Arc<str>, String)> + Send>;

/// What the applier needs from outside.
pub struct Settings {
    pub ids: Arc<Ids>,
    pub publish: Publish,
}

/// The resources of one proxy.
pub struct Applier {
    pub(super) ids: Arc<Ids>,
    publish: Publish,
    pub(super) clusters: Table<ClusterInfo>,
    pub(super) endpoints: Table<Assignment>,
    pub(super) listeners: Table<Listener>,
    pub(super) routes: Table<RouteTable>,
    pub(super) secrets: Table<Secret>,
    pub(super) config: Arc<Config>,
    subscribed: Wanted,
    /// Types that were answered at least once.
    pub(super) seen: BTreeSet<&'static str>,
    /// Grows with every change of accepted resources: for the copy on disk.
    pub(super) changes: u64,
}

/// Names wanted from the control plane.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Wanted {
    endpoints: BTreeSet<Arc<str>>,
    routes: BTreeSet<Arc<str>>,
    secrets: BTreeSet<Arc<str>>,
}

impl Applier {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { ids, publish } = settings;
        Self {
            ids,
            publish,
            clusters: Table::default(),
            endpoints: Table::default(),
            listeners: Table::default(),
            routes: Table::default(),
            secrets: Table::default(),
            config: Arc::default(),
            subscribed: Wanted::default(),
            seen: BTreeSet::new(),
            changes: 0,
        }
    }

    /// The name tables.
    #[must_use]
    pub fn ids(&self) -> &Arc<Ids> {
        &self.ids
    }

    /// The configuration published last.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Whether listeners and clusters were answered and nothing that was configured at first still waits: Envoy's `LIVE`.
    #[must_use]
    pub fn initialised(&self) -> bool {
        let answered =
            self.seen.contains(type_url::CLUSTER) && self.seen.contains(type_url::LISTENER);
        answered
            && self
                .clusters
                .slots
                .values()
                .all(|slot| slot.active.is_some() || slot.warming.is_none())
            && self
                .listeners
                .slots
                .values()
                .all(|slot| slot.active.is_some() || slot.warming.is_none())
    }

    /// A resource of the bootstrap.
    pub fn put_static(
        &mut self,
        type_url: &str,
        name: &str,
        body: Bytes,
        now: Instant,
    ) -> Result<(), CompileError> {
        let origin = Origin {
            version: String::new(),
            body,
            updated: SystemTime::now(),
            is_static: true,
        };
        self.put(type_url, &name.into(), origin, now)?;
        self.settle(now, &mut Subscriptions::new(), &mut Nack::default());
        Ok(())
    }

    /// A secret that this process makes itself, such as `default` and `ROOTCA`.
    pub fn put_local_secret(&mut self, secret: Arc<Secret>, now: Instant) {
        let origin = Origin {
            version: secret.version.to_string(),
            body: Bytes::new(),
            updated: SystemTime::now(),
            is_static: true,
        };
        let name = Arc::clone(&secret.name);
        self.secrets.put(
            &name,
            Entry {
                origin,
                value: secret,
                since: now,
            },
        );
        self.settle(now, &mut Subscriptions::new(), &mut Nack::default());
    }

    /// Applies one update. Resources that are refused keep their last good version and are in the error.
    pub fn apply(
        &mut self,
        update: &Update,
        subscriptions: &mut Subscriptions,
        now: Instant,
    ) -> Result<(), Nack> {
        let mut nack = Nack::default();
        let Some(kind) = type_url::known(&update.type_url) else {
            return Ok(());
        };
        self.seen.insert(kind);
        for resource in &update.added {
            self.add(kind, resource, now, &mut nack);
        }
        for name in &update.removed {
            self.remove(kind, name);
        }
        self.settle(now, subscriptions, &mut nack);
        nack.unless_empty()
    }

    /// Looks at waits that have become too long. Call it at [`Applier::next_deadline`].
    pub fn tick(&mut self, now: Instant, subscriptions: &mut Subscriptions) {
        self.settle(now, subscriptions, &mut Nack::default());
    }

    /// When the next wait ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let clusters = self
            .clusters
            .slots
            .values()
            .filter_map(|slot| slot.warming.as_ref());
        let clusters = clusters.filter_map(|entry| self.cluster_deadline(entry));
        let listeners = self
            .listeners
            .slots
            .values()
            .filter_map(|slot| slot.warming.as_ref());
        clusters
            .chain(listeners.filter_map(|entry| self.listener_deadline(entry)))
            .min()
    }

    /// All resources at this moment.
    #[must_use]
    pub fn dump(&self) -> Dump {
        Dump {
            clusters: self.clusters.dump(),
            endpoints: self.endpoints.dump(),
            listeners: self.listeners.dump(),
            routes: self.routes.dump(),
            secrets: self.secrets.dump(),
        }
    }

    fn add(
        &mut self,
        kind: &'static str,
        resource: &ReceivedResource,
        now: Instant,
        nack: &mut Nack,
    ) {
        let ReceivedResource {
            name,
            version,
            body,
        } = resource;
        let origin = Origin {
            version: version.clone(),
            body: body.clone(),
            updated: SystemTime::now(),
            is_static: false,
        };
        if self.is_static(kind, name) {
            // Envoy: a dynamic cluster or listener may not replace a static one.
            nack.reject(Arc::clone(name), "a static resource has this name");
            return;
        }
        if let Err(error) = self.put(kind, name, origin, now) {
            let reason = error.to_string();
            self.note_refusal(kind, name, version, &reason);
            nack.reject(Arc::clone(name), reason);
        } else {
            self.changes += 1;
        }
    }

    fn is_static(&self, kind: &str, name: &str) -> bool {
        match kind {
            type_url::CLUSTER => self.clusters.is_static(name),
            type_url::LISTENER => self.listeners.is_static(name),
            type_url::SECRET => self.secrets.is_static(name),
            _ => false,
        }
    }

    fn note_refusal(&mut self, kind: &str, name: &Arc<str>, version: &str, reason: &str) {
        let at = SystemTime::now();
        match kind {
            type_url::CLUSTER => self.clusters.refuse(name, version, reason, at),
            type_url::ENDPOINT => self.endpoints.refuse(name, version, reason, at),
            type_url::LISTENER => self.listeners.refuse(name, version, reason, at),
            type_url::ROUTE => self.routes.refuse(name, version, reason, at),
            type_url::SECRET => self.secrets.refuse(name, version, reason, at),
            _ => {}
        }
    }

    fn put(
        &mut self,
        kind: &str,
        name: &Arc<str>,
        origin: Origin,
        now: Instant,
    ) -> Result<(), CompileError> {
        let body = origin.body.clone();
        match kind {
            type_url::CLUSTER => {
                let info = compile::cluster(&self.ids, name, &body)?;
                if !self
                    .clusters
                    .renew(name, &origin, |old| old.version == info.version)
                {
                    self.clusters
                        .warm(name, Entry::new(origin, Arc::new(info), now));
                }
            }
            type_url::LISTENER => {
                let listener = compile::listener(&self.ids, name, &body)?;
                if !self
                    .listeners
                    .renew(name, &origin, |old| old.version == listener.version)
                {
                    self.listeners
                        .warm(name, Entry::new(origin, Arc::new(listener), now));
                }
            }
            type_url::ENDPOINT => {
                let assignment = compile::assignment(name, &body)?;
                self.endpoints
                    .put(name, Entry::new(origin, Arc::new(assignment), now));
                self.update_hosts(name);
            }
            type_url::ROUTE => {
                let table = compile::route_table(&self.ids, name, &body)?;
                self.routes
                    .put(name, Entry::new(origin, Arc::new(table), now));
            }
            type_url::SECRET => {
                let secret = compile::secret(name, &body)?;
                self.secrets.put(name, Entry::new(origin, secret, now));
            }
            _ => {}
        }
        Ok(())
    }

    /// Removals count for listeners and clusters; of all else the last version stays in use, as in Envoy, until nothing
    /// names it any more.
    fn remove(&mut self, kind: &str, name: &Arc<str>) {
        self.changes += 1;
        match kind {
            type_url::CLUSTER if !self.clusters.is_static(name) => {
                self.clusters.slots.remove(name);
            }
            type_url::LISTENER if !self.listeners.is_static(name) => {
                self.listeners.slots.remove(name);
            }
            _ => {}
        }
    }

    /// New endpoints of clusters in use: seen by the next choice, without a new configuration.
    fn update_hosts(&self, service: &str) {
        let Some(assignment) = self.endpoints.active(service) else {
            return;
        };
        for cluster in self.config.clusters() {
            let wanted = matches!(&cluster.info.discovery, Discovery::Eds { service_name, .. } if **service_name == *service);
            if wanted {
                cluster
                    .hosts
                    .rcu(|old| HostSets::build(&cluster.info, &assignment.value, Some(old)));
            }
        }
    }

    /// New addresses of a DNS cluster.
    pub fn put_resolved(&self, cluster: &str, assignment: &Assignment) {
        let found = self
            .ids
            .find_cluster(cluster)
            .and_then(|id| self.config.cluster(id));
        if let Some(cluster) = found {
            cluster
                .hosts
                .rcu(|old| HostSets::build(&cluster.info, assignment, Some(old)));
        }
    }

    /// Activates what is complete, forgets what nobody names, publishes if anything changed, subscribes to what is missing.
    fn settle(&mut self, now: Instant, subscriptions: &mut Subscriptions, nack: &mut Nack) {
        self.activate_clusters(now);
        self.activate_listeners(now);
        let wanted = self.wanted();
        self.subscribe(&wanted, subscriptions);
        self.forget(&wanted);
        self.publish_if_changed(nack);
    }

    fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        for entry in self.clusters.all() {
            if let Discovery::Eds { service_name, .. } = &entry.value.discovery {
                wanted.endpoints.insert(Arc::clone(service_name));
            }
            wanted.secrets.extend(over_ads(entry.value.sds()));
        }
        for entry in self.listeners.all() {
            wanted.secrets.extend(over_ads(entry.value.sds()));
            for hcm in entry.value.connection_managers() {
                if let RouteSource::Rds { name, .. } = &hcm.routes {
                    wanted.routes.insert(Arc::clone(name));
                }
            }
        }
        wanted
    }

    fn subscribe(&mut self, wanted: &Wanted, subscriptions: &mut Subscriptions) {
        let old = std::mem::replace(&mut self.subscribed, wanted.clone());
        let mut one = |kind: &str, old: &BTreeSet<Arc<str>>, new: &BTreeSet<Arc<str>>| {
            let added: Vec<Arc<str>> = new.difference(old).cloned().collect();
            let gone: Vec<Arc<str>> = old.difference(new).cloned().collect();
            if !added.is_empty() {
                subscriptions.subscribe(kind, added);
            }
            if !gone.is_empty() {
                subscriptions.unsubscribe(kind, gone);
            }
        };
        one(type_url::ENDPOINT, &old.endpoints, &wanted.endpoints);
        one(type_url::ROUTE, &old.routes, &wanted.routes);
        one(type_url::SECRET, &old.secrets, &wanted.secrets);
    }

    /// The names wanted now: what a new client subscribes to.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions {
        let mut subscriptions = Subscriptions::new();
        subscriptions
            .wildcard(type_url::CLUSTER)
            .wildcard(type_url::LISTENER);
        let Wanted {
            endpoints,
            routes,
            secrets,
        } = &self.subscribed;
        for (kind, names) in [
            (type_url::ENDPOINT, endpoints),
            (type_url::ROUTE, routes),
            (type_url::SECRET, secrets),
        ] {
            if !names.is_empty() {
                subscriptions.subscribe(kind, names.iter().cloned());
            }
        }
        subscriptions
    }

    fn forget(&mut self, wanted: &Wanted) {
        self.endpoints
            .slots
            .retain(|name, _| wanted.endpoints.contains(name));
        self.routes
            .slots
            .retain(|name, _| wanted.routes.contains(name));
        self.secrets.slots.retain(|name, slot| {
            wanted.secrets.contains(name)
                || slot
                    .active
                    .as_ref()
                    .is_some_and(|entry| entry.origin.is_static)
        });
    }

    fn publish_if_changed(&mut self, nack: &mut Nack) {
        let mut next = self.assemble();
        if super::snapshot::same(&self.config, &next) {
            return;
        }
        next.generation = self.config.generation + 1;
        let next = Arc::new(next);
        // Connections to hosts of clusters that are gone are not reused.
        for gone in self
            .config
            .clusters()
            .filter(|old| next.cluster(old.id).is_none())
        {
            gone.hosts
                .load()
                .all_hosts()
                .for_each(|host| host.shared.set_removed(true));
        }
        self.config = Arc::clone(&next);
        for (name, reason) in (self.publish)(next) {
            let version = self
                .listeners
                .active(&name)
                .map(|entry| entry.origin.version.clone())
                .unwrap_or_default();
            self.listeners
                .refuse(&name, &version, &reason, SystemTime::now());
            nack.reject(name, reason);
        }
    }

    /// Every accepted dynamic resource: type, name, version, body.
    pub(super) fn accepted(&self) -> Vec<(&'static str, Arc<str>, String, Bytes)> {
        fn of<T>(
            kind: &'static str,
            table: &Table<T>,
            out: &mut Vec<(&'static str, Arc<str>, String, Bytes)>,
        ) {
            for (name, entry) in table.newest().filter(|(_, entry)| !entry.origin.is_static) {
                out.push((
                    kind,
                    Arc::clone(name),
                    entry.origin.version.clone(),
                    entry.origin.body.clone(),
                ));
            }
        }
        let mut out = Vec::new();
        of(type_url::CLUSTER, &self.clusters, &mut out);
        of(type_url::ENDPOINT, &self.endpoints, &mut out);
        of(type_url::LISTENER, &self.listeners, &mut out);
        of(type_url::ROUTE, &self.routes, &mut out);
        of(type_url::SECRET, &self.secrets, &mut out);
        out
    }

    /// Whether a secret's key may be written to disk: never.
    pub(super) fn holds_key(&self, name: &str) -> bool {
        let secret = self.secrets.active(name);
        secret.is_some_and(|entry| {
            matches!(
                entry.value.kind,
                crate::config::tls::SecretKind::Certificate(_)
            )
        })
    }
}

fn over_ads<'a>(sds: impl Iterator<Item = &'a SdsRef>) -> impl Iterator<Item = Arc<str>> {
    sds.filter(|sds| sds.source == SdsSource::Ads)
        .map(|sds| Arc::clone(&sds.name))
}
