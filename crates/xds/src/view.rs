//! The resources that one node should have. Cloning is cheap, and so is comparing with an earlier view.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Resource;

/// The resources of one type in the order of their names.
pub(crate) type Entries = Arc<Vec<Arc<Resource>>>;

/// Per type, resources in the order of their names. Every type of a view is complete: what is not in it is to
/// be removed from the node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    types: BTreeMap<&'static str, Entries>,
}

/// What changed in one type between two views.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Resources that are new or have another version, in the order of their names.
    pub changed: Vec<Arc<Resource>>,
    /// Names of resources that are gone, in order.
    pub removed: Vec<Arc<str>>,
}

impl Diff {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

impl View {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource, or replaces the one of the same type and name, which is returned.
    pub fn insert(&mut self, resource: impl Into<Arc<Resource>>) -> Option<Arc<Resource>> {
        let resource = resource.into();
        let entries = Arc::make_mut(self.types.entry(resource.type_url).or_default());
        match entries.binary_search_by(|entry| entry.name.cmp(&resource.name)) {
            Ok(at) => Some(std::mem::replace(&mut entries[at], resource)),
            Err(at) => {
                entries.insert(at, resource);
                None
            }
        }
    }

    /// Removes a resource and returns it.
    pub fn remove(&mut self, type_url: &str, name: &str) -> Option<Arc<Resource>> {
        let shared = self.types.get_mut(type_url)?;
        let at = shared
            .binary_search_by(|entry| (*entry.name).cmp(name))
            .ok()?;
        let entries = Arc::make_mut(shared);
        let removed = entries.remove(at);
        if entries.is_empty() {
            self.types.remove(type_url);
        }
        Some(removed)
    }

    #[must_use]
    pub fn get(&self, type_url: &str, name: &str) -> Option<&Arc<Resource>> {
        let entries = self.entries(type_url);
        let at = entries
            .binary_search_by(|entry| (*entry.name).cmp(name))
            .ok()?;
        Some(&entries[at])
    }

    /// The resources of one type in the order of their names.
    pub fn iter(&self, type_url: &str) -> std::slice::Iter<'_, Arc<Resource>> {
        self.entries(type_url).iter()
    }

    /// The names of one type, in order.
    pub fn names(&self, type_url: &str) -> impl Iterator<Item = &str> {
        self.iter(type_url).map(|resource| &*resource.name)
    }

    /// The types that have resources, in the order of their URLs.
    pub fn types(&self) -> impl Iterator<Item = &'static str> {
        self.types.keys().copied()
    }

    /// All resources, by type and name.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.types.values().flat_map(|entries| entries.iter())
    }

    /// The number of resources of one type.
    #[must_use]
    pub fn len(&self, type_url: &str) -> usize {
        self.entries(type_url).len()
    }

    /// Whether there is no resource of any type.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// What must be sent and removed for a node that has `old` to have `self`, in one type.
    #[must_use]
    pub fn diff(&self, old: &Self, type_url: &str) -> Diff {
        let mut diff = Diff::default();
        if let (Some(new), Some(old)) = (self.types.get(type_url), old.types.get(type_url))
            && Arc::ptr_eq(new, old)
        {
            return diff;
        }
        let mut old = old.entries(type_url).iter().peekable();
        for new in self.entries(type_url) {
            while let Some(gone) = old.next_if(|old| old.name < new.name) {
                diff.removed.push(Arc::clone(&gone.name));
            }
            match old.next_if(|old| old.name == new.name) {
                Some(same) if same.version == new.version => {}
                _ => diff.changed.push(Arc::clone(new)),
            }
        }
        diff.removed.extend(old.map(|gone| Arc::clone(&gone.name)));
        diff
    }

    /// The entries of one type, for telling cheaply that nothing changed.
    pub(crate) fn shared(&self, type_url: &str) -> Option<&Entries> {
        self.types.get(type_url)
    }

    fn entries(&self, type_url: &str) -> &[Arc<Resource>] {
        self.types
            .get(type_url)
            .map_or(&[], |entries| entries.as_slice())
    }
}

impl<R: Into<Arc<Resource>>> FromIterator<R> for View {
    /// Of resources with the same type and name the last one stays.
    fn from_iter<I: IntoIterator<Item = R>>(resources: I) -> Self {
        let mut types: BTreeMap<&'static str, Vec<Arc<Resource>>> = BTreeMap::new();
        for resource in resources {
            let resource = resource.into();
            types.entry(resource.type_url).or_default().push(resource);
        }
        let sorted = |mut entries: Vec<Arc<Resource>>| {
            // A stable sort and a reversed list keep the last of equals in front.
            entries.reverse();
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            entries.dedup_by(|a, b| a.name == b.name);
            Arc::new(entries)
        };
        Self {
            types: types
                .into_iter()
                .map(|(url, entries)| (url, sorted(entries)))
                .collect(),
        }
    }
}

impl<R: Into<Arc<Resource>>> Extend<R> for View {
    fn extend<I: IntoIterator<Item = R>>(&mut self, resources: I) {
        for resource in resources {
            self.insert(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_url::{CLUSTER, LISTENER};

    fn resource(name: &str, body: &'static str) -> Resource {
        Resource::from_encoded(name, CLUSTER, body.as_bytes().into(), [])
    }

    fn view(resources: &[(&str, &'static str)]) -> View {
        resources
            .iter()
            .map(|(name, body)| resource(name, body))
            .collect()
    }

    #[test]
    fn diff_names_exactly_what_changed() {
        let old = view(&[("a", "1"), ("b", "1"), ("c", "1"), ("e", "1")]);
        let new = view(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let diff = new.diff(&old, CLUSTER);
        let changed: Vec<_> = diff.changed.iter().map(|r| &*r.name).collect();
        assert_eq!(changed, ["b", "d"]);
        assert_eq!(
            diff.removed.iter().map(|n| &**n).collect::<Vec<_>>(),
            ["c", "e"]
        );
        assert!(new.diff(&old, LISTENER).is_empty());
        assert!(new.diff(&new.clone(), CLUSTER).is_empty());
    }

    #[test]
    fn the_last_of_equal_names_stays() {
        let collected = view(&[("a", "1"), ("b", "1"), ("a", "2")]);
        let mut inserted = View::new();
        inserted.extend([resource("a", "1"), resource("b", "1"), resource("a", "2")]);
        assert_eq!(collected, inserted);
        assert_eq!(&collected.get(CLUSTER, "a").unwrap().body[..], b"2");
        assert_eq!(collected.names(CLUSTER).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_type_without_resources_is_no_type() {
        let mut view = view(&[("a", "1")]);
        let kept = view.clone();
        assert!(view.remove(CLUSTER, "a").is_some());
        assert!(view.is_empty() && view.types().next().is_none());
        assert_eq!(kept.len(CLUSTER), 1);
    }
}
