//! Namespaces and pods without a sidecar.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource, Workload};
use crate::finding::Level;

const VERIFY: &str = "kubectl get namespace -L istio-injection,istio.io/rev,istio.io/dataplane-mode";

pub(super) const RULE: Rule = Rule {
    name: "injection",
    analyzer: "injection.Analyzer",
    summary: "Checks labels of namespaces and pods that decide about the sidecar",
    codes: &[
        Code {
            id: "IST0102",
            level: Level::Info,
            name: "NamespaceNotInjected",
            meaning: "Pods of this namespace get no sidecar, and nothing says that this is meant.",
            remedy: "kubectl label namespace NAME istio-injection=enabled (or =disabled), then restart the workloads.",
            verify: VERIFY,
        },
        Code {
            id: "IST0103",
            level: Level::Warning,
            name: "PodMissingProxy",
            meaning: "The namespace injects, but this pod has no sidecar: it was created before, or the webhook failed.",
            remedy: "kubectl rollout restart deployment NAME -n NAMESPACE",
            verify: "kubectl get pod NAME -o jsonpath='{.spec.containers[*].name} {.spec.initContainers[*].name}'",
        },
        Code {
            id: "IST0123",
            level: Level::Warning,
            name: "NamespaceMultipleInjectionLabels",
            meaning: "Labels ask for injection in several ways; istio-injection wins over istio.io/rev, so the revision \
                      is not the one that is named.",
            remedy: "Remove all but one: kubectl label namespace NAME istio-injection-",
            verify: VERIFY,
        },
        Code {
            id: "IST0148",
            level: Level::Info,
            name: "NamespaceInjectionEnabledByDefault",
            meaning: "The injector takes every namespace that does not opt out, this one too.",
            remedy: "Nothing, or opt out: kubectl label namespace NAME istio-injection=disabled",
            verify: VERIFY,
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for namespace in facts.all(Kind::Namespace) {
        if &*namespace.name != "istio-system"
            && !crate::facts::IGNORED_NAMESPACES.contains(&&*namespace.name)
        {
            labels(facts, report, namespace);
        }
    }
    for pod in facts.all(Kind::Pod).filter(|r| reportable(r)) {
        missing(facts, report, pod);
    }
}

fn labels(facts: &Facts, report: &mut Report, namespace: &Resource) {
    let injection = namespace.label("istio-injection");
    let revision = namespace.label("istio.io/rev");
    let mode = namespace.label("istio.io/dataplane-mode");
    let mut found = Vec::new();
    if let Some(value) = injection {
        found.push(format!("istio-injection={value}"));
    }
    for (name, value) in [("istio.io/rev", revision), ("istio.io/dataplane-mode", mode)] {
        if let Some(value) = value
            && matches!(injection, None | Some("enabled"))
        {
            found.push(format!("{name}={value}"));
        }
    }
    if found.len() > 1 {
        let message = format!(
            "The namespace has more than one type of injection labels [{}], which may lead to undefined behavior. Make \
             sure only one injection label exists.",
            found.join(" ")
        );
        let finding = report.find("IST0123", namespace, "", message);
        finding.evidence[0] = namespace.evidence("metadata.labels", found.join(", "));
    }
    if mode == Some("ambient") || injection.is_some_and(|value| !value.is_empty()) || revision.is_some() {
        return;
    }
    if injected_by_default(facts, revision.unwrap_or_default()) {
        let message = "is enabled for Istio injection, as Istio is installed with enableNamespacesByDefault as true.";
        report.find("IST0148", namespace, "", message);
        return;
    }
    let name = &namespace.name;
    let message = format!(
        "The namespace is not enabled for Istio injection. Run 'kubectl label namespace {name} istio-injection=enabled' to \
         enable it, or 'kubectl label namespace {name} istio-injection=disabled' to explicitly mark it as not needing \
         injection."
    );
    report
        .find("IST0102", namespace, "metadata.name", message)
        .command(
            format!("kubectl label namespace {name} istio-injection=enabled"),
            "pods get a sidecar when they are next created",
        );
}

fn injected_by_default(facts: &Facts, revision: &str) -> bool {
    let name = match revision {
        "" | "default" => "istio-sidecar-injector".to_owned(),
        revision => format!("istio-sidecar-injector-{revision}"),
    };
    let Some(map) = facts.get(Kind::ConfigMap, facts.mesh.istio_namespace(), &name) else {
        return false;
    };
    let values = map.node.get("data").map_or("", |data| data.text("values"));
    let values: serde_json::Value = serde_json::from_str(values).unwrap_or_default();
    values["sidecarInjectorWebhook"]["enableNamespacesByDefault"] == true
}

fn missing(facts: &Facts, report: &mut Report, pod: &Resource) {
    let enabled = facts
        .get(Kind::Namespace, "", &pod.namespace)
        .is_some_and(|namespace| namespace.label("istio-injection") == Some("enabled"));
    let Some(workload) = Workload::of(pod).filter(|_| enabled) else {
        return;
    };
    let opt = pod
        .label("sidecar.istio.io/inject")
        .or_else(|| pod.annotation("sidecar.istio.io/inject"));
    let finished = pod
        .node
        .get("status")
        .is_some_and(|status| matches!(status.text("phase"), "Succeeded" | "Failed"));
    if opt.is_some_and(|value| value.eq_ignore_ascii_case("false"))
        || workload.spec().flag("hostNetwork") == Some(true)
        || finished
    {
        return;
    }
    let proxied = workload
        .containers()
        .any(|container| container.text("name") == "istio-proxy" && !container.text("image").is_empty());
    if !proxied {
        let message = format!(
            "The pod {} is missing the Istio proxy. This can often be resolved by restarting or redeploying the workload.",
            pod.full_name()
        );
        report.find("IST0103", pod, "", message);
    }
}
