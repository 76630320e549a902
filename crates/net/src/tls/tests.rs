use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    roots: Roots,
}

fn ca() -> Ca {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    Ca {
        roots: Roots::from_pem(certificate.pem().as_bytes()).unwrap(),
        issuer: Issuer::new(params, key),
    }
}

impl Ca {
    fn issue(&self, uri: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }
}

async fn handshake(server: ServerConfig, client: ClientConfig) -> Result<Option<String>, String> {
    let (a, b) = tokio::io::duplex(64 * 1024);
    let accept = TlsAcceptor::from(Arc::new(server)).accept(a);
    let connect = TlsConnector::from(Arc::new(client)).connect("mesh".try_into().unwrap(), b);
    let (accepted, connected) = tokio::join!(accept, connect);
    connected.map_err(|e| e.to_string())?;
    let accepted = accepted.map_err(|e| e.to_string())?;
    let peer = accepted
        .get_ref()
        .1
        .peer_certificates()
        .map(|certs| certs[0].clone());
    Ok(peer
        .and_then(|leaf| PeerFacts::of(&leaf))
        .and_then(|facts| facts.uri_sans.first().cloned()))
}

const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";
const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";

fn one_of(san: &str) -> SanRule {
    SanRule::OneOf([san.to_owned()].into())
}

#[tokio::test]
async fn both_sides_see_each_others_identity() {
    let ca = ca();
    let auth = ClientAuth::Required(ca.roots.clone());
    let server = server_config(IdentitySlot::new(ca.issue(SERVER)), &auth, &[]).unwrap();
    let client = Some(IdentitySlot::new(ca.issue(CLIENT)));
    let client = client_config(ca.roots.clone(), one_of(SERVER), client, &[]).unwrap();
    assert_eq!(handshake(server, client).await, Ok(Some(CLIENT.to_owned())));
}

#[tokio::test]
async fn a_server_with_another_identity_is_refused() {
    let ca = ca();
    let server =
        server_config(IdentitySlot::new(ca.issue(CLIENT)), &ClientAuth::None, &[]).unwrap();
    let client = client_config(ca.roots.clone(), one_of(SERVER), None, &[]).unwrap();
    assert!(handshake(server, client).await.is_err());
}

#[tokio::test]
async fn a_chain_to_other_roots_is_refused() {
    let (ca, other) = (ca(), ca());
    let server =
        server_config(IdentitySlot::new(ca.issue(SERVER)), &ClientAuth::None, &[]).unwrap();
    let client = client_config(other.roots, SanRule::Any, None, &[]).unwrap();
    assert!(handshake(server, client).await.is_err());
}

#[tokio::test]
async fn rotation_reaches_the_next_handshake() {
    let (ca, slot) = (ca(), IdentitySlot::empty());
    let server = server_config(slot.clone(), &ClientAuth::None, &[]).unwrap();
    let client = client_config(ca.roots.clone(), one_of(SERVER), None, &[]).unwrap();
    assert!(handshake(server.clone(), client.clone()).await.is_err());
    slot.set(ca.issue(SERVER));
    assert_eq!(handshake(server, client).await, Ok(None));
}

#[test]
fn a_foreign_key_is_named_and_never_printed() {
    let ca = ca();
    let identity = ca.issue(SERVER);
    let key = KeyPair::generate().unwrap().serialize_der();
    let key = rustls_pki_types::PrivateKeyDer::try_from(key).unwrap();
    let error = Identity::from_der(identity.chain().to_vec(), &key).unwrap_err();
    assert_eq!(error, PemError::KeyMismatch);
    assert!(format!("{identity:?}").contains("redacted"));
}
