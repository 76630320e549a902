//! Holds every object durably and in order.
//!
//! One redb table carries the raw JSON of each object; an index in memory serves reads and watches.
//! A write is visible, and acknowledged, only after the transaction that contains it has been synced.

mod backend;
mod index;
mod log;
mod writer;

use std::path::Path;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use bytes::Bytes;
use redb::StorageBackend;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

pub use index::Snapshot;
pub(crate) use log::{Event, EventKind, Expired};

/// Version of the layout on disk. A newer one is refused, never guessed at.
pub const FORMAT_VERSION: u64 = 1;

/// Events kept per resource, unless told otherwise.
pub const HISTORY: usize = 4096;

/// Group and plural of a resource: what objects are stored under, whatever version they were written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    pub group: Arc<str>,
    pub plural: Arc<str>,
}

impl ResourceId {
    pub fn new(group: &str, plural: &str) -> Self {
        Self {
            group: group.into(),
            plural: plural.into(),
        }
    }
}

/// Namespace (empty for cluster scope) and name.
pub type ObjectName = (Arc<str>, Arc<str>);

/// One stored object: its parsed form for decisions and its bytes for answers.
#[derive(Debug)]
pub struct Object {
    pub revision: u64,
    pub value: Value,
    pub raw: Bytes,
}

/// What must be true of the current state for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Absent,
    Revision(u64),
}

/// One write: `value: None` deletes.
#[derive(Debug)]
pub struct Write {
    pub resource: ResourceId,
    pub name: ObjectName,
    pub expect: Expect,
    pub value: Option<Value>,
}

/// Why a write did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("object already exists")]
    Exists,
    #[error("object changed or is gone")]
    Conflict,
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("cannot open the database {0}")]
    Open(String),
    #[error(
        "the database has format version {found}, this program reads {FORMAT_VERSION}; use the program that wrote it"
    )]
    Format { found: u64 },
    #[error("the database holds an unreadable record at {0}")]
    Corrupt(String),
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    shared: Arc<RwLock<index::Index>>,
    revision: watch::Receiver<u64>,
    writes: mpsc::Sender<writer::Request>,
}

impl Storage {
    /// Opens the file at `path`, creating it when missing. Watches can go back `history` events per
    /// resource.
    pub fn open(path: &Path, history: usize) -> Result<Self, StorageError> {
        Self::start(backend::open_file(path)?, history)
    }

    /// Opens a database over `backend`; for tests of durability.
    pub fn open_backend(backend: impl StorageBackend) -> Result<Self, StorageError> {
        Self::start(backend::open_backend(backend)?, HISTORY)
    }

    fn start(database: redb::Database, history: usize) -> Result<Self, StorageError> {
        let index = writer::load(&database, history)?;
        let (publish, revision) = watch::channel(index.revision());
        let shared = Arc::new(RwLock::new(index));
        let (writes, requests) = mpsc::channel(writer::QUEUE);
        let for_writer = shared.clone();
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer::run(&database, &for_writer, &publish, requests))
            .map_err(|error| StorageError::Open(error.to_string()))?;
        Ok(Self {
            shared,
            revision,
            writes,
        })
    }

    fn index(&self) -> RwLockReadGuard<'_, index::Index> {
        // The index is only ever replaced field by field after validation; a poisoned lock still guards a
        // consistent state.
        self.shared
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Revision of the newest visible write.
    pub fn revision(&self) -> u64 {
        self.index().revision()
    }

    /// Revision of the newest write that concerns owners, finalizers or deletion.
    pub(crate) fn ownership(&self) -> u64 {
        self.index().ownership()
    }

    /// Resolves when writes cannot be made durable any more.
    pub(crate) fn failed(&self) -> impl Future<Output = ()> + Send + use<> {
        let writes = self.writes.clone();
        async move { writes.closed().await }
    }

    /// Whether writes can still be made durable.
    pub fn healthy(&self) -> bool {
        !self.writes.is_closed()
    }

    pub fn get(&self, resource: &ResourceId, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.index().get(resource, namespace, name)
    }

    /// An immutable view of all objects of one resource.
    pub fn snapshot(&self, resource: &ResourceId) -> Snapshot {
        self.index().snapshot(resource)
    }

    /// Every resource that has objects.
    pub fn resources(&self) -> Vec<ResourceId> {
        self.index().resources()
    }

    /// Events of `resource` after `since`, at most `limit`, with the revision that they reach.
    pub(crate) fn events(
        &self,
        resource: &ResourceId,
        since: u64,
        limit: usize,
    ) -> Result<(Vec<Event>, u64), Expired> {
        self.index().events(resource, since, limit)
    }

    /// Told of every revision that becomes visible; lagging receivers see the newest one only.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }

    /// Makes one write durable. For a delete the answer is the object's last state, at the revision of
    /// the deletion.
    pub async fn write(&self, write: Write) -> Result<Arc<Object>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.writes
            .send(writer::Request { write, reply })
            .await
            .map_err(|_| WriteError::Failed("the writer has stopped".into()))?;
        answer
            .await
            .map_err(|_| WriteError::Failed("the writer has stopped".into()))?
    }
}
