//! Fuzz target of the server's state machine.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;

use super::stream::Stream;
use super::wire::{Form, Limits, WireRequest};
use crate::envoy::config::cluster::v3::Cluster;
use crate::envoy::config::endpoint::v3::ClusterLoadAssignment;
use crate::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use crate::type_url::{CLUSTER, ENDPOINT};
use crate::{Resource, View};

/// Pushes that one request may cause.
const PUSHES: usize = 16;

/// The requests of one stream, each beginning with its length in one byte; the first byte chooses the form. A nonce `!`
/// answers the latest push.
pub fn xds_requests(data: &[u8]) {
    let Some((option, mut rest)) = data.split_first() else {
        return;
    };
    let form = if option & 1 == 0 {
        Form::StateOfTheWorld
    } else {
        Form::Delta
    };
    let limits = Limits {
        types: 4,
        names: 16,
        bytes: 1024,
    };
    let mut stream = Stream::new(form, limits);
    let mut now = Instant::now();
    let _ = stream.on_view(now, view());
    let mut latest = String::new();
    let mut asked = HashSet::new();
    while let Some((length, tail)) = rest.split_first() {
        let (message, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        let request = match form {
            Form::StateOfTheWorld => DiscoveryRequest::decode(message).map(|r| r.split().1),
            Form::Delta => DeltaDiscoveryRequest::decode(message).map(|r| r.split().1),
        };
        let Ok(mut request) = request else { continue };
        if request.nonce == "!" {
            request.nonce.clone_from(&latest);
        }
        asked.extend(request.names.iter().map(str::to_owned));
        now += Duration::from_secs(1);
        let Ok(mut pushes) = stream.on_request(now, request) else {
            return;
        };
        if stream.poll_timeout().is_some_and(|at| at <= now) {
            pushes.extend(stream.on_timeout(now));
        }
        assert!(pushes.len() <= PUSHES);
        for push in pushes {
            // A name that does not exist is answered with an empty placeholder (see `Watch::missing`).
            assert!(
                push.names()
                    .all(|name| matches!(name, "a" | "b") || asked.contains(name))
            );
            latest.clone_from(&push.nonce);
        }
        let _ = stream.take_events();
    }
}

fn view() -> Arc<View> {
    let resources = ["a", "b"].into_iter().flat_map(|name| {
        let cluster = Cluster {
            name: name.into(),
            ..Cluster::default()
        };
        let endpoints = ClusterLoadAssignment {
            cluster_name: name.into(),
            ..ClusterLoadAssignment::default()
        };
        [
            Resource::new(name, CLUSTER, &cluster, []),
            Resource::new(name, ENDPOINT, &endpoints, []),
        ]
    });
    Arc::new(resources.collect())
}
