//! The client's state: what it wants, what it has, and the requests that follow. It outlives connections.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::envoy::config::core::v3::Node;
use crate::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use crate::google::rpc;
use crate::type_url::PUSH_ORDER;

/// Acknowledgements that may wait for the transport; a server that sends more and reads none is cut off.
const MAX_OUTBOX: usize = 4096;

/// Envoy and gRPC put the reason of a NACK into one message; a long list is cut.
const MAX_MESSAGE: usize = 8 << 10;

/// One resource as received.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedResource {
    pub name: Arc<str>,
    pub version: String,
    /// The encoded message.
    pub body: Bytes,
}

/// Bodies may hold private keys: only names and sizes are shown.
impl fmt::Debug for ReceivedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedResource")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What one response changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub type_url: Arc<str>,
    /// The control plane's version of the whole type.
    pub version: String,
    /// New and changed resources.
    pub added: Vec<ReceivedResource>,
    /// Resources that are gone, or that never existed although they were asked for.
    pub removed: Vec<Arc<str>>,
}

/// A resource that was not accepted, and why: name the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub name: Arc<str>,
    pub message: String,
}

/// Resources of an update that were not accepted; all others are in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nack {
    pub rejected: Vec<Rejected>,
}

impl Nack {
    /// Nothing when no resource was rejected.
    ///
    /// # Errors
    /// Itself, when some were.
    pub fn unless_empty(self) -> Result<(), Self> {
        if self.rejected.is_empty() {
            Ok(())
        } else {
            Err(self)
        }
    }

    pub fn reject(&mut self, name: impl Into<Arc<str>>, message: impl Into<String>) {
        self.rejected.push(Rejected {
            name: name.into(),
            message: message.into(),
        });
    }
}

impl fmt::Display for Nack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Rejected { name, message }) in self.rejected.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{name}: {message}")?;
        }
        Ok(())
    }
}

/// Identifies a response until it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "every update is accepted or rejected with `Stream::settle`"]
pub struct UpdateId {
    type_url: Arc<str>,
    nonce: String,
    versions: Vec<(Arc<str>, String)>,
    /// What was wrong before the handler saw the update.
    malformed: Nack,
}

/// Wanted changes of subscriptions, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscriptions {
    pub(super) changes: Vec<(Arc<str>, Wanted)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Everything,
    Names(Vec<Arc<str>>),
    NotNames(Vec<Arc<str>>),
}

impl Subscriptions {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Subscribes to all resources of a type, as Envoy does for listeners and clusters.
    pub fn wildcard(&mut self, type_url: &str) -> &mut Self {
        self.changes.push((type_url.into(), Wanted::Everything));
        self
    }

    pub fn subscribe<N: Into<Arc<str>>>(
        &mut self,
        type_url: &str,
        names: impl IntoIterator<Item = N>,
    ) -> &mut Self {
        let names = names.into_iter().map(Into::into).collect();
        self.changes.push((type_url.into(), Wanted::Names(names)));
        self
    }

    /// The resources named are forgotten without a further update.
    pub fn unsubscribe<N: Into<Arc<str>>>(
        &mut self,
        type_url: &str,
        names: impl IntoIterator<Item = N>,
    ) -> &mut Self {
        let names = names.into_iter().map(Into::into).collect();
        self.changes
            .push((type_url.into(), Wanted::NotNames(names)));
        self
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

#[derive(Debug, Default)]
struct Interest {
    wildcard: bool,
    names: BTreeSet<Arc<str>>,
    /// What is in use, with the server's version.
    versions: BTreeMap<Arc<str>, String>,
    /// The server of this connection knows of the subscription.
    opened: bool,
    subscribe: BTreeSet<Arc<str>>,
    unsubscribe: BTreeSet<Arc<str>>,
}

impl Interest {
    fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }
}

/// The client's end of one delta stream and of those that follow it after reconnects.
#[derive(Debug)]
pub struct Stream {
    node: Node,
    interests: BTreeMap<Arc<str>, Interest>,
    outbox: VecDeque<DeltaDiscoveryRequest>,
    /// The first request of a connection introduces the node.
    introduced: bool,
}

/// A response that ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("the server sends responses and reads no acknowledgements")]
    Flood,
}

impl Stream {
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self {
            node,
            interests: BTreeMap::new(),
            outbox: VecDeque::new(),
            introduced: false,
        }
    }

    /// Changes what the client wants; requests follow from [`Self::poll_request`].
    pub fn update_subscriptions(&mut self, subscriptions: Subscriptions) {
        for (type_url, wanted) in subscriptions.changes {
            let interest = self.interests.entry(type_url).or_default();
            match wanted {
                Wanted::Everything => {
                    if interest.opened && !interest.wildcard {
                        interest.subscribe.insert("*".into());
                    }
                    interest.wildcard = true;
                }
                Wanted::Names(names) => {
                    for name in names {
                        if interest.names.insert(Arc::clone(&name)) && interest.opened {
                            interest.subscribe.insert(name);
                        }
                    }
                }
                Wanted::NotNames(names) => {
                    for name in names {
                        interest.versions.remove(&name);
                        let was_wanted = interest.names.remove(&name);
                        let was_told = !interest.subscribe.remove(&name);
                        if was_wanted && was_told && interest.opened {
                            interest.unsubscribe.insert(name);
                        }
                    }
                }
            }
        }
    }

    /// A new connection begins: everything is asked for again, with what is held already.
    pub fn on_connect(&mut self) {
        self.outbox.clear();
        self.introduced = false;
        for interest in self.interests.values_mut() {
            interest.opened = false;
            interest.subscribe.clear();
            interest.unsubscribe.clear();
        }
    }

    /// The next request to send. Types are opened in the order in which a server pushes them.
    pub fn poll_request(&mut self) -> Option<DeltaDiscoveryRequest> {
        let mut request = self
            .outbox
            .pop_front()
            .or_else(|| self.poll_subscription())?;
        if !self.introduced {
            self.introduced = true;
            request.node = Some(self.node.clone());
        }
        Some(request)
    }

    fn poll_subscription(&mut self) -> Option<DeltaDiscoveryRequest> {
        let mut types: Vec<Arc<str>> = self.interests.keys().cloned().collect();
        let rank = |url: &Arc<str>| {
            PUSH_ORDER
                .iter()
                .position(|known| **known == **url)
                .unwrap_or(PUSH_ORDER.len())
        };
        types.sort_by_key(rank);
        types.iter().find_map(|type_url| {
            let interest = self.interests.get_mut(type_url)?;
            open(type_url, interest).or_else(|| change(type_url, interest))
        })
    }

    /// Whether [`Self::poll_request`] has something to send.
    #[must_use]
    pub fn has_request(&self) -> bool {
        let waits = |interest: &Interest| {
            let wanted = interest.wildcard || !interest.names.is_empty();
            (!interest.opened && wanted)
                || !interest.subscribe.is_empty()
                || !interest.unsubscribe.is_empty()
        };
        !self.outbox.is_empty() || self.interests.values().any(waits)
    }

    /// Takes a response apart. The update is to be applied and then settled.
    ///
    /// # Errors
    /// When the connection must end.
    pub fn on_response(
        &mut self,
        response: DeltaDiscoveryResponse,
    ) -> Result<(Update, UpdateId), Violation> {
        if self.outbox.len() >= MAX_OUTBOX {
            return Err(Violation::Flood);
        }
        let type_url: Arc<str> = response.type_url.as_str().into();
        let interest = self.interests.get(&type_url);
        let wants = |name: &str| interest.is_some_and(|interest| interest.wants(name));
        let mut malformed = Nack::default();
        let mut added: Vec<ReceivedResource> = Vec::new();
        let mut seen = HashSet::new();
        for resource in response.resources {
            let name: Arc<str> = resource.name.into();
            // A name that was given up meanwhile is no error.
            if !wants(&name) {
                continue;
            }
            match resource.resource {
                _ if !seen.insert(Arc::clone(&name)) => {
                    malformed.reject(name, "the response has it twice");
                }
                None => malformed.reject(name, "the resource has no body"),
                Some(body) if body.type_url != *type_url => {
                    let message = format!("its type is {:?}, not {type_url:?}", body.type_url);
                    malformed.reject(name, message);
                }
                Some(body) => added.push(ReceivedResource {
                    name,
                    version: resource.version,
                    body: body.value.into(),
                }),
            }
        }
        let versions = added
            .iter()
            .map(|one| (Arc::clone(&one.name), one.version.clone()))
            .collect();
        let removed = response
            .removed_resources
            .into_iter()
            .filter(|name| wants(name))
            .map(Arc::from);
        let update = Update {
            type_url: Arc::clone(&type_url),
            version: response.system_version_info,
            added,
            removed: removed.collect(),
        };
        let id = UpdateId {
            type_url,
            nonce: response.nonce,
            versions,
            malformed,
        };
        Ok((update, id))
    }

    /// Acknowledges an update, or rejects the resources that `outcome` names. A rejected resource keeps the version
    /// that is in use.
    pub fn settle(&mut self, id: UpdateId, removed: &[Arc<str>], outcome: Result<(), Nack>) {
        let UpdateId {
            type_url,
            nonce,
            versions,
            malformed,
        } = id;
        let mut rejected = malformed;
        if let Err(nack) = outcome {
            rejected.rejected.extend(nack.rejected);
        }
        let refused: HashSet<&str> = rejected.rejected.iter().map(|one| &*one.name).collect();
        if let Some(interest) = self.interests.get_mut(&type_url) {
            for (name, version) in versions {
                if !refused.contains(&*name) && interest.wants(&name) {
                    interest.versions.insert(name, version);
                }
            }
            for name in removed.iter().filter(|name| !refused.contains(&***name)) {
                interest.versions.remove(name);
            }
        }
        let error_detail = (!rejected.rejected.is_empty()).then(|| rpc::Status {
            code: tonic::Code::InvalidArgument as i32,
            message: shortened(rejected.to_string()),
            details: Vec::new(),
        });
        self.outbox.push_back(DeltaDiscoveryRequest {
            type_url: type_url.to_string(),
            response_nonce: nonce,
            error_detail,
            ..Default::default()
        });
    }

    /// The versions in use of one type, by name.
    pub fn versions(&self, type_url: &str) -> impl Iterator<Item = (&str, &str)> {
        let interest = self.interests.get(type_url);
        let versions = interest.into_iter().flat_map(|interest| &interest.versions);
        versions.map(|(name, version)| (&**name, version.as_str()))
    }

    /// Adopts resources from elsewhere, such as the last good configuration on disk: a server that has the same
    /// versions does not send them again.
    pub fn adopt(
        &mut self,
        type_url: &str,
        versions: impl IntoIterator<Item = (Arc<str>, String)>,
    ) {
        self.interests
            .entry(type_url.into())
            .or_default()
            .versions
            .extend(versions);
    }
}

fn open(type_url: &str, interest: &mut Interest) -> Option<DeltaDiscoveryRequest> {
    if interest.opened || (!interest.wildcard && interest.names.is_empty()) {
        return None;
    }
    interest.opened = true;
    let star = (interest.wildcard && !interest.names.is_empty()).then(|| "*".to_owned());
    let names = interest.names.iter().map(ToString::to_string);
    let held = interest
        .versions
        .iter()
        .filter(|(name, _)| interest.wants(name));
    Some(DeltaDiscoveryRequest {
        type_url: type_url.into(),
        resource_names_subscribe: star.into_iter().chain(names).collect(),
        initial_resource_versions: held
            .map(|(name, version)| (name.to_string(), version.clone()))
            .collect(),
        ..Default::default()
    })
}

fn change(type_url: &str, interest: &mut Interest) -> Option<DeltaDiscoveryRequest> {
    if interest.subscribe.is_empty() && interest.unsubscribe.is_empty() {
        return None;
    }
    let names = |names: &mut BTreeSet<Arc<str>>| {
        std::mem::take(names)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    Some(DeltaDiscoveryRequest {
        type_url: type_url.into(),
        resource_names_subscribe: names(&mut interest.subscribe),
        resource_names_unsubscribe: names(&mut interest.unsubscribe),
        ..Default::default()
    })
}

fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}
