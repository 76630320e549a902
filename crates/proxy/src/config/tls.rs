//! TLS contexts as configured; the TLS layer builds rustls configurations from them and the secrets that they name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base::ContentHash;

use super::matcher::StringMatcher;

/// A secret by SDS name, or inline in the context.
#[derive(Debug, Clone)]
pub enum SecretRef {
    Sds(SdsRef),
    Inline(Arc<Secret>),
}

/// A secret that is delivered under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdsRef {
    pub name: Arc<str>,
    pub source: SdsSource,
    /// What names the secret waits for it this long, then serves without; `None`: for ever.
    pub fetch_timeout: Option<Duration>,
}

/// Who delivers a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdsSource {
    /// The control plane.
    Ads,
    /// This process: the workload's own certificate and the mesh's roots.
    Local,
}

/// A secret as received.
#[derive(Debug)]
pub struct Secret {
    pub name: Arc<str>,
    /// Content hash: what is built from a secret is cached by it.
    pub version: ContentHash,
    pub kind: SecretKind,
}

/// What a secret holds.
#[derive(Debug)]
pub enum SecretKind {
    Certificate(TlsCertificate),
    Validation(ValidationContext),
}

/// A certificate chain with its key, PEM.
pub struct TlsCertificate {
    pub chain_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key, not even its length: only whether the pair differs.
        let pair = (
            ContentHash::of(&self.chain_pem),
            ContentHash::of(&self.key_pem),
        );
        write!(
            f,
            "TlsCertificate({}, key withheld, pair {})",
            pair.0,
            ContentHash::of(format!("{pair:?}").as_bytes())
        )
    }
}

/// What a peer's certificate must be.
#[derive(Debug, Clone, Default)]
pub struct ValidationContext {
    /// Trusted roots, PEM; empty when only pins or names are checked.
    pub trusted_ca_pem: Vec<u8>,
    /// Any one must match one SAN; empty accepts every name.
    pub san: Vec<SanMatcher>,
    /// SHA-256 of the leaf in lower hexadecimal; any one must match; empty: not checked.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// SHA-256 of the leaf's subject public key info.
    pub spki_hashes: Vec<[u8; 32]>,
    pub crl_pem: Vec<u8>,
    pub allow_expired: bool,
    /// `ACCEPT_UNTRUSTED`: the chain is not verified (pins and names still are).
    pub accept_untrusted: bool,
}

/// One `match_typed_subject_alt_names`.
#[derive(Debug, Clone)]
pub struct SanMatcher {
    pub kind: SanKind,
    pub matcher: StringMatcher,
}

/// Which SAN a matcher reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanKind {
    /// DNS, URI, email and IP alike: the deprecated `match_subject_alt_names`.
    Any,
    Dns,
    Uri,
    Email,
    Ip,
}

/// Which part of the validation comes from where.
#[derive(Debug, Clone, Default)]
pub enum ValidationSource {
    /// The peer is not verified.
    #[default]
    None,
    Context(SecretRef),
    /// `default` with the fields that SDS sets replacing or adding (Envoy: proto merge).
    Combined {
        default: Arc<ValidationContext>,
        sds: SdsRef,
    },
}

/// TLS protocol versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// What both sides of TLS configure.
#[derive(Debug, Clone, Default)]
pub struct CommonTls {
    pub certificates: Vec<SecretRef>,
    pub validation: ValidationSource,
    /// In order of preference.
    pub alpn: Vec<Box<[u8]>>,
    /// `None`: Envoy's default, which is TLS 1.2 at least.
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
    /// OpenSSL names; empty: the provider's defaults.
    pub cipher_suites: Vec<Box<str>>,
    pub curves: Vec<Box<str>>,
}

impl CommonTls {
    /// The secrets that come by SDS.
    pub fn sds(&self) -> impl Iterator<Item = &SdsRef> {
        let certificates = self.certificates.iter().filter_map(|secret| match secret {
            SecretRef::Sds(sds) => Some(sds),
            SecretRef::Inline(_) => None,
        });
        let validation = match &self.validation {
            ValidationSource::Context(SecretRef::Sds(sds))
            | ValidationSource::Combined { sds, .. } => Some(sds),
            ValidationSource::Context(SecretRef::Inline(_)) | ValidationSource::None => None,
        };
        certificates.chain(validation)
    }
}

/// The server side of a filter chain.
#[derive(Debug, Clone, Default)]
pub struct DownstreamTls {
    pub common: CommonTls,
    pub require_client_certificate: bool,
    /// Refuse a handshake without SNI.
    pub require_sni: bool,
    pub disable_stateless_resumption: bool,
    pub disable_stateful_resumption: bool,
    /// Content of the whole context, secrets by name: the key of built configurations.
    pub hash: ContentHash,
}

/// The client side of a cluster.
#[derive(Debug, Clone, Default)]
pub struct UpstreamTls {
    pub common: CommonTls,
    /// Empty: no SNI is sent.
    pub sni: Arc<str>,
    /// The host name of the endpoint, or else the request's authority, is the SNI.
    pub auto_host_sni: bool,
    /// Check the peer's DNS SANs against the SNI in use.
    pub auto_sni_san_validation: bool,
    /// 0 disables session resumption.
    pub max_session_keys: u32,
    pub hash: ContentHash,
}
