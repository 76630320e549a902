//! How strategic merge treats the fields of the built-in types: which lists merge and by which key.
//! From the `patchStrategy` and `patchMergeKey` marks of Kubernetes' API reference.

/// What is at a place in an object; only places with lists that merge, and the way to them, matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Plain,
    Root(Kind),
    Meta,
    Spec(Kind),
    Status(Kind),
    PodTemplate,
    PodSpec,
    Container,
    Webhook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    Workload,
    Service,
    ServiceAccount,
    Node,
    Webhooks,
    Other,
}

/// How a list in a patch meets the list in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListRule {
    /// The patch's list takes its place.
    Replace,
    /// Elements of objects merge by this key.
    Merge { key: &'static str, element: Shape },
    /// Values that are not yet there are added.
    Union,
}

pub(crate) fn root(kind: &str) -> Shape {
    Shape::Root(match kind {
        "Pod" => Kind::Pod,
        "Deployment" | "ReplicaSet" => Kind::Workload,
        "Service" => Kind::Service,
        "ServiceAccount" => Kind::ServiceAccount,
        "Node" => Kind::Node,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => Kind::Webhooks,
        _ => Kind::Other,
    })
}

/// The shape of an object field.
pub(crate) fn field(shape: Shape, name: &str) -> Shape {
    match (shape, name) {
        (Shape::Root(_) | Shape::PodTemplate, "metadata") => Shape::Meta,
        (Shape::Root(Kind::Pod) | Shape::PodTemplate, "spec") => Shape::PodSpec,
        (Shape::Root(kind), "spec") => Shape::Spec(kind),
        (Shape::Root(kind), "status") => Shape::Status(kind),
        (Shape::Spec(Kind::Workload), "template") => Shape::PodTemplate,
        _ => Shape::Plain,
    }
}

/// The rule of a list field.
pub(crate) fn list(shape: Shape, name: &str) -> ListRule {
    let merge = |key, element| ListRule::Merge { key, element };
    match (shape, name) {
        (Shape::Meta, "ownerReferences") => merge("uid", Shape::Plain),
        (Shape::Meta, "finalizers") | (Shape::Spec(Kind::Node), "podCIDRs") => ListRule::Union,
        (Shape::PodSpec, "containers" | "initContainers" | "ephemeralContainers") => {
            merge("name", Shape::Container)
        }
        (Shape::PodSpec, "volumes" | "imagePullSecrets" | "schedulingGates" | "resourceClaims") => {
            merge("name", Shape::Plain)
        }
        (Shape::PodSpec, "hostAliases") => merge("ip", Shape::Plain),
        (Shape::PodSpec, "topologySpreadConstraints") => merge("topologyKey", Shape::Plain),
        (Shape::Container, "env") => merge("name", Shape::Plain),
        (Shape::Container, "ports") => merge("containerPort", Shape::Plain),
        (Shape::Container, "volumeMounts") => merge("mountPath", Shape::Plain),
        (Shape::Container, "volumeDevices") => merge("devicePath", Shape::Plain),
        (Shape::Spec(Kind::Service), "ports") => merge("port", Shape::Plain),
        (Shape::Root(Kind::ServiceAccount), "secrets") => merge("name", Shape::Plain),
        (Shape::Root(Kind::Webhooks), "webhooks") => merge("name", Shape::Webhook),
        (Shape::Webhook, "matchConditions") => merge("name", Shape::Plain),
        (Shape::Status(_), "conditions") | (Shape::Status(Kind::Node), "addresses") => {
            merge("type", Shape::Plain)
        }
        (Shape::Status(Kind::Pod), "podIPs" | "hostIPs") => merge("ip", Shape::Plain),
        _ => ListRule::Replace,
    }
}
