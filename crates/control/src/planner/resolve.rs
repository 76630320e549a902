//! Which revision of each object is used while references dangle.
//!
//! Objects are applied and deleted in any order. A VirtualService that refers to what is not there yet stays as
//! it was; a subset that a VirtualService still uses stays although its DestinationRule lost it. What is used instead of
//! the newest revision is said in the object's status.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use api::Revision;
use api::istio;
use api::kinds::{DESTINATION_RULE, VIRTUAL_SERVICE};
use api::snapshot::{Meta, Resource, Snapshot};
use base::{ContentHash, ContentHasher, Hostname, ObjectRef};
use serde::Serialize;
use serde_json::{Value, json};

use crate::mesh_view::settings::{MeshSettings, resolve_host};
use crate::mesh_view::virtual_service::VirtualService;

/// Keeps the last revision of each object whose references resolved, over restarts too.
pub trait LastResolved: Send + Sync + 'static {
    /// All that is kept.
    fn all(&self) -> Vec<(ObjectRef, Arc<Revision>)>;
    /// Keeps a revision in place of the one before.
    fn record(&self, object: &ObjectRef, revision: Revision);
    /// The object is gone and nothing uses it any more.
    fn forget(&self, object: &ObjectRef);
}

/// Forgets everything when the process ends: for tests and tools.
#[derive(Debug, Default)]
pub struct InMemory(std::sync::Mutex<BTreeMap<ObjectRef, Arc<Revision>>>);

impl InMemory {
    fn with<T>(&self, use_it: impl FnOnce(&mut BTreeMap<ObjectRef, Arc<Revision>>) -> T) -> T {
        use_it(
            &mut self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

impl LastResolved for InMemory {
    fn all(&self) -> Vec<(ObjectRef, Arc<Revision>)> {
        self.with(|map| {
            map.iter()
                .map(|(object, revision)| (object.clone(), Arc::clone(revision)))
                .collect()
        })
    }

    fn record(&self, object: &ObjectRef, revision: Revision) {
        self.with(|map| map.insert(object.clone(), Arc::new(revision)));
    }

    fn forget(&self, object: &ObjectRef) {
        self.with(|map| map.remove(object));
    }
}

/// The snapshot to generate from, and what dangles in the one that was given.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub snapshot: Arc<Snapshot>,
    /// What is missing, and what is used meanwhile, by object.
    pub missing: BTreeMap<ObjectRef, String>,
}

/// Decides which revisions are used, and decides again only when something changed that can be referred to.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    key: Option<ContentHash>,
    missing: BTreeMap<ObjectRef, String>,
    virtual_services: Vec<Arc<Resource<istio::VirtualService>>>,
    destination_rules: Vec<Arc<Resource<istio::DestinationRule>>>,
}

impl Resolver {
    pub(crate) fn resolve(
        &mut self,
        snapshot: &Arc<Snapshot>,
        memory: &dyn LastResolved,
    ) -> Resolved {
        let key = references(snapshot);
        if self.key == Some(key) {
            return self.again(snapshot);
        }
        let resolved = resolve(snapshot, memory);
        self.key = Some(key);
        self.missing.clone_from(&resolved.missing);
        let rules = resolved.snapshot.virtual_services.iter();
        self.virtual_services = rules
            .filter(|(key, used)| {
                snapshot
                    .virtual_services
                    .get(*key)
                    .is_none_or(|own| !Arc::ptr_eq(own, used))
            })
            .map(|(_, used)| Arc::clone(used))
            .collect();
        let rules = resolved.snapshot.destination_rules.iter();
        self.destination_rules = rules
            .filter(|(key, used)| {
                snapshot
                    .destination_rules
                    .get(*key)
                    .is_none_or(|own| !Arc::ptr_eq(own, used))
            })
            .map(|(_, used)| Arc::clone(used))
            .collect();
        resolved
    }

    /// The same decisions for a snapshot that differs elsewhere.
    fn again(&self, snapshot: &Arc<Snapshot>) -> Resolved {
        let mut used = Arc::clone(snapshot);
        if !self.virtual_services.is_empty() || !self.destination_rules.is_empty() {
            let changed = Arc::make_mut(&mut used);
            for resource in &self.virtual_services {
                changed
                    .virtual_services
                    .insert(resource.meta.key.clone(), Arc::clone(resource));
            }
            for resource in &self.destination_rules {
                changed
                    .destination_rules
                    .insert(resource.meta.key.clone(), Arc::clone(resource));
            }
        }
        Resolved {
            snapshot: used,
            missing: self.missing.clone(),
        }
    }
}

/// Hash of everything that refers or can be referred to.
fn references(snapshot: &Snapshot) -> ContentHash {
    let mut hasher = ContentHasher::default();
    let mut add = |meta: &Meta, hash: ContentHash| {
        hasher.write(meta.uid.as_bytes());
        hasher.write(&meta.generation.to_le_bytes());
        hasher.write(&hash.0.to_le_bytes());
    };
    snapshot
        .virtual_services
        .values()
        .for_each(|r| add(&r.meta, r.hash));
    snapshot
        .destination_rules
        .values()
        .for_each(|r| add(&r.meta, r.hash));
    snapshot
        .gateways
        .values()
        .for_each(|r| add(&r.meta, ContentHash::default()));
    snapshot
        .service_entries
        .values()
        .for_each(|r| add(&r.meta, r.hash));
    snapshot
        .services
        .values()
        .for_each(|r| add(&r.meta, ContentHash::default()));
    hasher.write(&MeshSettings::new(&snapshot.mesh).hash.0.to_le_bytes());
    hasher.finish()
}

fn resolve(snapshot: &Arc<Snapshot>, memory: &dyn LastResolved) -> Resolved {
    let kept: HashMap<ObjectRef, Arc<Revision>> = memory.all().into_iter().collect();
    let settings = MeshSettings::new(&snapshot.mesh);
    let mut pass = Pass {
        known: Known::new(snapshot, &settings),
        settings,
        kept,
        memory,
        result: Resolved {
            snapshot: Arc::clone(snapshot),
            missing: BTreeMap::new(),
        },
        held: HashSet::new(),
    };
    for rules in snapshot.virtual_services.values() {
        pass.virtual_service(rules);
    }
    pass.destination_rules(snapshot);
    pass.forget_what_is_gone(snapshot);
    pass.result
}

/// What can be referred to.
struct Known {
    hosts: HashSet<String>,
    wildcards: Vec<Hostname>,
    gateways: HashSet<String>,
    /// Host and names of the subsets of every DestinationRule.
    subsets: Vec<(Hostname, Vec<String>)>,
}

impl Known {
    fn new(snapshot: &Snapshot, settings: &MeshSettings) -> Self {
        let services = snapshot.services.keys().map(|key| {
            format!(
                "{}.{}.svc.{}",
                key.name, key.namespace, settings.domain_suffix
            )
        });
        let entries = snapshot
            .service_entries
            .values()
            .flat_map(|entry| &entry.spec.hosts);
        let mut known = Self {
            hosts: services.collect(),
            wildcards: Vec::new(),
            gateways: snapshot
                .gateways
                .keys()
                .map(|key| format!("{}/{}", key.namespace, key.name))
                .collect(),
            subsets: Vec::new(),
        };
        for host in entries.filter_map(|host| Hostname::parse(host).ok()) {
            if host.is_wildcard() {
                known.wildcards.push(host);
            } else {
                known.hosts.insert(host.as_str().to_owned());
            }
        }
        for rule in snapshot.destination_rules.values() {
            known.add_rule(rule, settings);
        }
        known
    }

    fn add_rule(&mut self, rule: &Resource<istio::DestinationRule>, settings: &MeshSettings) {
        let host = resolve_host(
            &rule.spec.host,
            &rule.meta.key.namespace,
            &settings.domain_suffix,
        );
        if let Ok(host) = Hostname::parse(&host) {
            self.subsets.push((
                host,
                rule.spec
                    .subsets
                    .iter()
                    .map(|subset| subset.name.clone())
                    .collect(),
            ));
        }
    }

    fn has_subset(&self, host: &str, subset: &str) -> bool {
        let Ok(host) = Hostname::parse(host) else {
            return false;
        };
        self.subsets
            .iter()
            .any(|(rule, names)| rule.covers(&host) && names.iter().any(|name| name == subset))
    }

    /// What a VirtualService refers to and is not there.
    fn missing(&self, rules: &VirtualService) -> Missing {
        let mut missing = Missing::default();
        for destination in rules.destinations() {
            let known = self.hosts.contains(&destination.host)
                || Hostname::parse(&destination.host)
                    .is_ok_and(|host| self.wildcards.iter().any(|wildcard| wildcard.covers(&host)));
            if !known {
                missing.other.insert(format!("host {}", destination.host));
            } else if !destination.subset.is_empty()
                && !self.has_subset(&destination.host, &destination.subset)
            {
                missing
                    .subsets
                    .insert((destination.host.clone(), destination.subset.clone()));
            }
        }
        for gateway in rules
            .gateways
            .iter()
            .filter(|name| *name != "mesh" && !self.gateways.contains(*name))
        {
            missing.other.insert(format!("gateway {gateway}"));
        }
        missing
    }
}

#[derive(Default)]
struct Missing {
    subsets: std::collections::BTreeSet<(String, String)>,
    other: std::collections::BTreeSet<String>,
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.subsets.is_empty() && self.other.is_empty()
    }

    fn text(&self) -> String {
        let subsets = self
            .subsets
            .iter()
            .map(|(host, subset)| format!("subset {subset} of host {host}"));
        self.other
            .iter()
            .cloned()
            .chain(subsets)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

struct Pass<'a> {
    known: Known,
    settings: MeshSettings,
    kept: HashMap<ObjectRef, Arc<Revision>>,
    memory: &'a dyn LastResolved,
    result: Resolved,
    /// DestinationRules that are not what the snapshot says.
    held: HashSet<ObjectRef>,
}

impl Pass<'_> {
    fn virtual_service(&mut self, resource: &Arc<Resource<istio::VirtualService>>) {
        let object = resource.meta.reference();
        let rules = VirtualService::new(resource, &self.settings);
        let missing = self.known.missing(&rules);
        if missing.is_empty() {
            self.keep(&resource.meta, &resource.spec);
            return;
        }
        let last = self
            .kept
            .get(&object)
            .filter(|last| last.uid == *resource.meta.uid)
            .cloned();
        if let Some(last) = last {
            if last.object == described(&resource.meta, &resource.spec) {
                // It resolved before: something that it uses was taken away.
                let missing = self.hold_subsets(missing);
                let text = missing.text();
                let message = if missing.is_empty() {
                    "a subset that it uses is no longer defined; its last definition is kept in use"
                        .to_owned()
                } else {
                    format!("{text} does not exist; requests to it fail with 503 NC")
                };
                self.result.missing.insert(object, message);
                return;
            }
            if self.use_instead(&last, &resource.meta) {
                let message = format!(
                    "{} does not exist; generation {} stays in use until it does",
                    missing.text(),
                    last.generation
                );
                self.result.missing.insert(object, message);
                return;
            }
        }
        let message = format!(
            "{} does not exist; requests to it fail with 503 NC",
            missing.text()
        );
        self.result.missing.insert(object, message);
    }

    /// Puts an earlier revision of a VirtualService in place of the newest, if it still resolves.
    fn use_instead(&mut self, last: &Revision, meta: &Meta) -> bool {
        let mut snapshot = (*self.result.snapshot).clone();
        snapshot.apply(&VIRTUAL_SERVICE, &last.object);
        let Some(earlier) = snapshot.virtual_services.get(&meta.key) else {
            return false;
        };
        let mut earlier = (**earlier).clone();
        earlier.meta.clone_from(meta);
        if !self
            .known
            .missing(&VirtualService::new(&earlier, &self.settings))
            .is_empty()
        {
            return false;
        }
        snapshot
            .virtual_services
            .insert(meta.key.clone(), Arc::new(earlier));
        self.result.snapshot = Arc::new(snapshot);
        true
    }

    /// Brings back subsets from the last revisions of their DestinationRules; returns what cannot be brought back.
    fn hold_subsets(&mut self, mut missing: Missing) -> Missing {
        let rules: Vec<(ObjectRef, Arc<Revision>)> = self
            .kept
            .iter()
            .filter(|(object, _)| &*object.kind == "DestinationRule")
            .map(|(object, revision)| (object.clone(), Arc::clone(revision)))
            .collect();
        for (object, revision) in rules {
            let Some(last) = decode(&revision) else {
                continue;
            };
            let host = resolve_host(
                &last.spec.host,
                &object.key.namespace,
                &self.settings.domain_suffix,
            );
            let Ok(host) = Hostname::parse(&host) else {
                continue;
            };
            let found: Vec<(String, String)> = missing
                .subsets
                .iter()
                .filter(|(wanted, subset)| {
                    Hostname::parse(wanted).is_ok_and(|wanted| host.covers(&wanted))
                        && last.spec.subsets.iter().any(|known| known.name == *subset)
                })
                .cloned()
                .collect();
            if found.is_empty() {
                continue;
            }
            self.hold(&object, &last, &found);
            for subset in found {
                missing.subsets.remove(&subset);
            }
        }
        missing
    }

    /// Adds subsets of a rule's last revision to what is left of the rule, or brings the whole rule back.
    fn hold(
        &mut self,
        object: &ObjectRef,
        last: &Resource<istio::DestinationRule>,
        wanted: &[(String, String)],
    ) {
        let mut snapshot = (*self.result.snapshot).clone();
        let mut rule = snapshot
            .destination_rules
            .get(&object.key)
            .map_or_else(|| last.clone(), |rule| (**rule).clone());
        for subset in &last.spec.subsets {
            if wanted.iter().any(|(_, name)| *name == subset.name)
                && rule.spec.subsets.iter().all(|s| s.name != subset.name)
            {
                rule.spec.subsets.push(subset.clone());
            }
        }
        // The content is no longer what the object's hash says.
        rule.hash = ContentHash::of(&serde_json::to_vec(&rule.spec).unwrap_or_default());
        self.known.add_rule(&rule, &self.settings);
        snapshot
            .destination_rules
            .insert(object.key.clone(), Arc::new(rule));
        self.result.snapshot = Arc::new(snapshot);
        self.held.insert(object.clone());
    }

    /// Remembers every DestinationRule of which nothing had to be held back.
    fn destination_rules(&mut self, snapshot: &Snapshot) {
        for rule in snapshot.destination_rules.values() {
            let object = rule.meta.reference();
            if self.held.contains(&object) {
                let message = "subsets that a VirtualService still uses are kept in use".to_owned();
                self.result.missing.insert(object, message);
            } else {
                self.keep(&rule.meta, &rule.spec);
            }
        }
    }

    fn forget_what_is_gone(&self, snapshot: &Snapshot) {
        for object in self.kept.keys() {
            let there = match &*object.kind {
                "VirtualService" => snapshot.virtual_services.contains_key(&object.key),
                "DestinationRule" => {
                    snapshot.destination_rules.contains_key(&object.key)
                        || self.held.contains(object)
                }
                _ => true,
            };
            if !there {
                self.memory.forget(object);
            }
        }
    }

    fn keep(&self, meta: &Meta, spec: &impl Serialize) {
        let object = meta.reference();
        let description = described(meta, spec);
        let known = self.kept.get(&object);
        if known.is_none_or(|known| known.uid != *meta.uid || known.object != description) {
            self.memory.record(
                &object,
                Revision {
                    uid: meta.uid.to_string(),
                    generation: meta.generation,
                    object: description,
                },
            );
        }
    }
}

/// An object as it is kept.
fn described(meta: &Meta, spec: &impl Serialize) -> Value {
    json!({
        "metadata": {
            "name": &*meta.key.name,
            "namespace": &*meta.key.namespace,
            "uid": &*meta.uid,
            "labels": meta.labels,
            "annotations": meta.annotations,
        },
        "created": meta.created,
        "spec": serde_json::to_value(spec).unwrap_or_default(),
    })
}

fn decode(revision: &Revision) -> Option<Resource<istio::DestinationRule>> {
    let mut scratch = Snapshot::default();
    scratch.apply(&DESTINATION_RULE, &revision.object);
    let mut resource = (**scratch.destination_rules.values().next()?).clone();
    resource.meta.created = revision.object["created"].as_i64().unwrap_or_default();
    resource.meta.generation = revision.generation;
    Some(resource)
}
