//! Resources of one type as received: what is active, what is warming, what was refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;

/// Where a resource comes from and what the control plane calls it.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) version: String,
    pub(super) body: Bytes,
    pub(super) updated: SystemTime,
    /// Of the bootstrap: no update changes or removes it.
    pub(super) is_static: bool,
}

/// A compiled resource.
#[derive(Debug, Clone)]
pub(super) struct Entry<T> {
    pub(super) origin: Origin,
    pub(super) value: Arc<T>,
    /// When it began to wait for others.
    pub(super) since: Instant,
}

impl<T> Entry<T> {
    pub(super) fn new(origin: Origin, value: Arc<T>, since: Instant) -> Self {
        Self {
            origin,
            value,
            since,
        }
    }
}

/// A refused version of a resource.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) version: String,
    pub(super) reason: String,
    pub(super) at: SystemTime,
}

/// One name.
#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) active: Option<Entry<T>>,
    pub(super) warming: Option<Entry<T>>,
    pub(super) refused: Option<Refused>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            active: None,
            warming: None,
            refused: None,
        }
    }
}

/// All resources of a type.
#[derive(Debug)]
pub(super) struct Table<T> {
    pub(super) slots: BTreeMap<Arc<str>, Slot<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
        }
    }
}

impl<T> Table<T> {
    /// The newest entry of each name: warming if there is one.
    pub(super) fn newest(&self) -> impl Iterator<Item = (&Arc<str>, &Entry<T>)> {
        self.slots.iter().filter_map(|(name, slot)| {
            Some((name, slot.warming.as_ref().or(slot.active.as_ref())?))
        })
    }

    /// Active and warming entries.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry<T>> {
        self.slots
            .values()
            .flat_map(|slot| slot.active.iter().chain(&slot.warming))
    }

    pub(super) fn active(&self, name: &str) -> Option<&Entry<T>> {
        self.slots.get(name)?.active.as_ref()
    }

    pub(super) fn is_static(&self, name: &str) -> bool {
        self.active(name)
            .is_some_and(|entry| entry.origin.is_static)
    }

    pub(super) fn refuse(&mut self, name: &Arc<str>, version: &str, reason: &str, at: SystemTime) {
        let slot = self.slots.entry(Arc::clone(name)).or_default();
        slot.refused = Some(Refused {
            version: version.into(),
            reason: reason.into(),
            at,
        });
    }

    /// Puts an entry that needs nobody else.
    pub(super) fn put(&mut self, name: &Arc<str>, entry: Entry<T>) {
        let slot = self.slots.entry(Arc::clone(name)).or_default();
        *slot = Slot {
            active: Some(entry),
            warming: None,
            refused: None,
        };
    }

    /// Puts an entry that waits for others.
    pub(super) fn warm(&mut self, name: &Arc<str>, entry: Entry<T>) {
        let slot = self.slots.entry(Arc::clone(name)).or_default();
        slot.warming = Some(entry);
        slot.refused = None;
    }

    /// The active entry under a new version, if its content is the same; what was warming is outdated then.
    pub(super) fn renew(&mut self, name: &str, origin: &Origin, same: impl Fn(&T) -> bool) -> bool {
        let Some(slot) = self.slots.get_mut(name) else {
            return false;
        };
        let Some(entry) = slot.active.as_mut().filter(|entry| same(&entry.value)) else {
            return false;
        };
        entry.origin = origin.clone();
        slot.warming = None;
        slot.refused = None;
        true
    }

    /// For `config_dump`.
    pub(super) fn dump(&self) -> Vec<DumpEntry> {
        let mut out = Vec::new();
        for (name, slot) in &self.slots {
            let refused = slot.refused.as_ref();
            let states = [
                (DumpState::Active, &slot.active),
                (DumpState::Warming, &slot.warming),
            ];
            let mut written = false;
            for (state, entry) in states {
                let Some(entry) = entry else { continue };
                let state = if entry.origin.is_static {
                    DumpState::Static
                } else {
                    state
                };
                out.push(DumpEntry {
                    name: Arc::clone(name),
                    state,
                    version: entry.origin.version.clone(),
                    body: entry.origin.body.clone(),
                    updated: entry.origin.updated,
                    refused: refused.filter(|_| !written).map(Refused::triple),
                });
                written = true;
            }
            if let (false, Some(refused)) = (written, refused) {
                out.push(DumpEntry {
                    name: Arc::clone(name),
                    state: DumpState::Refused,
                    version: String::new(),
                    body: Bytes::new(),
                    updated: refused.at,
                    refused: Some(refused.triple()),
                });
            }
        }
        out
    }
}

impl Refused {
    fn triple(&self) -> (String, String, SystemTime) {
        (self.version.clone(), self.reason.clone(), self.at)
    }
}

/// The state of a resource in a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpState {
    Static,
    Active,
    Warming,
    /// Never accepted: there is only an error.
    Refused,
}

/// One resource of a dump.
#[derive(Debug, Clone)]
pub struct DumpEntry {
    pub name: Arc<str>,
    pub state: DumpState,
    /// The control plane's version.
    pub version: String,
    /// The encoded message. A secret's holds its key: show it through `xds::json` with secrets withheld.
    pub body: Bytes,
    pub updated: SystemTime,
    /// Version, reason and time of the last refusal, until a good version comes.
    pub refused: Option<(String, String, SystemTime)>,
}

/// All resources at one moment.
#[derive(Debug, Clone, Default)]
pub struct Dump {
    pub clusters: Vec<DumpEntry>,
    pub endpoints: Vec<DumpEntry>,
    pub listeners: Vec<DumpEntry>,
    pub routes: Vec<DumpEntry>,
    pub secrets: Vec<DumpEntry>,
}
