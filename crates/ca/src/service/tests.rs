use super::*;
use crate::authority::Options;
use api::kinds::SERVICE_ACCOUNT;
use api::store::{Store, StoreError};
use base::{ObjectKey, SpiffeId};
use rcgen::{CertificateParams, KeyPair, SanType};
use serde_json::json;
use std::time::SystemTime;
use testkit::{FakeClock, MemoryStore, Verb};
use tonic::Code;

struct World {
    store: MemoryStore,
    clock: FakeClock,
    service: CertificateAuthority,
}

async fn world() -> World {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let clock = FakeClock::at(now.as_secs());
    let store = MemoryStore::new(clock.clone());
    let account = json!({ "metadata": { "namespace": "bookinfo", "name": "reviews" } });
    store.create(&SERVICE_ACCOUNT, account).await.unwrap();
    let authority = Authority::load_or_create(store.shared(), Options::default())
        .await
        .unwrap();
    let reviewer = TokenReviewer::new(store.shared(), "cluster.local".into());
    World {
        store,
        clock,
        service: CertificateAuthority {
            authority,
            reviewer,
        },
    }
}

impl World {
    async fn token(&self, audience: &str) -> String {
        let key = ObjectKey::new("bookinfo", "reviews");
        let body = json!({ "spec": { "audiences": [audience], "expirationSeconds": 600 } });
        let answer = self
            .store
            .post(&SERVICE_ACCOUNT, &key, "token", body)
            .await
            .unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, request: Request<IstioCertificateRequest>) -> Result<Vec<String>, Status> {
        let answer = self.service.create_certificate(request).await?;
        Ok(answer.into_inner().cert_chain)
    }
}

/// A request which asks for somebody else's names.
fn csr() -> String {
    let mut params = CertificateParams::new(vec!["victim.example".to_owned()]).unwrap();
    let uri = "spiffe://cluster.local/ns/admin/sa/root";
    params
        .subject_alt_names
        .push(SanType::URI(uri.try_into().unwrap()));
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

fn request(csr: String, token: Option<&str>) -> Request<IstioCertificateRequest> {
    let mut request = Request::new(IstioCertificateRequest {
        csr,
        validity_duration: 0,
        metadata: None,
    });
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn sans(chain: &[String]) -> (Vec<String>, Vec<String>) {
    let leaf = crate::chain::certificates(&chain[0]).unwrap().remove(0);
    let facts = net::tls::PeerFacts::of(&leaf.der).unwrap();
    (facts.uri_sans, facts.dns_sans)
}

#[tokio::test]
async fn a_token_gets_its_own_identity_whatever_the_request_names() {
    let world = world().await;
    let token = world.token("istio-ca").await;
    let chain = world.ask(request(csr(), Some(&token))).await.unwrap();
    assert_eq!(chain.len(), 3, "leaf, intermediate, roots");
    assert_eq!(chain[2], *world.service.authority.bundle());
    let (uris, dns) = sans(&chain);
    assert_eq!(uris, ["spiffe://cluster.local/ns/bookinfo/sa/reviews"]);
    assert!(dns.is_empty());
}

#[tokio::test]
async fn a_certificate_renews_itself_alone() {
    let world = world().await;
    let caller = |trust_domain: &str| Caller {
        certificate: Some(SpiffeId::new(trust_domain, "ns", "me")),
    };
    let mut own = request(csr(), None);
    own.extensions_mut().insert(caller("cluster.local"));
    let (uris, _) = sans(&world.ask(own).await.unwrap());
    assert_eq!(uris, ["spiffe://cluster.local/ns/ns/sa/me"]);
    let mut foreign = request(csr(), None);
    foreign.extensions_mut().insert(caller("elsewhere"));
    assert_eq!(
        world.ask(foreign).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn nobody_is_served_without_proof() {
    let world = world().await;
    let wrong_audience = world.token("vault").await;
    let expired = world.token("istio-ca").await;
    world.clock.advance(Duration::from_secs(601));
    let long = "x".repeat(20_000);
    for token in [
        None,
        Some("forged"),
        Some(""),
        Some(wrong_audience.as_str()),
        Some(expired.as_str()),
        Some(long.as_str()),
    ] {
        let status = world.ask(request(csr(), token)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        if let Some(token) = token.filter(|t| t.len() > 3) {
            assert!(!status.message().contains(token), "{status}");
        }
    }
    let mut basic = request(csr(), None);
    basic
        .metadata_mut()
        .insert("authorization", "Basic eDp5".parse().unwrap());
    assert_eq!(
        world.ask(basic).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn an_api_server_away_means_later_not_no() {
    let world = world().await;
    let token = world.token("istio-ca").await;
    let down = StoreError::Unavailable("down".into());
    world.store.fail_next(Verb::Create, "tokenreviews", down);
    let status = world.ask(request(csr(), Some(&token))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn lifetimes_and_metadata_are_checked() {
    let world = world().await;
    let token = world.token("istio-ca").await;
    let ask = |seconds: i64, metadata: Option<prost_types::Struct>| {
        let mut request = request(csr(), Some(&token));
        request.get_mut().validity_duration = seconds;
        request.get_mut().metadata = metadata;
        world.ask(request)
    };
    for (seconds, wanted) in [(-5, 86_400), (0, 86_400), (3600, 3600)] {
        let chain = ask(seconds, None).await.unwrap();
        let leaf = crate::chain::certificates(&chain[0]).unwrap().remove(0);
        let life = leaf.not_after - leaf.not_before - crate::signer::BACKDATE;
        assert_eq!(life, wanted);
    }
    let too_long = ask(91 * 86_400, None).await.unwrap_err();
    assert_eq!(too_long.code(), Code::InvalidArgument);
    let mut metadata = prost_types::Struct::default();
    metadata
        .fields
        .insert("ImpersonatedIdentity".into(), prost_types::Value::default());
    let refused = ask(0, Some(metadata)).await.unwrap_err();
    assert!(refused.message().contains("ImpersonatedIdentity"));
}

#[tokio::test]
async fn a_bad_request_is_the_callers_fault() {
    let world = world().await;
    let token = world.token("istio-ca").await;
    for csr in [String::new(), "hello".into(), "x".repeat(100_000)] {
        let status = world.ask(request(csr, Some(&token))).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn the_service_is_reached_over_grpc() {
    let world = world().await;
    let token = world.token("istio-ca").await;
    let listener = testkit::listener();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let service = CertificateServer::new(Arc::new(world.service));
    let server = tonic::transport::Server::builder().add_service(service);
    let task = tokio::spawn(server.serve_with_incoming(incoming));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let answer = istio_proto::CertificateClient::new(channel)
        .create_certificate(request(csr(), Some(&token)))
        .await
        .unwrap();
    assert_eq!(answer.into_inner().cert_chain.len(), 3);
    task.abort();
}
