use serde_json::json;

use super::*;

const POD: ResourceType = ResourceType {
    group: "",
    version: "v1",
    kind: "Pod",
    plural: "pods",
    namespaced: true,
};
const SERVICE_ACCOUNT: ResourceType = ResourceType {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    namespaced: true,
};
const TOKEN_REVIEW: ResourceType = ResourceType {
    group: "authentication.k8s.io",
    version: "v1",
    kind: "TokenReview",
    plural: "tokenreviews",
    namespaced: false,
};

fn pod(name: &str, labels: &Value) -> Value {
    json!({ "metadata": { "namespace": "ns", "name": name, "labels": labels }, "spec": { "a": 1 } })
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

#[tokio::test]
async fn a_stale_replace_conflicts_and_a_fresh_one_bumps_the_generation() {
    let store = MemoryStore::default();
    let first = store.create(&POD, pod("a", &json!({}))).await.unwrap();
    let mut next = first.clone();
    next["spec"]["a"] = 2.into();
    let second = store.replace(&POD, next.clone()).await.unwrap();
    assert_eq!(second["metadata"]["generation"], 2);
    assert!(matches!(
        store.replace(&POD, next).await,
        Err(StoreError::Conflict(_))
    ));
    assert!(matches!(
        store.create(&POD, pod("a", &json!({}))).await,
        Err(StoreError::AlreadyExists(_))
    ));
}

#[tokio::test]
async fn status_is_written_through_its_subresource_alone() {
    let store = MemoryStore::default();
    let mut made = pod("a", &json!({}));
    made["status"] = json!({ "phase": "Running" });
    let mut made = store.create(&POD, made).await.unwrap();
    assert!(made.get("status").is_none());
    made["status"] = json!({ "phase": "Running" });
    made["spec"]["a"] = 7.into();
    let written = store.replace_status(&POD, made.clone()).await.unwrap();
    assert_eq!(written["status"]["phase"], "Running");
    assert_eq!(written["spec"]["a"], 1);
    assert_eq!(written["metadata"]["generation"], 1);
}

#[tokio::test]
async fn watches_see_objects_enter_and_leave_their_selector() {
    let store = MemoryStore::default();
    let query = Query {
        labels: "app=x".into(),
        ..Query::default()
    };
    let mut watch = store.watch(&POD, &query);
    assert!(matches!(watch.next().await, Some(Change::Synced(all)) if all.is_empty()));
    store
        .create(&POD, pod("a", &json!({ "app": "y" })))
        .await
        .unwrap();
    let label = |value: &str| Patch::Merge(json!({ "metadata": { "labels": { "app": value } } }));
    store.patch(&POD, &key("a"), label("x")).await.unwrap();
    assert!(matches!(watch.next().await, Some(Change::Applied(_))));
    store.patch(&POD, &key("a"), label("y")).await.unwrap();
    assert!(matches!(watch.next().await, Some(Change::Deleted(_))));
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let store = MemoryStore::default();
    let mut made = pod("a", &json!({}));
    made["metadata"]["finalizers"] = json!(["x/y"]);
    store.create(&POD, made).await.unwrap();
    store
        .delete(&POD, &key("a"), Delete::default())
        .await
        .unwrap();
    let held = store.get(&POD, &key("a")).await.unwrap();
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    store.patch(&POD, &key("a"), free).await.unwrap();
    assert!(matches!(
        store.get(&POD, &key("a")).await,
        Err(StoreError::NotFound(_))
    ));
}

#[tokio::test]
async fn a_bound_pod_is_deleted_with_grace() {
    let store = MemoryStore::default();
    let mut made = pod("a", &json!({}));
    made["spec"]["nodeName"] = "n".into();
    store.create(&POD, made).await.unwrap();
    store
        .delete(&POD, &key("a"), Delete::default())
        .await
        .unwrap();
    let held = store.get(&POD, &key("a")).await.unwrap();
    assert_eq!(held["metadata"]["deletionGracePeriodSeconds"], 30);
    let now = Delete {
        grace: Some(0),
        ..Delete::default()
    };
    store.delete(&POD, &key("a"), now).await.unwrap();
    assert!(store.peek(&POD, "ns", "a").is_none());
}

#[tokio::test]
async fn tokens_are_reviewed_by_audience_and_age() {
    let clock = FakeClock::default();
    let store = MemoryStore::new(clock.clone());
    store
        .create(
            &SERVICE_ACCOUNT,
            json!({ "metadata": { "namespace": "ns", "name": "a" } }),
        )
        .await
        .unwrap();
    let request = json!({ "spec": { "audiences": ["istio-ca"], "expirationSeconds": 600 } });
    let answer = store
        .post(&SERVICE_ACCOUNT, &key("a"), "token", request)
        .await
        .unwrap();
    let token = answer["status"]["token"].as_str().unwrap().to_owned();
    let review = |audience: &'static str| {
        let store = store.clone();
        let token = token.clone();
        async move {
            let body = json!({ "spec": { "token": token, "audiences": [audience] } });
            store.create(&TOKEN_REVIEW, body).await.unwrap()["status"].clone()
        }
    };
    let good = review("istio-ca").await;
    assert_eq!(good["user"]["username"], "system:serviceaccount:ns:a");
    assert_eq!(review("other").await["authenticated"], false);
    clock.advance(std::time::Duration::from_secs(601));
    assert_eq!(review("istio-ca").await["authenticated"], false);
}

#[tokio::test]
async fn deleting_an_owner_deletes_or_orphans_its_dependents() {
    let store = MemoryStore::default();
    for (owner, child, propagation, left) in [
        ("a", "a1", api::store::Propagation::Background, false),
        ("b", "b1", api::store::Propagation::Orphan, true),
    ] {
        let made = store.create(&POD, pod(owner, &json!({}))).await.unwrap();
        let mut dependent = pod(child, &json!({}));
        dependent["metadata"]["ownerReferences"] = json!([{ "uid": made["metadata"]["uid"] }]);
        store.create(&POD, dependent).await.unwrap();
        let options = Delete {
            propagation,
            ..Delete::default()
        };
        store.delete(&POD, &key(owner), options).await.unwrap();
        assert_eq!(store.peek(&POD, "ns", child).is_some(), left);
    }
}
