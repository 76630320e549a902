//! The built-in resource types. What is not listed is not served: a client is told so instead of having an
//! object stored that nothing acts on.

/// One built-in type as discovery shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Builtin {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) short: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) namespaced: bool,
    pub(crate) verbs: VerbSet,
    pub(crate) subresources: &'static [Sub],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerbSet {
    /// Everything that stored objects have.
    Full,
    /// Answered, never stored: reviews.
    CreateOnly,
}

/// A subresource and the verbs it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sub {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) verbs: &'static [&'static str],
}

const fn sub(
    name: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
) -> Sub {
    Sub {
        name,
        group,
        version,
        kind,
        verbs,
    }
}

const RW: &[&str] = &["get", "patch", "update"];
const STREAM: &[&str] = &["create", "get"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

const fn status(kind: &'static str) -> Sub {
    sub("status", "", "", kind, RW)
}
const SCALE: Sub = sub("scale", "autoscaling", "v1", "Scale", RW);

const POD_SUBS: &[Sub] = &[
    sub("attach", "", "", "PodAttachOptions", STREAM),
    sub("binding", "", "", "Binding", &["create"]),
    sub("ephemeralcontainers", "", "", "Pod", RW),
    sub("eviction", "policy", "v1", "Eviction", &["create"]),
    sub("exec", "", "", "PodExecOptions", STREAM),
    sub("log", "", "", "Pod", &["get"]),
    sub("portforward", "", "", "PodPortForwardOptions", STREAM),
    sub("proxy", "", "", "PodProxyOptions", PROXY),
    status("Pod"),
];

const fn ty(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> Builtin {
    Builtin {
        group,
        version: "v1",
        kind,
        plural,
        short: &[],
        categories: &[],
        namespaced,
        verbs: VerbSet::Full,
        subresources: &[],
    }
}

impl Builtin {
    const fn short(mut self, short: &'static [&'static str]) -> Self {
        self.short = short;
        self
    }
    const fn all(mut self) -> Self {
        self.categories = &["all"];
        self
    }
    const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }
    const fn subs(mut self, subresources: &'static [Sub]) -> Self {
        self.subresources = subresources;
        self
    }
    const fn review(mut self) -> Self {
        self.verbs = VerbSet::CreateOnly;
        self
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHZ: &str = "authorization.k8s.io";
const AUTHN: &str = "authentication.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const API_EXTENSIONS: &[&str] = &["api-extensions"];

pub(crate) const BUILTIN: &[Builtin] = &[
    ty("", "ConfigMap", "configmaps", true).short(&["cm"]),
    ty("", "Endpoints", "endpoints", true).short(&["ep"]),
    ty("", "Event", "events", true).short(&["ev"]),
    ty("", "Namespace", "namespaces", false)
        .short(&["ns"])
        .subs(&[
            sub("finalize", "", "", "Namespace", &["update"]),
            status("Namespace"),
        ]),
    ty("", "Node", "nodes", false).short(&["no"]).subs(&[
        sub("proxy", "", "", "NodeProxyOptions", PROXY),
        status("Node"),
    ]),
    ty("", "Pod", "pods", true)
        .short(&["po"])
        .all()
        .subs(POD_SUBS),
    ty("", "Secret", "secrets", true),
    ty("", "ServiceAccount", "serviceaccounts", true)
        .short(&["sa"])
        .subs(&[sub("token", AUTHN, "v1", "TokenRequest", &["create"])]),
    ty("", "Service", "services", true)
        .short(&["svc"])
        .all()
        .subs(&[
            sub("proxy", "", "", "ServiceProxyOptions", PROXY),
            status("Service"),
        ]),
    ty(
        ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
    )
    .categories(API_EXTENSIONS),
    ty(
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    )
    .categories(API_EXTENSIONS),
    ty(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    )
    .short(&["crd", "crds"])
    .categories(API_EXTENSIONS)
    .subs(&[status("CustomResourceDefinition")]),
    ty("apps", "Deployment", "deployments", true)
        .short(&["deploy"])
        .all()
        .subs(&[SCALE, status("Deployment")]),
    ty("apps", "ReplicaSet", "replicasets", true)
        .short(&["rs"])
        .all()
        .subs(&[SCALE, status("ReplicaSet")]),
    ty(AUTHN, "SelfSubjectReview", "selfsubjectreviews", false).review(),
    ty(AUTHN, "TokenReview", "tokenreviews", false).review(),
    ty(
        AUTHZ,
        "LocalSubjectAccessReview",
        "localsubjectaccessreviews",
        true,
    )
    .review(),
    ty(
        AUTHZ,
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        false,
    )
    .review(),
    ty(
        AUTHZ,
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        false,
    )
    .review(),
    ty(AUTHZ, "SubjectAccessReview", "subjectaccessreviews", false).review(),
    ty("coordination.k8s.io", "Lease", "leases", true),
    ty("discovery.k8s.io", "EndpointSlice", "endpointslices", true),
    ty("events.k8s.io", "Event", "events", true).short(&["ev"]),
    ty(RBAC, "ClusterRoleBinding", "clusterrolebindings", false),
    ty(RBAC, "ClusterRole", "clusterroles", false),
    ty(RBAC, "RoleBinding", "rolebindings", true),
    ty(RBAC, "Role", "roles", true),
];
