//! Resources made once and shared by every proxy that has them.

use std::collections::HashMap;
use std::sync::Arc;

use base::{ContentHash, ObjectRef};
use prost::Message;
use xds::Resource;

/// How many variants of one name are kept; clients of different namespaces may see different rules.
const VARIANTS: usize = 64;

#[derive(Debug)]
struct Entry {
    /// Hash of what the resource was made from.
    input: ContentHash,
    resource: Arc<Resource>,
    used: u64,
}

/// A cache by type, name and inputs, swept by generation.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    entries: HashMap<(&'static str, Arc<str>), Vec<Entry>>,
    generation: u64,
}

impl Fragments {
    /// The resource made from `input`; `build` runs only if it is not there yet. A resource with equal content and provenance
    /// is shared even if its inputs differ.
    pub(crate) fn get<M: Message>(
        &mut self,
        type_url: &'static str,
        name: &str,
        input: ContentHash,
        build: impl FnOnce() -> (M, Vec<ObjectRef>),
    ) -> Arc<Resource> {
        let generation = self.generation;
        let entries = self.entries.entry((type_url, name.into())).or_default();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.input == input) {
            entry.used = generation;
            return Arc::clone(&entry.resource);
        }
        let (message, provenance) = build();
        let resource = Resource::new(name, type_url, &message, provenance);
        let same = entries
            .iter()
            .find(|entry| *entry.resource == resource)
            .map(|entry| Arc::clone(&entry.resource));
        let resource = same.unwrap_or_else(|| Arc::new(resource));
        if entries.len() >= VARIANTS
            && let Some(oldest) = entries
                .iter()
                .enumerate()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(index, _)| index)
        {
            entries.swap_remove(oldest);
        }
        entries.push(Entry {
            input,
            resource: Arc::clone(&resource),
            used: generation,
        });
        resource
    }

    /// Shares a resource that was made anyway: an equal one that is already there is returned instead.
    pub(crate) fn intern<M: Message>(
        &mut self,
        type_url: &'static str,
        name: &str,
        message: &M,
        provenance: Vec<ObjectRef>,
    ) -> Arc<Resource> {
        let resource = Resource::new(name, type_url, message, provenance);
        let generation = self.generation;
        let entries = self.entries.entry((type_url, name.into())).or_default();
        if let Some(entry) = entries.iter_mut().find(|entry| *entry.resource == resource) {
            entry.used = generation;
            return Arc::clone(&entry.resource);
        }
        let resource = Arc::new(resource);
        entries.push(Entry {
            input: resource.version,
            resource: Arc::clone(&resource),
            used: generation,
        });
        resource
    }

    /// Begins a generation and forgets what the last two did not use.
    pub(crate) fn next_generation(&mut self) {
        self.generation += 1;
        let oldest = self.generation.saturating_sub(2);
        self.entries.retain(|_, entries| {
            entries.retain(|entry| entry.used >= oldest);
            !entries.is_empty()
        });
    }
}
