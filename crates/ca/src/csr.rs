//! Certificate signing requests, from anybody. Only the public key is taken from one: what identity it
//! asks for does not matter.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509CertificationRequest};
use x509_parser::public_key::PublicKey;

/// Longer requests are refused unread; a request with an RSA-4096 key has less than 2 KiB.
const LONGEST: usize = 32 * 1024;

/// A request whose signature proves possession of the private key.
pub struct Csr {
    pub(crate) key: SubjectPublicKeyInfo,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    #[error("the request has {0} bytes; at most {LONGEST} are read")]
    TooLong(usize),
    #[error("no PEM block CERTIFICATE REQUEST was found")]
    NotPem,
    #[error("the request is no valid PKCS#10 structure")]
    Malformed,
    #[error("the request's signature does not verify: the sender does not have the private key")]
    BadSignature,
    #[error("{0}; use ECDSA P-256 or P-384, Ed25519, or RSA with 2048 bits or more")]
    WeakKey(String),
}

impl Csr {
    /// Reads PEM and checks the signature.
    pub fn from_pem(pem: &str) -> Result<Self, CsrError> {
        if pem.len() > LONGEST {
            return Err(CsrError::TooLong(pem.len()));
        }
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| CsrError::NotPem)?;
        Self::from_der(&der)
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
        if !rest.is_empty() {
            return Err(CsrError::Malformed);
        }
        let public = &request.certification_request_info.subject_pki;
        check_strength(&public.parsed().map_err(|_| CsrError::Malformed)?)?;
        request
            .verify_signature()
            .map_err(|_| CsrError::BadSignature)?;
        let key = SubjectPublicKeyInfo::from_der(public.raw)
            .map_err(|_| CsrError::WeakKey("the key's algorithm is not supported".into()))?;
        Ok(Self { key })
    }
}

fn check_strength(key: &PublicKey<'_>) -> Result<(), CsrError> {
    match key {
        PublicKey::EC(point) if matches!(point.key_size(), 256 | 384) => Ok(()),
        PublicKey::EC(point) => Err(CsrError::WeakKey(format!(
            "an elliptic curve of {} bits",
            point.key_size()
        ))),
        PublicKey::RSA(rsa) if (2048..=8192).contains(&rsa.key_size()) => Ok(()),
        PublicKey::RSA(rsa) => Err(CsrError::WeakKey(format!(
            "an RSA key of {} bits",
            rsa.key_size()
        ))),
        // Ed25519 has no structure to look into.
        PublicKey::Unknown(raw) if raw.len() == 32 => Ok(()),
        _ => Err(CsrError::WeakKey(
            "the key's algorithm is not supported".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    fn request(key: &KeyPair) -> rcgen::CertificateSigningRequest {
        CertificateParams::new(vec!["a.example".to_owned()])
            .unwrap()
            .serialize_request(key)
            .unwrap()
    }

    #[test]
    fn the_usual_keys_are_taken() {
        for key in [
            KeyPair::generate().unwrap(),
            KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
            KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        ] {
            let pem = request(&key).pem().unwrap();
            assert!(Csr::from_pem(&pem).is_ok(), "{:?}", key.algorithm());
        }
    }

    #[test]
    fn a_request_without_the_private_key_is_refused() {
        let key = KeyPair::generate().unwrap();
        let good = request(&key).der().to_vec();
        let mut forged = good.clone();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        assert!(matches!(
            Csr::from_der(&forged),
            Err(CsrError::BadSignature | CsrError::Malformed)
        ));
        let mut trailing = good;
        trailing.push(0);
        assert_eq!(Csr::from_der(&trailing).err(), Some(CsrError::Malformed));
    }

    #[test]
    fn garbage_of_any_length_is_refused_without_panic() {
        let good = request(&KeyPair::generate().unwrap()).der().to_vec();
        for length in 0..good.len() {
            assert!(Csr::from_der(&good[..length]).is_err());
        }
        for position in 0..good.len() {
            let mut bent = good.clone();
            bent[position] ^= 0xff;
            assert!(Csr::from_der(&bent).is_err(), "byte {position}");
        }
        assert_eq!(Csr::from_pem("hello").err(), Some(CsrError::NotPem));
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(
            Csr::from_pem(&long).err(),
            Some(CsrError::TooLong(LONGEST + 1))
        );
    }
}
