//! Versions of Istio and Knative, as far as rows and users name them.

use std::fmt;
use std::str::FromStr;

/// Major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The Istio version that advice is judged for unless another one is chosen.
    pub const ISTIO: Self = Self(1, 30);
    /// The same for Knative Serving.
    pub const KNATIVE: Self = Self(1, 23);

    /// Whether this version is within `since..until`; an empty bound is none.
    #[must_use]
    pub fn within(self, since: &str, until: &str) -> bool {
        let after = since.parse().map_or(true, |since: Self| self >= since);
        let before = until.parse().map_or(true, |until: Self| self < until);
        after && before
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is no version such as 1.28");
        let text = text.trim().trim_start_matches('v');
        let mut parts = text.split('.');
        let mut number = || parts.next()?.parse().ok();
        match (number(), number()) {
            (Some(major), Some(minor)) => Ok(Self(major, minor)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}
