use super::*;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use api::kinds::POD;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::json;

/// An API server which answers from a script and notes what it was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new(answers: &[(u16, String)]) -> Self {
        let script = Self::default();
        script
            .answers
            .lock()
            .unwrap()
            .extend(answers.iter().cloned());
        script
    }

    fn store(&self) -> KubeStore {
        let script = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let script = script.clone();
            async move {
                script.asked.lock().unwrap().push(request.uri().to_string());
                let answer = script.answers.lock().unwrap().pop_front();
                match answer {
                    Some((code, body)) => {
                        let body = Body::from(body.into_bytes());
                        Ok(Response::builder().status(code).body(body).unwrap())
                    }
                    None => Err(std::io::Error::other("connection refused")),
                }
            }
        });
        KubeStore::from_client(Client::new(service, "default"))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn changes(&self) -> Pin<Box<dyn Stream<Item = Change> + Send>> {
        Box::pin(watch(self.store(), POD, Query::default()))
    }
}

fn pod(name: &str, version: u64) -> Value {
    json!({ "metadata": { "namespace": "ns", "name": name, "resourceVersion": version.to_string() } })
}

fn list(pods: &[Value], version: u64, token: &str) -> (u16, String) {
    let meta = json!({ "resourceVersion": version.to_string(), "continue": token });
    (
        200,
        json!({ "kind": "PodList", "metadata": meta, "items": pods }).to_string(),
    )
}

fn events(lines: &[Value]) -> (u16, String) {
    (200, lines.iter().map(|line| format!("{line}\n")).collect())
}

fn event(kind: &str, object: &Value) -> Value {
    json!({ "type": kind, "object": object })
}

fn status(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    })
}

fn shown(change: &Change) -> String {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    match change {
        Change::Synced(all) => format!("={}", all.iter().map(name).collect::<Vec<_>>().join(",")),
        Change::Applied(object) => format!("+{}", name(object)),
        Change::Deleted(object) => format!("-{}", name(object)),
    }
}

async fn first(script: &Script, count: usize) -> Vec<String> {
    let changes: Vec<Change> = script.changes().take(count).collect().await;
    changes.iter().map(shown).collect()
}

#[tokio::test(start_paused = true)]
async fn pages_are_joined_and_events_follow_from_the_lists_version() {
    let script = Script::new(&[
        list(&[pod("a", 1)], 7, "more"),
        list(&[pod("b", 2)], 7, ""),
        events(&[event("ADDED", &pod("c", 8)), event("DELETED", &pod("a", 9))]),
    ]);
    assert_eq!(first(&script, 3).await, ["=a,b", "+c", "-a"]);
    let asked = script.asked();
    assert!(asked[1].contains("continue=more"), "{asked:?}");
    assert!(
        asked[2].contains("watch=true") && asked[2].contains("resourceVersion=7"),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn items_of_a_list_get_the_kind_that_the_server_leaves_out() {
    let script = Script::new(&[list(&[pod("a", 1)], 1, "")]);
    let Some(Change::Synced(all)) = script.changes().next().await else {
        panic!("the list comes first");
    };
    assert_eq!(
        (&all[0]["apiVersion"], &all[0]["kind"]),
        (&json!("v1"), &json!("Pod"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_watch_goes_on_where_it_was_also_behind_a_bookmark() {
    let bookmark =
        json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "resourceVersion": "50" } });
    let script = Script::new(&[
        list(&[], 7, ""),
        events(&[event("ADDED", &pod("a", 8))]),
        events(&[event("BOOKMARK", &bookmark)]),
        (503, status(503, "ServiceUnavailable").to_string()),
        events(&[event("MODIFIED", &pod("a", 51))]),
    ]);
    assert_eq!(first(&script, 3).await, ["=", "+a", "+a"]);
    let versions: Vec<bool> = [(2, "=8"), (3, "=50"), (4, "=50")]
        .iter()
        .map(|(at, version)| script.asked()[*at].contains(&format!("resourceVersion{version}")))
        .collect();
    assert_eq!(versions, [true; 3], "{:?}", script.asked());
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_version_is_listed_again_however_the_server_says_it() {
    let gone = status(410, "Expired");
    for answer in [(410, gone.to_string()), events(&[event("ERROR", &gone)])] {
        let script = Script::new(&[
            list(&[pod("a", 1)], 7, ""),
            answer,
            list(&[pod("b", 9)], 9, ""),
        ]);
        assert_eq!(first(&script, 2).await, ["=a", "=b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_absent_kind_is_empty_and_found_once_it_is_there() {
    let absent = (404, status(404, "NotFound").to_string());
    let script = Script::new(&[absent.clone(), absent, list(&[pod("a", 1)], 1, "")]);
    assert_eq!(first(&script, 2).await, ["=", "=a"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_start_delays_the_first_state() {
    let down = (503, status(503, "ServiceUnavailable").to_string());
    let script = Script::new(&[down.clone(), down, list(&[], 1, "")]);
    assert_eq!(first(&script, 1).await, ["="]);
    assert_eq!(script.asked().len(), 3);
}

#[test]
fn back_off_grows_to_three_seconds_and_starts_over() {
    let mut backoff = Backoff::default();
    let first = backoff.next();
    assert!(first <= Duration::from_millis(50) && first >= Duration::from_millis(37));
    for _ in 0..20 {
        assert!(backoff.next() <= Duration::from_secs(3));
    }
    backoff.reset();
    assert!(backoff.next() <= Duration::from_millis(50));
}
