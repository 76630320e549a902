//! Content hashes: equal content has an equal hash on every machine and in every release of Rust.

use std::fmt;

/// A 64-bit FNV-1a content hash with a final avalanche. It names versions; it is no defence against
/// forged content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ContentHash(pub u64);

impl ContentHash {
    /// Hashes one byte string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = ContentHasher::default();
        hasher.write(bytes);
        hasher.finish()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Builds a [`ContentHash`] from parts; each part is framed by its length, so that `("ab", "c")` and
/// `("a", "bc")` differ.
#[derive(Debug, Clone)]
pub struct ContentHasher(u64);

impl Default for ContentHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl ContentHasher {
    /// Adds one part.
    pub fn write(&mut self, bytes: &[u8]) {
        self.raw(&(bytes.len() as u64).to_le_bytes());
        self.raw(bytes);
    }

    fn raw(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash of all parts written so far.
    #[must_use]
    pub fn finish(&self) -> ContentHash {
        // MurmurHash3's finaliser: FNV alone leaves the high bits of short inputs alike.
        let mut h = self.0;
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        ContentHash(h ^ (h >> 33))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_separates_parts() {
        let hash = |parts: &[&str]| {
            let mut hasher = ContentHasher::default();
            parts.iter().for_each(|part| hasher.write(part.as_bytes()));
            hasher.finish()
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
    }
}
