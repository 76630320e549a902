//! Who may do what: certificates, tokens, reviews, roles; and the streams to a node.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod common;

use std::sync::Arc;

use common::Cluster;
use http::Request;
use kube::Client;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

async fn send(
    client: &Client,
    method: &str,
    path: &str,
    body: Value,
) -> Result<Value, (u16, String)> {
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(bytes)
        .unwrap();
    client
        .request::<Value>(request)
        .await
        .map_err(|error| match error {
            kube::Error::Api(status) => (status.code, status.message.clone()),
            other => panic!("{other}"),
        })
}

/// A client with a bearer token, or with nothing.
fn with_token(cluster: &Cluster, token: Option<&str>) -> Client {
    let roots = CertificateDer::pem_slice_iter(cluster.server.ca_pem().as_bytes())
        .map(|c| c.unwrap().to_vec())
        .collect();
    let mut config = kube::Config::new(cluster.url.parse().unwrap());
    config.root_cert = Some(roots);
    let token: Option<String> = token.map(str::to_owned);
    if let Some(token) = token {
        config.auth_info.token = Some(token.into());
    }
    Client::try_from(config).unwrap()
}

async fn token_of(client: &Client, account: &str, spec: Value) -> String {
    let path = format!("/api/v1/namespaces/default/serviceaccounts/{account}/token");
    let answer = send(client, "POST", &path, json!({"spec": spec}))
        .await
        .unwrap();
    answer["status"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_see_health_and_nothing_else() {
    let cluster = Cluster::start();
    let stranger = with_token(&cluster, None);
    assert_eq!(
        stranger
            .request_text(Request::get("/healthz").body(Vec::new()).unwrap())
            .await
            .unwrap(),
        "ok"
    );
    let (code, message) = send(
        &stranger,
        "GET",
        "/api/v1/namespaces/default/secrets",
        Value::Null,
    )
    .await
    .unwrap_err();
    assert_eq!(code, 403);
    assert!(
        message.contains("User \"system:anonymous\" cannot list resource \"secrets\""),
        "{message}"
    );
    let liar = with_token(&cluster, Some("eyJhbGciOiJub25lIn0.e30."));
    assert_eq!(
        send(&liar, "GET", "/api/v1/pods", Value::Null)
            .await
            .unwrap_err()
            .0,
        401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_prove_a_service_account_and_die_with_what_they_are_bound_to() {
    let cluster = Cluster::start();
    let admin = cluster.client().await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    send(&admin, "POST", "/api/v1/namespaces/default/pods", pod)
        .await
        .unwrap();
    let bound = json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}});
    let token = token_of(&admin, "default", bound).await;
    let account = with_token(&cluster, Some(&token));
    let review = send(
        &account,
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        json!({}),
    )
    .await
    .unwrap();
    assert_eq!(
        review["status"]["userInfo"]["username"],
        "system:serviceaccount:default:default"
    );
    assert_eq!(
        review["status"]["userInfo"]["extra"]["authentication.kubernetes.io/pod-name"],
        json!(["p"])
    );

    let elsewhere = token_of(&admin, "default", json!({"audiences": ["istio-ca"]})).await;
    let ask = async |token: &str, audiences: Value| {
        let body = json!({"spec": {"token": token, "audiences": audiences}});
        send(
            &admin,
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            body,
        )
        .await
        .unwrap()["status"]
            .clone()
    };
    assert_eq!(
        ask(&elsewhere, json!(["istio-ca"])).await["authenticated"],
        true
    );
    assert_eq!(
        ask(&elsewhere, json!(["istio-ca"])).await["audiences"],
        json!(["istio-ca"])
    );
    assert_eq!(ask(&elsewhere, Value::Null).await["authenticated"], false);
    let stranger = with_token(&cluster, Some(&elsewhere));
    assert_eq!(
        send(&stranger, "GET", "/api", Value::Null)
            .await
            .unwrap_err()
            .0,
        401
    );

    send(
        &admin,
        "DELETE",
        "/api/v1/namespaces/default/pods/p",
        Value::Null,
    )
    .await
    .unwrap();
    assert_eq!(
        send(&account, "GET", "/api", Value::Null)
            .await
            .unwrap_err()
            .0,
        401
    );
    let (code, message) = send(
        &admin,
        "POST",
        "/api/v1/namespaces/default/serviceaccounts/default/token",
        json!({"spec": {"expirationSeconds": 5}}),
    )
    .await
    .unwrap_err();
    assert_eq!(code, 422);
    assert!(
        message.contains("may not specify a duration less than 10 minutes"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_grant_what_they_say() {
    let cluster = Cluster::start();
    let admin = cluster.client().await;
    let token = token_of(&admin, "default", json!({})).await;
    let account = with_token(&cluster, Some(&token));
    let secrets = "/api/v1/namespaces/default/secrets";
    assert_eq!(
        send(&account, "GET", secrets, Value::Null)
            .await
            .unwrap_err()
            .0,
        403
    );
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let role = json!({"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]});
    send(&admin, "POST", &format!("{rbac}/roles"), role)
        .await
        .unwrap();
    let binding = json!({"metadata": {"name": "reader"}, "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]});
    send(&admin, "POST", &format!("{rbac}/rolebindings"), binding)
        .await
        .unwrap();
    send(&account, "GET", secrets, Value::Null).await.unwrap();
    assert_eq!(
        send(&account, "DELETE", secrets, Value::Null)
            .await
            .unwrap_err()
            .0,
        403
    );
    assert_eq!(
        send(
            &account,
            "GET",
            "/api/v1/namespaces/kube-system/secrets",
            Value::Null
        )
        .await
        .unwrap_err()
        .0,
        403
    );
    let question = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "secrets", "namespace": "default"}}});
    let answer = send(
        &account,
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        question,
    )
    .await
    .unwrap();
    assert_eq!(answer["status"]["allowed"], true);
}

#[test]
fn keys_and_kubeconfig_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let cluster = Cluster::start();
    for file in [
        "kubeconfig",
        "pki/ca.key",
        "pki/sa.key",
        "pki/kubelet.key",
        "state.redb",
    ] {
        let mode = std::fs::metadata(cluster.directory.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

/// A kubelet that answers log requests and echoes upgraded streams.
async fn kubelet(cluster: &Cluster) -> u16 {
    let pki = cluster.directory.path().join("pki");
    let chain = CertificateDer::pem_file_iter(pki.join("kubelet.crt"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(pki.join("kubelet.key")).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap().to_lowercase();
                let path = head.split_whitespace().nth(1).unwrap().to_owned();
                if head.contains("upgrade: echo") {
                    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await.unwrap();
                    let (mut from, mut to) = tokio::io::split(stream);
                    tokio::io::copy(&mut from, &mut to).await.ok();
                    return;
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{path}",
                    path.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    port
}

async fn with_node(cluster: &Cluster) {
    let port = kubelet(cluster).await;
    let admin = cluster.client().await;
    let node = json!({"metadata": {"name": "n1"}});
    send(&admin, "POST", "/api/v1/nodes", node).await.unwrap();
    let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}});
    let request = Request::patch("/api/v1/nodes/n1/status")
        .header("content-type", "application/merge-patch+json")
        .body(status.to_string().into_bytes())
        .unwrap();
    admin.request::<Value>(request).await.unwrap();
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:1"}]}});
    send(&admin, "POST", "/api/v1/namespaces/default/pods", pod)
        .await
        .unwrap();
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}});
    send(
        &admin,
        "POST",
        "/api/v1/namespaces/default/pods/p/binding",
        binding,
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_come_from_the_node() {
    let cluster = Cluster::start();
    with_node(&cluster).await;
    let admin = cluster.client().await;
    let text = async |path: &str| {
        admin
            .request_text(Request::get(path).body(Vec::new()).unwrap())
            .await
    };
    let log = text("/api/v1/namespaces/default/pods/p/log?container=b&tailLines=5&follow=true")
        .await
        .unwrap();
    assert_eq!(log, "/containerlogs/default/p/b?follow=true&taillines=5");
    let unnamed = text("/api/v1/namespaces/default/pods/p/log")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        unnamed.contains("a container name must be specified for pod p, choose one of: [a b]"),
        "{unnamed}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgraded_streams_pass_unchanged_in_both_directions() {
    let cluster = Cluster::start();
    with_node(&cluster).await;
    let (certificate, key) = cluster
        .server
        .client_certificate("tester", &["system:masters"])
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(cluster.server.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let address = cluster.url.trim_start_matches("https://").to_owned();
    let stream = TcpStream::connect(&address).await.unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("127.0.0.1").unwrap(), stream)
        .await
        .unwrap();
    let path =
        "/api/v1/namespaces/default/pods/p/exec?container=a&command=sh&stdin=true&stdout=true";
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    for bytes in [&b"first"[..], &[0, 255, 13, 10], &[7; 70_000]] {
        stream.write_all(bytes).await.unwrap();
        let mut echoed = vec![0; bytes.len()];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(echoed, bytes);
    }
}
