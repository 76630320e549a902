//! The data directory: locked by one `up` at a time, with a format version.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::fcntl::{Flock, FlockArg};

use crate::exit::{Code, Failure};

/// Raised when an older program could no longer read the directory.
const FORMAT: u32 = 1;

/// A directory that this process holds.
pub(crate) struct DataDir {
    path: PathBuf,
    lock: Flock<File>,
}

impl DataDir {
    /// Creates or opens the directory and locks it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path.join("logs"))
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
            .with_context(|| format!("cannot use data directory {}", path.display()))?;
        let path = path.canonicalize()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            let holder = holder(&path).map_or_else(String::new, |pid| format!(" (process {pid})"));
            let shown = path.display();
            Failure::new(
                Code::InUse,
                format!(
                    "data directory {shown} is in use by another `ferromesh up`{holder}: {errno}"
                ),
            )
            .remedy(format!(
                "ferromesh down --data-dir {shown}, or ferromesh up --data-dir ANOTHER"
            ))
        })?;
        let mut this = Self { path, lock };
        this.check_format()?;
        this.write_pid()?;
        Ok(this)
    }

    fn check_format(&self) -> anyhow::Result<()> {
        let file = self.path.join("version");
        match fs::read_to_string(&file) {
            Ok(text) => {
                let found: u32 = text.trim().parse().with_context(|| {
                    format!(
                        "{} does not hold a format version; is this a ferromesh data directory?",
                        file.display()
                    )
                })?;
                if found != FORMAT {
                    return Err(Failure::new(
                        Code::Failure,
                        format!(
                            "data directory {} has format {found}; this program reads {FORMAT}",
                            self.path.display()
                        ),
                    )
                    .remedy("use the program that wrote it, or another --data-dir")
                    .into());
                }
            }
            Err(_) => fs::write(&file, format!("{FORMAT}\n"))?,
        }
        Ok(())
    }

    fn write_pid(&mut self) -> anyhow::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        writeln!(self.lock, "{}", std::process::id())?;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        kubeconfig(&self.path)
    }

    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.path.join("logs").join(format!("{process}.log"))
    }
}

/// The administrator's kubeconfig in a data directory.
pub(crate) fn kubeconfig(data_dir: &Path) -> PathBuf {
    data_dir.join("kubeconfig")
}

/// The process that holds the directory, if one does.
pub(crate) fn holder(path: &Path) -> Option<i32> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path.join("lock"))
        .ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        // Nobody holds it: what is written there is from an earlier run.
        Ok(_) => None,
        Err(_) => text.trim().parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        assert_eq!(holder(dir.path()), i32::try_from(std::process::id()).ok());
        let error = DataDir::open(dir.path()).err().unwrap();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().code, Code::InUse);
        drop(first);
        assert_eq!(holder(dir.path()), None);
        assert!(DataDir::open(dir.path()).is_ok());
    }

    #[test]
    fn a_foreign_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("version"), "99\n").unwrap();
        let error = DataDir::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("format 99"), "{error}");
        assert_eq!(
            fs::read_to_string(dir.path().join("version")).unwrap(),
            "99\n"
        );
    }
}
