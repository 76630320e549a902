//! What one stream knows of one type: the subscription, what the client holds, and what is on its way.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{ContentHash, ContentHasher};

use super::wire::{Form, Push};
use crate::envoy::config::endpoint::v3::ClusterLoadAssignment;
use crate::envoy::config::route::v3::RouteConfiguration;
use crate::type_url::{ENDPOINT, EXTENSION_CONFIG, ROUTE, is_wildcard};
use crate::view::Entries;
use crate::{Resource, View};

/// After this time without an acknowledgement a response no longer holds up later ones. Envoy delays the
/// acknowledgement of clusters until all of them are warm, which one broken cluster can prevent for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Responses whose acknowledgement is still told apart; of more, the oldest are forgotten.
const MAX_IN_FLIGHT: usize = 16;

/// What the client has under one name, as far as the server can know.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Held {
    Resource(Arc<Resource>),
    /// Claimed by a reconnecting client, with the version it stated.
    Claimed(String),
    /// The client was told that there is no such resource.
    Absent,
}

impl Held {
    fn is(&self, resource: &Resource) -> bool {
        match self {
            Self::Resource(held) => held.version == resource.version,
            Self::Claimed(version) => *version == resource.version.to_string(),
            Self::Absent => false,
        }
    }

    fn hash(&self) -> ContentHash {
        match self {
            Self::Resource(held) => held.version,
            Self::Claimed(version) => ContentHash::of(version.as_bytes()),
            Self::Absent => ContentHash(0),
        }
    }
}

/// A response that is not acknowledged yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) push: Push,
    at: Instant,
}

/// Whether resources that are gone may be taken from the client now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removals {
    Now,
    /// Something that the client still uses may refer to them.
    Later,
}

/// What to send.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) resources: Vec<Arc<Resource>>,
    pub(super) removed: Vec<Arc<str>>,
    /// Names among `resources` whose content is new to the client.
    pub(super) fresh: Vec<Arc<Resource>>,
    /// Names that the client is now known not to have although it asked.
    absent: Vec<Arc<str>>,
    /// Something must be said, be it nothing.
    due: bool,
}

/// What a request changed in the subscription.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub(super) added: Vec<Arc<str>>,
    pub(super) removed: Vec<Arc<str>>,
    /// The watch itself is new, or its wildcard changed.
    pub(super) changed: bool,
}

#[derive(Debug)]
pub(super) struct Watch {
    type_url: Arc<str>,
    form: Form,
    pub(super) wildcard: bool,
    pub(super) names: BTreeSet<Arc<str>>,
    held: BTreeMap<Arc<str>, Held>,
    in_flight: VecDeque<InFlight>,
    /// The nonce of the latest response.
    pub(super) nonce: String,
    /// Names that must be answered whatever the client holds.
    asked: BTreeSet<Arc<str>>,
    /// A request must be answered, if only by an empty response.
    unanswered: bool,
    /// When the latest settled response was rejected.
    pub(super) rejected: Option<Instant>,
    /// The entries of the view that the client is known to have, and how thoroughly that was looked at.
    reconciled: Option<(Option<Entries>, Removals)>,
}

impl Watch {
    pub(super) fn new(type_url: Arc<str>, form: Form) -> Self {
        Self {
            type_url,
            form,
            wildcard: false,
            names: BTreeSet::new(),
            held: BTreeMap::new(),
            in_flight: VecDeque::new(),
            nonce: String::new(),
            asked: BTreeSet::new(),
            unanswered: true,
            rejected: None,
            reconciled: None,
        }
    }

    /// Replaces the subscription, as state of the world does.
    pub(super) fn subscribe_all(
        &mut self,
        names: Vec<String>,
        wildcard_when_empty: bool,
    ) -> Subscription {
        if names.len() == self.names.len()
            && self.wildcard == (names.is_empty() && wildcard_when_empty)
            && names.iter().all(|name| self.names.contains(name.as_str()))
        {
            // An acknowledgement, as most requests are.
            return Subscription::default();
        }
        self.reconciled = None;
        let mut names: BTreeSet<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let star = names.remove("*");
        let wildcard = star || (names.is_empty() && wildcard_when_empty);
        let added: Vec<_> = names.difference(&self.names).cloned().collect();
        let removed: Vec<_> = self.names.difference(&names).cloned().collect();
        let changed = self.wildcard != wildcard;
        self.unanswered |= changed && wildcard;
        self.wildcard = wildcard;
        self.names = names;
        self.asked.extend(added.iter().cloned());
        for name in &removed {
            self.asked.remove(name);
            if !wildcard {
                self.held.remove(name);
            }
        }
        self.forget_unsubscribed();
        Subscription {
            added,
            removed,
            changed,
        }
    }

    /// Opens a delta subscription, perhaps of a client that reconnects and holds resources already.
    pub(super) fn open(
        &mut self,
        subscribe: Vec<String>,
        unsubscribe: &[String],
        held: HashMap<String, String>,
        wildcard_when_empty: bool,
    ) -> Subscription {
        let legacy_wildcard = subscribe.is_empty() && wildcard_when_empty;
        let claimed: Vec<Arc<str>> = held.keys().map(|name| Arc::from(name.as_str())).collect();
        self.held = held
            .into_iter()
            .map(|(name, version)| (name.into(), Held::Claimed(version)))
            .collect();
        let mut subscription = self.change(subscribe, unsubscribe);
        self.wildcard |= legacy_wildcard;
        if !self.wildcard {
            for name in claimed {
                if self.names.insert(Arc::clone(&name)) {
                    subscription.added.push(name);
                }
            }
        }
        // What the client still has needs no answer.
        self.asked.retain(|name| !self.held.contains_key(name));
        subscription.changed = true;
        subscription
    }

    /// Changes the subscription, as delta does.
    pub(super) fn change(
        &mut self,
        subscribe: Vec<String>,
        unsubscribe: &[String],
    ) -> Subscription {
        let mut subscription = Subscription::default();
        if subscribe.is_empty() && unsubscribe.is_empty() {
            return subscription;
        }
        self.reconciled = None;
        let before = self.wildcard;
        for name in unsubscribe.iter().filter(|name| *name != "*") {
            let was_named = self.names.take(name.as_str());
            if self.wildcard {
                // The client may have dropped what the wildcard still covers: tell it again.
                self.asked.insert(name.as_str().into());
            } else {
                self.held.remove(name.as_str());
                self.asked.remove(name.as_str());
            }
            subscription.removed.extend(was_named);
        }
        for name in subscribe {
            if name == "*" {
                self.unanswered |= !self.wildcard;
                self.wildcard = true;
                continue;
            }
            let name: Arc<str> = name.into();
            self.asked.insert(Arc::clone(&name));
            if self.names.insert(Arc::clone(&name)) {
                subscription.added.push(name);
            }
        }
        if unsubscribe.iter().any(|name| name == "*") {
            self.wildcard = false;
            self.forget_unsubscribed();
        }
        subscription.changed = self.wildcard != before;
        subscription
    }

    fn forget_unsubscribed(&mut self) {
        if !self.wildcard {
            self.held.retain(|name, _| self.names.contains(name));
            self.asked.retain(|name| self.names.contains(name));
        }
    }

    /// Makes the next push send these names again if the client wants them.
    pub(super) fn force<'a>(&mut self, names: impl IntoIterator<Item = &'a Arc<str>>) {
        for name in names {
            if self.names.contains(name) {
                self.asked.insert(Arc::clone(name));
            }
        }
    }

    /// Number and bytes of the names that the client caused to be kept.
    pub(super) fn weight(&self) -> (usize, usize) {
        let claimed = self
            .held
            .iter()
            .filter(|(_, held)| matches!(held, Held::Claimed(_)));
        let names = self.names.iter().chain(claimed.map(|(name, _)| name));
        names.fold((0, 0), |(count, bytes), name| {
            (count + 1, bytes + name.len())
        })
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        matches!(
            self.held.get(name),
            Some(Held::Resource(_) | Held::Claimed(_))
        )
    }

    /// Resources of `view` that a reconnecting client has in the same version.
    pub(super) fn current_claims(&self, view: &View) -> Vec<Arc<Resource>> {
        let claims = self
            .held
            .iter()
            .filter(|(_, held)| matches!(held, Held::Claimed(_)));
        claims
            .filter_map(|(name, held)| {
                view.get(&self.type_url, name)
                    .filter(|resource| held.is(resource))
            })
            .cloned()
            .collect()
    }

    /// Until when a response that is on its way holds up later ones.
    pub(super) fn blocked_until(&self, now: Instant) -> Option<Instant> {
        let until = self.in_flight.back()?.at + PATIENCE;
        (until > now).then_some(until)
    }

    /// Whether a request waits for an answer.
    pub(super) fn is_urgent(&self) -> bool {
        self.unanswered || !self.asked.is_empty()
    }

    /// Takes the response with this nonce from what is in flight, and all before it.
    pub(super) fn settle(&mut self, nonce: &str, rejected: Option<Instant>) -> Option<Push> {
        let at = self
            .in_flight
            .iter()
            .position(|sent| sent.push.nonce == nonce)?;
        self.rejected = rejected;
        self.in_flight
            .drain(..=at)
            .next_back()
            .map(|sent| sent.push)
    }

    /// What the client must be sent to have its subscription of `view`; `None` when nothing.
    pub(super) fn pending(&mut self, view: &View, removals: Removals) -> Option<Change> {
        let entries = view.shared(&self.type_url);
        let same = |seen: &Option<Entries>| match (seen, entries) {
            (Some(seen), Some(entries)) => Arc::ptr_eq(seen, entries),
            (None, None) => true,
            _ => false,
        };
        let seen = self.reconciled.as_ref().is_some_and(|(seen, done)| {
            (*done == Removals::Now || removals == Removals::Later) && same(seen)
        });
        if seen && !self.is_urgent() {
            return None;
        }
        let change = self.difference(view, removals);
        if change.is_none() {
            self.reconciled = Some((entries.cloned(), removals));
        }
        change
    }

    fn difference(&self, view: &View, removals: Removals) -> Option<Change> {
        let mut change = Change {
            due: self.is_urgent(),
            ..Change::default()
        };
        if self.wildcard {
            for resource in view.iter(&self.type_url) {
                self.present(resource, &mut change);
            }
        }
        let asked_only = self.asked.iter().filter(|name| !self.names.contains(*name));
        for name in self.names.iter().chain(asked_only) {
            match view.get(&self.type_url, name) {
                Some(resource) if !self.wildcard => self.present(resource, &mut change),
                Some(_) => {}
                None => self.missing(name, removals, &mut change),
            }
        }
        if self.wildcard && removals == Removals::Now && &*self.type_url != EXTENSION_CONFIG {
            let gone = self.held.iter().filter(|(name, held)| {
                **held != Held::Absent
                    && !self.names.contains(*name)
                    && !self.asked.contains(*name)
                    && view.get(&self.type_url, name).is_none()
            });
            change
                .removed
                .extend(gone.map(|(name, _)| Arc::clone(name)));
        }
        let nothing = change.resources.is_empty() && change.removed.is_empty() && !change.due;
        if nothing {
            return None;
        }
        if self.form == Form::StateOfTheWorld && self.is_full() {
            self.complete(view, removals, &mut change);
        }
        Some(change)
    }

    fn present(&self, resource: &Arc<Resource>, change: &mut Change) {
        let known = self
            .held
            .get(&resource.name)
            .is_some_and(|held| held.is(resource));
        if !known {
            change.fresh.push(Arc::clone(resource));
        }
        if !known || self.asked.contains(&resource.name) {
            change.resources.push(Arc::clone(resource));
        }
    }

    /// A name that the client wants and the view does not have.
    fn missing(&self, name: &Arc<str>, removals: Removals, change: &mut Change) {
        let held = self.held.get(name);
        let asked = self.asked.contains(name) || held.is_none();
        let gone = held.is_some_and(|held| *held != Held::Absent);
        match &*self.type_url {
            // Envoy ignores the removal of routes and of endpoints, and warms for ever without an answer. Routes
            // that vanish stay until the client lets go of them: a draining listener may still use them.
            ROUTE if asked => change.resources.push(placeholder(ROUTE, name)),
            ENDPOINT if asked || removals == Removals::Now => {
                let empty = placeholder(ENDPOINT, name);
                if asked || !held.is_some_and(|held| held.is(&empty)) {
                    change.resources.push(empty);
                }
            }
            ROUTE | ENDPOINT => {}
            // Envoy clears the filter when its configuration is removed, so it never is.
            EXTENSION_CONFIG => {}
            _ if asked => {
                change.absent.push(Arc::clone(name));
                if self.form == Form::Delta {
                    change.removed.push(Arc::clone(name));
                }
            }
            // State of the world cannot say that a secret is gone.
            _ if gone
                && removals == Removals::Now
                && (self.form == Form::Delta || self.is_full()) =>
            {
                change.removed.push(Arc::clone(name));
            }
            _ => {}
        }
    }

    /// Whether state of the world repeats everything whenever something changes.
    fn is_full(&self) -> bool {
        is_wildcard(&self.type_url) || self.wildcard
    }

    fn complete(&self, view: &View, removals: Removals, change: &mut Change) {
        let mut all: BTreeMap<&str, &Arc<Resource>> = BTreeMap::new();
        if removals == Removals::Later {
            for (name, held) in &self.held {
                if let Held::Resource(resource) = held {
                    all.insert(name, resource);
                }
            }
        }
        if self.wildcard {
            all.extend(
                view.iter(&self.type_url)
                    .map(|resource| (&*resource.name, resource)),
            );
        } else {
            let named = self
                .names
                .iter()
                .filter_map(|name| view.get(&self.type_url, name));
            all.extend(named.map(|resource| (&*resource.name, resource)));
        }
        change.resources = all.into_values().cloned().collect();
    }

    /// Records that `change` is sent and returns the response.
    pub(super) fn commit(&mut self, change: Change, counter: u64, now: Instant) -> Push {
        for name in &change.removed {
            self.held.remove(name);
        }
        for name in change.absent {
            if self.names.contains(&name) {
                self.held.insert(name, Held::Absent);
            }
        }
        for resource in &change.resources {
            self.held.insert(
                Arc::clone(&resource.name),
                Held::Resource(Arc::clone(resource)),
            );
        }
        self.asked.clear();
        self.unanswered = false;
        self.reconciled = None;
        let version = self.version();
        self.nonce = format!("{version}/{counter}");
        let removed = match self.form {
            Form::StateOfTheWorld => Arc::default(),
            Form::Delta => change.removed.into(),
        };
        let push = Push {
            type_url: Arc::clone(&self.type_url),
            nonce: self.nonce.clone(),
            version,
            resources: change.resources.into(),
            removed,
        };
        if self.in_flight.len() == MAX_IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(InFlight {
            push: push.clone(),
            at: now,
        });
        push
    }

    fn version(&self) -> ContentHash {
        let mut hasher = ContentHasher::default();
        for (name, held) in &self.held {
            hasher.write(name.as_bytes());
            hasher.write(&held.hash().0.to_le_bytes());
        }
        hasher.finish()
    }
}

/// The answer to a name that does not exist, for types where a client waits for one.
fn placeholder(type_url: &'static str, name: &Arc<str>) -> Arc<Resource> {
    let none = Vec::new();
    Arc::new(if type_url == ROUTE {
        let empty = RouteConfiguration {
            name: name.to_string(),
            ..Default::default()
        };
        Resource::new(Arc::clone(name), ROUTE, &empty, none)
    } else {
        let empty = ClusterLoadAssignment {
            cluster_name: name.to_string(),
            ..Default::default()
        };
        Resource::new(Arc::clone(name), ENDPOINT, &empty, none)
    })
}
