//! Generation never panics, whatever the objects say, and equal input gives equal output.

use std::sync::Arc;

use api::kinds::{DESTINATION_RULE, GATEWAY, PEER_AUTHENTICATION, SERVICE_ENTRY, VIRTUAL_SERVICE};
use api::snapshot::Snapshot;
use control::{MeshView, NodeInfo};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{bookinfo, ingress, productpage};

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("reviews".to_owned()),
        Just("*".to_owned()),
        Just("*.default.svc.cluster.local".to_owned()),
        Just("a.example".to_owned()),
        "[a-z.*/~|-]{0,12}",
    ]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(-1),
        Just(9080),
        Just(80),
        0i64..100_000,
        Just(i64::from(i32::MAX))
    ]
}

fn duration() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0s".to_owned()),
        Just("1ms".to_owned()),
        Just("2562047h".to_owned()),
        Just("5s".to_owned())
    ]
}

fn destination() -> impl Strategy<Value = Value> {
    (host(), "[a-z0-9]{0,3}", 0u32..70_000).prop_map(
        |(host, subset, port)| json!({"host": host, "subset": subset, "port": {"number": port}}),
    )
}

fn virtual_service() -> impl Strategy<Value = Value> {
    let condition = (host(), "[a-z*(\\[]{0,6}", 0u32..100_000).prop_map(|(text, regex, port)| {
        json!({"uri": {"prefix": text}, "headers": {text: {"regex": regex}}, "withoutHeaders": {"x": {}}, "port": port,
               "queryParams": {"q": {"exact": regex}}})
    });
    let route = (proptest::collection::vec(condition, 0..3), proptest::collection::vec((destination(), number()), 0..3), duration(), number(), host())
        .prop_map(|(conditions, destinations, duration, attempts, text)| {
            let route: Vec<Value> = destinations.iter().map(|(to, weight)| json!({"destination": to, "weight": weight % 1000})).collect();
            json!({"match": conditions, "route": route, "timeout": duration,
                   "retries": {"attempts": attempts % 100, "retryOn": text, "perTryTimeout": duration},
                   "fault": {"delay": {"percentage": {"value": 1e300}, "fixedDelay": duration}, "abort": {"httpStatus": attempts % 1000}},
                   "mirror": {"host": text}, "rewrite": {"uri": text}, "headers": {"request": {"set": {"host": text}}}})
        });
    (proptest::collection::vec(host(), 0..3), proptest::collection::vec(host(), 0..3), proptest::collection::vec(route, 0..3))
        .prop_map(|(hosts, gateways, http)| json!({"hosts": hosts, "gateways": gateways, "http": http, "tcp": [{"route": [{"destination": {"host": "db"}}]}]}))
}

fn destination_rule() -> impl Strategy<Value = Value> {
    (host(), number(), duration(), "[a-z]{0,2}").prop_map(|(host, number, duration, name)| {
        let policy = json!({
            "connectionPool": {"tcp": {"maxConnections": number, "connectTimeout": duration}, "http": {"http2MaxRequests": number}},
            "outlierDetection": {"consecutive5xxErrors": number.max(0), "interval": duration, "minHealthPercent": number},
            "tls": {"mode": "MUTUAL", "credentialName": name, "sni": host},
        });
        json!({"host": host, "trafficPolicy": policy, "subsets": [{"name": name, "labels": {"version": name}, "trafficPolicy": policy}]})
    })
}

fn gateway() -> impl Strategy<Value = Value> {
    (host(), 0u32..100_000, host(), prop_oneof![Just("HTTP"), Just("HTTPS"), Just("TCP"), Just("TLS"), Just("x")]).prop_map(
        |(host, port, name, protocol)| {
            json!({"selector": {"istio": "ingressgateway"}, "servers": [
                {"port": {"number": port, "name": name, "protocol": protocol}, "hosts": [host, name], "tls": {"mode": "SIMPLE", "credentialName": name}}]})
        },
    )
}

fn service_entry() -> impl Strategy<Value = Value> {
    (host(), 0u32..100_000, host(), prop_oneof![Just("HTTP"), Just("TLS"), Just("TCP"), Just("")], prop_oneof![Just("STATIC"), Just("NONE"), Just("DNS")])
        .prop_map(|(host, port, address, protocol, resolution)| {
            json!({"hosts": [host], "addresses": [address, "10.0.0.0/8"], "resolution": resolution,
                   "ports": [{"number": port, "name": "p", "protocol": protocol}],
                   "endpoints": [{"address": address, "weight": port}, {"address": "1.2.3.4", "locality": address}]})
        })
}

fn object(spec: &Value, name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn generation_survives_every_object(
        rules in proptest::collection::vec(virtual_service(), 0..3),
        policies in proptest::collection::vec(destination_rule(), 0..3),
        gateways in proptest::collection::vec(gateway(), 0..3),
        entries in proptest::collection::vec(service_entry(), 0..3),
        ports in proptest::collection::btree_map(0u32..100_000, Just(json!({"mode": "STRICT"})), 0..3),
    ) {
        let mut snapshot: Snapshot = (*bookinfo().snapshot()).clone();
        for (ty, specs) in [(&VIRTUAL_SERVICE, &rules), (&DESTINATION_RULE, &policies), (&GATEWAY, &gateways), (&SERVICE_ENTRY, &entries)] {
            for (index, spec) in specs.iter().enumerate() {
                snapshot.apply(ty, &object(spec, &format!("o{index}")));
            }
        }
        let ports: serde_json::Map<String, Value> = ports.into_iter().map(|(port, mode)| (port.to_string(), mode)).collect();
        snapshot.apply(&PEER_AUTHENTICATION, &object(&json!({"selector": {"matchLabels": {"app": "productpage"}}, "portLevelMtls": ports}), "p"));
        let snapshot = Arc::new(snapshot);
        let view = MeshView::new(&snapshot, None);
        for node in [productpage(), ingress()] {
            let node = NodeInfo::parse(&node).unwrap();
            let generated = control::generate(&view, &node, true);
            let again = control::generate(&MeshView::new(&snapshot, Some(&view)), &node, true);
            prop_assert_eq!(&generated.view, &again.view);
        }
    }
}
