use super::*;
use crate::harness::Harness;
use serde_json::json;

const CONTROLLER: EndpointsOfServices = EndpointsOfServices;

fn service(ports: &Value) -> Value {
    json!({
        "metadata": { "namespace": "ns", "name": "web", "labels": { "team": "a" } },
        "spec": { "clusterIP": "10.96.0.9", "selector": { "app": "web" }, "ports": ports },
    })
}

fn pod(name: &str, ip: &str, ready: bool) -> Value {
    json!({
        "metadata": { "namespace": "ns", "name": name, "labels": { "app": "web" } },
        "spec": {
            "nodeName": "n",
            "containers": [{ "name": "c", "ports": [{ "name": "http", "containerPort": 9080 }] }],
            "initContainers": [{
                "name": "s", "restartPolicy": "Always",
                "ports": [{ "name": "side", "containerPort": 15090 }],
            }],
        },
        "status": {
            "phase": "Running",
            "podIP": ip,
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        },
    })
}

fn world(ports: &Value) -> Harness {
    let mut world = Harness::new();
    world.create(&SERVICE, service(ports));
    world
}

fn slices(world: &Harness) -> Vec<Value> {
    world.store.all(&ENDPOINT_SLICE)
}

/// Address, ready, serving, terminating of each endpoint.
fn endpoints(slice: &Value) -> Vec<(String, bool, bool, bool)> {
    let flag = |e: &Value, name: &str| e["conditions"][name] == true;
    crate::object::items(&slice["endpoints"])
        .iter()
        .map(|e| {
            let address = e["addresses"][0].as_str().unwrap().to_owned();
            (
                address,
                flag(e, "ready"),
                flag(e, "serving"),
                flag(e, "terminating"),
            )
        })
        .collect()
}

#[test]
fn an_empty_service_has_an_empty_slice() {
    let mut world = world(&json!([{ "name": "http", "port": 80, "targetPort": 8080 }]));
    world.settle(&CONTROLLER);
    let slices = slices(&world);
    assert_eq!(slices.len(), 1);
    assert!(endpoints(&slices[0]).is_empty());
    assert_eq!(slices[0]["metadata"]["labels"][SERVICE_NAME], "web");
    assert_eq!(slices[0]["metadata"]["labels"]["team"], "a");
    assert!(world.find(&ENDPOINTS, "ns", "web").is_some());
}

#[test]
fn readiness_and_termination_show_in_the_conditions() {
    let mut world = world(&json!([{ "name": "http", "port": 80, "targetPort": "http" }]));
    world.put(&POD, pod("a", "10.0.0.1", true));
    world.put(&POD, pod("b", "10.0.0.2", false));
    world.put(&POD, pod("c", "10.0.0.3", true));
    world.delete(&POD, "ns", "c");
    world.settle(&CONTROLLER);
    let slice = &slices(&world)[0];
    assert_eq!(
        endpoints(slice),
        [
            ("10.0.0.1".into(), true, true, false),
            ("10.0.0.2".into(), false, false, false),
            ("10.0.0.3".into(), false, true, true),
        ]
    );
    assert_eq!(
        slice["ports"],
        json!([{ "name": "http", "protocol": "TCP", "port": 9080 }])
    );
    let legacy = world.get(&ENDPOINTS, "ns", "web");
    assert_eq!(legacy["subsets"][0]["addresses"][0]["ip"], "10.0.0.1");
    assert_eq!(
        legacy["subsets"][0]["notReadyAddresses"][0]["ip"],
        "10.0.0.2"
    );
    assert!(!legacy.to_string().contains("10.0.0.3"));
}

#[test]
fn pods_whose_named_ports_differ_stand_in_different_slices() {
    let mut world = world(
        &json!([{ "name": "http", "port": 80, "targetPort": "http", "appProtocol": "http2" }]),
    );
    world.put(&POD, pod("a", "10.0.0.1", true));
    let mut other = pod("b", "10.0.0.2", true);
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = 7070.into();
    world.put(&POD, other);
    world.settle(&CONTROLLER);
    let mut ports: Vec<i64> = slices(&world)
        .iter()
        .map(|slice| slice["ports"][0]["port"].as_i64().unwrap())
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [7070, 9080]);
    assert_eq!(slices(&world)[0]["ports"][0]["appProtocol"], "http2");
    assert_eq!(
        world.get(&ENDPOINTS, "ns", "web")["subsets"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_port_of_a_native_sidecar_can_be_a_target() {
    let mut world = world(&json!([{ "name": "m", "port": 1, "targetPort": "side" }]));
    world.put(&POD, pod("a", "10.0.0.1", true));
    world.settle(&CONTROLLER);
    assert_eq!(slices(&world)[0]["ports"][0]["port"], 15090);
}

#[test]
fn not_ready_addresses_are_published_where_asked() {
    let mut world = world(&json!([{ "port": 80 }]));
    world.patch(
        &SERVICE,
        "ns",
        "web",
        json!({ "spec": { "publishNotReadyAddresses": true } }),
    );
    world.put(&POD, pod("a", "10.0.0.1", false));
    world.settle(&CONTROLLER);
    assert_eq!(
        endpoints(&slices(&world)[0]),
        [("10.0.0.1".into(), true, true, false)]
    );
}

#[test]
fn a_headless_service_without_ports_names_its_pods() {
    let mut world = Harness::new();
    world.create(
        &SERVICE,
        json!({
            "metadata": { "namespace": "ns", "name": "web" },
            "spec": { "clusterIP": "None", "selector": { "app": "web" } },
        }),
    );
    let mut named = pod("a", "10.0.0.1", true);
    named["spec"]["hostname"] = "a-0".into();
    named["spec"]["subdomain"] = "web".into();
    world.put(&POD, named);
    world.settle(&CONTROLLER);
    let slice = &slices(&world)[0];
    assert_eq!(slice["endpoints"][0]["hostname"], "a-0");
    assert_eq!(
        slice["metadata"]["labels"]["service.kubernetes.io/headless"],
        ""
    );
}

#[test]
fn more_than_a_hundred_endpoints_take_more_slices_and_shrink_again() {
    let mut world = world(&json!([{ "port": 80 }]));
    for n in 0..150 {
        world.put(&POD, pod(&format!("p{n:03}"), &format!("10.0.1.{n}"), true));
    }
    world.settle(&CONTROLLER);
    let sizes = |world: &Harness| {
        let mut sizes: Vec<usize> = slices(world).iter().map(|s| endpoints(s).len()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(&world), [50, 100]);
    for n in 0..100 {
        let gone = json!({ "phase": "Succeeded" });
        world.patch_status(&POD, "ns", &format!("p{n:03}"), &gone);
    }
    world.settle(&CONTROLLER);
    assert_eq!(sizes(&world), [50]);
}

#[test]
fn a_changed_slice_is_corrected_and_a_deleted_service_leaves_none() {
    let mut world = world(&json!([{ "port": 80 }]));
    world.put(&POD, pod("a", "10.0.0.1", true));
    world.settle(&CONTROLLER);
    let name = meta(&slices(&world)[0], "name").to_owned();
    world.patch(&ENDPOINT_SLICE, "ns", &name, json!({ "endpoints": [] }));
    world.settle(&CONTROLLER);
    assert_eq!(endpoints(&slices(&world)[0]).len(), 1);
    world.delete(&SERVICE, "ns", "web");
    world.settle(&CONTROLLER);
    assert!(slices(&world).is_empty());
    assert!(world.find(&ENDPOINTS, "ns", "web").is_none());
}

#[test]
fn slices_of_a_service_without_selector_are_left_to_their_owner() {
    let mut world = Harness::new();
    world.create(
        &SERVICE,
        json!({ "metadata": { "namespace": "ns", "name": "ext" }, "spec": { "ports": [{ "port": 1 }] } }),
    );
    world.create(
        &ENDPOINT_SLICE,
        json!({
            "metadata": { "namespace": "ns", "name": "mine", "labels": { SERVICE_NAME: "ext" } },
            "addressType": "IPv4",
        }),
    );
    world.settle(&CONTROLLER);
    assert_eq!(slices(&world).len(), 1);
}

#[test]
fn a_heartbeat_of_a_pod_affects_no_service() {
    let mut world = world(&json!([{ "port": 80 }]));
    world.put(&POD, pod("a", "10.0.0.1", true));
    let cache = world.cache(&CONTROLLER);
    let old = world.get(&POD, "ns", "a");
    let mut new = old.clone();
    new["metadata"]["annotations"] = json!({ "beat": "1" });
    assert!(
        CONTROLLER
            .affected(&POD, Some(&old), Some(&new), &cache)
            .is_empty()
    );
    new["metadata"]["labels"] = json!({ "app": "other" });
    assert_eq!(
        CONTROLLER
            .affected(&POD, Some(&old), Some(&new), &cache)
            .len(),
        1
    );
}
