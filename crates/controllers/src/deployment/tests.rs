use super::*;
use crate::harness::Harness;
use crate::object::{condition, timestamp};
use crate::replica_set::ReplicaSets;

fn deployment(replicas: i64) -> Value {
    json!({
        "metadata": {
            "namespace": "ns", "name": "web",
            "annotations": { "kubernetes.io/change-cause": "first" },
        },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": "v1" }] },
            },
        },
    })
}

fn world(replicas: i64) -> Harness {
    let mut world = Harness::new();
    world.create(&DEPLOYMENT, deployment(replicas));
    rollout(&mut world);
    world
}

fn controllers() -> [&'static dyn Controller; 2] {
    [&Deployments, &ReplicaSets]
}

/// Lets controllers and kubelet work until nothing changes.
fn rollout(world: &mut Harness) {
    for _ in 0..50 {
        world.settle_all(&controllers());
        world.run_pods();
    }
}

fn get(world: &Harness) -> Value {
    world.get(&DEPLOYMENT, "ns", "web")
}

fn patch(world: &mut Harness, patch: Value) {
    world.patch(&DEPLOYMENT, "ns", "web", patch);
}

fn set_image(world: &mut Harness, image: &str) {
    let containers = json!([{ "name": "c", "image": image }]);
    patch(
        world,
        json!({ "spec": { "template": { "spec": { "containers": containers } } } }),
    );
}

/// Image, wanted replicas and revision of each ReplicaSet, by revision.
fn sets_of(world: &Harness) -> Vec<(String, i64, i64)> {
    let mut sets: Vec<(String, i64, i64)> = world
        .store
        .all(&REPLICA_SET)
        .iter()
        .map(|set| {
            let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
            (
                image.unwrap().to_owned(),
                replicas(set),
                sets::revision(set),
            )
        })
        .collect();
    sets.sort_by_key(|(_, _, revision)| *revision);
    sets
}

fn reason(world: &Harness, kind: &str) -> String {
    condition(&get(world), kind).unwrap()["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What `kubectl rollout status` waits for.
fn done(world: &Harness) -> bool {
    let deployment = get(world);
    let status = &deployment["status"];
    let wanted = replicas(&deployment);
    count(&status["observedGeneration"]) >= crate::object::generation(&deployment)
        && count(&status["updatedReplicas"]) == wanted
        && count(&status["replicas"]) == wanted
        && count(&status["availableReplicas"]) == wanted
}

#[test]
fn a_new_deployment_becomes_available() {
    let world = world(3);
    assert!(done(&world));
    assert_eq!(sets_of(&world), [("v1".into(), 3, 1)]);
    assert_eq!(annotation(&get(&world), sets::REVISION), Some("1"));
    assert_eq!(reason(&world, "Available"), "MinimumReplicasAvailable");
    assert_eq!(reason(&world, "Progressing"), "NewReplicaSetAvailable");
    let set = &world.store.all(&REPLICA_SET)[0];
    let hash = labels(set)[sets::HASH].clone();
    assert_eq!(meta(set, "name"), format!("web-{hash}"));
    assert_eq!(
        set["spec"]["selector"]["matchLabels"][sets::HASH],
        hash.as_str()
    );
    assert_eq!(annotation(set, "kubernetes.io/change-cause"), Some("first"));
    assert!(
        world
            .store
            .all(&POD)
            .iter()
            .all(|pod| labels(pod)[sets::HASH] == hash)
    );
}

#[test]
fn a_rolling_update_keeps_its_bounds_all_the_way() {
    let mut world = world(4);
    set_image(&mut world, "v2");
    for _ in 0..200 {
        for controller in controllers() {
            world.step(controller);
            let pods = world.store.all(&POD);
            let ready = pods
                .iter()
                .filter(|pod| crate::object::pod_ready(pod))
                .count();
            assert!(pods.len() <= 5, "maxSurge 25 %");
            assert!(ready >= 3, "maxUnavailable 25 %");
        }
        world.run_pods();
    }
    assert!(done(&world));
    assert_eq!(sets_of(&world), [("v1".into(), 0, 1), ("v2".into(), 4, 2)]);
}

#[test]
fn a_rollout_to_pods_that_never_get_ready_stops_and_times_out() {
    let mut world = world(4);
    patch(
        &mut world,
        json!({ "spec": { "progressDeadlineSeconds": 60 } }),
    );
    rollout(&mut world);
    set_image(&mut world, "broken");
    world.settle_all(&controllers());
    let old = sets_of(&world)[0].1;
    assert!(old >= 3, "{old}");
    world.advance(61);
    world.settle_all(&controllers());
    assert_eq!(reason(&world, "Progressing"), "ProgressDeadlineExceeded");
    assert_eq!(
        condition(&get(&world), "Progressing").unwrap()["status"],
        "False"
    );
    // A fix gets it going again.
    set_image(&mut world, "v3");
    rollout(&mut world);
    assert!(done(&world));
    assert_eq!(reason(&world, "Progressing"), "NewReplicaSetAvailable");
}

#[test]
fn a_deadline_is_looked_at_when_it_falls_due() {
    let mut world = world(1);
    patch(
        &mut world,
        json!({ "spec": { "progressDeadlineSeconds": 60 } }),
    );
    set_image(&mut world, "broken");
    world.settle_all(&controllers());
    world.advance(20);
    let at = ObjectKey::new("ns", "web");
    let plan = Deployments.plan(&at, &world.cache(&Deployments), world.now());
    assert_eq!(plan.again, Some(std::time::Duration::from_secs(40)));
}

#[test]
fn undo_reuses_the_old_replica_set_under_a_new_revision() {
    let mut world = world(2);
    set_image(&mut world, "v2");
    rollout(&mut world);
    // As kubectl writes it: typed structs add empty fields.
    let template = json!({ "spec": { "template": {
        "metadata": { "creationTimestamp": null, "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "c", "image": "v1", "resources": {} }] },
    } } });
    patch(&mut world, template);
    rollout(&mut world);
    assert!(done(&world));
    assert_eq!(sets_of(&world), [("v2".into(), 0, 2), ("v1".into(), 2, 3)]);
    assert_eq!(annotation(&get(&world), sets::REVISION), Some("3"));
    let all = world.store.all(&REPLICA_SET);
    let reused = all.iter().find(|set| sets::revision(set) == 3).unwrap();
    assert_eq!(
        annotation(reused, "deployment.kubernetes.io/revision-history"),
        Some("1")
    );
}

#[test]
fn scaling_needs_no_new_replica_set_and_no_new_revision() {
    let mut world = world(2);
    for replicas in [5, 0, 3] {
        patch(&mut world, json!({ "spec": { "replicas": replicas } }));
        rollout(&mut world);
        assert!(done(&world), "{replicas}");
        assert_eq!(sets_of(&world), [("v1".into(), replicas, 1)]);
    }
}

#[test]
fn a_resize_in_mid_rollout_is_shared_out() {
    let mut world = world(10);
    set_image(&mut world, "v2");
    world.settle_all(&controllers());
    let before: i64 = sets_of(&world).iter().map(|s| s.1).sum();
    assert!(before <= 13);
    patch(&mut world, json!({ "spec": { "replicas": 20 } }));
    world.settle_all(&controllers());
    let sizes = sets_of(&world);
    assert_eq!(sizes.iter().map(|s| s.1).sum::<i64>(), 25);
    assert!(sizes[0].1 > 10 && sizes[1].1 > 5, "{sizes:?}");
    rollout(&mut world);
    assert!(done(&world));
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut world = world(2);
    patch(&mut world, json!({ "spec": { "paused": true } }));
    set_image(&mut world, "v2");
    rollout(&mut world);
    assert_eq!(sets_of(&world), [("v1".into(), 2, 1)]);
    assert_eq!(reason(&world, "Progressing"), "DeploymentPaused");
    patch(&mut world, json!({ "spec": { "replicas": 3 } }));
    rollout(&mut world);
    assert_eq!(sets_of(&world), [("v1".into(), 3, 1)]);
    patch(&mut world, json!({ "spec": { "paused": null } }));
    rollout(&mut world);
    assert!(done(&world));
    assert_eq!(sets_of(&world)[1], ("v2".into(), 3, 2));
}

#[test]
fn recreate_ends_all_old_pods_before_it_starts_new_ones() {
    let mut world = Harness::new();
    let mut object = deployment(2);
    object["spec"]["strategy"] = json!({ "type": "Recreate" });
    world.create(&DEPLOYMENT, object);
    rollout(&mut world);
    for pod in world.store.all(&POD) {
        let at = key(&pod);
        world.patch(&POD, "ns", &at.name, json!({ "spec": { "nodeName": "n" } }));
    }
    set_image(&mut world, "v2");
    world.settle_all(&controllers());
    let pods = world.store.all(&POD);
    assert!(
        pods.len() == 2 && pods.iter().all(deleting),
        "the old ones end first"
    );
    rollout(&mut world);
    assert!(done(&world));
    assert_eq!(sets_of(&world)[1], ("v2".into(), 2, 2));
}

#[test]
fn old_revisions_beyond_the_limit_are_forgotten() {
    let mut world = world(1);
    patch(&mut world, json!({ "spec": { "revisionHistoryLimit": 2 } }));
    for image in ["v2", "v3", "v4", "v5"] {
        set_image(&mut world, image);
        rollout(&mut world);
    }
    let images: Vec<String> = sets_of(&world).into_iter().map(|s| s.0).collect();
    assert_eq!(images, ["v3", "v4", "v5"]);
}

#[test]
fn restart_by_annotation_rolls() {
    let mut world = world(1);
    let stamp = timestamp(world.now());
    patch(
        &mut world,
        json!({ "spec": { "template": { "metadata": { "annotations": {
            "kubectl.kubernetes.io/restartedAt": stamp
        } } } } }),
    );
    rollout(&mut world);
    assert!(done(&world));
    assert_eq!(sets_of(&world).len(), 2);
}

#[test]
fn a_foreign_replica_set_of_the_same_name_is_a_collision() {
    let mut world = Harness::new();
    let made = world.create(&DEPLOYMENT, deployment(1));
    let name = format!("web-{}", sets::template_hash(&made));
    world.create(
        &REPLICA_SET,
        json!({
            "metadata": { "namespace": "ns", "name": name },
            "spec": {
                "replicas": 0,
                "selector": { "matchLabels": { "other": "x" } },
                "template": { "metadata": { "labels": { "other": "x" } } },
            },
        }),
    );
    rollout(&mut world);
    assert_eq!(get(&world)["status"]["collisionCount"], 1);
    assert!(done(&world));
}

#[test]
fn refused_pods_show_on_the_deployment() {
    let mut world = Harness::new();
    world.create(&DEPLOYMENT, deployment(1));
    world.store.intercept(|call, _| {
        let refused = call.plural == "pods" && call.verb == testkit::Verb::Create;
        refused.then(|| StoreError::Refused {
            code: 403,
            message: "no sidecar today".into(),
        })
    });
    for _ in 0..5 {
        world.step(&Deployments);
        world.step(&ReplicaSets);
    }
    let failure = condition(&get(&world), "ReplicaFailure").cloned().unwrap();
    assert!(
        failure["message"]
            .as_str()
            .unwrap()
            .contains("no sidecar today")
    );
    world.store.intercept(|_, _| None);
    rollout(&mut world);
    assert!(condition(&get(&world), "ReplicaFailure").is_none());
}

#[test]
fn a_settled_deployment_is_left_alone() {
    let mut world = world(3);
    let _ = world.store.take_calls();
    world.advance(3600);
    world.settle_all(&controllers());
    assert!(world.store.take_calls().is_empty());
}
