use super::*;
use crate::harness::Harness;
use crate::object::meta;
use testkit::{Call, Verb};

fn set(replicas: i64) -> Value {
    json!({
        "metadata": { "namespace": "ns", "name": "web" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" }, "annotations": { "a": "b" } },
                "spec": { "containers": [{ "name": "c", "image": "i", "unknownField": 1 }] },
            },
        },
    })
}

fn world(replicas: i64) -> Harness {
    let mut world = Harness::new();
    world.create(&REPLICA_SET, set(replicas));
    world
}

fn get(world: &Harness) -> Value {
    world.get(&REPLICA_SET, "ns", "web")
}

fn scale(world: &mut Harness, replicas: i64) {
    world.patch(
        &REPLICA_SET,
        "ns",
        "web",
        json!({ "spec": { "replicas": replicas } }),
    );
}

#[test]
fn pods_are_made_from_the_whole_template_and_counted() {
    let mut world = world(3);
    world.settle(&ReplicaSets);
    let pods = world.store.all(&POD);
    assert_eq!(pods.len(), 3);
    assert_eq!(pods[0]["spec"]["containers"][0]["unknownField"], 1);
    assert_eq!(pods[0]["metadata"]["annotations"]["a"], "b");
    assert!(meta(&pods[0], "name").starts_with("web-"));
    assert!(controlled_by(&pods[0], &get(&world)));
    let events = world.store.all(&api::kinds::CORE_EVENT);
    let told = |pod: &Value| {
        let message = format!("Created pod: {}", meta(pod, "name"));
        let mut said = events.iter().filter(|e| e["message"] == *message);
        said.any(|e| e["reason"] == "SuccessfulCreate" && e["involvedObject"]["name"] == "web")
    };
    assert!(pods.iter().all(told), "{events:?}");
    world.run_pods();
    world.settle(&ReplicaSets);
    let status = get(&world)["status"].clone();
    for field in [
        "replicas",
        "readyReplicas",
        "availableReplicas",
        "fullyLabeledReplicas",
    ] {
        assert_eq!(status[field], 3, "{field}");
    }
    assert_eq!(status["observedGeneration"], 1);
}

#[test]
fn a_lagging_watch_makes_no_pod_twice() {
    let mut world = world(3);
    // The cache never hears of the pods from the watch, only from its own writes.
    let cache = std::sync::RwLock::new(world.cache(&ReplicaSets));
    for _ in 0..5 {
        let at = ObjectKey::new("ns", "web");
        let work = crate::hub::reconcile(&ReplicaSets, &at, &world.store, &cache, world.now());
        futures::executor::block_on(work).unwrap();
    }
    assert_eq!(world.store.all(&POD).len(), 3);
    scale(&mut world, 1);
    let change = api::store::Change::Applied(get(&world));
    cache.write().unwrap().observe(&REPLICA_SET, change, 0);
    for _ in 0..5 {
        let at = ObjectKey::new("ns", "web");
        let work = crate::hub::reconcile(&ReplicaSets, &at, &world.store, &cache, world.now());
        futures::executor::block_on(work).unwrap();
    }
    assert_eq!(world.store.all(&POD).len(), 1);
}

#[test]
fn unready_pods_go_first_then_cheap_ones_then_young_ones() {
    let mut world = world(4);
    world.settle(&ReplicaSets);
    let names: Vec<ObjectKey> = world.store.all(&POD).iter().map(key).collect();
    for (index, at) in names.iter().enumerate() {
        world.advance(1);
        let since = timestamp(world.now());
        world.pod_status(at, index != 1, &since);
    }
    let cost = json!({ "metadata": { "annotations": { "controller.kubernetes.io/pod-deletion-cost": "-1" } } });
    world.patch(&POD, "ns", &names[0].name, cost);
    let mut left = names.clone();
    for (replicas, gone) in [(3, 1), (2, 0), (1, 3)] {
        scale(&mut world, replicas);
        world.settle(&ReplicaSets);
        left.retain(|name| *name != names[gone]);
        let now: Vec<ObjectKey> = world.store.all(&POD).iter().map(key).collect();
        assert_eq!(now, left, "scaled to {replicas}");
    }
}

#[test]
fn orphans_are_adopted_and_relabelled_pods_released_and_replaced() {
    let mut world = Harness::new();
    let orphan = json!({
        "metadata": { "namespace": "ns", "name": "orphan", "labels": { "app": "web" } }, "spec": {}
    });
    world.create(&POD, orphan);
    world.create(&REPLICA_SET, set(1));
    world.settle(&ReplicaSets);
    assert_eq!(world.store.all(&POD).len(), 1);
    assert!(controlled_by(
        &world.get(&POD, "ns", "orphan"),
        &get(&world)
    ));
    world.patch(
        &POD,
        "ns",
        "orphan",
        json!({ "metadata": { "labels": { "app": "debug" } } }),
    );
    world.settle(&ReplicaSets);
    assert_eq!(world.store.all(&POD).len(), 2);
    assert!(controller_of(&world.get(&POD, "ns", "orphan")).is_none());
}

#[test]
fn pods_that_failed_or_are_going_are_replaced() {
    let mut world = world(2);
    world.settle(&ReplicaSets);
    let names: Vec<ObjectKey> = world.store.all(&POD).iter().map(key).collect();
    world.patch_status(&POD, "ns", &names[0].name, &json!({ "phase": "Failed" }));
    world.patch(
        &POD,
        "ns",
        &names[1].name,
        json!({ "spec": { "nodeName": "n" } }),
    );
    world.delete(&POD, "ns", &names[1].name);
    world.settle(&ReplicaSets);
    assert_eq!(world.store.all(&POD).len(), 4);
    assert_eq!(get(&world)["status"]["replicas"], 2);
}

#[test]
fn a_refused_pod_shows_in_the_condition_and_an_event_until_one_is_accepted() {
    let mut world = world(1);
    world.store.intercept(|call: &Call, _| {
        (call.plural == "pods" && call.verb == Verb::Create).then(|| StoreError::Refused {
            code: 403,
            message: "admission webhook \"x\" denied the request".into(),
        })
    });
    world.step(&ReplicaSets);
    assert_eq!(world.errors.len(), 1);
    let failure = condition(&get(&world), "ReplicaFailure").cloned().unwrap();
    assert_eq!(failure["reason"], "FailedCreate");
    assert!(
        failure["message"]
            .as_str()
            .unwrap()
            .contains("denied the request")
    );
    world.step(&ReplicaSets);
    let events = world.store.all(&api::kinds::CORE_EVENT);
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0]["reason"], &events[0]["count"]),
        (&json!("FailedCreate"), &json!(2))
    );
    world.store.intercept(|_, _| None);
    world.settle(&ReplicaSets);
    assert!(condition(&get(&world), "ReplicaFailure").is_none());
    assert_eq!(world.store.all(&POD).len(), 1);
}

#[test]
fn a_pod_is_available_once_it_was_ready_for_long_enough() {
    let mut world = world(1);
    world.patch(
        &REPLICA_SET,
        "ns",
        "web",
        json!({ "spec": { "minReadySeconds": 10 } }),
    );
    world.settle(&ReplicaSets);
    world.run_pods();
    world.settle(&ReplicaSets);
    assert_eq!(get(&world)["status"]["readyReplicas"], 1);
    assert_eq!(get(&world)["status"]["availableReplicas"], 0);
    let at = ObjectKey::new("ns", "web");
    let again = ReplicaSets
        .plan(&at, &world.cache(&ReplicaSets), world.now())
        .again;
    assert_eq!(again, Some(Duration::from_secs(10)));
    world.advance(10);
    world.settle(&ReplicaSets);
    assert_eq!(get(&world)["status"]["availableReplicas"], 1);
}

#[test]
fn a_deleted_set_makes_no_more_pods() {
    let mut world = Harness::new();
    let mut doomed = set(2);
    doomed["metadata"]["finalizers"] = json!(["x/y"]);
    world.create(&REPLICA_SET, doomed);
    world.delete(&REPLICA_SET, "ns", "web");
    world.settle(&ReplicaSets);
    assert!(world.store.all(&POD).is_empty());
}
