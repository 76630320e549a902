//! Which roots are trusted: those in use, and those that were until recently, as certificates under them
//! are still around.

use std::collections::BTreeMap;

use crate::chain::{Certificate, certificates};
use crate::secret::SecretData;

/// The Secret's name. Its content is public, but whoever may write it decides whom the mesh trusts.
pub(crate) const NAME: &str = "ferromesh-ca-roots";

/// Roots by fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    roots: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    certificate: Certificate,
    /// Unix time at which it went out of use.
    retired: Option<i64>,
}

fn fingerprint(certificate: &Certificate) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.der);
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Ledger {
    /// Entries that cannot be read are passed over.
    pub(crate) fn decode(data: &SecretData) -> Self {
        let mut ledger = Self::default();
        for (key, text) in &data.0 {
            let (Some(id), Ok(found)) = (key.strip_suffix(".pem"), certificates(text)) else {
                continue;
            };
            let retired = data.0.get(&format!("{id}.retired"));
            let entry = Entry {
                retired: retired.and_then(|text| text.parse().ok()),
                certificate: found[0].clone(),
            };
            ledger.roots.insert(fingerprint(&found[0]), entry);
        }
        ledger
    }

    pub(crate) fn encode(&self) -> SecretData {
        let mut data = SecretData::default();
        for (id, entry) in &self.roots {
            data.0.insert(format!("{id}.pem"), entry.certificate.pem());
            if let Some(at) = entry.retired {
                data.0.insert(format!("{id}.retired"), at.to_string());
            }
        }
        data
    }

    /// The ledger now that `current` are in use. Others stay for `horizon` seconds after they went out
    /// of use, or until they expire.
    pub(crate) fn update(&self, current: &[Certificate], now: i64, horizon: i64) -> Self {
        let mut after = self.clone();
        let ids: Vec<String> = current.iter().map(fingerprint).collect();
        for (id, entry) in &mut after.roots {
            entry.retired = if ids.contains(id) {
                None
            } else {
                entry.retired.or(Some(now))
            };
        }
        for (id, certificate) in ids.into_iter().zip(current) {
            after.roots.entry(id).or_insert_with(|| Entry {
                certificate: certificate.clone(),
                retired: None,
            });
        }
        after.roots.retain(|_, entry| {
            !entry.certificate.expired(now) && entry.retired.is_none_or(|at| at + horizon > now)
        });
        after
    }

    /// PEM of all of them, `current` first.
    pub(crate) fn bundle(&self, current: &[Certificate]) -> String {
        let older = self
            .roots
            .values()
            .map(|entry| &entry.certificate)
            .filter(|certificate| !current.contains(certificate));
        current.iter().chain(older).map(Certificate::pem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::pki::Authority;

    #[test]
    fn a_replaced_root_is_trusted_until_the_last_certificate_under_it_ended() {
        let root = |name: &str| certificates(&Authority::root(name).pem).unwrap();
        let (old, new) = (root("old"), root("new"));
        let now = old[0].not_before + 10;
        let first = Ledger::default().update(&old, now, 100);
        let second = first.update(&new, now + 10, 100);
        let kept = Ledger::decode(&second.encode());
        assert_eq!(kept, second);
        let bundle = kept.bundle(&new);
        assert_eq!(
            certificates(&bundle).unwrap(),
            [new[0].clone(), old[0].clone()]
        );
        let third = kept.update(&new, now + 111, 100);
        assert_eq!(certificates(&third.bundle(&new)).unwrap(), new);
        // A roll-back makes it a root in use again.
        let back = kept
            .update(&old, now + 20, 100)
            .update(&old, now + 500, 100);
        assert_eq!(certificates(&back.bundle(&old)).unwrap(), old);
    }
}
