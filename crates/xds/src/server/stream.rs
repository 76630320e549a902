//! The server's end of one aggregated discovery stream: no IO, no clock.
//!
//! The stream keeps, per type, what the client subscribed to and what it holds, and reconciles that with the
//! newest [`View`] in an order that never leaves a route without its cluster:
//!
//! 1. new and changed clusters, then endpoints; clusters that are gone stay for now;
//! 2. once clusters are acknowledged and their endpoints were delivered: listeners, then routes;
//! 3. once those are acknowledged: the removal of clusters.
//!
//! A client that does not answer delays the next step by [`PATIENCE`](super::PATIENCE) at most. A step that has
//! nothing to send is passed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::references::{endpoints_of, routes_of};
use super::watch::{Change, PATIENCE, Removals, Subscription, Watch};
use super::wire::{Event, Form, Limits, Names, Push, Request, Violation};
use crate::View;
use crate::type_url::{
    CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, PUSH_ORDER, ROUTE, SECRET, is_wildcard,
};

/// How long clusters are kept for a client that rejected the listeners or routes that no longer use them.
const RETAIN_AFTER_NACK: Duration = Duration::from_secs(600);

/// Types that are reports, not subscriptions: they get no answer.
const REPORTS: [&str; 1] = ["type.googleapis.com/istio.v1.HealthInformation"];

/// One stream. Every method returns what is to be sent, in order.
#[derive(Debug)]
pub struct Stream {
    form: Form,
    limits: Limits,
    watches: BTreeMap<Arc<str>, Watch>,
    /// What the client should have.
    target: Option<Arc<View>>,
    /// The view that listeners and routes are taken from: the target, once its clusters are in place.
    routes: Option<Arc<View>>,
    /// Endpoint names that clusters sent are waiting for, and until when the stream waits with them.
    warming: Waiting,
    /// Route names that listeners sent are waiting for.
    expected_routes: Waiting,
    /// A reconnecting client told what it holds; its clusters stay until its routes had time to follow.
    removals_after: Option<Instant>,
    counter: u64,
    wake: Option<Instant>,
    events: Vec<Event>,
}

#[derive(Debug, Default)]
struct Waiting {
    names: BTreeSet<Arc<str>>,
    until: Option<Instant>,
}

impl Waiting {
    fn add(&mut self, names: impl IntoIterator<Item = Arc<str>>, now: Instant) {
        let before = self.names.len();
        self.names.extend(names);
        if self.names.len() > before {
            self.until = Some(now + PATIENCE);
        }
    }

    fn settle<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.names.remove(name);
        }
    }

    /// Until when to wait; gives up on what did not come in time.
    fn poll(&mut self, now: Instant) -> Option<Instant> {
        if self.until.is_some_and(|until| until <= now) {
            self.names.clear();
        }
        if self.names.is_empty() {
            self.until = None;
        }
        self.until
    }
}

/// How a request stands to the latest response of its type.
enum Standing {
    /// The type is new on this stream.
    First,
    Current,
    /// It answers an older response; the client will send another one.
    Stale,
}

impl Stream {
    #[must_use]
    pub fn new(form: Form, limits: Limits) -> Self {
        Self {
            form,
            limits,
            watches: BTreeMap::new(),
            target: None,
            routes: None,
            warming: Waiting::default(),
            expected_routes: Waiting::default(),
            removals_after: None,
            counter: 0,
            wake: None,
            events: Vec::new(),
        }
    }

    /// Handles one request.
    ///
    /// # Errors
    /// When the stream must end because of it.
    pub fn on_request(&mut self, now: Instant, request: Request) -> Result<Vec<Push>, Violation> {
        if REPORTS.contains(&request.type_url.as_str()) {
            return Ok(Vec::new());
        }
        self.check(&request)?;
        let standing = self.acknowledge(now, &request);
        let type_url: Arc<str> = request.type_url.as_str().into();
        match request.names {
            Names::All(names) => self.subscribe_all(&type_url, names, &standing),
            Names::Change {
                subscribe,
                unsubscribe,
                held,
            } => self.subscribe_change(now, &type_url, subscribe, &unsubscribe, held),
        }
        Ok(self.advance(now))
    }

    /// Makes `view` what the client should have.
    pub fn on_view(&mut self, now: Instant, view: Arc<View>) -> Vec<Push> {
        let first = self.target.is_none();
        self.target = Some(view);
        if first {
            self.report_claims();
        }
        self.advance(now)
    }

    /// Goes on after the time that [`Self::poll_timeout`] named.
    pub fn on_timeout(&mut self, now: Instant) -> Vec<Push> {
        self.advance(now)
    }

    /// When [`Self::on_timeout`] is to be called, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn check(&self, request: &Request) -> Result<(), Violation> {
        if request.type_url.is_empty() {
            return Err(Violation::NoType);
        }
        if request.locators {
            return Err(Violation::Locators);
        }
        let known = self.watches.contains_key(request.type_url.as_str());
        if !known && self.watches.len() >= self.limits.types {
            return Err(Violation::TooManyTypes(self.limits.types));
        }
        if request.names.iter().next().is_none() {
            return Ok(());
        }
        // State of the world replaces the names of its type.
        let kept = |(url, _): &(&Arc<str>, &Watch)| {
            self.form == Form::Delta || ***url != *request.type_url
        };
        let weights = self
            .watches
            .iter()
            .filter(kept)
            .map(|(_, watch)| watch.weight());
        let asked = request.names.iter().map(|name| (1, name.len()));
        let (names, bytes) = weights
            .chain(asked)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if names > self.limits.names {
            return Err(Violation::TooManyNames(self.limits.names));
        }
        if bytes > self.limits.bytes {
            return Err(Violation::TooManyBytes(self.limits.bytes));
        }
        Ok(())
    }

    /// Records the acknowledgement or the rejection that a request carries.
    fn acknowledge(&mut self, now: Instant, request: &Request) -> Standing {
        let Some(watch) = self.watches.get_mut(request.type_url.as_str()) else {
            return Standing::First;
        };
        let standing = if watch.nonce == request.nonce {
            Standing::Current
        } else {
            Standing::Stale
        };
        let rejected = request.error.as_ref().map(|_| now);
        if let Some(push) = watch.settle(&request.nonce, rejected) {
            self.settled(push, request.error.clone());
        }
        standing
    }

    fn settled(&mut self, push: Push, error: Option<String>) {
        match &*push.type_url {
            CLUSTER if error.is_some() => self.warming.names.clear(),
            LISTENER if error.is_some() => self.expected_routes.names.clear(),
            ENDPOINT => self.warming.settle(push.names()),
            ROUTE => self.expected_routes.settle(push.names()),
            _ => {}
        }
        let Push {
            type_url,
            nonce,
            version: _,
            resources,
            removed,
        } = push;
        self.events.push(match error {
            None => Event::Ack {
                type_url,
                nonce,
                resources,
                removed,
            },
            Some(message) => Event::Nack {
                type_url,
                nonce,
                resources,
                message,
            },
        });
    }

    fn subscribe_all(&mut self, type_url: &Arc<str>, names: Vec<String>, standing: &Standing) {
        let wildcard_when_empty = wildcard_when_empty(type_url);
        let unsubscribes = names.is_empty() && !wildcard_when_empty;
        match standing {
            Standing::Stale => return,
            Standing::First if unsubscribes => return,
            Standing::Current if unsubscribes => {
                if let Some(watch) = self.watches.remove(type_url) {
                    let removed = watch.names.into_iter().collect();
                    self.subscribed(type_url, false, Vec::new(), removed);
                }
                return;
            }
            Standing::First | Standing::Current => {}
        }
        let watch = self.watch(type_url);
        let change = watch.subscribe_all(names, wildcard_when_empty);
        let wildcard = watch.wildcard;
        if matches!(standing, Standing::First) {
            self.opened(type_url);
        }
        self.report(type_url, wildcard, change);
    }

    fn subscribe_change(
        &mut self,
        now: Instant,
        type_url: &Arc<str>,
        subscribe: Vec<String>,
        unsubscribe: &[String],
        held: std::collections::HashMap<String, String>,
    ) {
        if let Some(watch) = self.watches.get_mut(type_url) {
            let change = watch.change(subscribe, unsubscribe);
            let wildcard = watch.wildcard;
            return self.report(type_url, wildcard, change);
        }
        if !held.is_empty() && **type_url == *CLUSTER {
            self.removals_after = Some(now + PATIENCE);
        }
        let wildcard_when_empty = wildcard_when_empty(type_url);
        let watch = self.watch(type_url);
        let change = watch.open(subscribe, unsubscribe, held, wildcard_when_empty);
        let wildcard = watch.wildcard;
        self.opened(type_url);
        self.report(type_url, wildcard, change);
        if self.target.is_some() {
            self.report_claims_of(type_url);
        }
    }

    fn watch(&mut self, type_url: &Arc<str>) -> &mut Watch {
        let form = self.form;
        self.watches
            .entry(Arc::clone(type_url))
            .or_insert_with(|| Watch::new(Arc::clone(type_url), form))
    }

    /// Envoy: after an answered cluster request its clusters wait for endpoints, which it may believe to have
    /// asked for already (envoyproxy/envoy#13009, #33607).
    fn opened(&mut self, type_url: &str) {
        if type_url != CLUSTER && type_url != ENDPOINT {
            return;
        }
        let warming = &self.warming.names;
        let Some(endpoints) = self.watches.get_mut(ENDPOINT) else {
            return;
        };
        if type_url == CLUSTER {
            let all: Vec<_> = endpoints.names.iter().cloned().collect();
            endpoints.force(&all);
        } else {
            endpoints.force(warming);
        }
    }

    fn report(&mut self, type_url: &Arc<str>, wildcard: bool, change: Subscription) {
        let Subscription {
            added,
            removed,
            changed,
        } = change;
        if changed || !added.is_empty() || !removed.is_empty() {
            self.subscribed(type_url, wildcard, added, removed);
        }
    }

    fn subscribed(
        &mut self,
        type_url: &Arc<str>,
        wildcard: bool,
        added: Vec<Arc<str>>,
        removed: Vec<Arc<str>>,
    ) {
        self.events.push(Event::Subscribed {
            type_url: Arc::clone(type_url),
            wildcard,
            added,
            removed,
        });
    }

    /// What a reconnecting client holds in the right version counts as acknowledged.
    fn report_claims(&mut self) {
        let types: Vec<_> = self.watches.keys().cloned().collect();
        for type_url in types {
            self.report_claims_of(&type_url);
        }
    }

    fn report_claims_of(&mut self, type_url: &Arc<str>) {
        let (Some(watch), Some(view)) = (self.watches.get(type_url), &self.target) else {
            return;
        };
        let resources = watch.current_claims(view);
        if !resources.is_empty() {
            self.events.push(Event::Ack {
                type_url: Arc::clone(type_url),
                nonce: String::new(),
                resources: resources.into(),
                removed: Arc::default(),
            });
        }
    }

    /// Sends whatever the client may have now.
    fn advance(&mut self, now: Instant) -> Vec<Push> {
        self.wake = None;
        let Some(target) = self.target.clone() else {
            return Vec::new();
        };
        let mut out = Vec::new();
        self.push(now, CLUSTER, &target, Removals::Later, &mut out);
        self.push(now, ENDPOINT, &target, Removals::Later, &mut out);
        if self.clusters_are_ready(now) {
            self.routes = Some(Arc::clone(&target));
        }
        if let Some(routes) = self.routes.clone() {
            self.push(now, LISTENER, &routes, Removals::Now, &mut out);
            self.push(now, ROUTE, &routes, Removals::Now, &mut out);
        }
        self.push(now, SECRET, &target, Removals::Now, &mut out);
        if let Some(routes) = self.routes.clone() {
            self.push(now, EXTENSION_CONFIG, &routes, Removals::Now, &mut out);
            let others: Vec<_> = self
                .watches
                .keys()
                .filter(|url| !PUSH_ORDER.contains(&&***url))
                .cloned()
                .collect();
            for type_url in others {
                self.push(now, &type_url, &routes, Removals::Now, &mut out);
            }
            if Arc::ptr_eq(&routes, &target) && self.routes_are_settled(now) {
                self.push(now, CLUSTER, &target, Removals::Now, &mut out);
                if !self.is_blocked(now, CLUSTER) {
                    self.push(now, ENDPOINT, &target, Removals::Now, &mut out);
                }
            }
        }
        out
    }

    fn push(
        &mut self,
        now: Instant,
        type_url: &str,
        view: &View,
        removals: Removals,
        out: &mut Vec<Push>,
    ) {
        let Some(watch) = self.watches.get_mut(type_url) else {
            return;
        };
        let Some(mut change) = watch.pending(view, removals) else {
            return;
        };
        if !watch.is_urgent()
            && let Some(until) = watch.blocked_until(now)
        {
            self.wake_at(until);
            return;
        }
        let fresh = std::mem::take(&mut change.fresh);
        self.commit(now, type_url, change, out);
        match type_url {
            CLUSTER => self.clusters_sent(now, &fresh),
            LISTENER => self.listeners_sent(now, &fresh),
            _ => {}
        }
    }

    fn commit(&mut self, now: Instant, type_url: &str, change: Change, out: &mut Vec<Push>) {
        self.counter += 1;
        let Some(watch) = self.watches.get_mut(type_url) else {
            return;
        };
        let push = watch.commit(change, self.counter, now);
        self.events.push(Event::Sent {
            type_url: Arc::clone(&push.type_url),
            nonce: push.nonce.clone(),
            resources: Arc::clone(&push.resources),
            removed: Arc::clone(&push.removed),
        });
        out.push(push);
    }

    /// A cluster that is new to the client warms until endpoints arrive, even if it has them already.
    fn clusters_sent(&mut self, now: Instant, fresh: &[Arc<crate::Resource>]) {
        let names: Vec<Arc<str>> = fresh
            .iter()
            .filter_map(|cluster| endpoints_of(cluster))
            .collect();
        if let Some(endpoints) = self.watches.get_mut(ENDPOINT) {
            endpoints.force(&names);
        }
        self.warming.add(names, now);
    }

    fn listeners_sent(&mut self, now: Instant, fresh: &[Arc<crate::Resource>]) {
        let routes = self.watches.get(ROUTE);
        let names = fresh.iter().flat_map(|listener| routes_of(listener));
        let unknown = names.filter(|name| routes.is_none_or(|routes| !routes.holds(name)));
        let unknown: Vec<_> = unknown.collect();
        self.expected_routes.add(unknown, now);
    }

    /// Whether listeners and routes of the target may be sent.
    fn clusters_are_ready(&mut self, now: Instant) -> bool {
        let waits = [self.blocked_until(now, CLUSTER), self.warming.poll(now)];
        self.wait_for(&waits)
    }

    /// Whether nothing that the client uses refers to clusters that are gone.
    fn routes_are_settled(&mut self, now: Instant) -> bool {
        let retained = |type_url| {
            let rejected: Option<Instant> = self
                .watches
                .get(type_url)
                .and_then(|watch: &Watch| watch.rejected);
            rejected.map(|at| at + RETAIN_AFTER_NACK)
        };
        let waits = [
            self.blocked_until(now, LISTENER),
            self.blocked_until(now, ROUTE),
            retained(LISTENER),
            retained(ROUTE),
            self.removals_after,
            self.expected_routes.poll(now),
        ];
        self.wait_for(&waits.map(|wait| wait.filter(|until| *until > now)))
    }

    fn wait_for(&mut self, waits: &[Option<Instant>]) -> bool {
        let until = waits.iter().flatten().max();
        if let Some(until) = until {
            self.wake_at(*until);
        }
        until.is_none()
    }

    fn blocked_until(&self, now: Instant, type_url: &str) -> Option<Instant> {
        self.watches.get(type_url)?.blocked_until(now)
    }

    fn is_blocked(&self, now: Instant, type_url: &str) -> bool {
        self.blocked_until(now, type_url).is_some()
    }

    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

/// Whether an empty list of names means everything. Envoy's endpoint, route, secret and extension subscriptions
/// always name what they want; of types that this crate does not know, the empty list is everything.
fn wildcard_when_empty(type_url: &str) -> bool {
    is_wildcard(type_url) || !PUSH_ORDER.contains(&type_url)
}
