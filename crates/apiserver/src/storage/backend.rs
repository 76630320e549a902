//! Where the bytes of the database lie: a locked file in production, anything that implements redb's
//! `StorageBackend` in tests.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend};

use super::StorageError;

/// Pages kept in memory by redb. Reads are served from our own index, so this stays small.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Opens or creates the database file. redb takes an exclusive lock on it: a second server on the same
/// file is refused here.
pub(crate) fn open_file(path: &Path) -> Result<Database, StorageError> {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| StorageError::Open(format!("{}: {error}", path.display())))?;
    let created = file.metadata().map(|m| m.len() == 0).unwrap_or(false);
    let failed =
        |error: &dyn std::fmt::Display| StorageError::Open(format!("{}: {error}", path.display()));
    let refused = |error: DatabaseError| match error {
        DatabaseError::DatabaseAlreadyOpen => failed(&"another process serves it"),
        other => failed(&other),
    };
    let database = FileBackend::new(file).and_then(create).map_err(refused)?;
    if created {
        sync_directory(path)
            .map_err(|error| StorageError::Open(format!("{}: {error}", path.display())))?;
    }
    Ok(database)
}

/// Opens a database over any backend.
pub(crate) fn open_backend(backend: impl StorageBackend) -> Result<Database, StorageError> {
    create(backend).map_err(|error| StorageError::Open(error.to_string()))
}

fn create(backend: impl StorageBackend) -> Result<Database, DatabaseError> {
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(backend)
}

/// A new file survives power loss only when its directory entry does.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
