//! Configuration from a control plane or a file: compiled or refused by name, never a panic.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use prost::Message;
use serde_json::Value;
use xds::client::{Stream, Subscriptions};
use xds::envoy::config::core::v3::Node;
use xds::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use xds::json::{Pool, Print};
use xds::type_url;

use crate::bootstrap::Bootstrap;
use crate::config::Ids;
use crate::config::compile::{self, CompileError};
use crate::xds::{Applier, Settings};

const TYPES: [&str; 5] = [
    type_url::LISTENER,
    type_url::ROUTE,
    type_url::CLUSTER,
    type_url::ENDPOINT,
    type_url::SECRET,
];

thread_local! {
    /// Decoding the descriptors takes longer than anything else here.
    static POOL: OnceCell<Pool> = const { OnceCell::new() };
}

/// An encoded resource; the first byte names its type.
pub fn xds_resource(data: &[u8]) {
    let (option, body) = super::option(data);
    compiles(TYPES[usize::from(option) % TYPES.len()], body);
}

/// A resource as JSON with `@type`, encoded and then compiled; and printed, as `config_dump` prints it.
pub fn xds_json(data: &[u8]) {
    let Ok(Value::Object(mut resource)) = serde_json::from_slice(data) else {
        return;
    };
    let Some(Value::String(url)) = resource.remove("@type") else {
        return;
    };
    POOL.with(|pool| {
        let pool = pool.get_or_init(Pool::pruned);
        let Ok(body) = pool.from_json(&url, Value::Object(resource)) else {
            return;
        };
        let printed = pool.to_json(&url, &body, Print::default());
        assert!(printed.is_ok(), "{printed:?}");
        compiles(&url, &body);
    });
}

/// A delta response of a control plane: it is acknowledged, or refused with the resources' names.
pub fn xds_response(data: &[u8]) {
    let Ok(response) = DeltaDiscoveryResponse::decode(data) else {
        return;
    };
    let mut stream = Stream::new(Node::default());
    let mut subscriptions = Subscriptions::new();
    for url in TYPES {
        subscriptions.wildcard(url);
    }
    stream.update_subscriptions(subscriptions);
    while stream.poll_request().is_some() {}
    let nonce = response.nonce.clone();
    let (update, id) = stream
        .on_response(response)
        .expect("one response is no flood");
    let mut applier = Applier::new(Settings {
        ids: Arc::default(),
        publish: Box::new(|_| Vec::new()),
    });
    let mut subscriptions = Subscriptions::new();
    let outcome = applier.apply(&update, &mut subscriptions, Instant::now());
    if let Err(nack) = &outcome {
        let given = |name: &Arc<str>| update.added.iter().any(|one| one.name == *name);
        for refused in &nack.rejected {
            assert!(given(&refused.name) && !refused.message.is_empty());
        }
    }
    stream.settle(id, &update.removed, outcome);
    let answer = stream.poll_request().expect("every response is answered");
    assert_eq!(answer.response_nonce, nonce);
    // gRPC peers bound metadata and messages; an error that quotes its resource whole would not arrive.
    assert!(
        answer
            .error_detail
            .is_none_or(|e| e.message.len() < 64 * 1024)
    );
}

/// A bootstrap file.
pub fn bootstrap(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(bootstrap) = Bootstrap::parse(text)
    {
        let mut applier = Applier::new(Settings {
            ids: Arc::default(),
            publish: Box::new(|_| Vec::new()),
        });
        let _ = bootstrap.apply(&mut applier, Instant::now());
    }
}

fn compiles(url: &str, body: &[u8]) {
    let ids = Ids::default();
    let refused = |error: Option<CompileError>| {
        if let Some(error) = error {
            assert!(!error.path.is_empty() && !error.reason.is_empty());
        }
    };
    match type_url::known(url) {
        Some(type_url::LISTENER) => refused(compile::listener(&ids, "x", body).err()),
        Some(type_url::ROUTE) => refused(compile::route_table(&ids, "x", body).err()),
        Some(type_url::CLUSTER) => refused(compile::cluster(&ids, "x", body).err()),
        Some(type_url::ENDPOINT) => refused(compile::assignment("x", body).err()),
        Some(type_url::SECRET) => refused(compile::secret("x", body).err()),
        _ => {}
    }
    // What is accepted is also put in force.
    let mut applier = Applier::new(Settings {
        ids: Arc::default(),
        publish: Box::new(|_| Vec::new()),
    });
    let body = Bytes::copy_from_slice(body);
    let _ = applier.put_static(url, "x", body, Instant::now());
}
