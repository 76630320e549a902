//! All objects in memory, with structural sharing: a list works on a frozen view while writes go on.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use super::log::{Event, EventKind, Expired, Log};
use super::{Object, ObjectName, ResourceId};

type Objects = OrdMap<ObjectName, Arc<Object>>;

#[derive(Debug)]
struct Table {
    objects: Objects,
    log: Log,
}

#[derive(Debug)]
pub(crate) struct Index {
    revision: u64,
    /// Revision of the newest write that can change who owns what, or what may leave.
    ownership: u64,
    /// Revision at which this process opened the store: nothing older can be watched.
    opened: u64,
    /// Events kept per resource.
    history: usize,
    tables: HashMap<ResourceId, Table>,
}

/// A frozen view of one resource.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub revision: u64,
    objects: Objects,
}

impl Snapshot {
    /// Objects in order, of one namespace or of all, after the name `after`.
    pub fn range<'a>(
        &'a self,
        namespace: Option<&str>,
        after: Option<&ObjectName>,
    ) -> impl Iterator<Item = (&'a ObjectName, &'a Arc<Object>)> + use<'a> {
        let wanted: Option<Arc<str>> = namespace.map(Into::into);
        let start = match (after, &wanted) {
            (Some(name), _) => Bound::Excluded(name.clone()),
            (None, Some(ns)) => Bound::Included((ns.clone(), Arc::from(""))),
            (None, None) => Bound::Unbounded,
        };
        self.objects
            .range((start, Bound::Unbounded))
            .take_while(move |((ns, _), _)| wanted.as_ref().is_none_or(|wanted| wanted == ns))
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl Index {
    pub(crate) fn new(revision: u64, history: usize) -> Self {
        Self {
            revision,
            ownership: revision,
            opened: revision,
            history,
            tables: HashMap::new(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn ownership(&self) -> u64 {
        self.ownership
    }

    fn table(&mut self, resource: &ResourceId) -> &mut Table {
        let (opened, history) = (self.opened, self.history);
        self.tables
            .entry(resource.clone())
            .or_insert_with(|| Table {
                objects: OrdMap::new(),
                log: Log::new(opened, history),
            })
    }

    /// Puts an object that was read from disk.
    pub(crate) fn restore(&mut self, resource: &ResourceId, name: ObjectName, object: Arc<Object>) {
        self.table(resource).objects.insert(name, object);
    }

    /// Makes one committed write visible.
    pub(crate) fn apply(
        &mut self,
        resource: &ResourceId,
        name: ObjectName,
        object: Arc<Object>,
        deleted: bool,
    ) {
        self.revision = object.revision;
        let table = self.table(resource);
        let previous = if deleted {
            table.objects.remove(&name)
        } else {
            table.objects.insert(name.clone(), object.clone())
        };
        let kind = match (deleted, &previous) {
            (true, _) => EventKind::Deleted,
            (false, Some(_)) => EventKind::Modified,
            (false, None) => EventKind::Added,
        };
        let ownership = deleted || touches_ownership(&object, previous.as_deref());
        let revision = object.revision;
        table.log.push(Event {
            kind,
            revision,
            name,
            object,
            previous,
        });
        if ownership {
            self.ownership = revision;
        }
    }

    pub(crate) fn get(
        &self,
        resource: &ResourceId,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Object>> {
        let key = (Arc::from(namespace), Arc::from(name));
        self.tables.get(resource)?.objects.get(&key).cloned()
    }

    pub(crate) fn snapshot(&self, resource: &ResourceId) -> Snapshot {
        Snapshot {
            revision: self.revision,
            objects: self
                .tables
                .get(resource)
                .map(|t| t.objects.clone())
                .unwrap_or_default(),
        }
    }

    pub(crate) fn resources(&self) -> Vec<ResourceId> {
        let with_objects = self
            .tables
            .iter()
            .filter(|(_, table)| !table.objects.is_empty());
        with_objects.map(|(resource, _)| resource.clone()).collect()
    }

    pub(crate) fn events(
        &self,
        resource: &ResourceId,
        since: u64,
        limit: usize,
    ) -> Result<(Vec<Event>, u64), Expired> {
        let Some(table) = self.tables.get(resource) else {
            return if since < self.opened {
                Err(Expired {
                    oldest: self.opened,
                })
            } else {
                Ok((Vec::new(), self.revision))
            };
        };
        let events = table.log.after(since, limit)?;
        let reached = match events.last() {
            Some(last) if events.len() == limit => last.revision,
            _ => self.revision,
        };
        Ok((events, reached))
    }
}

fn touches_ownership(new: &Object, old: Option<&Object>) -> bool {
    let fields = ["ownerReferences", "deletionTimestamp", "finalizers"];
    let of = |object: &Object, field: &str| object.value["metadata"][field].clone();
    fields.iter().any(|field| {
        let now = of(new, field);
        now != old.map_or(serde_json::Value::Null, |old| of(old, field))
    })
}
