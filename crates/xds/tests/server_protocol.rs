//! Transcripts: what a client says, what a view changes, and exactly what is sent.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::*;
use xds::View;
use xds::server::{Event, Form, Limits, Names, PATIENCE, Push, Request, Stream, Violation};
use xds::type_url::{CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SECRET};

/// A client that remembers the last nonce of each type.
struct Talk {
    stream: Stream,
    now: Instant,
    last: HashMap<String, Push>,
    names: HashMap<String, Vec<String>>,
}

impl Talk {
    fn new(form: Form) -> Self {
        Self {
            stream: Stream::new(form, Limits::default()),
            now: Instant::now(),
            last: HashMap::new(),
            names: HashMap::new(),
        }
    }

    fn sotw() -> Self {
        Self::new(Form::StateOfTheWorld)
    }

    fn delta() -> Self {
        Self::new(Form::Delta)
    }

    /// `CDS a b -c` for a response with two resources and a removal.
    fn told(&mut self, pushes: Vec<Push>) -> Vec<String> {
        let mut lines = Vec::new();
        for push in pushes {
            let mut line = short(&push.type_url).to_owned();
            push.names().for_each(|name| line.extend([" ", name]));
            push.removed
                .iter()
                .for_each(|name| line.extend([" -", &**name]));
            lines.push(line);
            self.last.insert(push.type_url.to_string(), push);
        }
        lines
    }

    fn view(&mut self, view: &Arc<View>) -> Vec<String> {
        let pushes = self.stream.on_view(self.now, Arc::clone(view));
        self.told(pushes)
    }

    fn nonce(&self, type_url: &str) -> String {
        self.last
            .get(type_url)
            .map(|push| push.nonce.clone())
            .unwrap_or_default()
    }

    fn request(&mut self, request: Request) -> Vec<String> {
        let pushes = self.stream.on_request(self.now, request).unwrap();
        self.told(pushes)
    }

    /// State of the world: wants exactly these names.
    fn want(&mut self, type_url: &str, names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        self.names.insert(type_url.into(), names.clone());
        let nonce = self.nonce(type_url);
        self.request(Request {
            type_url: type_url.into(),
            nonce,
            names: Names::All(names),
            ..Request::default()
        })
    }

    /// Delta: changes what it wants, without acknowledging anything.
    fn change(&mut self, type_url: &str, subscribe: &[&str], unsubscribe: &[&str]) -> Vec<String> {
        self.request(delta(type_url, subscribe, unsubscribe, &[]))
    }

    fn answer(&mut self, type_url: &str, error: Option<&str>) -> Vec<String> {
        let nonce = self.nonce(type_url);
        self.answer_to(type_url, nonce, error)
    }

    fn answer_to(&mut self, type_url: &str, nonce: String, error: Option<&str>) -> Vec<String> {
        let names = match self.names.get(type_url) {
            Some(names) => Names::All(names.clone()),
            None => delta(type_url, &[], &[], &[]).names,
        };
        let error = error.map(str::to_owned);
        self.request(Request {
            type_url: type_url.into(),
            nonce,
            error,
            names,
            locators: false,
        })
    }

    fn ack(&mut self, type_url: &str) -> Vec<String> {
        self.answer(type_url, None)
    }

    fn ack_all(&mut self, types: &[&str]) {
        for type_url in types {
            assert_eq!(self.ack(type_url), [""; 0], "{type_url}");
        }
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        let pushes = self.stream.on_timeout(self.now);
        self.told(pushes)
    }

    fn bodies(&self, type_url: &str) -> Vec<xds::Resource> {
        self.last[type_url]
            .resources
            .iter()
            .map(|resource| (**resource).clone())
            .collect()
    }
}

fn short(type_url: &str) -> &str {
    match type_url {
        CLUSTER => "CDS",
        ENDPOINT => "EDS",
        LISTENER => "LDS",
        ROUTE => "RDS",
        SECRET => "SDS",
        EXTENSION_CONFIG => "ECDS",
        other => other,
    }
}

fn delta(
    type_url: &str,
    subscribe: &[&str],
    unsubscribe: &[&str],
    held: &[(&str, String)],
) -> Request {
    let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Request {
        type_url: type_url.into(),
        names: Names::Change {
            subscribe: strings(subscribe),
            unsubscribe: strings(unsubscribe),
            held: held
                .iter()
                .map(|(name, version)| (name.to_string(), version.clone()))
                .collect(),
        },
        ..Request::default()
    }
}

const NOTHING: [&str; 0] = [];

fn world() -> Arc<View> {
    view([
        cluster("a", 1),
        endpoints("a", 1),
        listener("l", "r"),
        route("r", 1),
    ])
}

/// A client of either form that has all of [`world`] and acknowledged it.
fn settled(form: Form) -> Talk {
    let mut talk = Talk::new(form);
    talk.view(&world());
    match form {
        Form::StateOfTheWorld => {
            assert_eq!(talk.want(CLUSTER, &[]), ["CDS a"]);
            assert_eq!(talk.want(ENDPOINT, &["a"]), ["EDS a"]);
            talk.ack_all(&[CLUSTER, ENDPOINT]);
            assert_eq!(talk.want(LISTENER, &[]), ["LDS l"]);
            assert_eq!(talk.want(ROUTE, &["r"]), ["RDS r"]);
            talk.ack_all(&[LISTENER, ROUTE]);
        }
        Form::Delta => {
            assert_eq!(talk.change(CLUSTER, &[], &[]), ["CDS a"]);
            assert_eq!(talk.change(ENDPOINT, &["a"], &[]), ["EDS a"]);
            talk.ack_all(&[CLUSTER, ENDPOINT]);
            assert_eq!(talk.change(LISTENER, &["*"], &[]), ["LDS l"]);
            assert_eq!(talk.change(ROUTE, &["r"], &[]), ["RDS r"]);
            talk.ack_all(&[LISTENER, ROUTE]);
        }
    }
    talk.stream.take_events();
    talk
}

const FORMS: [Form; 2] = [Form::StateOfTheWorld, Form::Delta];

#[test]
fn all_types_at_once_are_answered_in_order_clusters_first() {
    let mut talk = Talk::sotw();
    for (type_url, names) in [
        (LISTENER, &[][..]),
        (ROUTE, &["r"]),
        (ENDPOINT, &["a"]),
        (CLUSTER, &[]),
    ] {
        assert_eq!(talk.want(type_url, names), NOTHING);
    }
    assert_eq!(talk.view(&world()), ["CDS a", "EDS a"]);
    assert_eq!(talk.ack(CLUSTER), NOTHING);
    assert_eq!(talk.ack(ENDPOINT), ["LDS l", "RDS r"]);
}

#[test]
fn an_unchanged_view_pushes_nothing_and_a_changed_one_exactly_what_changed() {
    for form in FORMS {
        let mut talk = settled(form);
        assert_eq!(talk.view(&world()), NOTHING);
        let changed = view([
            cluster("a", 1),
            endpoints("a", 2),
            listener("l", "r"),
            route("r", 1),
        ]);
        assert_eq!(talk.view(&changed), ["EDS a"]);
        talk.ack_all(&[ENDPOINT]);
        let changed = view([
            cluster("a", 1),
            endpoints("a", 2),
            listener("l", "r"),
            route("r", 2),
        ]);
        assert_eq!(talk.view(&changed), ["RDS r"]);
    }
}

#[test]
fn state_of_the_world_repeats_all_clusters_and_delta_only_the_new_one() {
    let more = view([
        cluster("a", 1),
        endpoints("a", 1),
        listener("l", "r"),
        route("r", 1),
        cluster("b", 1),
    ]);
    assert_eq!(settled(Form::StateOfTheWorld).view(&more), ["CDS a b"]);
    assert_eq!(settled(Form::Delta).view(&more), ["CDS b"]);
}

#[test]
fn routes_wait_for_new_clusters_and_old_clusters_for_routes() {
    let next = view([
        cluster("b", 1),
        endpoints("b", 1),
        listener("l", "r"),
        route("r", 2),
    ]);

    let mut talk = settled(Form::StateOfTheWorld);
    assert_eq!(
        talk.view(&next),
        ["CDS a b"],
        "a stays while its routes are in use"
    );
    assert_eq!(talk.want(ENDPOINT, &["a", "b"]), ["EDS b"]);
    assert_eq!(talk.ack(CLUSTER), NOTHING);
    assert_eq!(talk.ack(ENDPOINT), ["RDS r"]);
    assert_eq!(talk.ack(ROUTE), ["CDS b"]);
    assert_eq!(talk.want(ENDPOINT, &["b"]), NOTHING);
    assert_eq!(talk.ack(CLUSTER), NOTHING);

    let mut talk = settled(Form::Delta);
    assert_eq!(talk.view(&next), ["CDS b"]);
    assert_eq!(talk.change(ENDPOINT, &["b"], &[]), ["EDS b"]);
    assert_eq!(
        talk.ack(ENDPOINT),
        NOTHING,
        "Envoy acknowledges clusters when they are warm"
    );
    assert_eq!(talk.ack(CLUSTER), ["RDS r"]);
    assert_eq!(talk.ack(ROUTE), ["CDS -a"]);
    assert_eq!(talk.change(ENDPOINT, &[], &["a"]), NOTHING);
    assert_eq!(talk.ack(CLUSTER), NOTHING);
}

#[test]
fn a_listener_with_new_routes_keeps_the_old_clusters_until_the_routes_arrived() {
    let next = view([
        cluster("b", 1),
        endpoints("b", 1),
        listener("l", "r2"),
        route("r2", 1),
    ]);
    let mut talk = settled(Form::Delta);
    assert_eq!(talk.view(&next), ["CDS b"]);
    assert_eq!(talk.change(ENDPOINT, &["b"], &[]), ["EDS b"]);
    assert_eq!(talk.ack(ENDPOINT), NOTHING);
    assert_eq!(
        talk.ack(CLUSTER),
        ["LDS l"],
        "the routes of the draining listener are left alone"
    );
    assert_eq!(
        talk.ack(LISTENER),
        NOTHING,
        "the new listener still waits for its routes"
    );
    assert_eq!(talk.change(ROUTE, &["r2"], &["r"]), ["RDS r2"]);
    assert_eq!(talk.ack(ROUTE), ["CDS -a"]);
}

#[test]
fn a_silent_client_delays_what_depends_on_its_answer_only_for_a_while() {
    for form in FORMS {
        let mut talk = settled(form);
        let next = view([
            cluster("b", 1),
            endpoints("b", 1),
            listener("l", "r"),
            route("r", 2),
        ]);
        assert_eq!(talk.view(&next).len(), 1);
        assert_eq!(talk.stream.poll_timeout(), Some(talk.now + PATIENCE));
        assert_eq!(talk.wait(PATIENCE - Duration::from_millis(1)), NOTHING);
        assert_eq!(talk.wait(Duration::from_millis(1)), ["RDS r"]);
        let removal = talk.wait(PATIENCE);
        assert!(removal[0].starts_with("CDS"), "{removal:?}");
    }
}

#[test]
fn only_the_newest_view_is_sent_once_the_client_answers() {
    for form in FORMS {
        let mut talk = settled(form);
        let with = |revision| {
            view([
                cluster("a", 1),
                endpoints("a", 1),
                listener("l", "r"),
                route("r", revision),
            ])
        };
        assert_eq!(talk.view(&with(2)), ["RDS r"]);
        assert_eq!(talk.view(&with(3)), NOTHING);
        assert_eq!(talk.view(&with(4)), NOTHING);
        assert_eq!(talk.ack(ROUTE), ["RDS r"]);
        assert_eq!(talk.bodies(ROUTE), [route("r", 4)]);
        assert_eq!(talk.ack(ROUTE), NOTHING);
    }
}

#[test]
fn a_rejected_resource_is_not_sent_again_until_it_changes() {
    for form in FORMS {
        let mut talk = settled(form);
        let with = |revision| {
            view([
                cluster("a", 1),
                endpoints("a", 1),
                listener("l", "r"),
                route("r", revision),
            ])
        };
        assert_eq!(talk.view(&with(2)), ["RDS r"]);
        assert_eq!(talk.answer(ROUTE, Some("no such cluster")), NOTHING);
        let events = talk.stream.take_events();
        let Some(Event::Nack {
            message, resources, ..
        }) = events.last()
        else {
            panic!("{events:?}");
        };
        assert_eq!(
            (message.as_str(), &*resources[0].name),
            ("no such cluster", "r")
        );
        assert_eq!(talk.view(&with(2)), NOTHING);
        assert_eq!(talk.wait(PATIENCE * 3), NOTHING);
        assert_eq!(talk.view(&with(3)), ["RDS r"]);
    }
}

#[test]
fn clusters_stay_while_the_routes_that_gave_them_up_are_rejected() {
    let mut talk = settled(Form::Delta);
    let next = view([listener("l", "r"), route("r", 2)]);
    assert_eq!(talk.view(&next), ["RDS r"]);
    assert_eq!(talk.answer(ROUTE, Some("bad")), NOTHING);
    assert_eq!(
        talk.view(&view([listener("l", "r"), route("r", 3)])),
        ["RDS r"]
    );
    assert_eq!(talk.ack(ROUTE), ["CDS -a"]);
}

#[test]
fn acknowledgements_name_what_is_in_use() {
    for form in FORMS {
        let mut talk = settled(form);
        talk.view(&view([
            cluster("a", 1),
            endpoints("a", 7),
            listener("l", "r"),
            route("r", 1),
        ]));
        talk.ack(ENDPOINT);
        let events = talk.stream.take_events();
        let acked = events.iter().find_map(|event| match event {
            Event::Ack {
                type_url,
                resources,
                ..
            } => Some((&**type_url, resources[0].version)),
            _ => None,
        });
        assert_eq!(acked, Some((ENDPOINT, endpoints("a", 7).version)));
    }
}

#[test]
fn a_request_with_a_stale_nonce_is_dropped() {
    let mut talk = settled(Form::StateOfTheWorld);
    let stale = talk.nonce(ENDPOINT);
    assert_eq!(
        talk.view(&view([
            cluster("a", 1),
            endpoints("a", 2),
            endpoints("b", 1),
            listener("l", "r"),
            route("r", 1)
        ])),
        ["EDS a"]
    );
    talk.names
        .insert(ENDPOINT.into(), vec!["a".into(), "b".into()]);
    assert_eq!(talk.answer_to(ENDPOINT, stale, None), NOTHING);
    assert_eq!(
        talk.ack(ENDPOINT),
        ["EDS b"],
        "the names come again with the acknowledgement"
    );
}

#[test]
fn only_added_names_are_sent_and_no_names_unsubscribe() {
    let mut talk = Talk::sotw();
    talk.view(&view([
        endpoints("a", 1),
        endpoints("b", 1),
        endpoints("c", 1),
    ]));
    assert_eq!(
        talk.want(ENDPOINT, &[]),
        NOTHING,
        "no names are no subscription"
    );
    assert_eq!(talk.want(ENDPOINT, &["a"]), ["EDS a"]);
    assert_eq!(talk.want(ENDPOINT, &["a", "b", "c"]), ["EDS b c"]);
    assert_eq!(talk.want(ENDPOINT, &["c"]), NOTHING);
    assert_eq!(
        talk.view(&view([
            endpoints("a", 2),
            endpoints("b", 2),
            endpoints("c", 2)
        ])),
        ["EDS c"]
    );
    assert_eq!(talk.want(ENDPOINT, &[]), NOTHING);
    assert_eq!(talk.view(&view([endpoints("c", 3)])), NOTHING);
    assert_eq!(
        talk.want(ENDPOINT, &["c"]),
        ["EDS c"],
        "after that it starts anew"
    );
}

#[test]
fn an_unknown_nonce_on_a_new_stream_is_a_reconnect_and_answered() {
    let mut talk = Talk::sotw();
    talk.view(&world());
    talk.names.insert(ENDPOINT.into(), vec!["a".into()]);
    assert_eq!(
        talk.answer_to(ENDPOINT, "0000000000000000/9".into(), None),
        ["EDS a"]
    );
    talk.names.insert(CLUSTER.into(), Vec::new());
    assert_eq!(
        talk.answer_to(CLUSTER, "0000000000000000/8".into(), None),
        ["CDS a", "EDS a"]
    );
}

#[test]
fn names_that_do_not_exist_are_answered_as_empty() {
    let mut talk = Talk::sotw();
    talk.view(&view([]));
    assert_eq!(talk.want(ROUTE, &["none"]), ["RDS none"]);
    assert_eq!(talk.bodies(ROUTE), [empty_route("none")]);
    assert_eq!(talk.want(ENDPOINT, &["none"]), ["EDS none"]);
    assert_eq!(talk.bodies(ENDPOINT), [empty_endpoints("none")]);
    assert_eq!(talk.want(SECRET, &["none"]), ["SDS"]);
    assert_eq!(talk.want(CLUSTER, &[]), ["CDS", "EDS none"]);
    talk.ack_all(&[ROUTE, ENDPOINT, SECRET, CLUSTER]);
    assert_eq!(
        talk.view(&view([route("none", 1), secret("none")])),
        ["RDS none", "SDS none"]
    );

    let mut talk = Talk::delta();
    talk.view(&view([]));
    assert_eq!(talk.change(ROUTE, &["none"], &[]), ["RDS none"]);
    assert_eq!(talk.change(ENDPOINT, &["none"], &[]), ["EDS none"]);
    assert_eq!(talk.change(SECRET, &["none"], &[]), ["SDS -none"]);
    assert_eq!(talk.change(EXTENSION_CONFIG, &["none"], &[]), ["ECDS"]);
    assert_eq!(talk.change(LISTENER, &[], &[]), ["LDS"]);
    talk.ack_all(&[ROUTE, ENDPOINT, SECRET, EXTENSION_CONFIG, LISTENER]);
    assert_eq!(
        talk.view(&view([secret("none"), extension("none")])),
        ["SDS none", "ECDS none"]
    );
}

#[test]
fn vanished_endpoints_become_empty_and_vanished_routes_stay() {
    for form in FORMS {
        let mut talk = settled(form);
        assert_eq!(
            talk.view(&view([cluster("a", 1), listener("l", "r")])),
            ["EDS a"]
        );
        assert_eq!(talk.bodies(ENDPOINT), [empty_endpoints("a")]);
        talk.ack_all(&[ENDPOINT]);
        assert_eq!(talk.wait(PATIENCE), NOTHING);
    }
}

#[test]
fn extension_configurations_are_never_removed() {
    let mut talk = Talk::delta();
    talk.view(&view([extension("wasm"), secret("s")]));
    assert_eq!(talk.change(EXTENSION_CONFIG, &["wasm"], &[]), ["ECDS wasm"]);
    assert_eq!(talk.change(SECRET, &["s"], &[]), ["SDS s"]);
    talk.ack_all(&[EXTENSION_CONFIG, SECRET]);
    assert_eq!(talk.view(&view([])), ["SDS -s"]);
}

#[test]
fn changed_clusters_get_their_endpoints_again() {
    let changed = view([
        cluster("a", 2),
        endpoints("a", 1),
        listener("l", "r"),
        route("r", 1),
    ]);
    for form in FORMS {
        let mut talk = settled(form);
        assert_eq!(
            talk.view(&changed),
            ["CDS a", "EDS a"],
            "a changed cluster warms until it gets endpoints"
        );
        talk.ack_all(&[CLUSTER, ENDPOINT]);
        assert_eq!(talk.wait(PATIENCE), NOTHING);
    }
}

#[test]
fn a_reconnecting_delta_client_gets_only_what_differs() {
    let mut talk = Talk::delta();
    talk.view(&view([
        cluster("a", 1),
        cluster("b", 1),
        endpoints("a", 1),
        endpoints("b", 1),
        listener("l", "r"),
        route("r", 1),
    ]));
    let version = |resource: xds::Resource| resource.version.to_string();
    let held = [
        ("a", version(cluster("a", 1))),
        ("b", version(cluster("b", 9))),
        ("gone", "1".to_owned()),
    ];
    assert_eq!(talk.request(delta(CLUSTER, &[], &[], &held)), ["CDS b"]);
    let held = [
        ("a", version(endpoints("a", 1))),
        ("b", version(endpoints("b", 1))),
    ];
    assert_eq!(
        talk.request(delta(ENDPOINT, &[], &[], &held)),
        ["EDS b"],
        "b is warming, though it has endpoints"
    );
    assert_eq!(talk.ack(CLUSTER), NOTHING);
    assert_eq!(talk.ack(ENDPOINT), NOTHING);
    let held = [("l", version(listener("l", "r")))];
    assert_eq!(talk.request(delta(LISTENER, &[], &[], &held)), ["LDS"]);
    let held = [("r", version(route("r", 8)))];
    assert_eq!(talk.request(delta(ROUTE, &["r"], &[], &held)), ["RDS r"]);
    talk.ack_all(&[LISTENER, ROUTE]);
    assert_eq!(
        talk.wait(PATIENCE),
        ["CDS -gone"],
        "removed once its routes had time to follow"
    );
    let events = talk.stream.take_events();
    let kept = events.iter().any(|event| {
        matches!(event, Event::Ack { type_url, nonce, resources, .. }
            if &**type_url == LISTENER && nonce.is_empty() && &*resources[0].name == "l")
    });
    assert!(
        kept,
        "what the client held already counts as acknowledged: {events:?}"
    );
}

#[test]
fn delta_wildcards_follow_the_specification() {
    let mut talk = Talk::delta();
    talk.view(&view([cluster("a", 1), cluster("b", 1)]));
    assert_eq!(talk.change(CLUSTER, &["b"], &[]), ["CDS b"]);
    assert_eq!(talk.change(CLUSTER, &["*"], &[]), ["CDS a"]);
    talk.ack_all(&[CLUSTER]);
    assert_eq!(
        talk.change(CLUSTER, &[], &["b"]),
        ["CDS b"],
        "the wildcard still covers it"
    );
    assert_eq!(talk.change(CLUSTER, &["c"], &[]), ["CDS -c"]);
    talk.ack_all(&[CLUSTER]);
    assert_eq!(talk.change(CLUSTER, &[], &["*"]), NOTHING);
    assert_eq!(
        talk.view(&view([cluster("a", 2), cluster("b", 2), cluster("c", 2)])),
        ["CDS c"]
    );

    let mut talk = Talk::delta();
    talk.view(&view([cluster("a", 1)]));
    assert_eq!(
        talk.change(CLUSTER, &["*"], &["*"]),
        ["CDS"],
        "subscribed to nothing, and answered"
    );
    assert_eq!(talk.view(&view([cluster("a", 2)])), NOTHING);
}

#[test]
fn subscribing_again_in_one_request_sends_again() {
    let mut talk = settled(Form::Delta);
    assert_eq!(talk.change(ENDPOINT, &["a"], &["a"]), ["EDS a"]);
    assert_eq!(talk.change(ENDPOINT, &["a"], &[]), ["EDS a"]);
}

#[test]
fn health_reports_get_no_answer() {
    let mut talk = settled(Form::StateOfTheWorld);
    assert_eq!(
        talk.want("type.googleapis.com/istio.v1.HealthInformation", &[]),
        NOTHING
    );
}

#[test]
fn a_type_without_resources_is_answered_once_and_empty() {
    let mut talk = settled(Form::Delta);
    let table = "type.googleapis.com/istio.networking.nds.v1.NameTable";
    assert_eq!(talk.change(table, &[], &[]), [table]);
    assert_eq!(talk.ack(table), NOTHING);
    assert_eq!(talk.wait(PATIENCE), NOTHING);
}

#[test]
fn greedy_streams_end() {
    let limits = Limits {
        types: 2,
        names: 3,
        bytes: 100,
    };
    let mut stream = Stream::new(Form::Delta, limits);
    let now = Instant::now();
    let mut ask = |request| stream.on_request(now, request).map(|_| ());
    assert_eq!(ask(delta("", &[], &[], &[])), Err(Violation::NoType));
    assert_eq!(ask(delta(ENDPOINT, &["a", "b"], &[], &[])), Ok(()));
    assert_eq!(
        ask(delta(ENDPOINT, &["c", "d"], &[], &[])),
        Err(Violation::TooManyNames(3))
    );
    assert_eq!(
        ask(delta(ENDPOINT, &[&"x".repeat(200)], &[], &[])),
        Err(Violation::TooManyBytes(100))
    );
    assert_eq!(ask(delta(ROUTE, &[], &[], &[])), Ok(()));
    assert_eq!(
        ask(delta(SECRET, &[], &[], &[])),
        Err(Violation::TooManyTypes(2))
    );
    let locators = Request {
        locators: true,
        ..delta(ROUTE, &[], &[], &[])
    };
    assert_eq!(ask(locators), Err(Violation::Locators));
}
