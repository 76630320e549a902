//! The data directory: locked by one `up` at a time, with a format version.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::exit::{Code, Failure};

/// Raised when an older program could no longer read the directory.
const FORMAT: u32 = 1;
/// The file that says so; a directory that has it is ours.
const VERSION: &str = "version";
/// How often and how far apart a lock is tried that somebody has.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A directory that this process holds.
pub(crate) struct DataDir {
    path: PathBuf,
    lock: Flock<File>,
}

impl DataDir {
    /// Creates or opens the directory and locks it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        prepare(path)?;
        let path = path.canonicalize()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))?;
        let lock = lock(file).map_err(|_| {
            let holder = match holder(&path) {
                Ok(Some(pid)) => format!(" (process {pid})"),
                _ => String::new(),
            };
            let shown = path.display();
            Failure::new(
                Code::InUse,
                format!("data directory {shown} is in use by another `ferromesh up`{holder}"),
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
        let file = self.path.join(VERSION);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let shown = self.path.display();
        let found = text.trim();
        if found == FORMAT.to_string() {
            return Ok(());
        }
        let message = match found.parse::<u32>() {
            Ok(found) => {
                format!("data directory {shown} has format {found}; this program reads {FORMAT}")
            }
            Err(_) => format!(
                "{} does not hold a format version; is {shown} a data directory of ferromesh?",
                file.display()
            ),
        };
        Err(Failure::new(Code::Failure, message)
            .remedy("use the program that wrote it, or another --data-dir")
            .into())
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
///
/// # Errors
/// When it cannot be looked into, as by other users than root.
pub(crate) fn holder(path: &Path) -> Result<Option<i32>, Failure> {
    let mut file = match OpenOptions::new().read(true).open(path.join("lock")) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            let message = format!(
                "cannot look into data directory {}: {error}",
                path.display()
            );
            return Err(Failure::new(Code::Failure, message).remedy("the same as root, with sudo"));
        }
    };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| {
        Failure::new(Code::Failure, format!("{}/lock: {error}", path.display()))
    })?;
    // A shared lock: those who only ask do not stand in each other's way.
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        // Nobody holds it: what is written there is from an earlier run.
        Ok(_) => Ok(None),
        Err(_) => Ok(text.trim().parse().ok()),
    }
}

/// Takes the lock. Those who ask for the holder have it for a moment; that is waited for.
fn lock(mut file: File) -> Result<Flock<File>, Errno> {
    for _ in 0..LOCK_TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            Err((_, errno)) => return Err(errno),
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(Errno::EWOULDBLOCK)
}

/// Makes the directory, or checks that it is one of ours: another one's files and mode are not touched.
fn prepare(path: &Path) -> Result<(), Failure> {
    let unusable = |error: std::io::Error| {
        let message = format!("cannot use data directory {}: {error}", path.display());
        Failure::new(Code::Failure, message).remedy("ferromesh up --data-dir ANOTHER")
    };
    match fs::read_dir(path) {
        Ok(entries) => {
            // The image map may be written before the first start.
            let foreign = |entry: &fs::DirEntry| entry.file_name() != runtime::USER_FILE;
            let others = entries.flatten().any(|entry| foreign(&entry));
            if others && !path.join(VERSION).is_file() {
                let message = format!(
                    "{} is no data directory of ferromesh: it has other files and no file {VERSION:?}",
                    path.display()
                );
                return Err(Failure::new(Code::Failure, message)
                    .remedy("ferromesh up --data-dir ANOTHER   (a new or an empty directory)"));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(path).map_err(unusable)?;
        }
        Err(error) => return Err(unusable(error)),
    }
    // Keys are in it.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(unusable)?;
    let version = path.join(VERSION);
    if !version.exists() {
        fs::write(&version, format!("{FORMAT}\n")).map_err(unusable)?;
    }
    fs::create_dir_all(path.join("logs")).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let own = i32::try_from(std::process::id()).ok();
        assert_eq!(holder(dir.path()).unwrap(), own);
        let error = DataDir::open(dir.path()).err().unwrap();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().code, Code::InUse);
        drop(first);
        assert_eq!(holder(dir.path()).unwrap(), None);
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

    #[test]
    fn a_directory_with_other_files_is_refused_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = DataDir::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("no data directory of ferromesh"), "{error}");
        let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_no_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = DataDir::open(&file).err().unwrap().to_string();
        assert!(error.contains("cannot use data directory"), "{error}");
        assert!(error.contains("try: "), "{error}");
        assert_eq!(holder(&file).unwrap(), None);
    }
}
