//! Every kind that ferromesh knows, by group, version and plural: what request paths and watches are made of.

use crate::store::ResourceType;

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> ResourceType {
    ResourceType {
        group,
        version,
        kind,
        plural,
        namespaced,
    }
}

/// Namespace.
pub const NAMESPACE: ResourceType = kind("", "v1", "Namespace", "namespaces", false);
/// Service.
pub const SERVICE: ResourceType = kind("", "v1", "Service", "services", true);
/// Endpoints.
pub const ENDPOINTS: ResourceType = kind("", "v1", "Endpoints", "endpoints", true);
/// Pod.
pub const POD: ResourceType = kind("", "v1", "Pod", "pods", true);
/// Node.
pub const NODE: ResourceType = kind("", "v1", "Node", "nodes", false);
/// ConfigMap.
pub const CONFIG_MAP: ResourceType = kind("", "v1", "ConfigMap", "configmaps", true);
/// Secret.
pub const SECRET: ResourceType = kind("", "v1", "Secret", "secrets", true);
/// ServiceAccount.
pub const SERVICE_ACCOUNT: ResourceType = kind("", "v1", "ServiceAccount", "serviceaccounts", true);
/// Event of the core group.
pub const CORE_EVENT: ResourceType = kind("", "v1", "Event", "events", true);
/// Event of `events.k8s.io`.
pub const EVENT: ResourceType = kind("events.k8s.io", "v1", "Event", "events", true);
/// Deployment.
pub const DEPLOYMENT: ResourceType = kind("apps", "v1", "Deployment", "deployments", true);
/// ReplicaSet.
pub const REPLICA_SET: ResourceType = kind("apps", "v1", "ReplicaSet", "replicasets", true);
/// StatefulSet.
pub const STATEFUL_SET: ResourceType = kind("apps", "v1", "StatefulSet", "statefulsets", true);
/// DaemonSet.
pub const DAEMON_SET: ResourceType = kind("apps", "v1", "DaemonSet", "daemonsets", true);
/// Job.
pub const JOB: ResourceType = kind("batch", "v1", "Job", "jobs", true);
/// EndpointSlice.
pub const ENDPOINT_SLICE: ResourceType = kind(
    "discovery.k8s.io",
    "v1",
    "EndpointSlice",
    "endpointslices",
    true,
);
/// CustomResourceDefinition.
pub const CUSTOM_RESOURCE_DEFINITION: ResourceType = kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    false,
);
/// MutatingWebhookConfiguration.
pub const MUTATING_WEBHOOK_CONFIGURATION: ResourceType = kind(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    false,
);
/// ValidatingWebhookConfiguration.
pub const VALIDATING_WEBHOOK_CONFIGURATION: ResourceType = kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    false,
);
/// Lease.
pub const LEASE: ResourceType = kind("coordination.k8s.io", "v1", "Lease", "leases", true);
/// Role.
pub const ROLE: ResourceType = kind("rbac.authorization.k8s.io", "v1", "Role", "roles", true);
/// RoleBinding.
pub const ROLE_BINDING: ResourceType = kind(
    "rbac.authorization.k8s.io",
    "v1",
    "RoleBinding",
    "rolebindings",
    true,
);
/// ClusterRole.
pub const CLUSTER_ROLE: ResourceType = kind(
    "rbac.authorization.k8s.io",
    "v1",
    "ClusterRole",
    "clusterroles",
    false,
);
/// ClusterRoleBinding.
pub const CLUSTER_ROLE_BINDING: ResourceType = kind(
    "rbac.authorization.k8s.io",
    "v1",
    "ClusterRoleBinding",
    "clusterrolebindings",
    false,
);
/// PodDisruptionBudget.
pub const POD_DISRUPTION_BUDGET: ResourceType = kind(
    "policy",
    "v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    true,
);
/// HorizontalPodAutoscaler.
pub const HORIZONTAL_POD_AUTOSCALER: ResourceType = kind(
    "autoscaling",
    "v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    true,
);
/// VirtualService.
pub const VIRTUAL_SERVICE: ResourceType = kind(
    "networking.istio.io",
    "v1",
    "VirtualService",
    "virtualservices",
    true,
);
/// DestinationRule.
pub const DESTINATION_RULE: ResourceType = kind(
    "networking.istio.io",
    "v1",
    "DestinationRule",
    "destinationrules",
    true,
);
/// Gateway.
pub const GATEWAY: ResourceType = kind("networking.istio.io", "v1", "Gateway", "gateways", true);
/// ServiceEntry.
pub const SERVICE_ENTRY: ResourceType = kind(
    "networking.istio.io",
    "v1",
    "ServiceEntry",
    "serviceentries",
    true,
);
/// ProxyConfig.
pub const PROXY_CONFIG: ResourceType = kind(
    "networking.istio.io",
    "v1beta1",
    "ProxyConfig",
    "proxyconfigs",
    true,
);
/// PeerAuthentication.
pub const PEER_AUTHENTICATION: ResourceType = kind(
    "security.istio.io",
    "v1",
    "PeerAuthentication",
    "peerauthentications",
    true,
);
/// Telemetry.
pub const TELEMETRY: ResourceType =
    kind("telemetry.istio.io", "v1", "Telemetry", "telemetries", true);
/// WorkloadEntry.
pub const WORKLOAD_ENTRY: ResourceType = kind(
    "networking.istio.io",
    "v1",
    "WorkloadEntry",
    "workloadentries",
    true,
);
/// WorkloadGroup.
pub const WORKLOAD_GROUP: ResourceType = kind(
    "networking.istio.io",
    "v1",
    "WorkloadGroup",
    "workloadgroups",
    true,
);
/// Sidecar.
pub const SIDECAR: ResourceType = kind("networking.istio.io", "v1", "Sidecar", "sidecars", true);
/// EnvoyFilter.
pub const ENVOY_FILTER: ResourceType = kind(
    "networking.istio.io",
    "v1alpha3",
    "EnvoyFilter",
    "envoyfilters",
    true,
);
/// AuthorizationPolicy.
pub const AUTHORIZATION_POLICY: ResourceType = kind(
    "security.istio.io",
    "v1",
    "AuthorizationPolicy",
    "authorizationpolicies",
    true,
);
/// RequestAuthentication.
pub const REQUEST_AUTHENTICATION: ResourceType = kind(
    "security.istio.io",
    "v1",
    "RequestAuthentication",
    "requestauthentications",
    true,
);
/// WasmPlugin.
pub const WASM_PLUGIN: ResourceType = kind(
    "extensions.istio.io",
    "v1alpha1",
    "WasmPlugin",
    "wasmplugins",
    true,
);
/// TrafficExtension.
pub const TRAFFIC_EXTENSION: ResourceType = kind(
    "extensions.istio.io",
    "v1alpha1",
    "TrafficExtension",
    "trafficextensions",
    true,
);

/// All of them.
pub const ALL: &[ResourceType] = &[
    NAMESPACE,
    SERVICE,
    ENDPOINTS,
    POD,
    NODE,
    CONFIG_MAP,
    SECRET,
    SERVICE_ACCOUNT,
    CORE_EVENT,
    EVENT,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    DAEMON_SET,
    JOB,
    ENDPOINT_SLICE,
    CUSTOM_RESOURCE_DEFINITION,
    MUTATING_WEBHOOK_CONFIGURATION,
    VALIDATING_WEBHOOK_CONFIGURATION,
    LEASE,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    POD_DISRUPTION_BUDGET,
    HORIZONTAL_POD_AUTOSCALER,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    GATEWAY,
    SERVICE_ENTRY,
    PROXY_CONFIG,
    PEER_AUTHENTICATION,
    TELEMETRY,
    WORKLOAD_ENTRY,
    WORKLOAD_GROUP,
    SIDECAR,
    ENVOY_FILTER,
    AUTHORIZATION_POLICY,
    REQUEST_AUTHENTICATION,
    WASM_PLUGIN,
    TRAFFIC_EXTENSION,
];

/// The Istio kinds that the mesh works with.
pub const ISTIO: &[ResourceType] = &[
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    GATEWAY,
    SERVICE_ENTRY,
    PROXY_CONFIG,
    PEER_AUTHENTICATION,
    TELEMETRY,
];

/// The Istio kinds that are refused by name: the API server knows them, and the admission webhook says that
/// they have no effect yet.
pub const ISTIO_REFUSED: &[ResourceType] = &[
    WORKLOAD_ENTRY,
    WORKLOAD_GROUP,
    SIDECAR,
    ENVOY_FILTER,
    AUTHORIZATION_POLICY,
    REQUEST_AUTHENTICATION,
    WASM_PLUGIN,
    TRAFFIC_EXTENSION,
];

/// Every version of `ty` that is served, the storage version first.
#[must_use]
pub fn served_versions(ty: &ResourceType) -> &'static [&'static str] {
    match (ty.group, ty.kind) {
        ("networking.istio.io", "ProxyConfig") => &["v1beta1"],
        ("networking.istio.io", "EnvoyFilter") => &["v1alpha3"],
        ("networking.istio.io", _) => &["v1", "v1beta1", "v1alpha3"],
        ("security.istio.io", _) => &["v1", "v1beta1"],
        ("telemetry.istio.io", _) => &["v1", "v1alpha1"],
        ("extensions.istio.io", _) => &["v1alpha1"],
        ("autoscaling", _) => &["v2"],
        _ => &["v1"],
    }
}

/// Finds a kind by its group and kind name; the version is the one we prefer.
#[must_use]
pub fn by_kind(group: &str, kind: &str) -> Option<&'static ResourceType> {
    ALL.iter().find(|ty| ty.group == group && ty.kind == kind)
}

/// Finds a kind by its group and plural name.
#[must_use]
pub fn by_plural(group: &str, plural: &str) -> Option<&'static ResourceType> {
    ALL.iter()
        .find(|ty| ty.group == group && ty.plural == plural)
}

/// Finds a kind by the `apiVersion` and `kind` of an object, if that version is served.
#[must_use]
pub fn by_api_version(api_version: &str, kind: &str) -> Option<&'static ResourceType> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    by_kind(group, kind).filter(|ty| served_versions(ty).contains(&version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_each_served_version() {
        for version in ["v1", "v1beta1", "v1alpha3"] {
            let found = by_api_version(&format!("networking.istio.io/{version}"), "VirtualService");
            assert_eq!(found, Some(&VIRTUAL_SERVICE), "{version}");
        }
        assert_eq!(
            by_api_version("networking.istio.io/v2", "VirtualService"),
            None
        );
        assert_eq!(by_api_version("v1", "Pod"), Some(&POD));
        assert_eq!(by_plural("apps", "deployments"), Some(&DEPLOYMENT));
    }

    #[test]
    fn no_kind_is_listed_twice() {
        for (index, ty) in ALL.iter().enumerate() {
            assert!(
                !ALL[..index]
                    .iter()
                    .any(|other| (other.group, other.kind) == (ty.group, ty.kind)),
                "{}",
                ty.kind
            );
        }
    }
}
