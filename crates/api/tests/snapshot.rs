//! The snapshot as the control plane uses it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::snapshot::{Applied, Snapshot, full_name, in_namespace};
use api::{k8s, kinds};
use base::{ObjectKey, ObjectRef};
use serde_json::{Value, json};

fn route(weight: i32) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "1", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": []},
        "spec": {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "reviews"}, "weight": weight}]}]},
    })
}

fn pod(name: &str, ip: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": []}, "status": {"podIP": ip, "podIPs": [{"ip": ip}]}})
}

#[test]
fn what_means_nothing_changes_nothing() {
    let mut snapshot = Snapshot::default();
    assert_eq!(
        snapshot.apply(&kinds::VIRTUAL_SERVICE, &route(100)),
        Applied::Changed
    );
    let hash = snapshot.virtual_services.values().next().unwrap().hash;
    let mut again = route(100);
    again["metadata"]["resourceVersion"] = json!("2");
    again["metadata"]["managedFields"] = json!([{"manager": "kubectl"}]);
    again["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    again["status"] = json!({"conditions": []});
    assert_eq!(
        snapshot.apply(&kinds::VIRTUAL_SERVICE, &again),
        Applied::Unchanged
    );
    let kept = snapshot.virtual_services.values().next().unwrap();
    assert_eq!(
        (kept.hash, &*kept.meta.resource_version, kept.meta.created),
        (hash, "2", 1_767_225_600)
    );
    assert_eq!(
        snapshot.apply(&kinds::VIRTUAL_SERVICE, &route(99)),
        Applied::Changed
    );
    assert_ne!(
        snapshot.virtual_services.values().next().unwrap().hash,
        hash
    );
}

#[test]
fn a_clone_is_not_changed_by_what_comes_later() {
    let mut snapshot = Snapshot::default();
    snapshot.apply(&kinds::VIRTUAL_SERVICE, &route(100));
    let before = snapshot.clone();
    assert!(snapshot.remove(&kinds::VIRTUAL_SERVICE, &ObjectKey::new("shop", "a")));
    assert_eq!(
        (
            before.virtual_services.len(),
            snapshot.virtual_services.len()
        ),
        (1, 0)
    );
    assert_eq!(
        before
            .indices
            .virtual_services_for("reviews.shop.svc.cluster.local")
            .count(),
        1
    );
    assert_eq!(
        snapshot
            .indices
            .virtual_services_for("reviews.shop.svc.cluster.local")
            .count(),
        0
    );
}

#[test]
fn an_invalid_object_is_quarantined_whole_until_it_is_mended() {
    let mut snapshot = Snapshot::default();
    snapshot.apply(&kinds::VIRTUAL_SERVICE, &route(100));
    let reference = ObjectRef::new("VirtualService", "shop", "a");
    for (bad, path) in [
        (json!({"hosts": ["reviews"], "htpp": []}), "spec.htpp"),
        (json!({"hosts": "reviews"}), "spec.hosts"),
        (json!({"hosts": ["reviews"]}), "spec"),
        (
            json!({"hosts": ["reviews"], "http": [{"delegate": {"name": "b"}}]}),
            "spec.http[0].delegate",
        ),
    ] {
        let mut object = route(100);
        object["spec"] = bad;
        assert_eq!(
            snapshot.apply(&kinds::VIRTUAL_SERVICE, &object),
            Applied::Quarantined,
            "{path}"
        );
        assert!(snapshot.virtual_services.is_empty());
        let found = &snapshot.quarantined[&reference].diagnostics;
        assert_eq!(found[0].path, path, "{found:?}");
    }
    assert_eq!(
        snapshot.apply(&kinds::VIRTUAL_SERVICE, &route(100)),
        Applied::Changed
    );
    assert!(snapshot.quarantined.is_empty());
}

#[test]
fn unknown_fields_of_kubernetes_do_not_hide_an_object() {
    let mut snapshot = Snapshot::default();
    let mut object = pod("a", "10.0.0.1");
    object["spec"]["somethingNew"] = json!(1);
    assert_eq!(snapshot.apply(&kinds::POD, &object), Applied::Changed);
}

#[test]
fn pods_are_found_by_address_and_follow_their_status() {
    let mut snapshot = Snapshot::default();
    snapshot.apply(&kinds::POD, &pod("a", "10.0.0.1"));
    snapshot.apply(&kinds::POD, &pod("b", "10.0.0.1"));
    assert_eq!(snapshot.indices.pods_at("10.0.0.1").count(), 2);
    assert_eq!(
        snapshot.apply(&kinds::POD, &pod("a", "10.0.0.2")),
        Applied::Changed
    );
    let at: Vec<_> = snapshot
        .indices
        .pods_at("10.0.0.2")
        .map(|key| &*key.name)
        .collect();
    assert_eq!(
        (at, snapshot.indices.pods_at("10.0.0.1").count()),
        (vec!["a"], 1)
    );
}

#[test]
fn a_heartbeat_of_a_node_is_no_change() {
    let node = |time: &str| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
            "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": time}]}})
    };
    let mut snapshot = Snapshot::default();
    snapshot.apply(&kinds::NODE, &node("2026-01-01T00:00:00Z"));
    assert_eq!(
        snapshot.apply(&kinds::NODE, &node("2026-01-01T00:00:10Z")),
        Applied::Unchanged
    );
    assert_eq!(&*snapshot.nodes.keys().next().unwrap().namespace, "");
}

#[test]
fn slices_follow_the_service_that_their_label_names() {
    let slice = |service: &str| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [],
            "metadata": {"name": "s", "namespace": "shop", "labels": {"kubernetes.io/service-name": service}}})
    };
    let mut snapshot = Snapshot::default();
    snapshot.apply(&kinds::ENDPOINT_SLICE, &slice("a"));
    snapshot.apply(&kinds::ENDPOINT_SLICE, &slice("b"));
    let of = |name: &str| {
        snapshot
            .indices
            .slices_of(&ObjectKey::new("shop", name))
            .count()
    };
    assert_eq!((of("a"), of("b")), (0, 1));
}

#[test]
fn a_namespace_is_a_range_of_each_table() {
    let mut snapshot = Snapshot::default();
    for (namespace, name) in [("a", "x"), ("b", "x"), ("b", "y"), ("ba", "x")] {
        let object =
            json!({"metadata": {"name": name, "namespace": namespace}, "data": {"k": "v"}});
        snapshot.apply(&kinds::CONFIG_MAP, &object);
    }
    let names: Vec<_> = in_namespace(&snapshot.config_maps, "b")
        .map(|map| map.meta.key.to_string())
        .collect();
    assert_eq!(names, ["b/x", "b/y"]);
}

#[test]
fn a_text_gives_a_snapshot_or_every_mistake() {
    let good = Snapshot::from_yaml(include_str!("good/istio.yaml")).unwrap();
    assert_eq!(
        (good.virtual_services.len(), good.service_entries.len()),
        (2, 1)
    );
    let found = Snapshot::from_yaml(include_str!("bad/unsupported.yaml")).unwrap_err();
    assert!(found.iter().all(|found| found.line > 0), "{found:?}");
    let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: 'trustDomain: td'}\n";
    assert_eq!(Snapshot::from_yaml(mesh).unwrap().mesh.trust_domain, "td");
}

#[test]
fn short_names_belong_to_the_namespace() {
    assert_eq!(
        &*full_name("Reviews", "shop"),
        "reviews.shop.svc.cluster.local"
    );
    assert_eq!(&*full_name("a.b", "shop"), "a.b");
    assert_eq!(&*full_name("*", "shop"), "*");
    let _: Option<k8s::api::core::v1::Pod> = None;
}
