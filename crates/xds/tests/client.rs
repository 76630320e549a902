//! The client's state machine: what it asks, what it accepts, and what it says when it comes back.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use support::*;
use xds::Resource;
use xds::client::{Nack, Stream, Subscriptions, Update};
use xds::envoy::config::core::v3::Node;
use xds::envoy::service::discovery::v3 as discovery;
use xds::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE};

fn client(subscriptions: &mut Subscriptions) -> Stream {
    let mut stream = Stream::new(Node {
        id: "me".into(),
        ..Node::default()
    });
    stream.update_subscriptions(std::mem::take(subscriptions));
    stream.on_connect();
    stream
}

fn requests(stream: &mut Stream) -> Vec<DeltaDiscoveryRequest> {
    let mut requests = Vec::new();
    while stream.has_request() {
        requests.push(stream.poll_request().unwrap());
    }
    assert_eq!(stream.poll_request(), None);
    requests
}

fn response(
    type_url: &str,
    nonce: &str,
    resources: &[Resource],
    removed: &[&str],
) -> DeltaDiscoveryResponse {
    let resource = |resource: &Resource| discovery::Resource {
        name: resource.name.to_string(),
        version: resource.version.to_string(),
        resource: Some(resource.to_any()),
        ..Default::default()
    };
    DeltaDiscoveryResponse {
        type_url: type_url.into(),
        nonce: nonce.into(),
        resources: resources.iter().map(resource).collect(),
        removed_resources: removed.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

fn receive(
    stream: &mut Stream,
    response: DeltaDiscoveryResponse,
    outcome: Result<(), Nack>,
) -> Update {
    let (update, id) = stream.on_response(response).unwrap();
    stream.settle(id, &update.removed, outcome);
    update
}

fn names(update: &Update) -> Vec<&str> {
    update
        .added
        .iter()
        .map(|resource| &*resource.name)
        .collect()
}

#[test]
fn opens_types_in_order_and_introduces_itself_once() {
    let mut wanted = Subscriptions::new();
    wanted
        .subscribe(ROUTE, ["r"])
        .wildcard(LISTENER)
        .wildcard(CLUSTER);
    let requests = requests(&mut client(&mut wanted));
    let types: Vec<_> = requests
        .iter()
        .map(|request| request.type_url.as_str())
        .collect();
    assert_eq!(types, [CLUSTER, LISTENER, ROUTE]);
    let introduced: Vec<_> = requests
        .iter()
        .map(|request| request.node.is_some())
        .collect();
    assert_eq!(introduced, [true, false, false]);
    assert!(requests[0].resource_names_subscribe.is_empty());
    assert_eq!(requests[2].resource_names_subscribe, ["r"]);
}

#[test]
fn acknowledges_what_it_accepts_and_names_what_it_does_not() {
    let mut stream = client(Subscriptions::new().wildcard(CLUSTER));
    requests(&mut stream);
    let update = receive(
        &mut stream,
        response(CLUSTER, "1", &[cluster("a", 1), cluster("b", 1)], &[]),
        Ok(()),
    );
    assert_eq!(names(&update), ["a", "b"]);
    let ack = requests(&mut stream).remove(0);
    assert_eq!((ack.response_nonce.as_str(), ack.error_detail), ("1", None));

    let mut nack = Nack::default();
    nack.reject("b", "dns_lookup_family: not supported");
    let update = response(CLUSTER, "2", &[cluster("a", 2), cluster("b", 2)], &[]);
    receive(&mut stream, update, nack.unless_empty());
    let nack = requests(&mut stream).remove(0);
    assert_eq!(nack.response_nonce, "2");
    assert_eq!(
        nack.error_detail.unwrap().message,
        "b: dns_lookup_family: not supported"
    );

    // The version of what was refused is the one still in use.
    stream.on_connect();
    let held = requests(&mut stream).remove(0).initial_resource_versions;
    let expected = [("a", cluster("a", 2)), ("b", cluster("b", 1))];
    let expected: HashMap<_, _> = expected
        .map(|(name, one)| (name.to_owned(), one.version.to_string()))
        .into();
    assert_eq!(held, expected);
}

#[test]
fn what_is_malformed_is_refused_without_bothering_the_handler() {
    let mut stream = client(Subscriptions::new().wildcard(CLUSTER));
    requests(&mut stream);
    let mut bad = response(
        CLUSTER,
        "1",
        &[
            cluster("a", 1),
            cluster("a", 2),
            cluster("b", 1),
            endpoints("c", 1),
        ],
        &[],
    );
    bad.resources[2].resource = None;
    let update = receive(&mut stream, bad, Ok(()));
    assert_eq!(names(&update), ["a"]);
    let message = requests(&mut stream)
        .remove(0)
        .error_detail
        .unwrap()
        .message;
    for part in [
        "a: the response has it twice",
        "b: the resource has no body",
        "c: its type is",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn subscriptions_change_while_connected() {
    let mut stream = client(Subscriptions::new().subscribe(ENDPOINT, ["a", "b"]));
    requests(&mut stream);
    receive(
        &mut stream,
        response(ENDPOINT, "1", &[endpoints("a", 1), endpoints("b", 1)], &[]),
        Ok(()),
    );
    let mut changes = Subscriptions::new();
    changes
        .unsubscribe(ENDPOINT, ["b"])
        .subscribe(ENDPOINT, ["a", "c", "d"])
        .unsubscribe(ENDPOINT, ["d"]);
    stream.update_subscriptions(changes);
    let sent = requests(&mut stream);
    assert_eq!(
        sent[0].response_nonce, "1",
        "the acknowledgement goes first"
    );
    assert_eq!(sent[1].resource_names_subscribe, ["c"]);
    assert_eq!(sent[1].resource_names_unsubscribe, ["b"]);
    let late = receive(
        &mut stream,
        response(ENDPOINT, "2", &[endpoints("b", 2)], &[]),
        Ok(()),
    );
    assert_eq!(
        names(&late),
        [""; 0],
        "what was given up meanwhile is no update"
    );
    stream.on_connect();
    let again = requests(&mut stream).remove(0);
    assert_eq!(again.resource_names_subscribe, ["a", "c"]);
    assert_eq!(
        again.initial_resource_versions.keys().collect::<Vec<_>>(),
        ["a"]
    );
}

#[test]
fn removed_resources_are_no_longer_held() {
    let mut stream = client(Subscriptions::new().wildcard(LISTENER));
    requests(&mut stream);
    receive(
        &mut stream,
        response(LISTENER, "1", &[listener("l", "r")], &[]),
        Ok(()),
    );
    let update = receive(&mut stream, response(LISTENER, "2", &[], &["l"]), Ok(()));
    assert_eq!(update.removed, [Arc::from("l")]);
    assert_eq!(stream.versions(LISTENER).count(), 0);
}

#[test]
fn configuration_from_disk_is_not_asked_for_again() {
    let mut stream = Stream::new(Node::default());
    stream.update_subscriptions(std::mem::take(Subscriptions::new().wildcard(CLUSTER)));
    stream.adopt(CLUSTER, [(Arc::from("a"), "v1".to_owned())]);
    stream.on_connect();
    let first = requests(&mut stream).remove(0);
    assert_eq!(
        first.initial_resource_versions,
        HashMap::from([("a".to_owned(), "v1".to_owned())])
    );
}

#[test]
fn a_server_that_floods_is_cut_off_and_reasons_are_bounded() {
    let mut stream = client(Subscriptions::new().wildcard(CLUSTER));
    let flood = (0..10_000).try_for_each(|_| {
        let (update, id) = stream.on_response(response(CLUSTER, "1", &[], &[]))?;
        stream.settle(id, &update.removed, Ok(()));
        Ok::<_, xds::client::Violation>(())
    });
    assert!(flood.is_err());

    let mut stream = client(Subscriptions::new().wildcard(CLUSTER));
    let mut nack = Nack::default();
    (0..10_000).for_each(|i| nack.reject(format!("c{i}"), "é".repeat(20)));
    receive(
        &mut stream,
        response(CLUSTER, "1", &[], &[]),
        nack.unless_empty(),
    );
    let message = stream.poll_request().unwrap().error_detail.unwrap().message;
    assert!(message.len() < 10_000, "{}", message.len());
}
