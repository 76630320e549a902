//! What is known: objects by kind, namespace and name, workloads by label, services by host, the mesh's
//! settings. Rules see this and nothing else. Look-ups are hashed, so that rules stay linear in the objects.

pub(crate) mod fields;
mod hosts;
mod kind;
mod mesh;
mod resource;
mod workloads;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub(crate) use self::hosts::{Hosts, fqdn, host_matches, split_fqdn};
pub use self::kind::Kind;
pub use self::mesh::Mesh;
pub(crate) use self::resource::NOTHING;
pub use self::resource::{Resource, Source};
pub(crate) use self::workloads::{Workload, Workloads};
use crate::finding::NotObservable;

/// Namespaces that Istio never injects nor analyses (`inject.IgnoredNamespaces`).
pub(crate) const IGNORED_NAMESPACES: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// The facts of one analysis.
#[derive(Debug, Default)]
pub struct Facts {
    resources: Vec<Resource>,
    by_kind: HashMap<Kind, Vec<u32>>,
    by_namespace: HashMap<(Kind, Arc<str>), Vec<u32>>,
    by_name: HashMap<Kind, HashMap<Arc<str>, HashMap<Box<str>, u32>>>,
    /// The mesh's settings.
    pub mesh: Mesh,
    /// Seconds since 1970; what depends on the time is not judged without it.
    pub now: Option<i64>,
    /// What could not be seen.
    pub not_observable: Vec<NotObservable>,
    workloads: OnceLock<Workloads>,
    hosts: OnceLock<Hosts>,
}

impl Facts {
    /// Indexes objects. Of several with one kind, namespace and name the last counts, as with `kubectl apply`.
    #[must_use]
    pub fn new(resources: Vec<Resource>, mesh: Mesh) -> Self {
        let mut facts = Self {
            mesh,
            ..Self::default()
        };
        let mut replaced = vec![false; resources.len()];
        for (index, resource) in resources.iter().enumerate() {
            let id = u32::try_from(index).unwrap_or(u32::MAX);
            // Objects of kinds that no rule knows are told apart by nothing but their place.
            if resource.kind == Kind::Other {
                continue;
            }
            let names = facts
                .by_name
                .entry(resource.kind)
                .or_default()
                .entry(resource.namespace.clone())
                .or_default();
            if let Some(old) = names.insert(resource.name.clone(), id) {
                replaced[old as usize] = true;
            }
        }
        for (index, resource) in resources.iter().enumerate() {
            if replaced[index] {
                continue;
            }
            let id = u32::try_from(index).unwrap_or(u32::MAX);
            facts.by_kind.entry(resource.kind).or_default().push(id);
            facts
                .by_namespace
                .entry((resource.kind, resource.namespace.clone()))
                .or_default()
                .push(id);
        }
        facts.resources = resources;
        facts
    }

    /// Every object, replaced ones left out.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.by_kind.values().flatten().map(|id| self.resource(*id))
    }

    pub(crate) fn resource(&self, id: u32) -> &Resource {
        &self.resources[id as usize]
    }

    /// The objects of a kind, in the order they were read.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Resource> + Clone {
        let ids = self.by_kind.get(&kind).map_or(&[][..], Vec::as_slice);
        ids.iter().map(|id| self.resource(*id))
    }

    /// The objects of a kind in a namespace.
    pub fn within(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &Resource> + Clone {
        let key = (kind, Arc::from(namespace));
        let ids = self.by_namespace.get(&key).map_or(&[][..], Vec::as_slice);
        ids.iter().map(|id| self.resource(*id))
    }

    /// One object. The namespace is empty for cluster-wide kinds.
    #[must_use]
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Resource> {
        let id = self.by_name.get(&kind)?.get(namespace)?.get(name)?;
        Some(self.resource(*id))
    }

    /// Whether there is any object of a kind.
    #[must_use]
    pub fn any(&self, kind: Kind) -> bool {
        self.by_kind.get(&kind).is_some_and(|ids| !ids.is_empty())
    }

    pub(crate) fn workloads(&self) -> &Workloads {
        self.workloads.get_or_init(|| Workloads::of(self))
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        self.hosts.get_or_init(|| Hosts::of(self))
    }

    /// Whether sidecar injection is on in a namespace by its labels; `None` if the namespace is not known.
    pub(crate) fn injects(&self, namespace: &str) -> Option<bool> {
        let namespace = self.get(Kind::Namespace, "", namespace)?;
        Some(
            namespace.label("istio-injection") == Some("enabled")
                || namespace.label("istio-injection").is_none()
                    && namespace
                        .label("istio.io/rev")
                        .is_some_and(|rev| !rev.is_empty()),
        )
    }
}
