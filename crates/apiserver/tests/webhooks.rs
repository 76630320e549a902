//! Admission webhooks over real HTTPS.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use common::Cluster;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use testkit::pki::{Authority, Validity};
use tokio_rustls::TlsAcceptor;

type Answer = dyn Fn(&Value) -> Value + Send + Sync;

/// A webhook server; remembers what it was asked.
struct Hook {
    url: String,
    bundle: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    async fn start(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        net::tls::install_provider();
        let authority = Authority::root("webhook test");
        let pair = authority.server(&["127.0.0.1"], Validity::default());
        let chain = CertificateDer::pem_slice_iter(pair.chain.as_bytes())
            .map(Result::unwrap)
            .collect();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/hook", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (seen, answer): (_, Arc<Answer>) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, answer) = (acceptor.clone(), seen.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (seen, answer) = (seen.clone(), answer.clone());
                        async move {
                            let body = request.into_body().collect().await.unwrap().to_bytes();
                            let review: Value = serde_json::from_slice(&body).unwrap();
                            let mut response = answer(&review["request"]);
                            response["uid"] = review["request"]["uid"].clone();
                            seen.lock().unwrap().push(review["request"].clone());
                            let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
                            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(
                                review.to_string(),
                            ))))
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            url,
            bundle: STANDARD.encode(&authority.pem),
            asked,
        }
    }

    /// A configuration with this hook for ConfigMaps of the namespace `default`.
    fn configuration(&self, kind: &str, name: &str, more: Value) -> Value {
        let mut hook = json!({
            "name": format!("{name}.example.test"),
            "clientConfig": {"url": self.url, "caBundle": self.bundle},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE", "UPDATE"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
            "objectSelector": {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        });
        json_patch::merge(&mut hook, &more);
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "webhooks": [hook]})
    }
}

async fn post(client: &Client, path: &str, body: &Value) -> Result<Value, (u16, String)> {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .unwrap();
    client
        .request::<Value>(request)
        .await
        .map_err(|error| match error {
            kube::Error::Api(status) => (status.code, status.message.clone()),
            other => panic!("{other}"),
        })
}

const MUTATING: &str = "MutatingWebhookConfiguration";
const VALIDATING: &str = "ValidatingWebhookConfiguration";

async fn install(client: &Client, configuration: &Value) {
    let plural = format!(
        "{}s",
        configuration["kind"].as_str().unwrap().to_lowercase()
    );
    post(
        client,
        &format!("/apis/admissionregistration.k8s.io/v1/{plural}"),
        configuration,
    )
    .await
    .unwrap();
}

async fn create(client: &Client, name: &str) -> Result<Value, (u16, String)> {
    post(
        client,
        "/api/v1/namespaces/default/configmaps",
        &json!({"metadata": {"name": name}, "data": {}}),
    )
    .await
}

fn patched(operations: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string())})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutating_webhook_changes_what_is_stored() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let hook =
        Hook::start(|_| patched(&json!([{"op": "add", "path": "/data/injected", "value": "yes"}])))
            .await;
    install(&client, &hook.configuration(MUTATING, "inject", json!({}))).await;
    assert_eq!(
        create(&client, "a").await.unwrap()["data"]["injected"],
        "yes"
    );
    let skipped = json!({"metadata": {"name": "b", "labels": {"skip": "me"}}});
    assert_eq!(
        post(&client, "/api/v1/namespaces/default/configmaps", &skipped)
            .await
            .unwrap()
            .get("data"),
        None
    );
    let elsewhere = json!({"metadata": {"name": "c"}});
    assert_eq!(
        post(
            &client,
            "/api/v1/namespaces/kube-public/configmaps",
            &elsewhere
        )
        .await
        .unwrap()
        .get("data"),
        None
    );
    let asked = hook.asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (
            &asked[0]["operation"],
            &asked[0]["kind"]["kind"],
            &asked[0]["namespace"]
        ),
        (&json!("CREATE"), &json!("ConfigMap"), &json!("default"))
    );
    assert_eq!(asked[0]["userInfo"]["username"], "ferromesh-admin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_asks_for_it_sees_later_changes() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let first = Hook::start(|request| {
        let seen = request["object"]["data"]
            .as_object()
            .map_or(0, serde_json::Map::len);
        patched(&json!([{"op": "add", "path": "/data/seen", "value": seen.to_string()}]))
    })
    .await;
    let second =
        Hook::start(|_| patched(&json!([{"op": "add", "path": "/data/late", "value": "x"}]))).await;
    install(
        &client,
        &first.configuration(
            MUTATING,
            "a-first",
            json!({"reinvocationPolicy": "IfNeeded"}),
        ),
    )
    .await;
    install(
        &client,
        &second.configuration(MUTATING, "b-second", json!({})),
    )
    .await;
    let stored = create(&client, "a").await.unwrap();
    assert_eq!(stored["data"], json!({"seen": "2", "late": "x"}));
    assert_eq!(
        (
            first.asked.lock().unwrap().len(),
            second.asked.lock().unwrap().len()
        ),
        (2, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validating_webhook_refuses_with_its_words_and_warns() {
    let cluster = Cluster::start();
    let hook = Hook::start(|request| {
        if request["name"] == "bad" {
            json!({"allowed": false, "status": {"code": 422, "message": "spec.x is not honoured"}})
        } else {
            json!({"allowed": true, "warnings": ["this will go away"]})
        }
    })
    .await;
    let client = cluster.client().await;
    install(&client, &hook.configuration(VALIDATING, "check", json!({}))).await;
    let (code, message) = create(&client, "bad").await.unwrap_err();
    assert_eq!(
        (code, message.as_str()),
        (
            422,
            "admission webhook \"check.example.test\" denied the request: spec.x is not honoured"
        )
    );
    create(&client, "good").await.unwrap();
    if let Some(kubectl) = cluster.kubectl() {
        let output = tokio::task::block_in_place(|| {
            let mut child = kubectl
                .command("apply -f -")
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            use std::io::Write;
            child
                .stdin
                .take()
                .unwrap()
                .write_all(b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: warned}\n")
                .unwrap();
            child.wait_with_output().unwrap()
        });
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(printed.contains("Warning: this will go away"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failure_policy_decides_when_a_webhook_is_away() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let hook = Hook::start(|_| json!({"allowed": true})).await;
    let away = testkit::listener();
    let url = format!("https://{}/", away.local_addr().unwrap());
    drop(away);
    install(
        &client,
        &hook.configuration(VALIDATING, "away", json!({"clientConfig": {"url": url}})),
    )
    .await;
    let (code, message) = create(&client, "a").await.unwrap_err();
    assert_eq!(code, 500);
    assert!(message.starts_with("Internal error occurred: failed calling webhook \"away.example.test\": failed to call webhook: Post \"https://127.0.0.1:"), "{message}");
    let ignore = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    let request = Request::patch(
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/away",
    )
    .header("content-type", "application/json-patch+json")
    .body(ignore.to_string().into_bytes())
    .unwrap();
    client.request::<Value>(request).await.unwrap();
    create(&client, "a").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_with_a_strange_certificate_is_not_trusted() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let hook = Hook::start(|_| json!({"allowed": true})).await;
    let stranger = STANDARD.encode(&Authority::root("stranger").pem);
    install(
        &client,
        &hook.configuration(
            VALIDATING,
            "strange",
            json!({"clientConfig": {"caBundle": stranger}}),
        ),
    )
    .await;
    let (code, message) = create(&client, "a").await.unwrap_err();
    assert_eq!(code, 500);
    assert!(message.contains("tls:"), "{message}");
    assert!(hook.asked.lock().unwrap().is_empty());
}
