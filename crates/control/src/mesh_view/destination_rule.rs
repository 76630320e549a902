//! Which DestinationRule is in force for a host, and what it says of a port and subset
//! (`pilot/pkg/model/push_context.go`, `destinationRule`; `destination_rule.go`, `mergeDestinationRule`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::istio::{self, PortTrafficPolicy, Subset, TrafficPolicy};
use base::{ContentHash, ContentHasher, Hostname, ObjectRef};

use super::model::{ExportTo, subset_of};
use super::settings::{MeshSettings, resolve_host};

/// A DestinationRule with its names resolved.
#[derive(Debug)]
pub struct DestinationRule {
    pub origin: ObjectRef,
    pub created: i64,
    pub host: Hostname,
    pub export_to: ExportTo,
    pub selector: BTreeMap<String, String>,
    pub spec: istio::DestinationRule,
    pub hash: ContentHash,
}

impl DestinationRule {
    /// `None` when the host is no host name; validation refused it.
    #[must_use]
    pub fn new(
        resource: &api::snapshot::Resource<istio::DestinationRule>,
        settings: &MeshSettings,
    ) -> Option<Self> {
        let key = &resource.meta.key;
        let spec = resource.spec.clone();
        Some(Self {
            origin: ObjectRef::new(
                "DestinationRule",
                Arc::clone(&key.namespace),
                Arc::clone(&key.name),
            ),
            created: resource.meta.created,
            host: Hostname::parse(&resolve_host(
                &spec.host,
                &key.namespace,
                &settings.domain_suffix,
            ))
            .ok()?,
            export_to: ExportTo::parse(
                &spec.export_to,
                &key.namespace,
                &settings.destination_rule_export_to,
            ),
            selector: spec
                .workload_selector
                .as_ref()
                .map(|selector| selector.match_labels.clone())
                .unwrap_or_default(),
            spec,
            hash: resource.hash,
        })
    }
}

/// All DestinationRules by namespace.
#[derive(Debug, Default)]
pub struct DestinationRules(BTreeMap<Arc<str>, OfNamespace>);

/// The rules of one namespace, oldest first.
#[derive(Debug, Default)]
struct OfNamespace {
    exact: HashMap<Hostname, Vec<Arc<DestinationRule>>>,
    wildcard: Vec<Arc<DestinationRule>>,
}

impl OfNamespace {
    /// The rules with the most specific host that covers `host`, of those that pass a test.
    fn best<'a>(
        &'a self,
        host: &Hostname,
        test: impl Fn(&DestinationRule) -> bool,
    ) -> Vec<&'a Arc<DestinationRule>> {
        let exact = self.exact.get(host).into_iter().flatten();
        let exact: Vec<_> = exact.filter(|rule| test(rule)).collect();
        if !exact.is_empty() {
            return exact;
        }
        let covering = self.wildcard.iter();
        let mut covering: Vec<_> = covering
            .filter(|rule| rule.host.covers(host) && test(rule))
            .collect();
        let best = covering
            .iter()
            .map(|rule| rule.host.clone())
            .min_by(Hostname::by_specificity);
        covering.retain(|rule| Some(&rule.host) == best.as_ref());
        covering
    }
}

/// What is in force for a host: one rule, or several of one namespace for the same host.
#[derive(Debug, Clone)]
pub struct EffectiveRule {
    pub sources: Vec<ObjectRef>,
    pub policy: Option<TrafficPolicy>,
    pub subsets: Vec<Subset>,
    pub hash: ContentHash,
}

/// What applies to one cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterPolicy {
    pub connection_pool: Option<istio::ConnectionPoolSettings>,
    pub load_balancer: Option<istio::LoadBalancerSettings>,
    pub outlier_detection: Option<istio::OutlierDetection>,
    pub tls: Option<istio::ClientTlsSettings>,
}

impl DestinationRules {
    /// Sorts rules into namespaces.
    #[must_use]
    pub fn new(mut rules: Vec<Arc<DestinationRule>>) -> Self {
        rules.sort_by(|a, b| (a.created, &a.origin.key.name).cmp(&(b.created, &b.origin.key.name)));
        let mut map: BTreeMap<Arc<str>, OfNamespace> = BTreeMap::new();
        for rule in rules {
            let namespace = map
                .entry(Arc::clone(&rule.origin.key.namespace))
                .or_default();
            if rule.host.is_wildcard() {
                namespace.wildcard.push(rule);
            } else {
                namespace
                    .exact
                    .entry(rule.host.clone())
                    .or_default()
                    .push(rule);
            }
        }
        Self(map)
    }

    /// Every rule, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<DestinationRule>> {
        self.0.values().flat_map(|namespace| {
            namespace
                .exact
                .values()
                .flatten()
                .chain(&namespace.wildcard)
        })
    }

    /// The rule for `host` as a client sees it: its own namespace, then the service's, then the root; there the most
    /// specific host; there a rule that selects the client's pods before one that selects all.
    #[must_use]
    pub fn effective(
        &self,
        host: &Hostname,
        service_namespace: &str,
        client: (&str, &BTreeMap<String, String>),
        root: &str,
    ) -> Option<EffectiveRule> {
        let (client_namespace, labels) = client;
        let mut searched: Vec<&str> = Vec::with_capacity(3);
        for namespace in [client_namespace, service_namespace, root] {
            if searched.contains(&namespace) {
                continue;
            }
            searched.push(namespace);
            let own = namespace == client_namespace;
            let Some(rules) = self.0.get(namespace) else {
                continue;
            };
            let same = rules.best(host, |rule| {
                let visible = own || rule.export_to.allows(client_namespace);
                let selects =
                    rule.selector.is_empty() || (own && subset_of(&rule.selector, labels));
                visible && selects
            });
            if same.is_empty() {
                continue;
            }
            let selected = same.iter().any(|rule| !rule.selector.is_empty());
            return Some(merge(
                same.into_iter()
                    .filter(|rule| !selected || !rule.selector.is_empty()),
            ));
        }
        None
    }
}

/// Rules for the same host add their subsets to the oldest one's; a policy counts only where no older rule has one.
fn merge<'a>(rules: impl Iterator<Item = &'a Arc<DestinationRule>>) -> EffectiveRule {
    let mut merged = EffectiveRule {
        sources: Vec::new(),
        policy: None,
        subsets: Vec::new(),
        hash: ContentHash::default(),
    };
    let mut hasher = ContentHasher::default();
    for rule in rules {
        merged.sources.push(rule.origin.clone());
        hasher.write(rule.origin.to_string().as_bytes());
        hasher.write(&rule.hash.0.to_le_bytes());
        if merged.policy.is_none() {
            merged.policy.clone_from(&rule.spec.traffic_policy);
        }
        for subset in &rule.spec.subsets {
            if merged.subsets.iter().all(|known| known.name != subset.name) {
                merged.subsets.push(subset.clone());
            }
        }
    }
    merged.hash = hasher.finish();
    merged
}

impl EffectiveRule {
    /// What the rule says of a port, and of a subset where one is given. A port's settings replace what stands above them
    /// whole; a subset's override field by field (`MergeSubsetTrafficPolicy`).
    #[must_use]
    pub fn policy_of(&self, port: u32, subset: Option<&Subset>) -> ClusterPolicy {
        let mut policy = self
            .policy
            .as_ref()
            .map(|policy| at_port(policy, port))
            .unwrap_or_default();
        if let Some(own) = subset.and_then(|subset| subset.traffic_policy.as_ref()) {
            if let Some(of_port) = port_settings(own, port) {
                return of_port;
            }
            let TrafficPolicy {
                load_balancer,
                connection_pool,
                outlier_detection,
                tls,
                port_level_settings: _,
                // Refused by validation: outside the present scope.
                tunnel: _,
                proxy_protocol: _,
                retry_budget: _,
            } = own.clone();
            policy.load_balancer = load_balancer.or(policy.load_balancer);
            policy.connection_pool = connection_pool.or(policy.connection_pool);
            policy.outlier_detection = outlier_detection.or(policy.outlier_detection);
            policy.tls = tls.or(policy.tls);
        }
        policy
    }
}

fn at_port(policy: &TrafficPolicy, port: u32) -> ClusterPolicy {
    port_settings(policy, port).unwrap_or_else(|| ClusterPolicy {
        connection_pool: policy.connection_pool.clone(),
        load_balancer: policy.load_balancer.clone(),
        outlier_detection: policy.outlier_detection.clone(),
        tls: policy.tls.clone(),
    })
}

fn port_settings(policy: &TrafficPolicy, port: u32) -> Option<ClusterPolicy> {
    let settings = policy.port_level_settings.iter().find(|settings| {
        settings
            .port
            .as_ref()
            .is_some_and(|selected| selected.number == port)
    })?;
    let PortTrafficPolicy {
        port: _,
        load_balancer,
        connection_pool,
        outlier_detection,
        tls,
    } = settings.clone();
    Some(ClusterPolicy {
        connection_pool,
        load_balancer,
        outlier_detection,
        tls,
    })
}
