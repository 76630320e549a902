//! The authorities and certificates of the class.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use testkit::pki::{Authority, Pair, Validity};

pub(super) struct Pki {
    pub(super) root: Authority,
    pub(super) foreign: Authority,
    pub(super) a: Pair,
    pub(super) b: Pair,
    pub(super) client: Pair,
    pub(super) stranger: Pair,
    pub(super) expired: Pair,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let root = Authority::root("parity");
    let foreign = Authority::root("foreign");
    let id = "spiffe://parity.test/client";
    Pki {
        a: root.server(&["a.test"], Validity::default()),
        b: root.server(&["b.test"], Validity::default()),
        client: root.workload(id, Validity::default()),
        stranger: foreign.workload(id, Validity::default()),
        expired: root.workload(id, Validity::expired()),
        root,
        foreign,
    }
});

/// Made once: the mesh and its clients share it.
pub(super) fn pki() -> &'static Pki {
    &PKI
}

impl Pki {
    /// A workload whose certificate has this name.
    pub(super) fn upstream(&self, name: &str) -> Arc<ServerConfig> {
        server(&self.root.server(&[name], Validity::default()), None)
    }

    /// One whose certificate a foreign authority issued.
    pub(super) fn untrusted(&self, name: &str) -> Arc<ServerConfig> {
        server(&self.foreign.server(&[name], Validity::default()), None)
    }

    /// One that wants a certificate from its clients.
    pub(super) fn mutual(&self, name: &str) -> Arc<ServerConfig> {
        let pair = self.root.server(&[name], Validity::default());
        server(&pair, Some(&self.root))
    }
}

pub(super) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(super) fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let pem = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(pem).unwrap();
    Arc::new(roots)
}

pub(super) fn chain(pair: &Pair) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(pair.chain.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    (chain.map(Result::unwrap).collect(), key)
}

/// The certificate itself, as a peer shows it.
pub(super) fn leaf(pair: &Pair) -> Vec<u8> {
    chain(pair).0[0].to_vec()
}

fn server(pair: &Pair, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots(authority), provider());
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let (chain, key) = chain(pair);
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}
