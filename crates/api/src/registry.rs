//! Which Rust type each kind has.

use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::istio;
use crate::kinds;
use crate::store::ResourceType;

/// A custom resource whole.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(
    rename = "",
    rename_all = "camelCase",
    default,
    bound = "T: Deserialize<'de> + Default"
)]
pub(crate) struct Object<T> {
    #[allow(dead_code)]
    pub api_version: String,
    #[allow(dead_code)]
    pub kind: String,
    pub metadata: ObjectMeta,
    pub spec: T,
    #[allow(dead_code)]
    pub status: Value,
}

/// Something to do with a kind's type.
pub(crate) trait Visit {
    type Out;

    fn visit<T: DeserializeOwned>(self) -> Self::Out;
}

macro_rules! types {
    ($($kind:ident: $ty:ty,)*) => {
        /// Calls the visitor with the type of the kind's whole object, if we know it.
        pub(crate) fn with_type<V: Visit>(ty: &ResourceType, visitor: V) -> Option<V::Out> {
            $(if ty.kind == kinds::$kind.kind && ty.group == kinds::$kind.group {
                return Some(visitor.visit::<$ty>());
            })*
            None
        }
    };
}

types! {
    NAMESPACE: api::core::v1::Namespace,
    SERVICE: api::core::v1::Service,
    ENDPOINTS: api::core::v1::Endpoints,
    POD: api::core::v1::Pod,
    NODE: api::core::v1::Node,
    CONFIG_MAP: api::core::v1::ConfigMap,
    SECRET: api::core::v1::Secret,
    SERVICE_ACCOUNT: api::core::v1::ServiceAccount,
    CORE_EVENT: api::core::v1::Event,
    EVENT: api::events::v1::Event,
    DEPLOYMENT: api::apps::v1::Deployment,
    REPLICA_SET: api::apps::v1::ReplicaSet,
    STATEFUL_SET: api::apps::v1::StatefulSet,
    DAEMON_SET: api::apps::v1::DaemonSet,
    JOB: api::batch::v1::Job,
    ENDPOINT_SLICE: api::discovery::v1::EndpointSlice,
    CUSTOM_RESOURCE_DEFINITION: CustomResourceDefinition,
    MUTATING_WEBHOOK_CONFIGURATION: api::admissionregistration::v1::MutatingWebhookConfiguration,
    VALIDATING_WEBHOOK_CONFIGURATION: api::admissionregistration::v1::ValidatingWebhookConfiguration,
    LEASE: api::coordination::v1::Lease,
    ROLE: api::rbac::v1::Role,
    ROLE_BINDING: api::rbac::v1::RoleBinding,
    CLUSTER_ROLE: api::rbac::v1::ClusterRole,
    CLUSTER_ROLE_BINDING: api::rbac::v1::ClusterRoleBinding,
    POD_DISRUPTION_BUDGET: api::policy::v1::PodDisruptionBudget,
    HORIZONTAL_POD_AUTOSCALER: api::autoscaling::v2::HorizontalPodAutoscaler,
    VIRTUAL_SERVICE: Object<istio::VirtualService>,
    DESTINATION_RULE: Object<istio::DestinationRule>,
    GATEWAY: Object<istio::Gateway>,
    SERVICE_ENTRY: Object<istio::ServiceEntry>,
    PROXY_CONFIG: Object<istio::ProxyConfig>,
    PEER_AUTHENTICATION: Object<istio::PeerAuthentication>,
    TELEMETRY: Object<istio::Telemetry>,
    WORKLOAD_ENTRY: Object<istio::WorkloadEntry>,
}
