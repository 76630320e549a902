//! The user's own CA, from Secret `cacerts` as in Istio.

use rcgen::KeyPair;

use crate::chain::{Certificate, certificates, path};
use crate::secret::SecretData;
use crate::signer::Signer;

/// The Secret's name.
pub(crate) const NAME: &str = "cacerts";

/// Istio's names of the keys, and cert-manager's.
const CERTIFICATE: &[&str] = &["ca-cert.pem", "tls.crt"];
const KEY: &[&str] = &["ca-key.pem", "tls.key"];
const ROOTS: &[&str] = &["root-cert.pem", "ca.crt"];
const CHAIN: &[&str] = &["cert-chain.pem", "tls.crt"];

/// Reads the Secret and checks everything that would otherwise fail later, at some workload.
pub(crate) fn read(data: &SecretData, now: i64) -> Result<(Signer, Vec<Certificate>), String> {
    let text = |names: &[&str]| {
        data.get(names)
            .ok_or_else(|| format!("key {} is missing", names[0]))
    };
    let parse = |names: &[&str]| {
        certificates(text(names)?).map_err(|problem| format!("{}: {problem}", names[0]))
    };
    let roots = parse(ROOTS)?;
    for root in &roots {
        root.check_authority(now)
            .map_err(|problem| format!("{}: {problem}", ROOTS[0]))?;
    }
    let own = parse(CERTIFICATE)?;
    let certificate = &own[0];
    let mut pool = match data.get(CHAIN) {
        Some(_) => parse(CHAIN)?,
        None => Vec::new(),
    };
    pool.extend(own[1..].iter().cloned());
    let path = path(certificate, &pool, &roots, now).map_err(|problem| {
        format!(
            "{} does not lead to a root in {}: {problem}",
            CERTIFICATE[0], ROOTS[0]
        )
    })?;
    // The library's error could quote its input.
    let key = KeyPair::from_pem(text(KEY)?)
        .map_err(|_| format!("{}: not a private key in PKCS#8, PKCS#1 or SEC1", KEY[0]))?;
    let signer = Signer::new(key, certificate.clone(), &path)
        .map_err(|problem| format!("{} and {}: {problem}", KEY[0], CERTIFICATE[0]))?;
    Ok((signer, roots))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};
    use testkit::pki::{Authority, Validity};

    fn now() -> i64 {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        i64::try_from(now.as_secs()).unwrap()
    }

    fn data(certificate: &str, key: &str, roots: &str, chain: &str) -> SecretData {
        let entries = [
            ("ca-cert.pem", certificate),
            ("ca-key.pem", key),
            ("root-cert.pem", roots),
            ("cert-chain.pem", chain),
        ];
        let entries = entries.into_iter().filter(|(_, text)| !text.is_empty());
        SecretData(entries.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    fn problem(data: &SecretData) -> String {
        let problem = read(data, now()).expect_err("must be refused");
        assert!(!problem.contains("PRIVATE"), "{problem}");
        problem
    }

    #[test]
    fn root_intermediates_and_issuer_are_accepted_in_any_order() {
        let root = Authority::root("root");
        let upper = root.intermediate("upper", Validity::default());
        let lower = upper.intermediate("lower", Validity::default());
        for chain in [
            format!("{}{}{}", lower.pem, upper.pem, root.pem),
            format!("{}{}", upper.pem, lower.pem),
            upper.pem.clone(),
        ] {
            let data = data(&lower.pem, &lower.key_pem(), &root.pem, &chain);
            assert!(read(&data, now()).is_ok());
        }
        let only_root = data(&root.pem, &root.key_pem(), &root.pem, "");
        assert!(read(&only_root, now()).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let root = Authority::root("root");
        let ca = root.intermediate("ca", Validity::default());
        let other = Authority::root("other");
        let stale = root.intermediate("stale", Validity::expired());
        let leaf = root.server(&["a.example"], Validity::default());
        let cases = [
            (
                data(&ca.pem, &other.key_pem(), &root.pem, &ca.pem),
                "does not belong",
            ),
            (data(&stale.pem, &stale.key_pem(), &root.pem, ""), "expired"),
            (
                data(&ca.pem, &ca.key_pem(), &other.pem, &ca.pem),
                "does not lead to a root",
            ),
            (
                data(&leaf.chain, &leaf.key, &root.pem, ""),
                "no CA certificate",
            ),
            (data(&ca.pem, "", &root.pem, ""), "ca-key.pem is missing"),
            (data("junk", &ca.key_pem(), &root.pem, ""), "ca-cert.pem"),
            (data(&ca.pem, "junk", &root.pem, ""), "not a private key"),
        ];
        for (data, wanted) in cases {
            let problem = problem(&data);
            assert!(
                problem.contains(wanted),
                "{problem:?} should say {wanted:?}"
            );
        }
    }

    #[test]
    fn a_root_of_the_same_name_with_another_key_does_not_do() {
        let (root, twin) = (Authority::root("root"), Authority::root("root"));
        let ca = root.intermediate("ca", Validity::default());
        let problem = problem(&data(&ca.pem, &ca.key_pem(), &twin.pem, &ca.pem));
        assert!(problem.contains("not signed by the key of"), "{problem}");
    }

    #[test]
    fn leaves_end_with_their_issuer() {
        let root = Authority::root("root");
        let short = Validity {
            from_ago: Duration::from_secs(60),
            until: testkit::pki::Until::In(Duration::from_secs(600)),
        };
        let ca = root.intermediate("ca", short);
        let data = data(&ca.pem, &ca.key_pem(), &root.pem, &ca.pem);
        let (signer, _) = read(&data, now()).unwrap();
        let id = base::SpiffeId::new("td", "ns", "sa");
        let key = KeyPair::generate().unwrap();
        let subject = crate::signer::Subject::Workload(&id);
        let day = Duration::from_secs(86_400);
        let (_, issued) = signer.leaf(&key, &subject, day, now()).unwrap();
        assert!(issued.not_after <= now() + 600);
    }
}
