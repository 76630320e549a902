//! PeerAuthentication in force: port before workload before namespace before mesh, the oldest of each
//! (`pilot/pkg/security/authn/policy_applier.go`, `ComposePeerAuthentication`).

use std::collections::BTreeMap;
use std::sync::Arc;

use api::istio::{MutualTlsMode, PeerAuthentication};
use base::ObjectRef;

use super::model::{MtlsMode, subset_of};

#[derive(Debug)]
struct Policy {
    origin: ObjectRef,
    created: i64,
    selector: BTreeMap<String, String>,
    mode: Option<MtlsMode>,
    ports: BTreeMap<u32, Option<MtlsMode>>,
}

/// All PeerAuthentications.
#[derive(Debug, Default)]
pub struct PeerPolicies {
    root: Arc<str>,
    /// Without a selector, by namespace; oldest first.
    general: BTreeMap<Arc<str>, Vec<Policy>>,
    /// With a selector, by namespace; oldest first.
    selecting: BTreeMap<Arc<str>, Vec<Policy>>,
}

fn mode(mode: MutualTlsMode) -> Option<MtlsMode> {
    match mode {
        MutualTlsMode::Unset => None,
        MutualTlsMode::Disable => Some(MtlsMode::Disable),
        MutualTlsMode::Permissive => Some(MtlsMode::Permissive),
        MutualTlsMode::Strict => Some(MtlsMode::Strict),
    }
}

impl PeerPolicies {
    /// Reads all policies.
    pub fn new<'a>(
        resources: impl Iterator<Item = &'a Arc<api::snapshot::Resource<PeerAuthentication>>>,
        root: &Arc<str>,
    ) -> Self {
        let mut all: Vec<Policy> = resources
            .map(|resource| {
                let PeerAuthentication {
                    selector,
                    mtls,
                    port_level_mtls,
                } = &resource.spec;
                Policy {
                    origin: ObjectRef::new(
                        "PeerAuthentication",
                        Arc::clone(&resource.meta.key.namespace),
                        Arc::clone(&resource.meta.key.name),
                    ),
                    created: resource.meta.created,
                    selector: selector
                        .as_ref()
                        .map(|selector| selector.match_labels.clone())
                        .unwrap_or_default(),
                    mode: mtls.as_ref().and_then(|mtls| mode(mtls.mode)),
                    ports: port_level_mtls
                        .iter()
                        .map(|(port, mtls)| (*port, mode(mtls.mode)))
                        .collect(),
                }
            })
            .collect();
        all.sort_by(|a, b| (a.created, &a.origin.key.name).cmp(&(b.created, &b.origin.key.name)));
        let mut policies = Self {
            root: Arc::clone(root),
            ..Self::default()
        };
        for policy in all {
            let group = if policy.selector.is_empty() {
                &mut policies.general
            } else {
                &mut policies.selecting
            };
            group
                .entry(Arc::clone(&policy.origin.key.namespace))
                .or_default()
                .push(policy);
        }
        policies
    }

    /// The mode of a workload's port (`None`: of ports without one of their own) and the policies that decided.
    #[must_use]
    pub fn mode(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        port: Option<u32>,
    ) -> (MtlsMode, Vec<ObjectRef>) {
        let mut mode = MtlsMode::default();
        let mut sources = Vec::new();
        let workload = self.workload_policy(namespace, labels);
        let levels = [
            self.oldest(&self.root),
            self.oldest(namespace).filter(|_| namespace != &*self.root),
            workload,
        ];
        for policy in levels.into_iter().flatten() {
            if let Some(own) = policy.mode {
                mode = own;
                sources = vec![policy.origin.clone()];
            }
        }
        if let Some(policy) = workload
            && let Some(Some(own)) = port.and_then(|port| policy.ports.get(&port))
        {
            mode = *own;
            sources = vec![policy.origin.clone()];
        }
        (mode, sources)
    }

    /// The ports to which the policy of a workload gives modes of their own.
    #[must_use]
    pub fn ports_of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<u32> {
        self.workload_policy(namespace, labels)
            .map(|policy| {
                policy
                    .ports
                    .keys()
                    .copied()
                    .filter(|port| *port != 0)
                    .collect()
            })
            .unwrap_or_default()
    }

    fn oldest(&self, namespace: &str) -> Option<&Policy> {
        self.general.get(namespace)?.first()
    }

    /// The oldest policy that selects the workload, of its namespace or of the root.
    fn workload_policy(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Option<&Policy> {
        let of = |namespace: &str| {
            self.selecting
                .get(namespace)
                .into_iter()
                .flatten()
                .find(|policy| subset_of(&policy.selector, labels))
        };
        let own = of(namespace);
        let root = of(&self.root).filter(|_| namespace != &*self.root);
        match (own, root) {
            (Some(own), Some(root)) => Some(if root.created < own.created {
                root
            } else {
                own
            }),
            (own, root) => own.or(root),
        }
    }
}
