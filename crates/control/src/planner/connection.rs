//! One proxy's stream: what it should have, what was sent, and what it acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use base::{ContentHash, ObjectRef};
use tokio::sync::watch;
use xds::server::{Event, Form};
use xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET};
use xds::{Resource, View};

use super::status::Live;
use crate::generate::Warning;
use crate::node::NodeInfo;

/// How far a proxy is with one type, as `istioctl proxy-status` puts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncState {
    /// The proxy acknowledged the last response.
    Synced,
    /// The last response is not acknowledged.
    Stale,
    /// There was nothing to send, or the proxy did not ask.
    NotSent,
    /// The proxy refused the last response, for this reason.
    Rejected(String),
}

impl std::fmt::Display for SyncState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Synced => "SYNCED",
            Self::Stale => "STALE",
            Self::NotSent => "NOT SENT",
            Self::Rejected(_) => "ERROR",
        })
    }
}

/// One row of `proxy-status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyStatus {
    /// `pod.namespace`
    pub name: String,
    pub node_id: String,
    pub cluster_id: String,
    pub version: String,
    /// Which control plane serves it.
    pub istiod: String,
    pub form: Form,
    pub engine: crate::node::Engine,
    pub connected: Instant,
    pub clusters: SyncState,
    pub listeners: SyncState,
    pub endpoints: SyncState,
    pub routes: SyncState,
    pub secrets: SyncState,
}

#[derive(Debug, Default)]
struct TypeState {
    sent: String,
    acknowledged: String,
    error: Option<String>,
    /// Versions that the proxy uses, by name.
    used: HashMap<Arc<str>, ContentHash>,
}

/// A stream.
pub(crate) struct Connection {
    pub(crate) node: NodeInfo,
    pub(crate) verified: bool,
    pub(crate) form: Form,
    pub(crate) views: watch::Sender<Arc<View>>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) connected: Instant,
    types: BTreeMap<Arc<str>, TypeState>,
}

impl Connection {
    pub(crate) fn new(
        node: NodeInfo,
        verified: bool,
        form: Form,
        view: Arc<View>,
        warnings: Vec<Warning>,
    ) -> Self {
        Self {
            node,
            verified,
            form,
            views: watch::channel(view).0,
            warnings,
            connected: Instant::now(),
            types: BTreeMap::new(),
        }
    }

    /// Gives the proxy a new view; whether it differs from the one before. Only then its stream is woken.
    pub(crate) fn publish(&mut self, view: &Arc<View>, warnings: Vec<Warning>) -> bool {
        self.warnings = warnings;
        self.views.send_if_modified(|old| {
            let changed = **old != **view;
            if changed {
                *old = Arc::clone(view);
            }
            changed
        })
    }

    /// Whether the event may change what is live.
    pub(crate) fn on_event(&mut self, event: Event) -> bool {
        match event {
            Event::Subscribed { .. } => false,
            Event::Sent {
                type_url, nonce, ..
            } => {
                self.of(&type_url).sent = nonce;
                false
            }
            Event::Ack {
                type_url,
                nonce,
                resources,
                removed,
            } => {
                let state = self.of(&type_url);
                if nonce.is_empty() {
                    // A reconnecting proxy has these already.
                    if state.sent.is_empty() {
                        state.error = None;
                    }
                } else {
                    state.acknowledged = nonce;
                    state.error = None;
                }
                for name in removed.iter() {
                    state.used.remove(name);
                }
                state.used.extend(
                    resources
                        .iter()
                        .map(|resource| (Arc::clone(&resource.name), resource.version)),
                );
                true
            }
            Event::Nack {
                type_url,
                nonce,
                resources: _,
                message,
            } => {
                let state = self.of(&type_url);
                if state.sent == nonce {
                    state.error = Some(message);
                }
                true
            }
        }
    }

    fn of(&mut self, type_url: &Arc<str>) -> &mut TypeState {
        self.types.entry(Arc::clone(type_url)).or_default()
    }

    /// Counts the proxy for every object that its resources derive from.
    pub(crate) fn count(&self, live: &mut HashMap<ObjectRef, Live>) {
        let view = self.views.borrow();
        let mut own: HashMap<&ObjectRef, bool> = HashMap::new();
        for resource in view
            .resources()
            .filter(|resource| !resource.provenance.is_empty())
        {
            let used = self.uses(resource);
            for object in resource.provenance.iter() {
                own.entry(object)
                    .and_modify(|all| *all &= used)
                    .or_insert(used);
            }
        }
        for (object, used) in own {
            let entry = live.entry(object.clone()).or_default();
            entry.wanted += 1;
            entry.acknowledged += usize::from(used);
        }
    }

    fn uses(&self, resource: &Resource) -> bool {
        self.types
            .get(resource.type_url)
            .and_then(|state| state.used.get(&resource.name))
            .is_some_and(|version| *version == resource.version)
    }

    /// The proxy's row of `proxy-status`.
    pub(crate) fn row(&self, istiod: &str) -> ProxyStatus {
        ProxyStatus {
            name: format!("{}.{}", self.node.name, self.node.namespace),
            node_id: self.node.id.to_string(),
            cluster_id: self.node.cluster_id.to_string(),
            version: self.node.istio_version.to_string(),
            istiod: istiod.to_owned(),
            form: self.form,
            engine: self.node.engine,
            connected: self.connected,
            clusters: self.state(CLUSTER),
            listeners: self.state(LISTENER),
            endpoints: self.state(ENDPOINT),
            routes: self.state(ROUTE),
            secrets: self.state(SECRET),
        }
    }

    fn state(&self, type_url: &str) -> SyncState {
        let Some(state) = self.types.get(type_url) else {
            return SyncState::NotSent;
        };
        if let Some(error) = &state.error {
            return SyncState::Rejected(error.clone());
        }
        if state.sent.is_empty() {
            // A reconnecting proxy that had everything got nothing and needs nothing.
            return if state.used.is_empty() {
                SyncState::NotSent
            } else {
                SyncState::Synced
            };
        }
        if state.sent == state.acknowledged {
            SyncState::Synced
        } else {
            SyncState::Stale
        }
    }
}
