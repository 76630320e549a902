//! Updates in, configurations out.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use xds::client::{Nack, ReceivedResource, Subscriptions, Update};
use xds::json::Pool;
use xds::type_url;

use super::{Applier, LastGood, Settings};
use crate::config::{Config, Ids};

struct Bench {
    applier: Applier,
    published: Arc<Mutex<Vec<Arc<Config>>>>,
    now: Instant,
}

fn body(kind: &str, value: Value) -> Bytes {
    Pool::pruned().from_json(kind, value).unwrap().into()
}

impl Bench {
    fn new() -> Self {
        let published: Arc<Mutex<Vec<Arc<Config>>>> = Arc::default();
        let sink = Arc::clone(&published);
        let publish = Box::new(move |config| {
            sink.lock().unwrap().push(config);
            Vec::new()
        });
        let applier = Applier::new(Settings {
            ids: Arc::new(Ids::default()),
            publish,
        });
        Self {
            applier,
            published,
            now: Instant::now(),
        }
    }

    fn send(
        &mut self,
        kind: &str,
        added: &[(&str, Value)],
        removed: &[&str],
    ) -> (Result<(), Nack>, Subscriptions) {
        let added = added.iter().map(|(name, value)| ReceivedResource {
            name: (*name).into(),
            version: "1".into(),
            body: body(kind, value.clone()),
        });
        let update = Update {
            type_url: kind.into(),
            version: "1".into(),
            added: added.collect(),
            removed: removed.iter().map(|name| (*name).into()).collect(),
        };
        let mut subscriptions = Subscriptions::new();
        let outcome = self.applier.apply(&update, &mut subscriptions, self.now);
        (outcome, subscriptions)
    }

    fn ok(&mut self, kind: &str, added: &[(&str, Value)]) -> Subscriptions {
        let (outcome, subscriptions) = self.send(kind, added, &[]);
        outcome.unwrap();
        subscriptions
    }

    fn generations(&self) -> usize {
        self.published.lock().unwrap().len()
    }

    fn cluster(&self, name: &str) -> Option<Arc<crate::config::Cluster>> {
        let id = self.applier.ids().find_cluster(name)?;
        self.applier.config().cluster(id).cloned()
    }
}

fn eds_cluster(name: &str) -> Value {
    json!({"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}}})
}

fn load(name: &str, addresses: &[&str]) -> Value {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|ip| json!({"endpoint": {"address": {"socket_address": {"address": ip, "port_value": 80}}}}))
        .collect();
    json!({"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]})
}

fn listener(name: &str, port: u16, routes: &str) -> Value {
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "x",
            "rds": {"route_config_name": routes, "config_source": {"ads": {}}},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]
        }}]}]
    })
}

fn routes(name: &str, cluster: &str) -> Value {
    json!({"name": name, "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
        {"match": {"prefix": "/"}, "route": {"cluster": cluster}}]}]})
}

#[test]
fn a_cluster_waits_for_its_endpoints() {
    let mut bench = Bench::new();
    let wanted = bench.ok(type_url::CLUSTER, &[("c", eds_cluster("c"))]);
    assert!(!wanted.is_empty());
    assert!(bench.cluster("c").is_none());
    bench.ok(type_url::ENDPOINT, &[("c", load("c", &["10.0.0.1"]))]);
    assert_eq!(bench.cluster("c").unwrap().hosts.load().len(), 1);
}

#[test]
fn the_wait_ends_with_the_initial_fetch_timeout() {
    let mut bench = Bench::new();
    bench.ok(type_url::CLUSTER, &[("c", eds_cluster("c"))]);
    let deadline = bench.applier.next_deadline().unwrap();
    assert_eq!(deadline, bench.now + Duration::from_secs(15));
    bench.applier.tick(deadline, &mut Subscriptions::new());
    assert!(bench.cluster("c").unwrap().hosts.load().is_empty());
}

#[test]
fn new_endpoints_need_no_new_configuration() {
    let mut bench = Bench::new();
    bench.ok(type_url::CLUSTER, &[("c", eds_cluster("c"))]);
    bench.ok(type_url::ENDPOINT, &[("c", load("c", &["10.0.0.1"]))]);
    let (before, cluster) = (bench.generations(), bench.cluster("c").unwrap());
    bench.ok(
        type_url::ENDPOINT,
        &[("c", load("c", &["10.0.0.1", "10.0.0.2"]))],
    );
    assert_eq!(bench.generations(), before);
    assert_eq!(cluster.hosts.load().len(), 2);
}

#[test]
fn a_changed_cluster_keeps_its_endpoints_and_counters() {
    let mut bench = Bench::new();
    bench.ok(type_url::CLUSTER, &[("c", eds_cluster("c"))]);
    bench.ok(type_url::ENDPOINT, &[("c", load("c", &["10.0.0.1"]))]);
    let old = bench.cluster("c").unwrap();
    let _request = old
        .hosts
        .load()
        .all_hosts()
        .next()
        .unwrap()
        .shared
        .begin_request();
    let mut changed = eds_cluster("c");
    changed["connect_timeout"] = json!("1s");
    bench.ok(type_url::CLUSTER, &[("c", changed)]);
    let new = bench.cluster("c").unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
    assert_eq!(
        new.hosts
            .load()
            .all_hosts()
            .next()
            .unwrap()
            .shared
            .active_requests(),
        1
    );
    assert!(Arc::ptr_eq(&old.breakers[0], &new.breakers[0]));
}

#[test]
fn a_listener_waits_for_its_routes_and_the_old_one_serves_meanwhile() {
    let mut bench = Bench::new();
    bench.ok(type_url::LISTENER, &[("l", listener("l", 1000, "a"))]);
    assert!(bench.applier.config().listeners.is_empty());
    bench.ok(type_url::ROUTE, &[("a", routes("a", "c"))]);
    let first = Arc::clone(&bench.applier.config().listeners["l"]);
    bench.ok(type_url::LISTENER, &[("l", listener("l", 1000, "b"))]);
    assert!(Arc::ptr_eq(&first, &bench.applier.config().listeners["l"]));
    bench.ok(type_url::ROUTE, &[("b", routes("b", "c"))]);
    assert!(!Arc::ptr_eq(&first, &bench.applier.config().listeners["l"]));
    // Nobody names the old table any more.
    let config = bench.applier.config();
    assert_eq!(
        config
            .route_tables()
            .map(|table| &*table.name)
            .collect::<Vec<_>>(),
        ["b"]
    );
}

#[test]
fn a_refused_resource_keeps_its_last_good_version_and_harms_no_other() {
    let mut bench = Bench::new();
    bench.ok(type_url::CLUSTER, &[("c", json!({"name": "c"}))]);
    let good = bench.cluster("c").unwrap();
    let bad = json!({"name": "c", "lb_policy": "MAGLEV"});
    let (outcome, _) = bench.send(
        type_url::CLUSTER,
        &[("c", bad), ("d", json!({"name": "d"}))],
        &[],
    );
    let nack = outcome.unwrap_err();
    assert_eq!(nack.rejected.len(), 1);
    assert!(
        nack.rejected[0]
            .message
            .contains("lb_policy: not supported by ferromesh-proxy"),
        "{nack}"
    );
    assert!(Arc::ptr_eq(&good, &bench.cluster("c").unwrap()));
    assert!(bench.cluster("d").is_some());
    let dump = bench.applier.dump();
    assert!(
        dump.clusters
            .iter()
            .any(|entry| &*entry.name == "c" && entry.refused.is_some())
    );
}

#[test]
fn removals_count_for_clusters_and_listeners() {
    let mut bench = Bench::new();
    bench.ok(type_url::CLUSTER, &[("c", eds_cluster("c"))]);
    bench.ok(type_url::ENDPOINT, &[("c", load("c", &["10.0.0.1"]))]);
    bench.send(type_url::ENDPOINT, &[], &["c"]).0.unwrap();
    assert_eq!(
        bench.cluster("c").unwrap().hosts.load().len(),
        1,
        "endpoints stay until the cluster goes"
    );
    bench.send(type_url::CLUSTER, &[], &["c"]).0.unwrap();
    assert!(bench.cluster("c").is_none());
}

#[test]
fn equal_content_publishes_nothing() {
    let mut bench = Bench::new();
    bench.ok(type_url::CLUSTER, &[("c", json!({"name": "c"}))]);
    let before = bench.generations();
    bench.ok(type_url::CLUSTER, &[("c", json!({"name": "c"}))]);
    assert_eq!(bench.generations(), before);
}

#[test]
fn static_resources_cannot_be_replaced() {
    let mut bench = Bench::new();
    let static_body = body(type_url::CLUSTER, json!({"name": "xds"}));
    bench
        .applier
        .put_static(type_url::CLUSTER, "xds", static_body, bench.now)
        .unwrap();
    assert!(
        bench
            .send(
                type_url::CLUSTER,
                &[("xds", json!({"name": "xds", "connect_timeout": "9s"}))],
                &[]
            )
            .0
            .is_err()
    );
    bench.send(type_url::CLUSTER, &[], &["xds"]).0.unwrap();
    assert!(bench.cluster("xds").is_some());
}

#[test]
fn the_last_good_configuration_survives_without_private_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    bench.ok(type_url::CLUSTER, &[("c", eds_cluster("c"))]);
    bench.ok(type_url::ENDPOINT, &[("c", load("c", &["10.0.0.1"]))]);
    bench.ok(type_url::LISTENER, &[("l", listener("l", 1000, "a"))]);
    bench.ok(type_url::ROUTE, &[("a", routes("a", "c"))]);
    let mut tls = eds_cluster("t");
    tls["transport_socket"] = json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "s", "sds_config": {"ads": {}}}]}}});
    bench.ok(type_url::CLUSTER, &[("t", tls)]);
    let secret = json!({"name": "s", "tls_certificate": {
        "certificate_chain": {"inline_string": "chain"}, "private_key": {"inline_string": "very secret"}}});
    bench.ok(type_url::SECRET, &[("s", secret)]);
    LastGood::new(dir.path()).save(&bench.applier).unwrap();

    let file = dir.path().join("last-good.xds");
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(11).any(|window| window == b"very secret"));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let mut restarted = Bench::new();
    let adopted = LastGood::new(dir.path())
        .load(&mut restarted.applier, restarted.now)
        .unwrap();
    assert_eq!(adopted.len(), 5);
    assert_eq!(restarted.cluster("c").unwrap().hosts.load().len(), 1);
    assert!(restarted.applier.config().listeners.contains_key("l"));

    let mut damaged = bytes;
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let mut fresh = Bench::new();
    assert!(
        LastGood::new(dir.path())
            .load(&mut fresh.applier, fresh.now)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn debug_output_holds_no_keys() {
    let secret = xds::envoy::extensions::transport_sockets::tls::v3::Secret::decode(
        &*body(type_url::SECRET, json!({"name": "s", "tls_certificate": {
            "certificate_chain": {"inline_string": "chain"}, "private_key": {"inline_string": "very secret"}}})),
    )
    .unwrap();
    let compiled = crate::config::compile::secret("s", &secret.encode_to_vec()).unwrap();
    assert!(!format!("{compiled:?}").contains("very secret"));
}
