//! The certificate in the pod's memory: a proxy's container that is started again while the CA is away has its
//! identity at once. The file lies in a volume that is memory, ends with the pod, and is its owner's alone.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::SpiffeId;
use serde::{Deserialize, Serialize};

use super::Material;

const FILE: &str = "identity.json";
/// No larger file is read: a chain, a key and some roots are a few kilobytes.
const MOST: u64 = 1 << 20;

/// Where a workload's certificate outlives its proxy's process.
#[derive(Debug, Clone)]
pub struct Kept {
    path: PathBuf,
}

// No `Debug`: it holds the key.
#[derive(Serialize, Deserialize)]
struct Stored {
    chain: String,
    key: String,
    roots: String,
}

impl Kept {
    /// In `directory`, which should be memory (`emptyDir` with medium `Memory`, as injection writes it).
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            path: directory.join(FILE),
        }
    }

    /// What is there, if it is `identity`'s and valid at `now` (unix seconds).
    #[must_use]
    pub fn load(&self, identity: &SpiffeId, now: i64) -> Option<Material> {
        let size = std::fs::metadata(&self.path).ok()?.len();
        if size > MOST {
            return None;
        }
        let stored: Stored = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        let Stored { chain, key, roots } = stored;
        let (material, owner) = Material::assemble(chain, key, roots).ok()?;
        (owner.as_ref() == Some(identity) && material.not_after() > now).then_some(material)
    }

    /// Replaces what is there, whole or not at all.
    pub fn save(&self, material: &Material) -> io::Result<()> {
        let stored = Stored {
            chain: material.chain_pem().to_owned(),
            key: material.key_pem().to_owned(),
            roots: material.roots_pem().to_owned(),
        };
        let temporary = self.path.with_extension("new");
        // A file that a killed process left has a mode of its own.
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&serde_json::to_vec(&stored)?)?;
        std::fs::rename(&temporary, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use testkit::pki::{Authority, Validity};

    use super::*;

    const NOW: i64 = 0;

    fn material(identity: &SpiffeId, validity: Validity) -> Material {
        let root = Authority::root("root");
        let pair = root.workload(&identity.to_string(), validity);
        Material::new(&[pair.chain, root.pem.clone()], pair.key, "").unwrap()
    }

    fn alice() -> SpiffeId {
        SpiffeId::new("cluster.local", "shop", "alice")
    }

    #[test]
    fn comes_back_as_it_was_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path());
        assert!(kept.load(&alice(), NOW).is_none());
        let made = material(&alice(), Validity::default());
        kept.save(&made).unwrap();
        kept.save(&made).unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let back = kept.load(&alice(), NOW).unwrap();
        assert_eq!(back.chain_pem(), made.chain_pem());
        assert_eq!(back.key_pem(), made.key_pem());
        assert_eq!(back.roots_pem(), made.roots_pem());
        assert_eq!(back.not_after(), made.not_after());
        let bob = SpiffeId::new("cluster.local", "shop", "bob");
        assert!(kept.load(&bob, NOW).is_none(), "another workload's");
    }

    #[test]
    fn what_has_expired_or_is_damaged_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path());
        let made = material(&alice(), Validity::default());
        kept.save(&made).unwrap();
        assert!(kept.load(&alice(), made.not_after()).is_none());
        std::fs::write(dir.path().join(FILE), "{\"chain\": ").unwrap();
        assert!(kept.load(&alice(), NOW).is_none());
    }
}
