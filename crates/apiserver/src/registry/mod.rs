//! Which resource types are served: the built-in ones and those that CustomResourceDefinitions add while
//! the server runs.

mod builtin;
pub(crate) mod crd;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use builtin::{BUILTIN, Builtin, Sub, VerbSet};
pub(crate) use crd::{Crd, CrdVersion};

use crate::storage::ResourceId;

/// One served version of one resource type.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// What its objects are stored under.
    pub(crate) id: ResourceId,
    pub(crate) group: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) list_kind: Arc<str>,
    pub(crate) singular: Arc<str>,
    pub(crate) short: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) source: Source,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Builtin(&'static Builtin),
    Custom(Arc<CrdVersion>),
}

impl Resource {
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    pub(crate) fn plural(&self) -> &str {
        &self.id.plural
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        &*self.group == group && &*self.id.plural == plural
    }

    pub(crate) fn custom(&self) -> Option<&Arc<CrdVersion>> {
        match &self.source {
            Source::Custom(version) => Some(version),
            Source::Builtin(_) => None,
        }
    }

    /// Answered but never stored.
    pub(crate) fn is_review(&self) -> bool {
        matches!(&self.source, Source::Builtin(b) if b.verbs == VerbSet::CreateOnly)
    }

    pub(crate) fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    pub(crate) fn subresource(&self, name: &str) -> Option<Sub> {
        self.subresources().into_iter().find(|sub| sub.name == name)
    }

    pub(crate) fn subresources(&self) -> Vec<Sub> {
        match &self.source {
            Source::Builtin(builtin) => builtin.subresources.to_vec(),
            Source::Custom(version) => version.subresources(),
        }
    }

    pub(crate) fn verbs(&self) -> &'static [&'static str] {
        if self.is_review() {
            &["create"]
        } else {
            &[
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch",
            ]
        }
    }

    fn builtin(builtin: &'static Builtin) -> Self {
        Self {
            id: ResourceId::new(storage_group(builtin), builtin.plural),
            group: builtin.group.into(),
            version: builtin.version.into(),
            kind: builtin.kind.into(),
            list_kind: format!("{}List", builtin.kind).into(),
            singular: builtin.kind.to_lowercase().into(),
            short: builtin.short.iter().map(ToString::to_string).collect(),
            categories: builtin.categories.iter().map(ToString::to_string).collect(),
            namespaced: builtin.namespaced,
            source: Source::Builtin(builtin),
        }
    }
}

/// Events are the same objects in both groups.
fn storage_group(builtin: &Builtin) -> &str {
    if builtin.group == "events.k8s.io" {
        ""
    } else {
        builtin.group
    }
}

type Served = BTreeMap<(String, String, String), Arc<Resource>>;

/// The served types; cheap to read.
#[derive(Debug)]
pub(crate) struct Registry {
    served: RwLock<Arc<Served>>,
    crds: RwLock<BTreeMap<String, Arc<Crd>>>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let registry = Self {
            served: RwLock::default(),
            crds: RwLock::default(),
        };
        registry.rebuild();
        registry
    }

    fn rebuild(&self) {
        let mut served = Served::new();
        for builtin in BUILTIN {
            let resource = Resource::builtin(builtin);
            let key = (
                builtin.group.into(),
                builtin.version.into(),
                builtin.plural.into(),
            );
            served.insert(key, Arc::new(resource));
        }
        for crd in self
            .crds
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            for resource in crd.resources() {
                let key = (
                    resource.group().into(),
                    resource.version.to_string(),
                    resource.plural().into(),
                );
                served.entry(key).or_insert_with(|| Arc::new(resource));
            }
        }
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
    }

    /// Serves `crd` from now on, in place of the definition of the same name.
    pub(crate) fn install(&self, crd: Crd) {
        self.crds
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(crd.name.clone(), Arc::new(crd));
        self.rebuild();
    }

    /// Stops serving the definition.
    pub(crate) fn uninstall(&self, name: &str) {
        let removed = self
            .crds
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        if removed.is_some() {
            self.rebuild();
        }
    }

    pub(crate) fn all(&self) -> Arc<Served> {
        self.served
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.all()
            .get(&(group.into(), version.into(), plural.into()))
            .cloned()
    }

    /// One resource per stored type, whichever version comes first.
    pub(crate) fn stored(&self) -> Vec<Arc<Resource>> {
        let mut seen = std::collections::BTreeSet::new();
        let all = self.all();
        let stored = all
            .values()
            .filter(|r| !r.is_review() && seen.insert(r.id.clone()));
        stored.cloned().collect()
    }

    /// Group names with their versions, preferred first.
    pub(crate) fn groups(&self) -> BTreeMap<String, Vec<String>> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (group, version, _) in self.all().keys() {
            let versions = groups.entry(group.clone()).or_default();
            if !versions.contains(version) {
                versions.push(version.clone());
            }
        }
        for versions in groups.values_mut() {
            versions.sort_by_key(|v| crd::priority(v));
        }
        groups
    }
}
