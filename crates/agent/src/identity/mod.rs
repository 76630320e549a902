//! The workload's certificate: made here, signed by the CA, renewed at half life. The key never leaves
//! this process except to the proxy it belongs to, and to the pod's memory.

mod csr;
mod kept;
mod renew;

pub use csr::{CsrError, KeyAndCsr};
pub use kept::Kept;
pub use renew::{Sources, TlsFor, keep};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base::SpiffeId;

/// A certificate chain, its key and the roots to trust, in PEM.
#[derive(Clone)]
pub struct Material(Arc<Inner>);

struct Inner {
    chain: String,
    key: String,
    roots: String,
    not_before: i64,
    not_after: i64,
}

impl Material {
    /// Puts together what the CA answered (leaf, intermediates…, root last) and the key it was asked for.
    pub fn new(reply: &[String], key: String, known_roots: &str) -> Result<Self, String> {
        let [chain @ .., root] = reply else {
            return Err("the CA's reply has no certificates".into());
        };
        if chain.is_empty() {
            return Err(
                "the CA's reply has a single certificate; a leaf and a root are needed".into(),
            );
        }
        let chain = join(chain.iter().map(String::as_str));
        let mut roots = known_roots.to_owned();
        if !roots.contains(root.trim()) {
            roots = join([known_roots, root]);
        }
        Self::assemble(chain, key, roots)
            .map(|(material, _)| material)
            .map_err(|e| format!("the CA's reply: {e}"))
    }

    /// Checks that the parts belong together; answers also whose they are.
    fn assemble(
        chain: String,
        key: String,
        roots: String,
    ) -> Result<(Self, Option<SpiffeId>), String> {
        let identity = net::tls::Identity::from_pem(chain.as_bytes(), key.as_bytes())
            .map_err(|e| e.to_string())?;
        let facts = net::tls::PeerFacts::of(&identity.chain()[0]).ok_or("the leaf is no X.509")?;
        let inner = Inner {
            chain,
            key,
            roots,
            not_before: facts.not_before,
            not_after: facts.not_after,
        };
        Ok((Self(Arc::new(inner)), facts.spiffe()))
    }

    #[must_use]
    pub fn chain_pem(&self) -> &str {
        &self.0.chain
    }

    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.0.key
    }

    #[must_use]
    pub fn roots_pem(&self) -> &str {
        &self.0.roots
    }

    /// Unix seconds.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.0.not_after
    }

    /// How long after `now` (unix seconds) to renew: at half of the lifetime, up to a tenth of it
    /// earlier by `jitter` in 0..1, so that workloads started together do not ask together.
    #[must_use]
    pub fn renew_in(&self, now: i64, jitter: f64) -> Duration {
        let lifetime = (self.0.not_after - self.0.not_before).max(0) as f64;
        let at = self.0.not_before as f64 + lifetime * (0.5 - 0.1 * jitter.clamp(0.0, 1.0));
        Duration::from_secs_f64((at - now as f64).max(0.0))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material(not after {}, key redacted)", self.0.not_after)
    }
}

fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for part in parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        text.push_str(part);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material(not_before: i64, not_after: i64) -> Material {
        Material(Arc::new(Inner {
            chain: String::new(),
            key: "-----BEGIN PRIVATE KEY-----".into(),
            roots: String::new(),
            not_before,
            not_after,
        }))
    }

    #[test]
    fn renews_at_half_life_or_a_little_before() {
        let m = material(1_000, 2_000);
        assert_eq!(m.renew_in(1_000, 0.0), Duration::from_secs(500));
        assert_eq!(m.renew_in(1_000, 1.0), Duration::from_secs(400));
        assert_eq!(m.renew_in(1_900, 0.5), Duration::ZERO);
    }

    #[test]
    fn debug_hides_the_key() {
        assert!(!format!("{:?}", material(0, 1)).contains("PRIVATE"));
    }

    #[test]
    fn a_reply_without_root_is_refused() {
        assert!(Material::new(&[], String::new(), "").is_err());
        assert!(Material::new(&["x".into()], String::new(), "").is_err());
    }
}
