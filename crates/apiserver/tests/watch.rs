//! Lists and watches as `kube` and client-go use them.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod common;

use std::time::Duration;

use common::Cluster;
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

async fn get(client: &Client, path: &str) -> Value {
    let request = Request::get(path).body(Vec::new()).unwrap();
    client.request::<Value>(request).await.unwrap()
}

/// The first `count` events of a watch.
async fn events(client: &Client, path: &str, count: usize) -> Vec<Value> {
    let request = Request::get(path).body(Vec::new()).unwrap();
    let lines = client.request_stream(request).await.unwrap().lines();
    let read = lines
        .map_ok(|line| serde_json::from_str(&line).unwrap())
        .take(count)
        .try_collect();
    tokio::time::timeout(common::PATIENCE, read)
        .await
        .expect("the events come")
        .unwrap()
}

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

async fn sees_everything(configuration: watcher::Config) {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    maps.create(&PostParams::default(), &map("before"))
        .await
        .unwrap();
    let mut stream = Box::pin(watcher(
        maps.clone(),
        configuration.fields("metadata.name!=kube-root-ca.crt"),
    ));
    let mut next = async || {
        tokio::time::timeout(common::PATIENCE, stream.next())
            .await
            .expect("an event comes")
            .unwrap()
            .unwrap()
    };
    assert!(matches!(next().await, Event::Init));
    assert!(
        matches!(next().await, Event::InitApply(m) if m.metadata.name.as_deref() == Some("before"))
    );
    assert!(matches!(next().await, Event::InitDone));
    maps.create(&PostParams::default(), &map("after"))
        .await
        .unwrap();
    assert!(matches!(next().await, Event::Apply(m) if m.metadata.name.as_deref() == Some("after")));
    let patch = Patch::Merge(json!({"data": {"k": "v"}}));
    maps.patch("after", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert!(matches!(next().await, Event::Apply(m) if m.data.is_some()));
    maps.delete("after", &DeleteParams::default())
        .await
        .unwrap();
    assert!(
        matches!(next().await, Event::Delete(m) if m.metadata.name.as_deref() == Some("after"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kube_s_watcher_sees_everything_by_list_and_watch() {
    sees_everything(watcher::Config::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kube_s_watcher_sees_everything_by_streaming_list() {
    sees_everything(watcher::Config::default().streaming_lists()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selected_watch_shows_objects_entering_and_leaving() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let start = get(&client, MAPS).await["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    maps.create(&PostParams::default(), &map("a"))
        .await
        .unwrap();
    let label = |value: Value| Patch::Merge(json!({"metadata": {"labels": {"in": value}}}));
    for value in [json!("yes"), json!("no"), json!("yes")] {
        maps.patch("a", &PatchParams::default(), &label(value))
            .await
            .unwrap();
    }
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let seen = events(
        &client,
        &format!("{MAPS}?watch=1&labelSelector=in%3Dyes&resourceVersion={start}"),
        4,
    )
    .await;
    let kinds: Vec<&str> = seen.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ADDED", "DELETED", "ADDED", "DELETED"]);
    let versions: Vec<u64> = seen
        .iter()
        .map(|e| {
            e["object"]["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(versions.is_sorted(), "{versions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookmarks_carry_the_revision_forward() {
    let cluster =
        Cluster::start_with(|options| options.bookmark_interval = Duration::from_millis(50));
    let client = cluster.client().await;
    let start = get(&client, MAPS).await["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let maps: Api<k8s_openapi::api::core::v1::Secret> = Api::default_namespaced(client.clone());
    maps.create(
        &PostParams::default(),
        &k8s_openapi::api::core::v1::Secret {
            metadata: map("s").metadata,
            ..Default::default()
        },
    )
    .await
    .unwrap();
    let seen = events(
        &client,
        &format!("{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={start}"),
        1,
    )
    .await;
    assert_eq!(seen[0]["type"], "BOOKMARK");
    let reached: u64 = seen[0]["object"]["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(reached > start.parse().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_the_forgotten_past_is_told_so() {
    let cluster = Cluster::start_with(|options| options.watch_history = 16);
    let client = cluster.client().await;
    let ahead = Request::get(format!("{MAPS}?watch=1&resourceVersion=999999"))
        .body(Vec::new())
        .unwrap();
    assert_eq!(code(client.request::<Value>(ahead).await.unwrap_err()), 410);
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &map("busy"))
        .await
        .unwrap();
    let floor: u64 = get(&client, MAPS).await["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    for round in 0..20 {
        let patch = Patch::Merge(json!({"data": {"n": round.to_string()}}));
        maps.patch("busy", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    let old = Request::get(format!("{MAPS}?watch=1&resourceVersion={floor}"))
        .body(Vec::new())
        .unwrap();
    assert_eq!(code(client.request::<Value>(old).await.unwrap_err()), 410);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_list_show_one_moment() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    for name in ["a", "b", "c", "d"] {
        maps.create(&PostParams::default(), &map(name))
            .await
            .unwrap();
    }
    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(
        (first.items.len(), first.metadata.remaining_item_count),
        (2, Some(3))
    );
    maps.delete("c", &DeleteParams::default()).await.unwrap();
    maps.create(&PostParams::default(), &map("e"))
        .await
        .unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = maps
        .list(&ListParams::default().continue_token(&token))
        .await
        .unwrap();
    let names: Vec<String> = rest
        .items
        .into_iter()
        .map(|m| m.metadata.name.unwrap())
        .collect();
    assert_eq!(names, ["c", "d", "kube-root-ca.crt"]);
    assert_eq!(
        rest.metadata.resource_version,
        first.metadata.resource_version
    );
    let error = maps
        .list(&ListParams::default().continue_token("nonsense"))
        .await
        .unwrap_err();
    assert_eq!(code(error), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_one_store_behind_two_groups() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "reason": "Tested", "action": "Test", "note": "hello", "type": "Normal",
        "reportingController": "example.test/c", "reportingInstance": "c-1",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}});
    let request = Request::post("/apis/events.k8s.io/v1/namespaces/default/events")
        .header("content-type", "application/json")
        .body(event.to_string().into_bytes())
        .unwrap();
    client.request::<Value>(request).await.unwrap();
    let core = get(
        &client,
        "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp",
    )
    .await;
    assert_eq!(core["items"][0]["message"], "hello");
    let new = get(
        &client,
        "/apis/events.k8s.io/v1/namespaces/default/events/e",
    )
    .await;
    assert_eq!(
        (&new["note"], &new["apiVersion"]),
        (&json!("hello"), &json!("events.k8s.io/v1"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_never_lose_an_update() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mut first = map("shared");
    first.data = Some([("n".to_owned(), "0".to_owned())].into());
    maps.create(&PostParams::default(), &first).await.unwrap();
    let writers = (0..4).map(|_| {
        let maps = maps.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while done < 10 {
                let mut current = maps.get("shared").await.unwrap();
                let data = current.data.as_mut().unwrap();
                let next = data["n"].parse::<u32>().unwrap() + 1;
                data.insert("n".into(), next.to_string());
                match maps
                    .replace("shared", &PostParams::default(), &current)
                    .await
                {
                    Ok(_) => done += 1,
                    Err(error) => assert_eq!(code(error), 409),
                }
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(maps.get("shared").await.unwrap().data.unwrap()["n"], "40");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_in_protobuf_are_refused_by_name() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let request = Request::post(MAPS)
        .header("content-type", "application/vnd.kubernetes.protobuf")
        .body(b"k8s\0".to_vec())
        .unwrap();
    assert_eq!(
        code(client.request::<Value>(request).await.unwrap_err()),
        415
    );
    let request = Request::get(MAPS)
        .header(
            "accept",
            "application/vnd.kubernetes.protobuf,application/json",
        )
        .body(Vec::new())
        .unwrap();
    assert_eq!(
        client.request::<Value>(request).await.unwrap()["kind"],
        "ConfigMapList"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn istio_s_definitions_are_established_and_serve_every_version() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let post = async |path: &str, body: &Value| {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap();
        client.request::<Value>(request).await
    };
    for definition in api::crds() {
        post(definitions, &definition).await.unwrap();
        let name = definition["metadata"]["name"].as_str().unwrap();
        let selected = format!("{definitions}?watch=1&fieldSelector=metadata.name%3D{name}");
        let request = Request::get(selected).body(Vec::new()).unwrap();
        let mut lines = client.request_stream(request).await.unwrap().lines();
        loop {
            let line = tokio::time::timeout(common::PATIENCE, lines.next())
                .await
                .expect("it is established");
            let event: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
            let conditions = event["object"]["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            if conditions
                .iter()
                .any(|c| c["type"] == "Established" && c["status"] == "True")
            {
                break;
            }
        }
    }
    let service = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "v"},
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 100}], "timeout": "5s"}]}});
    post(
        "/apis/networking.istio.io/v1/namespaces/default/virtualservices",
        &service,
    )
    .await
    .unwrap();
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let path =
            format!("/apis/networking.istio.io/{version}/namespaces/default/virtualservices/v");
        let shown = get(&client, &path).await;
        assert_eq!(
            shown["apiVersion"],
            format!("networking.istio.io/{version}")
        );
        assert_eq!(shown["spec"], service["spec"]);
    }
}
