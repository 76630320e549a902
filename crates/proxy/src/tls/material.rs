//! Builds rustls configurations from contexts and secrets; one is built per version of each and shared by all workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base::ContentHasher;
use net::tls::{Anyone, Identity, PeerFacts, provider};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

use super::facts::SUITES;
use super::verify::{Checks, ClientChecks};
use crate::config::Config;
use crate::config::tls::{
    CommonTls, DownstreamTls, Secret, SecretKind, SecretRef, TlsCertificate, TlsVersion,
    UpstreamTls, ValidationContext, ValidationSource,
};

/// A server configuration and what is told of its own certificate.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) config: Arc<ServerConfig>,
    /// For clients that offer none of our protocols: rustls refuses those (RFC 7301 §3.2), Envoy goes on
    /// without ALPN, and Istio's sidecars rely on it.
    pub(super) without_alpn: Arc<ServerConfig>,
    pub(super) local: Option<Arc<PeerFacts>>,
    pub(super) validates: bool,
}

/// A client configuration, likewise.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) config: Arc<ClientConfig>,
    pub(super) local: Option<Arc<PeerFacts>>,
    pub(super) validates: bool,
}

/// What has been built so far.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    servers: Mutex<HashMap<u64, Arc<Server>>>,
    clients: Mutex<HashMap<u64, Arc<Client>>>,
}

/// Old versions are dropped when so many have gathered.
const MOST: usize = 1024;

impl Cache {
    pub(super) fn server(
        &self,
        config: &Config,
        context: &DownstreamTls,
    ) -> Result<Arc<Server>, String> {
        let key = key(config, context.hash.0, &context.common, &[]);
        cached(&self.servers, key, || server(config, context))
    }

    pub(super) fn client(
        &self,
        config: &Config,
        context: &UpstreamTls,
        alpn: &[&[u8]],
        check_name: bool,
    ) -> Result<Arc<Client>, String> {
        let check_name = check_name || context.auto_sni_san_validation;
        let key = key(
            config,
            context.hash.0 ^ u64::from(check_name),
            &context.common,
            alpn,
        );
        cached(&self.clients, key, || {
            client(config, context, alpn, check_name)
        })
    }
}

fn cached<T>(
    slots: &Mutex<HashMap<u64, Arc<T>>>,
    key: u64,
    build: impl FnOnce() -> Result<T, String>,
) -> Result<Arc<T>, String> {
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = slots.get(&key) {
        return Ok(Arc::clone(found));
    }
    let built = Arc::new(build()?);
    if slots.len() >= MOST {
        slots.clear();
    }
    slots.insert(key, Arc::clone(&built));
    Ok(built)
}

/// The context and the version of every secret that it names.
fn key(config: &Config, context: u64, common: &CommonTls, alpn: &[&[u8]]) -> u64 {
    let mut hasher = ContentHasher::default();
    hasher.write(&context.to_le_bytes());
    alpn.iter().for_each(|protocol| hasher.write(protocol));
    let mut name = |secret: &str| {
        let version = config
            .secrets
            .get(secret)
            .map_or(0, |secret| secret.version.0);
        hasher.write(&version.to_le_bytes());
    };
    for reference in &common.certificates {
        if let SecretRef::Sds(secret) = reference {
            name(&secret.name);
        }
    }
    match &common.validation {
        ValidationSource::Context(SecretRef::Sds(secret))
        | ValidationSource::Combined { sds: secret, .. } => name(&secret.name),
        ValidationSource::Context(SecretRef::Inline(_)) | ValidationSource::None => {}
    }
    hasher.finish().0
}

fn secret<'c>(config: &'c Config, reference: &'c SecretRef) -> Result<&'c Arc<Secret>, String> {
    match reference {
        SecretRef::Inline(secret) => Ok(secret),
        SecretRef::Sds(sds) => config
            .secrets
            .get(&sds.name)
            .ok_or_else(|| missing(&sds.name)),
    }
}

fn missing(name: &str) -> String {
    format!("Secret is not supplied by SDS: {name}")
}

fn identities(config: &Config, common: &CommonTls) -> Result<Vec<Identity>, String> {
    common
        .certificates
        .iter()
        .map(|reference| {
            let secret = secret(config, reference)?;
            let SecretKind::Certificate(TlsCertificate { chain_pem, key_pem }) = &secret.kind
            else {
                return Err(format!("secret {} is no certificate", secret.name));
            };
            Identity::from_pem(chain_pem, key_pem)
                .map_err(|error| format!("secret {}: {error}", secret.name))
        })
        .collect()
}

fn validation(
    config: &Config,
    source: &ValidationSource,
) -> Result<Option<Arc<ValidationContext>>, String> {
    let of = |secret: &Secret| match &secret.kind {
        SecretKind::Validation(context) => Ok(context.clone()),
        SecretKind::Certificate(_) => {
            Err(format!("secret {} is no validation context", secret.name))
        }
    };
    Ok(match source {
        ValidationSource::None => None,
        ValidationSource::Context(reference) => Some(Arc::new(of(secret(config, reference)?)?)),
        ValidationSource::Combined { default, sds } => {
            let dynamic = of(config
                .secrets
                .get(&sds.name)
                .ok_or_else(|| missing(&sds.name))?)?;
            Some(Arc::new(merged(default, dynamic)))
        }
    })
}

/// Envoy merges the two messages: lists are joined, other fields of SDS win where they are set.
fn merged(default: &ValidationContext, sds: ValidationContext) -> ValidationContext {
    let mut all = default.clone();
    all.san.extend(sds.san);
    all.certificate_hashes.extend(sds.certificate_hashes);
    all.spki_hashes.extend(sds.spki_hashes);
    if !sds.trusted_ca_pem.is_empty() {
        all.trusted_ca_pem = sds.trusted_ca_pem;
    }
    if !sds.crl_pem.is_empty() {
        all.crl_pem = sds.crl_pem;
    }
    all.allow_expired |= sds.allow_expired;
    all.accept_untrusted |= sds.accept_untrusted;
    all
}

/// The process's provider, restricted to the suites and curves that a context names.
fn restricted(common: &CommonTls) -> Arc<CryptoProvider> {
    let base = provider();
    if common.cipher_suites.is_empty() && common.curves.is_empty() {
        return base;
    }
    let mut own = (*base).clone();
    if !common.cipher_suites.is_empty() {
        own.cipher_suites.retain(|suite| {
            let name = suite.suite().as_str().unwrap_or_default();
            // OpenSSL's list is of TLS 1.2 suites; those of 1.3 cannot be turned off.
            let openssl = SUITES
                .iter()
                .find(|(iana, _)| *iana == name)
                .map(|(_, openssl)| *openssl);
            name.starts_with("TLS13")
                || common
                    .cipher_suites
                    .iter()
                    .any(|wanted| Some(&**wanted) == openssl)
        });
    }
    if !common.curves.is_empty() {
        own.kx_groups.retain(|group| {
            let name = match group.name() {
                rustls::NamedGroup::X25519 => "X25519",
                rustls::NamedGroup::secp256r1 => "P-256",
                rustls::NamedGroup::secp384r1 => "P-384",
                rustls::NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
                _ => "",
            };
            common.curves.iter().any(|wanted| &**wanted == name)
        });
    }
    Arc::new(own)
}

fn versions(common: &CommonTls) -> Vec<&'static SupportedProtocolVersion> {
    let (min, max) = (
        common.min_version.unwrap_or(TlsVersion::V1_2),
        common.max_version.unwrap_or(TlsVersion::V1_3),
    );
    let all = [
        (TlsVersion::V1_3, &rustls::version::TLS13),
        (TlsVersion::V1_2, &rustls::version::TLS12),
    ];
    all.into_iter()
        .filter(|(version, _)| (min..=max).contains(version))
        .map(|(_, version)| version)
        .collect()
}

fn server(config: &Config, context: &DownstreamTls) -> Result<Server, String> {
    let common = &context.common;
    let identities = identities(config, common)?;
    if identities.is_empty() {
        return Err("the context names no certificate".into());
    }
    let local = identities
        .first()
        .and_then(|identity| PeerFacts::of(identity.chain().first()?))
        .map(Arc::new);
    let builder = ServerConfig::builder_with_provider(restricted(common))
        .with_protocol_versions(&versions(common))
        .map_err(|error| error.to_string())?;
    let validation = validation(config, &common.validation)?;
    let validates = validation
        .as_ref()
        .is_some_and(|context| !context.trusted_ca_pem.is_empty());
    let builder = match validation {
        Some(context_of_clients) => {
            let checks =
                ClientChecks::new(&context_of_clients, context.require_client_certificate)?;
            builder.with_client_cert_verifier(Arc::new(checks))
        }
        None if context.require_client_certificate => {
            let any = ValidationContext {
                accept_untrusted: true,
                ..ValidationContext::default()
            };
            builder.with_client_cert_verifier(Arc::new(ClientChecks::new(&Arc::new(any), true)?))
        }
        None => builder.with_no_client_auth(),
    };
    let mut built = builder.with_cert_resolver(Arc::new(ByName::new(&identities)));
    built.alpn_protocols = common
        .alpn
        .iter()
        .map(|protocol| protocol.to_vec())
        .collect();
    built.send_tls13_tickets = 1;
    if context.disable_stateless_resumption {
        if context.disable_stateful_resumption {
            built.session_storage = Arc::new(NoServerSessionStorage {});
            built.send_tls13_tickets = 0;
        }
    } else if let Some(ticketer) = ticketer() {
        built.ticketer = ticketer;
    }
    let mut indifferent = built.clone();
    indifferent.alpn_protocols.clear();
    let mut without_alpn = built.clone();
    without_alpn.alpn_protocols.clear();
    Ok(Server {
        config: Arc::new(built),
        without_alpn: Arc::new(without_alpn),
        local,
        validates,
    })
}

/// One key for all of the process's session tickets; it rotates by itself.
fn ticketer() -> Option<Arc<dyn rustls::server::ProducesTickets>> {
    static TICKETER: OnceLock<Option<Arc<dyn rustls::server::ProducesTickets>>> = OnceLock::new();
    TICKETER
        .get_or_init(|| rustls::crypto::aws_lc_rs::Ticketer::new().ok())
        .clone()
}

fn client(
    config: &Config,
    context: &UpstreamTls,
    alpn: &[&[u8]],
    check_name: bool,
) -> Result<Client, String> {
    let common = &context.common;
    let identities = identities(config, common)?;
    let local = identities
        .first()
        .and_then(|identity| PeerFacts::of(identity.chain().first()?))
        .map(Arc::new);
    let builder = ClientConfig::builder_with_provider(restricted(common))
        .with_protocol_versions(&versions(common))
        .map_err(|error| error.to_string())?
        .dangerous();
    let validation = validation(config, &common.validation)?;
    let validates = validation.is_some();
    let builder = match validation {
        Some(context_of_server) => {
            let checks = Checks::new(context_of_server, check_name);
            builder.with_custom_certificate_verifier(Arc::new(
                checks.map_err(|error| error.to_string())?,
            ))
        }
        None => builder.with_custom_certificate_verifier(Arc::new(Anyone)),
    };
    let mut built = match identities.into_iter().next() {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(
            rustls::sign::SingleCertAndKey::from((*identity.certified_key()).clone()),
        )),
        None => builder.with_no_client_auth(),
    };
    built.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    if context.max_session_keys == 0 {
        built.resumption = rustls::client::Resumption::disabled();
    }
    Ok(Client {
        config: Arc::new(built),
        local,
        validates,
    })
}

/// Chooses a certificate by server name; the first one is for everybody else.
#[derive(Debug)]
struct ByName {
    keys: Vec<(Vec<String>, Arc<CertifiedKey>)>,
}

impl ByName {
    fn new(identities: &[Identity]) -> Self {
        let names = |identity: &Identity| {
            identity
                .chain()
                .first()
                .and_then(PeerFacts::of)
                .map(|facts| facts.dns_sans)
                .unwrap_or_default()
        };
        Self {
            keys: identities
                .iter()
                .map(|identity| (names(identity), identity.certified_key()))
                .collect(),
        }
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let (_, first) = self.keys.first()?;
        let Some(wanted) = hello.server_name().filter(|_| self.keys.len() > 1) else {
            return Some(Arc::clone(first));
        };
        let matches = |name: &String| match name.strip_prefix('*') {
            None => name.eq_ignore_ascii_case(wanted),
            Some(suffix) => wanted
                .find('.')
                .is_some_and(|dot| wanted[dot..].eq_ignore_ascii_case(suffix)),
        };
        let found = self
            .keys
            .iter()
            .find(|(names, _)| names.iter().any(matches));
        Some(Arc::clone(found.map_or(first, |(_, key)| key)))
    }
}
