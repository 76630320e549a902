//! The only writer: takes what has queued up, checks each write against the state that the ones before it
//! leave, commits all of them in one synced transaction and only then shows and acknowledges them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::index::Index;
use super::{
    Expect, FORMAT_VERSION, Object, ObjectName, ResourceId, StorageError, Write, WriteError,
};

/// Writes that may wait; more makes callers wait.
pub(crate) const QUEUE: usize = 1024;
/// Writes of one transaction.
const BATCH: usize = 256;

/// `group/plural NUL namespace NUL name` to the object's JSON.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) write: Write,
    pub(crate) reply: oneshot::Sender<Result<Arc<Object>, WriteError>>,
}

fn key(resource: &ResourceId, name: &ObjectName) -> String {
    format!(
        "{}/{}\0{}\0{}",
        resource.group, resource.plural, name.0, name.1
    )
}

fn split(key: &str) -> Option<(ResourceId, ObjectName)> {
    let mut parts = key.split('\0');
    let (group, plural) = parts.next()?.split_once('/')?;
    let name = (Arc::from(parts.next()?), Arc::from(parts.next()?));
    Some((ResourceId::new(group, plural), name))
}

/// Reads the whole database, creating its tables when it is new.
pub(crate) fn load(database: &Database, history: usize) -> Result<Index, StorageError> {
    let failed = |error: &dyn std::fmt::Display| StorageError::Open(error.to_string());
    prepare(database).map_err(|error| StorageError::Open(error.to_string()))?;
    let read = database.begin_read().map_err(|e| failed(&e))?;
    let meta = read.open_table(META).map_err(|e| failed(&e))?;
    let number = |name: &str| -> Result<u64, StorageError> {
        Ok(meta
            .get(name)
            .map_err(|e| failed(&e))?
            .map_or(0, |v| v.value()))
    };
    let found = number("format")?;
    if found != FORMAT_VERSION {
        return Err(StorageError::Format { found });
    }
    let mut index = Index::new(number("revision")?, history);
    let objects = read.open_table(OBJECTS).map_err(|e| failed(&e))?;
    for entry in objects.iter().map_err(|e| failed(&e))? {
        let (key, bytes) = entry.map_err(|e| failed(&e))?;
        let corrupt = || StorageError::Corrupt(key.value().replace('\0', " "));
        let (resource, name) = split(key.value()).ok_or_else(corrupt)?;
        let raw = Bytes::copy_from_slice(bytes.value());
        let value: Value = serde_json::from_slice(&raw).map_err(|_| corrupt())?;
        let revision = value["metadata"]["resourceVersion"]
            .as_str()
            .and_then(|v| v.parse().ok());
        let object = Object {
            revision: revision.ok_or_else(corrupt)?,
            value,
            raw,
        };
        index.restore(&resource, name, Arc::new(object));
    }
    Ok(index)
}

fn prepare(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        transaction.open_table(OBJECTS)?;
        let mut meta = transaction.open_table(META)?;
        if meta.get("format")?.is_none() {
            meta.insert("format", FORMAT_VERSION)?;
            meta.insert("revision", 1)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Runs until every [`super::Storage`] is gone, or until a commit fails: after that the state on disk is
/// unknown, and only a restart can read it.
pub(crate) fn run(
    database: &Database,
    index: &RwLock<Index>,
    publish: &watch::Sender<u64>,
    mut requests: mpsc::Receiver<Request>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while requests.blocking_recv_many(&mut batch, BATCH) > 0 {
        let plan = Plan::new(
            &index.read().unwrap_or_else(PoisonError::into_inner),
            batch.drain(..),
        );
        let outcome = if plan.accepted.is_empty() {
            Ok(())
        } else {
            commit(database, &plan)
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "the store cannot write; restart the API server");
            plan.fail(&error.to_string());
            return;
        }
        let revision = plan.show(index);
        if let Some(revision) = revision {
            publish.send_replace(revision);
        }
    }
}

struct Accepted {
    resource: ResourceId,
    name: ObjectName,
    object: Arc<Object>,
    deleted: bool,
    reply: oneshot::Sender<Result<Arc<Object>, WriteError>>,
}

/// What a batch will do; refused writes are answered while planning.
struct Plan {
    accepted: Vec<Accepted>,
    revision: u64,
}

impl Plan {
    fn new(index: &Index, batch: impl Iterator<Item = Request>) -> Self {
        let mut plan = Self {
            accepted: Vec::new(),
            revision: index.revision(),
        };
        let mut overlay: HashMap<(ResourceId, ObjectName), Option<Arc<Object>>> = HashMap::new();
        for Request { write, reply } in batch {
            let slot = (write.resource.clone(), write.name.clone());
            let current = match overlay.get(&slot) {
                Some(pending) => pending.clone(),
                None => index.get(&write.resource, &write.name.0, &write.name.1),
            };
            match plan.admit(&write, current.as_deref()) {
                Ok(object) => {
                    let deleted = write.value.is_none();
                    overlay.insert(slot, (!deleted).then(|| object.clone()));
                    let Write { resource, name, .. } = write;
                    plan.accepted.push(Accepted {
                        resource,
                        name,
                        object,
                        deleted,
                        reply,
                    });
                }
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        plan
    }

    fn admit(
        &mut self,
        write: &Write,
        current: Option<&Object>,
    ) -> Result<Arc<Object>, WriteError> {
        match (write.expect, current) {
            (Expect::Absent, Some(_)) => return Err(WriteError::Exists),
            (Expect::Revision(_), None) => return Err(WriteError::Conflict),
            (Expect::Revision(wanted), Some(current)) if wanted != current.revision => {
                return Err(WriteError::Conflict);
            }
            _ => {}
        }
        let mut value = match (&write.value, current) {
            (Some(value), _) => value.clone(),
            (None, Some(current)) => current.value.clone(),
            (None, None) => return Err(WriteError::Conflict),
        };
        let revision = self.revision + 1;
        value["metadata"]["resourceVersion"] = Value::String(revision.to_string());
        let raw = serde_json::to_vec(&value).map_err(|e| WriteError::Failed(e.to_string()))?;
        self.revision = revision;
        Ok(Arc::new(Object {
            revision,
            value,
            raw: raw.into(),
        }))
    }

    fn fail(self, reason: &str) {
        for accepted in self.accepted {
            drop(accepted.reply.send(Err(WriteError::Failed(reason.into()))));
        }
    }

    /// Publishes to readers, then acknowledges.
    fn show(self, index: &RwLock<Index>) -> Option<u64> {
        if self.accepted.is_empty() {
            return None;
        }
        let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
        let mut replies = Vec::with_capacity(self.accepted.len());
        for Accepted {
            resource,
            name,
            object,
            deleted,
            reply,
        } in self.accepted
        {
            index.apply(&resource, name, object.clone(), deleted);
            replies.push((reply, object));
        }
        drop(index);
        for (reply, object) in replies {
            drop(reply.send(Ok(object)));
        }
        Some(self.revision)
    }
}

fn commit(database: &Database, plan: &Plan) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut objects = transaction.open_table(OBJECTS)?;
        for accepted in &plan.accepted {
            let key = key(&accepted.resource, &accepted.name);
            if accepted.deleted {
                objects.remove(key.as_str())?;
            } else {
                objects.insert(key.as_str(), accepted.object.raw.as_ref())?;
            }
        }
        transaction
            .open_table(META)?
            .insert("revision", plan.revision)?;
    }
    transaction.commit()?;
    Ok(())
}
