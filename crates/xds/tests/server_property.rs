//! Whatever a client asks, answers and refuses, and however the view changes meanwhile: in the end the client has
//! exactly its subscription of the view, and then nothing more is sent.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::ContentHash;
use proptest::prelude::*;
use support::*;
use xds::server::{Form, Limits, Names, PATIENCE, Push, Request, Stream};
use xds::type_url::{CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SECRET, is_wildcard};
use xds::{Resource, View};

const TYPES: [&str; 6] = [CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION_CONFIG];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The view has these revisions of these resources; 0 is none.
    View([[u8; 4]; 6]),
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    /// The client reads one response, if there is one, and accepts or refuses it.
    Read {
        accept: bool,
    },
    Wait(u16),
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop::array::uniform6(prop::array::uniform4(0u8..3)).prop_map(Step::View),
        3 => (0usize..6, 0usize..4).prop_map(|(kind, name)| Step::Subscribe(kind, name)),
        2 => (0usize..6, 0usize..4).prop_map(|(kind, name)| Step::Unsubscribe(kind, name)),
        6 => prop::bool::weighted(0.8).prop_map(|accept| Step::Read { accept }),
        1 => (0u16..8000).prop_map(Step::Wait),
        1 => Just(Step::Reconnect),
    ]
}

fn resource(type_url: &str, name: &str, revision: u8) -> Resource {
    match type_url {
        CLUSTER => cluster(name, revision.into()),
        ENDPOINT => endpoints(name, revision.into()),
        LISTENER => listener(name, NAMES[usize::from(revision)]),
        ROUTE => route(name, revision.into()),
        SECRET => secret_revision(name, revision),
        _ => extension_revision(name, revision),
    }
}

fn secret_revision(name: &str, revision: u8) -> Resource {
    let plain = secret(name);
    let mut body = plain.body.to_vec();
    // An unknown field distinguishes the revisions.
    body.extend([0x98, 0x06, revision]);
    Resource::from_encoded(name, SECRET, body.into(), [])
}

fn extension_revision(name: &str, revision: u8) -> Resource {
    let plain = extension(name);
    let mut body = plain.body.to_vec();
    body.extend([0x98, 0x06, revision]);
    Resource::from_encoded(name, EXTENSION_CONFIG, body.into(), [])
}

/// A client that does what the protocol says, and remembers the last it was told of each name.
struct Client {
    form: Form,
    stream: Stream,
    now: Instant,
    view: Arc<View>,
    inbox: VecDeque<Push>,
    wanted: BTreeMap<&'static str, BTreeSet<&'static str>>,
    has: BTreeMap<&'static str, BTreeMap<String, ContentHash>>,
    nonces: HashMap<&'static str, String>,
    open: BTreeSet<&'static str>,
}

impl Client {
    fn new(form: Form) -> Self {
        Self {
            form,
            stream: Stream::new(form, Limits::default()),
            now: Instant::now(),
            view: Arc::default(),
            inbox: VecDeque::new(),
            wanted: BTreeMap::new(),
            has: BTreeMap::new(),
            nonces: HashMap::new(),
            open: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::View(revisions) => {
                let mut view = View::new();
                for (type_url, revisions) in TYPES.iter().zip(revisions) {
                    for (name, revision) in NAMES
                        .iter()
                        .zip(revisions)
                        .filter(|(_, revision)| *revision > 0)
                    {
                        view.insert(resource(type_url, name, revision));
                    }
                }
                self.view = Arc::new(view);
                let pushes = self.stream.on_view(self.now, Arc::clone(&self.view));
                self.inbox.extend(pushes);
            }
            Step::Subscribe(kind, name) => self.subscribe(TYPES[kind], NAMES[name]),
            Step::Unsubscribe(kind, name) => self.unsubscribe(TYPES[kind], NAMES[name]),
            Step::Read { accept } => {
                self.read(accept);
            }
            Step::Wait(millis) => {
                self.now += Duration::from_millis(millis.into());
                let pushes = self.stream.on_timeout(self.now);
                self.inbox.extend(pushes);
            }
            Step::Reconnect => self.reconnect(),
        }
    }

    fn send(&mut self, type_url: &'static str, names: Names, nonce: String, error: Option<String>) {
        let request = Request {
            type_url: type_url.into(),
            nonce,
            error,
            names,
            locators: false,
        };
        let pushes = self.stream.on_request(self.now, request).unwrap();
        self.inbox.extend(pushes);
    }

    fn names_of(&self, type_url: &str) -> Vec<String> {
        self.wanted
            .get(type_url)
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect()
    }

    fn nonce_of(&self, type_url: &str) -> String {
        self.nonces.get(type_url).cloned().unwrap_or_default()
    }

    fn subscribe(&mut self, type_url: &'static str, name: &'static str) {
        if is_wildcard(type_url) {
            if self.wanted.insert(type_url, BTreeSet::new()).is_none() {
                self.announce(type_url);
            }
        } else if self.wanted.entry(type_url).or_default().insert(name) {
            match self.form {
                Form::Delta if self.open.contains(type_url) => self.change(type_url, &[name], &[]),
                _ => self.announce(type_url),
            }
        }
    }

    fn unsubscribe(&mut self, type_url: &'static str, name: &'static str) {
        if is_wildcard(type_url)
            || !self
                .wanted
                .get_mut(type_url)
                .is_some_and(|names| names.remove(name))
        {
            return;
        }
        self.has.entry(type_url).or_default().remove(name);
        match self.form {
            Form::Delta => self.change(type_url, &[], &[name]),
            Form::StateOfTheWorld => self.announce(type_url),
        }
    }

    fn change(&mut self, type_url: &'static str, subscribe: &[&str], unsubscribe: &[&str]) {
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let names = Names::Change {
            subscribe: strings(subscribe),
            unsubscribe: strings(unsubscribe),
            held: HashMap::new(),
        };
        self.send(type_url, names, String::new(), None);
    }

    /// States the whole subscription of a type.
    fn announce(&mut self, type_url: &'static str) {
        let names = self.names_of(type_url);
        match self.form {
            Form::StateOfTheWorld => {
                let nonce = self.nonce_of(type_url);
                self.send(type_url, Names::All(names), nonce, None);
            }
            Form::Delta => {
                self.open.insert(type_url);
                let held = self.has.get(type_url).into_iter().flatten();
                let held = held
                    .map(|(name, version)| (name.clone(), version.to_string()))
                    .collect();
                let names = Names::Change {
                    subscribe: names,
                    unsubscribe: Vec::new(),
                    held,
                };
                self.send(type_url, names, String::new(), None);
            }
        }
    }

    fn reconnect(&mut self) {
        self.stream = Stream::new(self.form, Limits::default());
        self.inbox.clear();
        self.nonces.clear();
        self.open.clear();
        let pushes = self.stream.on_view(self.now, Arc::clone(&self.view));
        self.inbox.extend(pushes);
        for type_url in self.wanted.keys().copied().collect::<Vec<_>>() {
            if is_wildcard(type_url) || !self.wanted[type_url].is_empty() {
                self.announce(type_url);
            }
        }
    }

    fn read(&mut self, accept: bool) -> bool {
        let Some(push) = self.inbox.pop_front() else {
            return false;
        };
        let type_url = TYPES
            .into_iter()
            .find(|one| **one == *push.type_url)
            .unwrap();
        let wanted = self.wanted.get(type_url).cloned().unwrap_or_default();
        let wants = |name: &str| is_wildcard(type_url) || wanted.contains(name);
        let has = self.has.entry(type_url).or_default();
        if self.form == Form::StateOfTheWorld && is_wildcard(type_url) {
            has.clear();
        }
        for resource in push
            .resources
            .iter()
            .filter(|resource| wants(&resource.name))
        {
            has.insert(resource.name.to_string(), resource.version);
        }
        for name in push.removed.iter() {
            has.remove(&**name);
        }
        self.nonces.insert(type_url, push.nonce.clone());
        let names = match self.form {
            Form::StateOfTheWorld => Names::All(self.names_of(type_url)),
            Form::Delta => Names::Change {
                subscribe: vec![],
                unsubscribe: vec![],
                held: HashMap::new(),
            },
        };
        self.send(
            type_url,
            names,
            push.nonce,
            (!accept).then(|| "refused".to_owned()),
        );
        true
    }

    /// Reads and accepts everything; fails when responses do not end.
    fn settle(&mut self) {
        for _ in 0..4 {
            let mut reads = 0;
            while self.read(true) {
                reads += 1;
                assert!(reads < 200, "responses do not end");
            }
            // The longest wait there is: clusters kept for a client that refused its routes.
            self.now += Duration::from_secs(601);
            let pushes = self.stream.on_timeout(self.now);
            self.inbox.extend(pushes);
        }
        assert_eq!(self.inbox.len(), 0, "something is sent for ever");
        self.now += PATIENCE;
        assert_eq!(self.stream.on_timeout(self.now), []);
    }

    fn check(&self) {
        for (type_url, names) in &self.wanted {
            let has = self.has.get(type_url).cloned().unwrap_or_default();
            let held: BTreeSet<&str> = has.keys().map(String::as_str).collect();
            if is_wildcard(type_url) {
                let expected: BTreeSet<&str> = self.view.names(type_url).collect();
                assert_eq!(held, expected, "{type_url}");
            }
            let in_view: Vec<_> = self
                .view
                .iter(type_url)
                .filter(|one| is_wildcard(type_url) || names.contains(&*one.name))
                .collect();
            for resource in in_view {
                assert_eq!(
                    has.get(&*resource.name),
                    Some(&resource.version),
                    "{resource:?}"
                );
            }
            for name in names
                .iter()
                .filter(|name| self.view.get(type_url, name).is_none())
            {
                match *type_url {
                    // Endpoints become empty.
                    ENDPOINT => assert_eq!(has.get(*name), Some(&empty_endpoints(name).version)),
                    // Routes become empty or stay.
                    ROUTE => assert!(has.contains_key(*name), "route {name} was never answered"),
                    SECRET if self.form == Form::Delta => assert!(!has.contains_key(*name)),
                    _ => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients_end_up_with_their_subscription_of_the_view(
        delta in any::<bool>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let form = if delta { Form::Delta } else { Form::StateOfTheWorld };
        let mut client = Client::new(form);
        client.step(Step::View(Default::default()));
        for step in steps {
            client.step(step);
        }
        client.settle();
        client.check();
    }
}
