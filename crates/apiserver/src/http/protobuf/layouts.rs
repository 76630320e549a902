//! Field numbers of the types that are read, from Kubernetes' `generated.proto` files.

use super::Field::{
    self, Bool, BytesMap, IntOrString, Message, Messages, Number, Skip, Text, TextMap, Texts,
};

pub(super) type Layout = &'static [(u64, Field)];

const META: Layout = &[
    (1, Text("name")),
    (2, Text("generateName")),
    (3, Text("namespace")),
    // creationTimestamp: the server's own.
    (8, Skip),
    (11, TextMap("labels")),
    (12, TextMap("annotations")),
    (14, Texts("finalizers")),
];

const ATTRIBUTES: Layout = &[
    (1, Text("namespace")),
    (2, Text("verb")),
    (3, Text("group")),
    (4, Text("version")),
    (5, Text("resource")),
    (6, Text("subresource")),
    (7, Text("name")),
];
const PATH: Layout = &[(1, Text("path")), (2, Text("verb"))];
const ACCESS: Layout = &[
    (1, Message("resourceAttributes", ATTRIBUTES)),
    (2, Message("nonResourceAttributes", PATH)),
    (3, Text("user")),
    (4, Texts("groups")),
];
const OWN_ACCESS: Layout = &[
    (1, Message("resourceAttributes", ATTRIBUTES)),
    (2, Message("nonResourceAttributes", PATH)),
];
const OBJECT: Layout = &[
    (1, Text("kind")),
    (2, Text("apiVersion")),
    (3, Text("name")),
    (4, Text("uid")),
];
const TOKEN: Layout = &[
    (1, Texts("audiences")),
    (3, Message("boundObjectRef", OBJECT)),
    (4, Number("expirationSeconds")),
];
const TOKEN_REVIEW: Layout = &[(1, Text("token")), (2, Texts("audiences"))];
const RULES: Layout = &[(1, Text("namespace"))];

const PRECONDITIONS: Layout = &[(1, Text("uid")), (2, Text("resourceVersion"))];
const DELETE: Layout = &[
    (1, Number("gracePeriodSeconds")),
    (2, Message("preconditions", PRECONDITIONS)),
    (3, Bool("orphanDependents")),
    (4, Text("propagationPolicy")),
    (5, Texts("dryRun")),
];

const LOCAL_REFERENCE: Layout = &[(1, Text("name"))];
const RULE: Layout = &[
    (1, Texts("verbs")),
    (2, Texts("apiGroups")),
    (3, Texts("resources")),
    (4, Texts("resourceNames")),
    (5, Texts("nonResourceURLs")),
];
const SUBJECT: Layout = &[
    (1, Text("kind")),
    (2, Text("apiGroup")),
    (3, Text("name")),
    (4, Text("namespace")),
];
const ROLE_REFERENCE: Layout = &[(1, Text("apiGroup")), (2, Text("kind")), (3, Text("name"))];

const SERVICE_PORT: Layout = &[
    (1, Text("name")),
    (2, Text("protocol")),
    (3, Number("port")),
    (4, IntOrString("targetPort")),
    (5, Number("nodePort")),
    (6, Text("appProtocol")),
];
const SERVICE: Layout = &[
    (1, Messages("ports", SERVICE_PORT)),
    (2, TextMap("selector")),
    (3, Text("clusterIP")),
    (4, Text("type")),
    (5, Texts("externalIPs")),
    (7, Text("sessionAffinity")),
    (10, Text("externalName")),
    (11, Text("externalTrafficPolicy")),
    (18, Texts("clusterIPs")),
];

const CONTAINER_PORT: Layout = &[
    (1, Text("name")),
    (2, Number("hostPort")),
    (3, Number("containerPort")),
    (4, Text("protocol")),
    (5, Text("hostIP")),
];
const VARIABLE: Layout = &[(1, Text("name")), (2, Text("value"))];
const CONTAINER: Layout = &[
    (1, Text("name")),
    (2, Text("image")),
    (3, Texts("command")),
    (4, Texts("args")),
    (5, Text("workingDir")),
    (6, Messages("ports", CONTAINER_PORT)),
    (7, Messages("env", VARIABLE)),
    (14, Text("imagePullPolicy")),
];
const POD: Layout = &[
    (2, Messages("containers", CONTAINER)),
    (3, Text("restartPolicy")),
    (4, Number("terminationGracePeriodSeconds")),
    (6, Text("dnsPolicy")),
    (8, Text("serviceAccountName")),
];
const TEMPLATE: Layout = &[(1, Message("metadata", META)), (2, Message("spec", POD))];
const SELECTOR: Layout = &[(1, TextMap("matchLabels"))];
const STRATEGY: Layout = &[(1, Text("type"))];
const DEPLOYMENT: Layout = &[
    (1, Number("replicas")),
    (2, Message("selector", SELECTOR)),
    (3, Message("template", TEMPLATE)),
    (4, Message("strategy", STRATEGY)),
    (5, Number("minReadySeconds")),
    (6, Number("revisionHistoryLimit")),
    (9, Number("progressDeadlineSeconds")),
];

macro_rules! object {
    ($($field:expr),* $(,)?) => {
        &[(1, Message("metadata", META)), $($field),*]
    };
}

/// The layout of a kind; `None` for those that are refused.
pub(super) fn of(kind: &str) -> Option<Layout> {
    Some(match kind {
        "SelfSubjectReview" => const { object![(2, Skip)] },
        "TokenRequest" => const { object![(2, Message("spec", TOKEN)), (3, Skip)] },
        "TokenReview" => const { object![(2, Message("spec", TOKEN_REVIEW)), (3, Skip)] },
        "SelfSubjectAccessReview" => const { object![(2, Message("spec", OWN_ACCESS)), (3, Skip)] },
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            const { object![(2, Message("spec", ACCESS)), (3, Skip)] }
        }
        "SelfSubjectRulesReview" => const { object![(2, Message("spec", RULES)), (3, Skip)] },
        "DeleteOptions" => DELETE,
        "Eviction" => const { object![(2, Message("deleteOptions", DELETE))] },
        "Namespace" => const { object![(2, Skip), (3, Skip)] },
        "ConfigMap" => {
            const {
                object![
                    (2, TextMap("data")),
                    (3, BytesMap("binaryData")),
                    (4, Bool("immutable"))
                ]
            }
        }
        "Secret" => {
            const {
                object![
                    (2, BytesMap("data")),
                    (3, Text("type")),
                    (4, TextMap("stringData")),
                    (5, Bool("immutable"))
                ]
            }
        }
        "ServiceAccount" => {
            const {
                object![
                    (3, Messages("imagePullSecrets", LOCAL_REFERENCE)),
                    (4, Bool("automountServiceAccountToken"))
                ]
            }
        }
        "Role" | "ClusterRole" => const { object![(2, Messages("rules", RULE))] },
        "RoleBinding" | "ClusterRoleBinding" => {
            const {
                object![
                    (2, Messages("subjects", SUBJECT)),
                    (3, Message("roleRef", ROLE_REFERENCE))
                ]
            }
        }
        "Service" => const { object![(2, Message("spec", SERVICE)), (3, Skip)] },
        "Deployment" => const { object![(2, Message("spec", DEPLOYMENT)), (3, Skip)] },
        _ => return None,
    })
}
