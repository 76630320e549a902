//! Containers that wait for the injector to fill in their image.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, label_selector_matches, pairs};
use crate::facts::{Facts, Kind, Workload};
use crate::finding::Level;

const REMEDY: &str = "Label the namespace istio-injection=enabled and the pod sidecar.istio.io/inject=\"true\", and check \
                      that the injector's webhook is installed.";

pub(super) const RULE: Rule = Rule {
    name: "image_auto",
    analyzer: "injection.ImageAutoAnalyzer",
    summary: "Checks that workloads with `image: auto` will be injected",
    codes: &[
        Code {
            id: "IST0146",
            level: Level::Warning,
            name: "ImageAutoWithoutInjectionWarning",
            meaning: "The image auto is filled in by the injector; here it will not come by, and the pods end in \
                      ErrImagePull.",
            remedy: REMEDY,
            verify: "ferromesh analyze -A",
        },
        Code {
            id: "IST0147",
            level: Level::Error,
            name: "ImageAutoWithoutInjectionError",
            meaning: "The pod was created without the injector: its image auto does not exist.",
            remedy: REMEDY,
            verify: "ferromesh analyze -A",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for pod in facts.all(Kind::Pod).filter(|r| reportable(r)) {
        if let Some(index) = Workload::of(pod).and_then(|workload| auto(&workload)) {
            let message = format!(
                "Pod {} contains `image: auto` but does not match any Istio injection webhook selectors.",
                pod.name
            );
            let finding = report.find("IST0147", pod, "", message);
            finding.evidence[0] = pod.evidence(&format!("spec.containers[{index}].image"), "auto");
        }
    }
    for deployment in facts.all(Kind::Deployment).filter(|r| reportable(r)) {
        let Some(workload) = Workload::of(deployment) else {
            continue;
        };
        let Some(index) = auto(&workload) else {
            continue;
        };
        // Without the webhooks nobody can say whom they select.
        if !facts.any(Kind::MutatingWebhookConfiguration) && !declared(facts, &workload) {
            continue;
        }
        if !injected(facts, &workload) {
            let message = format!(
                "Deployment {} contains `image: auto` but does not match any Istio injection webhook selectors.",
                deployment.name
            );
            let path = format!("spec.template.spec.containers[{index}].image");
            let finding = report.find("IST0146", deployment, "", message);
            finding.evidence[0] = deployment.evidence(&path, "auto");
        }
    }
}

fn auto(workload: &Workload<'_>) -> Option<usize> {
    let containers = workload.spec().list("containers").iter();
    containers
        .enumerate()
        .find(|(_, c)| c.text("name") == "istio-proxy" && c.text("image") == "auto")
        .map(|(index, _)| index)
}

/// Whether labels speak against injection.
fn declared(facts: &Facts, workload: &Workload<'_>) -> bool {
    let inject = crate::facts::fields::label(workload.labels(), "sidecar.istio.io/inject");
    inject.is_some_and(|value| value != "true")
        || inject.is_none() && facts.injects(workload.namespace()) == Some(false)
}

fn injected(facts: &Facts, workload: &Workload<'_>) -> bool {
    let namespace: Vec<(&str, &str)> = facts
        .get(Kind::Namespace, "", workload.namespace())
        .map_or(Vec::new(), |namespace| pairs(namespace.labels()).collect());
    let labels: Vec<(&str, &str)> = pairs(workload.labels()).collect();
    facts
        .all(Kind::MutatingWebhookConfiguration)
        .flat_map(|webhooks| webhooks.node.list("webhooks"))
        .filter(|webhook| webhook.text("name").ends_with("istio.io"))
        .any(|webhook| {
            label_selector_matches(webhook.get("namespaceSelector"), &namespace)
                && label_selector_matches(webhook.get("objectSelector"), &labels)
        })
}
