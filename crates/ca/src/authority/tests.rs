use super::*;
use std::sync::atomic::{AtomicI64, Ordering};
use testkit::MemoryStore;
use testkit::pki::{self, Validity};

const START: i64 = 1_800_000_000;
const DAY: i64 = 24 * 3600;

fn clock(at: i64) -> (Arc<AtomicI64>, Clock) {
    let time = Arc::new(AtomicI64::new(at));
    let reader = time.clone();
    (time, Arc::new(move || reader.load(Ordering::Relaxed)))
}

async fn authority(store: &MemoryStore, clock: &Clock) -> Arc<Authority> {
    Authority::at(store.shared(), Options::default(), clock.clone())
        .await
        .unwrap()
}

fn roots(authority: &Authority) -> Vec<Certificate> {
    crate::chain::certificates(&authority.bundle()).unwrap()
}

fn leaf(authority: &Authority) -> Issued {
    let key = KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let csr = Csr::from_pem(&request.pem().unwrap()).unwrap();
    let id = SpiffeId::new("cluster.local", "ns", "sa");
    authority.issue(&csr, &id, Duration::ZERO).unwrap()
}

/// Whether a leaf verifies against these roots at this time.
fn verifies(issued: &Issued, roots: &[Certificate], now: i64) -> bool {
    let chain: Vec<CertificateDer<'static>> = issued
        .chain
        .iter()
        .flat_map(|pem| crate::chain::certificates(pem).unwrap())
        .map(|c| c.der)
        .collect();
    let roots = net::tls::Roots::from_der(roots.iter().map(|r| r.der.clone()).collect()).unwrap();
    let provider = net::tls::provider();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.store(), provider)
            .build()
            .unwrap();
    let now = Duration::from_secs(u64::try_from(now).unwrap());
    let now = rustls_pki_types::UnixTime::since_unix_epoch(now);
    verifier
        .verify_client_cert(&chain[0], &chain[1..], now)
        .is_ok()
}

#[tokio::test]
async fn control_planes_that_start_together_have_one_root() {
    let store = MemoryStore::default();
    let (_, clock) = clock(START);
    let first = authority(&store, &clock).await;
    let second = authority(&store, &clock).await;
    assert_eq!(first.bundle(), second.bundle());

    // The other one created the Secret between our look and our creation.
    let store = MemoryStore::default();
    let other = SelfSigned::create("cluster.local", START).unwrap();
    let secret = json!({
        "metadata": { "namespace": "istio-system", "name": self_signed::NAME },
        "data": other.encode().encode(),
    });
    store.put(&SECRET, secret);
    store.fail_next(
        testkit::Verb::Get,
        "secrets",
        StoreError::NotFound("cacerts".into()),
    );
    store.fail_next(
        testkit::Verb::Get,
        "secrets",
        StoreError::NotFound("ours".into()),
    );
    let late = authority(&store, &clock).await;
    assert_eq!(roots(&late), other.roots());
}

#[tokio::test]
async fn a_leaf_carries_the_identity_for_a_day_and_verifies() {
    let (_, clock) = clock(START);
    let authority = authority(&MemoryStore::default(), &clock).await;
    let issued = leaf(&authority);
    assert_eq!(
        (issued.not_before, issued.not_after),
        (START - 120, START + DAY)
    );
    assert_eq!(issued.chain.len(), 2, "leaf and intermediate");
    assert!(verifies(&issued, &roots(&authority), START));
    assert!(!verifies(&issued, &roots(&authority), START + DAY + 1));
    let leaf = &crate::chain::certificates(&issued.chain[0]).unwrap()[0];
    let facts = net::tls::PeerFacts::of(&leaf.der).unwrap();
    assert_eq!(facts.uri_sans, ["spiffe://cluster.local/ns/ns/sa/sa"]);
    assert!(facts.dns_sans.is_empty());
    assert!(!leaf.parsed().unwrap().is_ca());
}

#[tokio::test]
async fn twelve_years_pass_without_a_leaf_that_somebody_does_not_trust() {
    let (time, clock) = clock(START);
    let store = MemoryStore::default();
    let authority = authority(&store, &clock).await;
    // What a workload has that last heard of the CA a day ago.
    let (mut old_leaf, mut old_roots) = (leaf(&authority), roots(&authority));
    let mut seen = std::collections::HashSet::new();
    for day in (0..12 * 365).step_by(1) {
        let now = START + day * DAY;
        time.store(now, Ordering::Relaxed);
        // A key a day for twelve years takes long; the days around a rotation are what matters.
        let before = authority.bundle();
        authority.refresh().await.unwrap();
        let rotated = authority.bundle() != before;
        if day % 30 != 0 && !rotated && day % 365 > 3 {
            continue;
        }
        let (new_leaf, new_roots) = (leaf(&authority), roots(&authority));
        if new_leaf.not_before - old_leaf.not_before <= DAY {
            assert!(
                verifies(&new_leaf, &old_roots, now),
                "day {day}: new leaf, old roots"
            );
            assert!(
                verifies(&old_leaf, &new_roots, now - 1),
                "day {day}: old leaf, new roots"
            );
        }
        assert!(verifies(&new_leaf, &new_roots, now), "day {day}");
        seen.insert(new_roots[0].clone().der);
        (old_leaf, old_roots) = (new_leaf, new_roots);
    }
    assert_eq!(seen.len(), 2, "one change of roots");
}

#[tokio::test]
async fn a_restart_keeps_the_root_and_an_outage_at_start_is_an_error() {
    let store = MemoryStore::default();
    let (_, clock) = clock(START);
    let first = authority(&store, &clock).await.bundle();
    assert_eq!(authority(&store, &clock).await.bundle(), first);
    let down = StoreError::Unavailable("down".into());
    store.fail_next(testkit::Verb::Get, "secrets", down);
    let failed = Authority::at(store.shared(), Options::default(), clock).await;
    assert!(matches!(failed.err(), Some(CaError::Store(_))));
}

fn cacerts(ca: &pki::Authority, root: &pki::Authority) -> Value {
    json!({
        "metadata": { "namespace": "istio-system", "name": "cacerts" },
        "stringData": {
            "ca-cert.pem": ca.pem,
            "ca-key.pem": ca.key_pem(),
            "root-cert.pem": root.pem,
            "cert-chain.pem": ca.chain_pem(),
        },
    })
}

fn today() -> i64 {
    system_clock()()
}

#[tokio::test]
async fn the_users_ca_is_honoured_and_its_predecessor_still_trusted() {
    let store = MemoryStore::default();
    let (_, clock) = clock(today());
    let authority = authority(&store, &clock).await;
    let (old_leaf, old_roots) = (leaf(&authority), roots(&authority));
    let root = pki::Authority::root("user root");
    let ca = root.intermediate("user ca", Validity::default());
    store.put(&SECRET, cacerts(&ca, &root));
    let mut changed = authority.roots();
    changed.mark_unchanged();
    authority.refresh().await.unwrap();
    assert!(changed.has_changed().unwrap());
    let now = roots(&authority);
    assert_eq!(
        now[0].pem().replace('\n', ""),
        root.pem.replace(['\r', '\n'], "")
    );
    assert!(now.contains(&old_roots[0]));
    assert!(verifies(&old_leaf, &now, today()));
    assert!(verifies(&leaf(&authority), &now[..1], today()));
}

#[tokio::test]
async fn an_unusable_ca_of_the_user_stops_the_start_but_not_a_running_authority() {
    let store = MemoryStore::default();
    let (_, clock) = clock(today());
    let authority = authority(&store, &clock).await;
    let before = authority.bundle();
    let (root, other) = (pki::Authority::root("a"), pki::Authority::root("b"));
    let mut bad = cacerts(&root, &root);
    bad["stringData"]["ca-key.pem"] = other.key_pem().into();
    store.put(&SECRET, bad);
    let error = authority.refresh().await.err().unwrap().to_string();
    assert!(
        error.contains("istio-system/cacerts") && error.contains("does not belong"),
        "{error}"
    );
    assert!(!error.contains("PRIVATE"));
    assert_eq!(authority.bundle(), before);
    let fresh = Authority::at(store.shared(), Options::default(), clock).await;
    assert!(matches!(fresh.err(), Some(CaError::Unusable { .. })));
}

#[tokio::test]
async fn the_control_planes_certificate_names_its_service() {
    let (_, clock) = clock(START);
    let authority = authority(&MemoryStore::default(), &clock).await;
    let names = vec![
        "istiod.istio-system.svc".to_owned(),
        "10.96.0.15".to_owned(),
    ];
    let (identity, renewal) = authority.server_identity(&names).unwrap();
    let facts = net::tls::PeerFacts::of(&identity.chain()[0]).unwrap();
    assert_eq!(facts.dns_sans, ["istiod.istio-system.svc"]);
    assert_eq!(identity.chain().len(), 2);
    assert!(renewal.at(0.5) < START + DAY / 2 + 60);
}
