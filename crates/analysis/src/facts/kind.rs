//! The kinds that rules know by name.

macro_rules! kinds {
    ($($variant:ident = $group:literal $name:literal $scope:ident,)*) => {
        /// A kind of object. What no rule asks for is `Other`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[allow(missing_docs)] $variant,)*
            /// Any other kind.
            Other,
        }

        impl Kind {
            /// The kind of an API group and kind name.
            #[must_use]
            pub fn of(group: &str, name: &str) -> Self {
                match (group, name) {
                    $(($group, $name) => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// API group and kind name; empty for `Other`.
            #[must_use]
            pub fn names(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$variant => ($group, $name),)*
                    Self::Other => ("", ""),
                }
            }

            /// Whether objects of this kind have no namespace.
            #[must_use]
            pub fn is_cluster_scoped(self) -> bool {
                match self {
                    $(Self::$variant => stringify!($scope) == "cluster",)*
                    Self::Other => false,
                }
            }

            /// All but `Other`.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

kinds! {
    Namespace = "" "Namespace" cluster,
    Node = "" "Node" cluster,
    Pod = "" "Pod" namespaced,
    Service = "" "Service" namespaced,
    Endpoints = "" "Endpoints" namespaced,
    ConfigMap = "" "ConfigMap" namespaced,
    Secret = "" "Secret" namespaced,
    ServiceAccount = "" "ServiceAccount" namespaced,
    Deployment = "apps" "Deployment" namespaced,
    StatefulSet = "apps" "StatefulSet" namespaced,
    DaemonSet = "apps" "DaemonSet" namespaced,
    ReplicaSet = "apps" "ReplicaSet" namespaced,
    Job = "batch" "Job" namespaced,
    CronJob = "batch" "CronJob" namespaced,
    EndpointSlice = "discovery.k8s.io" "EndpointSlice" namespaced,
    HorizontalPodAutoscaler = "autoscaling" "HorizontalPodAutoscaler" namespaced,
    PodDisruptionBudget = "policy" "PodDisruptionBudget" namespaced,
    NetworkPolicy = "networking.k8s.io" "NetworkPolicy" namespaced,
    Ingress = "networking.k8s.io" "Ingress" namespaced,
    Role = "rbac.authorization.k8s.io" "Role" namespaced,
    RoleBinding = "rbac.authorization.k8s.io" "RoleBinding" namespaced,
    ClusterRole = "rbac.authorization.k8s.io" "ClusterRole" cluster,
    ClusterRoleBinding = "rbac.authorization.k8s.io" "ClusterRoleBinding" cluster,
    MutatingWebhookConfiguration = "admissionregistration.k8s.io" "MutatingWebhookConfiguration" cluster,
    ValidatingWebhookConfiguration = "admissionregistration.k8s.io" "ValidatingWebhookConfiguration" cluster,
    CustomResourceDefinition = "apiextensions.k8s.io" "CustomResourceDefinition" cluster,
    VirtualService = "networking.istio.io" "VirtualService" namespaced,
    DestinationRule = "networking.istio.io" "DestinationRule" namespaced,
    Gateway = "networking.istio.io" "Gateway" namespaced,
    ServiceEntry = "networking.istio.io" "ServiceEntry" namespaced,
    Sidecar = "networking.istio.io" "Sidecar" namespaced,
    EnvoyFilter = "networking.istio.io" "EnvoyFilter" namespaced,
    WorkloadEntry = "networking.istio.io" "WorkloadEntry" namespaced,
    WorkloadGroup = "networking.istio.io" "WorkloadGroup" namespaced,
    ProxyConfig = "networking.istio.io" "ProxyConfig" namespaced,
    PeerAuthentication = "security.istio.io" "PeerAuthentication" namespaced,
    AuthorizationPolicy = "security.istio.io" "AuthorizationPolicy" namespaced,
    RequestAuthentication = "security.istio.io" "RequestAuthentication" namespaced,
    Telemetry = "telemetry.istio.io" "Telemetry" namespaced,
    WasmPlugin = "extensions.istio.io" "WasmPlugin" namespaced,
    KubernetesGateway = "gateway.networking.k8s.io" "Gateway" namespaced,
    GatewayClass = "gateway.networking.k8s.io" "GatewayClass" cluster,
    HttpRoute = "gateway.networking.k8s.io" "HTTPRoute" namespaced,
    GrpcRoute = "gateway.networking.k8s.io" "GRPCRoute" namespaced,
    TlsRoute = "gateway.networking.k8s.io" "TLSRoute" namespaced,
    TcpRoute = "gateway.networking.k8s.io" "TCPRoute" namespaced,
    KnativeService = "serving.knative.dev" "Service" namespaced,
    KnativeConfiguration = "serving.knative.dev" "Configuration" namespaced,
    KnativeRevision = "serving.knative.dev" "Revision" namespaced,
    KnativeRoute = "serving.knative.dev" "Route" namespaced,
    DomainMapping = "serving.knative.dev" "DomainMapping" namespaced,
    KnativeServing = "operator.knative.dev" "KnativeServing" namespaced,
    IstioOperator = "install.istio.io" "IstioOperator" namespaced,
}
