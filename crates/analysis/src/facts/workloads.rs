//! What runs or would run: pods, and the pod templates of objects whose pods are not among the facts.

use std::collections::HashMap;
use std::sync::Arc;

use api::parse::{Key, Node};

use super::fields::{Fields, label, pairs, selects};
use super::{Facts, Kind, NOTHING, Resource, Source};

/// A pod, or the template of pods to come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload<'a> {
    /// The pod or the object with the template.
    pub resource: &'a Resource,
    /// Path of the pod's object in the resource: empty, or where the template stands.
    pub path: &'static str,
    metadata: &'a Node,
    spec: &'a Node,
}

impl<'a> Workload<'a> {
    pub(crate) fn of(resource: &'a Resource) -> Option<Self> {
        let path = match resource.kind {
            Kind::Pod => "",
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::Job
            | Kind::KnativeService
            | Kind::KnativeConfiguration => "spec.template",
            Kind::CronJob => "spec.jobTemplate.spec.template",
            _ => return None,
        };
        let keys: Vec<&str> = path.split('.').filter(|key| !key.is_empty()).collect();
        let pod = resource.node.at(&keys)?;
        Some(Self {
            resource,
            path,
            metadata: pod.get("metadata").unwrap_or(&NOTHING),
            spec: pod.get("spec").unwrap_or(&NOTHING),
        })
    }

    pub(crate) fn is_pod(&self) -> bool {
        self.path.is_empty()
    }

    pub(crate) fn namespace(&self) -> &'a str {
        &self.resource.namespace
    }

    pub(crate) fn spec(&self) -> &'a Node {
        self.spec
    }

    pub(crate) fn labels(&self) -> &'a [(Key, Node)] {
        self.metadata.map("labels")
    }

    pub(crate) fn annotations(&self) -> &'a [(Key, Node)] {
        self.metadata.map("annotations")
    }

    /// Path of a field of the pod in its resource.
    pub(crate) fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.path)
        }
    }

    /// Containers and init containers.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Node> + use<'a> {
        let spec = self.spec;
        spec.list("containers")
            .iter()
            .chain(spec.list("initContainers"))
    }

    /// Whether it has or would get a sidecar; `None` if the namespace's labels are not known.
    pub(crate) fn has_sidecar(&self, facts: &Facts) -> Option<bool> {
        let explicit = self
            .containers()
            .any(|container| container.text("name") == "istio-proxy");
        if explicit {
            return Some(true);
        }
        if self.spec.flag("hostNetwork") == Some(true) {
            return Some(false);
        }
        let inject = label(self.labels(), "sidecar.istio.io/inject")
            .or_else(|| label(self.annotations(), "sidecar.istio.io/inject"));
        match inject {
            Some(value) => Some(value == "true"),
            None if label(self.labels(), "istio.io/rev").is_some() => Some(true),
            None => facts.injects(self.namespace()),
        }
    }

    pub(crate) fn is_ambient(&self) -> bool {
        label(self.annotations(), "ambient.istio.io/redirection") == Some("enabled")
    }
}

/// Workloads by namespace and by label.
#[derive(Debug, Default)]
pub(crate) struct Workloads {
    ids: Vec<u32>,
    by_namespace: HashMap<Arc<str>, Vec<u32>>,
    by_label: HashMap<(Box<str>, Box<str>), Vec<u32>>,
}

impl Workloads {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut this = Self::default();
        let mut ids: Vec<u32> = facts.by_kind.get(&Kind::Pod).cloned().unwrap_or_default();
        ids.iter().for_each(|id| this.insert(facts, *id));
        let owners = [
            Kind::Deployment,
            Kind::StatefulSet,
            Kind::DaemonSet,
            Kind::ReplicaSet,
            Kind::Job,
            Kind::CronJob,
            Kind::KnativeService,
        ];
        for kind in owners {
            for id in facts.by_kind.get(&kind).into_iter().flatten() {
                let Some(workload) = Workload::of(facts.resource(*id)) else {
                    continue;
                };
                let labels = workload.labels();
                let runs = !labels.is_empty()
                    && this
                        .select(facts, Some(workload.namespace()), labels)
                        .any(|other| other.resource.kind_name != workload.resource.kind_name);
                if !runs {
                    ids.push(*id);
                    this.insert(facts, *id);
                }
            }
        }
        this.ids = ids;
        this
    }

    fn insert(&mut self, facts: &Facts, id: u32) {
        let Some(workload) = Workload::of(facts.resource(id)) else {
            return;
        };
        self.ids.push(id);
        self.by_namespace
            .entry(workload.resource.namespace.clone())
            .or_default()
            .push(id);
        for (key, value) in pairs(workload.labels()) {
            self.by_label
                .entry((key.into(), value.into()))
                .or_default()
                .push(id);
        }
    }

    /// All of them.
    pub(crate) fn all<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = Workload<'a>> {
        self.ids
            .iter()
            .filter_map(|id| Workload::of(facts.resource(*id)))
    }

    /// Those that carry every label of the selector, in a namespace or everywhere.
    pub(crate) fn select<'a>(
        &'a self,
        facts: &'a Facts,
        namespace: Option<&'a str>,
        selector: &'a [(Key, Node)],
    ) -> impl Iterator<Item = Workload<'a>> {
        let shortest = pairs(selector)
            .map(|(key, value)| {
                let key = (Box::from(key), Box::from(value));
                self.by_label.get(&key).map_or(&[][..], Vec::as_slice)
            })
            .min_by_key(|ids| ids.len());
        let ids = match (shortest, namespace) {
            (Some(ids), _) => ids,
            (None, Some(namespace)) => self
                .by_namespace
                .get(namespace)
                .map_or(&[][..], Vec::as_slice),
            (None, None) => &self.ids,
        };
        ids.iter()
            .filter_map(|id| Workload::of(facts.resource(*id)))
            .filter(move |workload| {
                namespace.is_none_or(|namespace| workload.namespace() == namespace)
                    && selects(selector, workload.labels())
            })
    }

    /// Whether any real object stands behind a namespace.
    pub(crate) fn any_in(&self, facts: &Facts, namespace: &str) -> bool {
        self.by_namespace.get(namespace).is_some_and(|ids| {
            ids.iter()
                .any(|id| facts.resource(*id).source != Source::Default)
        })
    }
}
