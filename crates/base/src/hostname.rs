//! Host names as Istio's resources use them: exact (`reviews.default.svc.cluster.local`), suffix
//! wildcard (`*.example.com`) or `*`.

use std::fmt;
use std::sync::Arc;

/// A validated, lower-case host name, possibly with a leading wildcard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(Arc<str>);

/// Why a host name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostnameError {
    #[error("empty host name")]
    Empty,
    #[error("host name {0:?} is longer than 253 characters")]
    TooLong(String),
    #[error(
        "host name {host:?}: label {label:?} is not a DNS label (letters, digits and '-', at most 63)"
    )]
    Label { host: String, label: String },
    #[error("host name {0:?}: a wildcard may only be the whole first label")]
    Wildcard(String),
}

impl Hostname {
    /// Parses a name; a trailing dot is dropped and letters are lowered (RFC 1035 §2.3.3).
    pub fn parse(raw: &str) -> Result<Self, HostnameError> {
        let name = raw.strip_suffix('.').unwrap_or(raw).to_ascii_lowercase();
        if name.is_empty() {
            return Err(HostnameError::Empty);
        }
        if name.len() > 253 {
            return Err(HostnameError::TooLong(raw.into()));
        }
        for (index, label) in name.split('.').enumerate() {
            if index == 0 && label == "*" {
                continue;
            }
            if label.contains('*') {
                return Err(HostnameError::Wildcard(raw.into()));
            }
            if !is_label(label) {
                return Err(HostnameError::Label {
                    host: raw.into(),
                    label: label.into(),
                });
            }
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `*` or `*.suffix`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether every name that `other` stands for is also one of `self`'s (Istio's `SubsetOf`, reversed).
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_prefix('*') {
            None => self == other,
            Some("") => true,
            Some(suffix) => {
                let tail = other.0.strip_prefix('*').unwrap_or(&other.0);
                tail.ends_with(suffix) && (other.is_wildcard() || tail.len() > suffix.len())
            }
        }
    }

    /// Whether the two stand for at least one common name.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Orders the more specific name first: exact before wildcard, longer before shorter, then by text,
    /// which is the order in which Istio picks the most specific host.
    #[must_use]
    pub fn by_specificity(a: &Self, b: &Self) -> std::cmp::Ordering {
        a.is_wildcard()
            .cmp(&b.is_wildcard())
            .then_with(|| b.0.len().cmp(&a.0.len()))
            .then_with(|| a.0.cmp(&b.0))
    }
}

fn is_label(label: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let bytes = label.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl fmt::Debug for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Hostname {
        Hostname::parse(text).unwrap()
    }

    #[test]
    fn wildcards_cover_what_istio_says() {
        assert!(host("*").covers(&host("a.b")));
        assert!(host("*.example.com").covers(&host("www.example.com")));
        assert!(host("*.example.com").covers(&host("*.a.example.com")));
        assert!(!host("*.example.com").covers(&host("example.com")));
        assert!(!host("a.example.com").covers(&host("*.example.com")));
        assert!(host("*.com").overlaps(&host("a.com")));
    }

    #[test]
    fn orders_by_specificity() {
        let mut hosts = ["*", "*.com", "a.com", "*.example.com"].map(host);
        hosts.sort_by(Hostname::by_specificity);
        assert_eq!(hosts, ["a.com", "*.example.com", "*.com", "*"].map(host));
    }

    #[test]
    fn refuses_what_dns_refuses() {
        for bad in ["", "a..b", "-a.b", "a*.b", "a.*.b", "a b"] {
            assert!(Hostname::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(host("WWW.Example.COM.").as_str(), "www.example.com");
    }
}
