//! Judges a peer's certificate by a validation context: chain, names, pins.

use std::net::IpAddr;
use std::sync::Arc;

use net::tls::{PemError, Roots, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::failure;
use crate::config::tls::{SanKind, SanMatcher, ValidationContext};

/// A validation context made ready.
#[derive(Debug)]
pub(super) struct Checks {
    roots: Option<Roots>,
    context: Arc<ValidationContext>,
    /// A DNS SAN must be the server name in use.
    match_server_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Checks {
    pub(super) fn new(
        context: Arc<ValidationContext>,
        match_server_name: bool,
    ) -> Result<Self, PemError> {
        let roots = match context.trusted_ca_pem.as_slice() {
            [] => None,
            pem => Some(Roots::from_pem(pem)?),
        };
        let algorithms = provider().signature_verification_algorithms;
        Ok(Self {
            roots,
            context,
            match_server_name,
            algorithms,
        })
    }

    /// Names and pins, in Envoy's order; the chain is judged elsewhere.
    fn judge_leaf(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        let Ok((_, certificate)) = X509Certificate::from_der(leaf) else {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        };
        let context = &self.context;
        if !context.san.is_empty() {
            let names = certificate.subject_alternative_name().ok().flatten();
            let names = names
                .map(|extension| extension.value.general_names.as_slice())
                .unwrap_or_default();
            if !names
                .iter()
                .any(|name| context.san.iter().any(|matcher| san_matches(matcher, name)))
            {
                let names = san_texts(&certificate);
                let text = format!("SAN matcher, certificate SANs are [{names}]");
                return Err(failure::refused(text));
            }
        }
        if !context.certificate_hashes.is_empty() || !context.spki_hashes.is_empty() {
            let pinned = context.certificate_hashes.contains(&sha256(leaf))
                || context
                    .spki_hashes
                    .contains(&sha256(certificate.public_key().raw));
            if !pinned {
                return Err(failure::refused("cert hash and spki".to_owned()));
            }
        }
        Ok(())
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(roots) = self
            .roots
            .as_ref()
            .filter(|_| !self.context.accept_untrusted)
        else {
            return Ok(());
        };
        let parsed = rustls::server::ParsedCertificate::try_from(leaf)?;
        let verify = |at| {
            rustls::client::verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &roots.store(),
                intermediates,
                at,
                self.algorithms.all,
            )
        };
        match verify(now) {
            Err(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) if self.context.allow_expired => {
                let Ok((_, certificate)) = X509Certificate::from_der(leaf) else {
                    return verify(now);
                };
                let end = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
                verify(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                    end.saturating_sub(1),
                )))
            }
            result => result,
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut hash = provider()
        .cipher_suites
        .iter()
        .find_map(|suite| match suite {
            rustls::SupportedCipherSuite::Tls13(suite) => {
                let provider = suite.common.hash_provider;
                (provider.output_len() == 32).then(|| provider.hash(bytes))
            }
            rustls::SupportedCipherSuite::Tls12(_) => None,
        })
        .map(|hash| hash.as_ref().to_vec())
        .unwrap_or_default();
    hash.resize(32, 0);
    out.copy_from_slice(&hash);
    out
}

fn san_matches(matcher: &SanMatcher, name: &GeneralName<'_>) -> bool {
    let wanted = |kind| matcher.kind == SanKind::Any || matcher.kind == kind;
    match name {
        GeneralName::DNSName(dns) if wanted(SanKind::Dns) => {
            matcher.matcher.matches(dns.as_bytes())
                || matcher.kind == SanKind::Dns && wildcard_dns(matcher, dns)
        }
        GeneralName::URI(uri) => wanted(SanKind::Uri) && matcher.matcher.matches(uri.as_bytes()),
        GeneralName::RFC822Name(mail) => {
            wanted(SanKind::Email) && matcher.matcher.matches(mail.as_bytes())
        }
        GeneralName::IPAddress(raw) if wanted(SanKind::Ip) => {
            ip(raw).is_some_and(|ip| matcher.matcher.matches(ip.to_string().as_bytes()))
        }
        _ => false,
    }
}

fn ip(raw: &[u8]) -> Option<IpAddr> {
    match raw.len() {
        4 => <[u8; 4]>::try_from(raw).map(IpAddr::from).ok(),
        _ => <[u8; 16]>::try_from(raw).map(IpAddr::from).ok(),
    }
}

/// The names of a certificate for people to read: a bounded part, without control characters, since a peer wrote it.
fn san_texts(certificate: &X509Certificate<'_>) -> String {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.as_slice());
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
            let plain = |c: char| if c.is_control() { '?' } else { c };
            Some(text.chars().take(256).map(plain).collect())
        }
        GeneralName::IPAddress(raw) => ip(raw).map(|ip| ip.to_string()),
        _ => None,
    };
    let names: Vec<String> = names
        .into_iter()
        .flatten()
        .filter_map(text)
        .take(16)
        .collect();
    names.join(", ")
}

/// Envoy: a DNS SAN `*.example.com` satisfies an exact matcher for a name one label below.
fn wildcard_dns(matcher: &SanMatcher, dns: &str) -> bool {
    use crate::config::matcher::StringMatcher;
    let (StringMatcher::Exact(text), Some(suffix)) = (&matcher.matcher, dns.strip_prefix('*'))
    else {
        return false;
    };
    let wanted = &text.bytes;
    let Some(label) = wanted.strip_suffix(suffix.to_ascii_lowercase().as_bytes()) else {
        return false;
    };
    !label.is_empty() && !label.contains(&b'.')
}

/// A certificate that lacks the name in use, in Envoy's words.
fn misnamed(leaf: &CertificateDer<'_>, wanted: &ServerName<'_>, error: Error) -> Error {
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else {
        return error;
    };
    let (wanted, found) = (wanted.to_str(), san_texts(&certificate));
    failure::refused(format!(
        "verify SAN list, expected SANs: [{wanted}], certificate SANs: [{found}]"
    ))
}

macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls12_signature(
                message,
                certificate,
                signature,
                &self.algorithms(),
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls13_signature(
                message,
                certificate,
                signature,
                &self.algorithms(),
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms().supported_schemes()
        }
    };
}

impl Checks {
    fn algorithms(&self) -> WebPkiSupportedAlgorithms {
        self.algorithms
    }
}

impl ServerCertVerifier for Checks {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_chain(leaf, intermediates, now)?;
        if self.match_server_name {
            let parsed = rustls::server::ParsedCertificate::try_from(leaf)?;
            rustls::client::verify_server_name(&parsed, server_name)
                .map_err(|error| misnamed(leaf, server_name, error))?;
        }
        self.judge_leaf(leaf)?;
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

/// A server's view of its clients.
#[derive(Debug)]
pub(super) struct ClientChecks {
    checks: Checks,
    chain: Option<Arc<dyn ClientCertVerifier>>,
    required: bool,
}

impl ClientChecks {
    pub(super) fn new(context: &Arc<ValidationContext>, required: bool) -> Result<Self, String> {
        let checks = Checks::new(Arc::clone(context), false).map_err(|error| error.to_string())?;
        let chain = match &checks.roots {
            Some(roots) if !context.accept_untrusted => {
                let crls = CertificateRevocationListDer::pem_slice_iter(&context.crl_pem)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| format!("crl: {error}"))?;
                let builder =
                    WebPkiClientVerifier::builder_with_provider(roots.store(), provider())
                        .with_crls(crls);
                Some(builder.build().map_err(|error| error.to_string())?
                    as Arc<dyn ClientCertVerifier>)
            }
            _ => None,
        };
        Ok(Self {
            checks,
            chain,
            required,
        })
    }

    fn algorithms(&self) -> WebPkiSupportedAlgorithms {
        self.checks.algorithms
    }
}

impl ClientCertVerifier for ClientChecks {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain
            .as_ref()
            .map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.checks.context.allow_expired {
            self.checks.verify_chain(leaf, intermediates, now)?;
        } else if let Some(chain) = &self.chain {
            chain.verify_client_cert(leaf, intermediates, now)?;
        }
        self.checks.judge_leaf(leaf)?;
        Ok(ClientCertVerified::assertion())
    }

    signatures!();
}
