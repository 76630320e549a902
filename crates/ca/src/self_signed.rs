//! The authority's own root and intermediate, as they are kept in a Secret.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::chain::{Certificate, certificates};
use crate::error::CaError;
use crate::renewal::{Ages, Renewal, Step};
use crate::secret::SecretData;
use crate::signer::{BACKDATE, Signer, valid};

/// The Secret's name.
pub(crate) const NAME: &str = "ferromesh-ca";

const DAY: i64 = 24 * 3600;
const ROOT_LIFE: i64 = 3650 * DAY;
const INTERMEDIATE_LIFE: i64 = 365 * DAY;

/// A certificate and its key.
#[derive(Clone)]
struct Pair {
    certificate: Certificate,
    key_pem: String,
}

/// Root, intermediate and perhaps the next root.
#[derive(Clone)]
pub(crate) struct SelfSigned {
    root: Pair,
    intermediate: Pair,
    /// Announced at this unix time; it signs nothing yet.
    next: Option<(Pair, i64)>,
}

impl std::fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SelfSigned(keys redacted, next root: {})",
            self.next.is_some()
        )
    }
}

fn subject(organization: &str, name: &str, now: i64) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, organization);
    // Roots of different times have different names: a verifier finds the right one at once.
    subject.push(DnType::CommonName, format!("{name} {now}"));
    subject
}

fn authority(subject: DistinguishedName, constraint: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.is_ca = IsCa::Ca(constraint);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn certificate(made: &rcgen::Certificate) -> Result<Certificate, CaError> {
    Certificate::from_der(made.der().clone()).map_err(CaError::Crypto)
}

fn new_root(organization: &str, now: i64) -> Result<Pair, CaError> {
    let subject = subject(organization, "Root CA", now);
    let mut params = authority(subject, BasicConstraints::Unconstrained);
    valid(&mut params, now - BACKDATE, now + ROOT_LIFE)?;
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: certificate(&params.self_signed(&key)?)?,
        key_pem: key.serialize_pem(),
    })
}

fn new_intermediate(root: &Pair, organization: &str, now: i64) -> Result<Pair, CaError> {
    let subject = subject(organization, "Intermediate CA", now);
    let mut params = authority(subject, BasicConstraints::Constrained(0));
    params.use_authority_key_identifier_extension = true;
    let end = (now + INTERMEDIATE_LIFE).min(root.certificate.not_after);
    valid(&mut params, now - BACKDATE, end)?;
    let key = KeyPair::generate()?;
    let issuer =
        Issuer::from_ca_cert_der(&root.certificate.der, KeyPair::from_pem(&root.key_pem)?)?;
    Ok(Pair {
        certificate: certificate(&params.signed_by(&key, &issuer)?)?,
        key_pem: key.serialize_pem(),
    })
}

impl SelfSigned {
    pub(crate) fn create(organization: &str, now: i64) -> Result<Self, CaError> {
        let root = new_root(organization, now)?;
        let intermediate = new_intermediate(&root, organization, now)?;
        Ok(Self {
            root,
            intermediate,
            next: None,
        })
    }

    /// The state after `step`.
    pub(crate) fn advance(
        &self,
        step: Step,
        organization: &str,
        now: i64,
    ) -> Result<Self, CaError> {
        let mut after = self.clone();
        match step {
            Step::Rest => {}
            Step::RenewIntermediate => {
                after.intermediate = new_intermediate(&self.root, organization, now)?;
            }
            Step::AnnounceRoot => after.next = Some((new_root(organization, now)?, now)),
            Step::SwitchRoot => {
                if let Some((root, _)) = after.next.take() {
                    after.intermediate = new_intermediate(&root, organization, now)?;
                    after.root = root;
                }
            }
        }
        Ok(after)
    }

    pub(crate) fn ages(&self, overlap: i64) -> Ages {
        let intermediate = &self.intermediate.certificate;
        Ages {
            root_not_after: self.root.certificate.not_after,
            intermediate: Renewal {
                not_before: intermediate.not_before,
                not_after: intermediate.not_after,
            },
            next_since: self.next.as_ref().map(|(_, since)| *since),
            overlap,
        }
    }

    /// What everybody is to trust: the root in use, then the next.
    pub(crate) fn roots(&self) -> Vec<Certificate> {
        let next = self.next.as_ref().map(|(pair, _)| pair);
        let pairs = std::iter::once(&self.root).chain(next);
        pairs.map(|pair| pair.certificate.clone()).collect()
    }

    pub(crate) fn signer(&self) -> Result<Signer, String> {
        let key = KeyPair::from_pem(&self.intermediate.key_pem)
            .map_err(|_| "ca-key.pem: not a private key".to_owned())?;
        let certificate = self.intermediate.certificate.clone();
        let path = [certificate.clone()];
        Signer::new(key, certificate, &path).map_err(|problem| format!("ca-key.pem: {problem}"))
    }

    pub(crate) fn encode(&self) -> SecretData {
        let mut data = SecretData::default();
        let mut put = |key: &str, text: String| {
            data.0.insert(key.into(), text);
        };
        put("root-cert.pem", self.root.certificate.pem());
        put("root-key.pem", self.root.key_pem.clone());
        put("ca-cert.pem", self.intermediate.certificate.pem());
        put("ca-key.pem", self.intermediate.key_pem.clone());
        put("cert-chain.pem", self.intermediate.certificate.pem());
        if let Some((next, since)) = &self.next {
            put("next-root-cert.pem", next.certificate.pem());
            put("next-root-key.pem", next.key_pem.clone());
            put("next-root-since", since.to_string());
        }
        data
    }

    pub(crate) fn decode(data: &SecretData) -> Result<Self, String> {
        let pair = |certificate: &str, key: &str| {
            let text = |name: &str| {
                data.get(&[name])
                    .ok_or_else(|| format!("key {name} is missing"))
            };
            let found =
                certificates(text(certificate)?).map_err(|e| format!("{certificate}: {e}"))?;
            Ok::<_, String>(Pair {
                certificate: found[0].clone(),
                key_pem: text(key)?.into(),
            })
        };
        let next = match data.get(&["next-root-since"]).map(str::parse::<i64>) {
            Some(Ok(since)) => Some((pair("next-root-cert.pem", "next-root-key.pem")?, since)),
            Some(Err(_)) => return Err("next-root-since: not a unix time".into()),
            None => None,
        };
        Ok(Self {
            root: pair("root-cert.pem", "root-key.pem")?,
            intermediate: pair("ca-cert.pem", "ca-key.pem")?,
            next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn the_state_survives_its_secret() {
        let made = SelfSigned::create("cluster.local", NOW).unwrap();
        let announced = made
            .advance(Step::AnnounceRoot, "cluster.local", NOW + 1)
            .unwrap();
        let read = SelfSigned::decode(&announced.encode()).unwrap();
        assert_eq!(read.roots(), announced.roots());
        assert_eq!(read.roots().len(), 2);
        assert_eq!(read.encode(), announced.encode());
    }

    #[test]
    fn the_chain_verifies_and_lives_as_long_as_it_should() {
        let made = SelfSigned::create("cluster.local", NOW).unwrap();
        let signer = made.signer().unwrap();
        let path = crate::chain::path(signer.certificate(), &[], &made.roots(), NOW).unwrap();
        assert_eq!(path.len(), 1);
        assert_eq!(made.roots()[0].not_after, NOW + ROOT_LIFE);
        assert_eq!(signer.certificate().not_after, NOW + INTERMEDIATE_LIFE);
    }

    #[test]
    fn debug_output_shows_no_key() {
        let made = SelfSigned::create("cluster.local", NOW).unwrap();
        for shown in [
            format!("{made:?}"),
            format!("{:?}", made.encode()),
            format!("{:?}", made.signer().unwrap()),
        ] {
            assert!(!shown.contains("PRIVATE") && shown.len() < 300, "{shown}");
        }
    }
}
