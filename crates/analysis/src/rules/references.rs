//! Bindings, autoscalers and webhooks that refer to nothing.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Source};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "references",
    analyzer: "kubernetes.References",
    summary: "Checks roles, targets and services that bindings, autoscalers and webhooks refer to",
    codes: &[
        Code {
            id: "FM0911",
            level: Level::Warning,
            name: "RoleNotFound",
            meaning: "The role does not exist: the binding gives no permission.",
            remedy: "Create the role, or correct roleRef (a binding's roleRef cannot be changed: create the binding anew).",
            verify: "kubectl auth can-i VERB RESOURCE --as=system:serviceaccount:NAMESPACE:NAME",
        },
        Code {
            id: "FM0912",
            level: Level::Warning,
            name: "ScaleTargetNotFound",
            meaning: "The autoscaler's target does not exist: nothing is scaled.",
            remedy: "Correct spec.scaleTargetRef.",
            verify: "kubectl describe hpa NAME",
        },
        Code {
            id: "FM0913",
            level: Level::Error,
            name: "WebhookServiceNotFound",
            meaning: "The webhook calls a service that does not exist, and fails closed: the API server refuses every \
                      object that the webhook is asked about.",
            remedy: "Install the service, or delete the webhook configuration.",
            verify: "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for binding in facts.all(Kind::RoleBinding).filter(|r| reportable(r)) {
        let Some(role) = binding.node.get("roleRef") else {
            continue;
        };
        // ClusterRoles come with every cluster; Roles are judged where some of the namespace are known.
        let name = role.text("name");
        let known = facts.within(Kind::Role, &binding.namespace).next().is_some();
        if role.text("kind") == "Role"
            && known
            && facts.get(Kind::Role, &binding.namespace, name).is_none()
        {
            let message = format!("Role {}/{name} does not exist: the binding gives nothing", binding.namespace);
            report.find("FM0911", binding, "roleRef.name", message);
        }
    }
    for scaler in facts.all(Kind::HorizontalPodAutoscaler).filter(|r| reportable(r)) {
        let Some(target) = scaler.spec().get("scaleTargetRef") else {
            continue;
        };
        let kind = match target.text("kind") {
            "Deployment" => Kind::Deployment,
            "StatefulSet" => Kind::StatefulSet,
            _ => continue,
        };
        let name = target.text("name");
        let known = facts.within(kind, &scaler.namespace).next().is_some();
        if known && facts.get(kind, &scaler.namespace, name).is_none() && !of_knative(facts, &scaler.namespace, name) {
            let message = format!("{} {}/{name} does not exist: nothing is scaled", target.text("kind"), scaler.namespace);
            report.find("FM0912", scaler, "spec.scaleTargetRef.name", message);
        }
    }
    webhooks(facts, report);
}

/// Knative makes Deployments that no manifest has.
fn of_knative(facts: &Facts, namespace: &str, name: &str) -> bool {
    name.ends_with("-deployment") && facts.within(Kind::KnativeService, namespace).next().is_some()
}

fn webhooks(facts: &Facts, report: &mut Report) {
    let kinds = [Kind::ValidatingWebhookConfiguration, Kind::MutatingWebhookConfiguration];
    for configuration in kinds.into_iter().flat_map(|kind| facts.all(kind)) {
        for (index, webhook) in configuration.node.list("webhooks").iter().enumerate() {
            let Some(service) = webhook.at(&["clientConfig", "service"]) else {
                continue;
            };
            let (namespace, name) = (service.text("namespace"), service.text("name"));
            let closed = matches!(webhook.text("failurePolicy"), "" | "Fail");
            // Files seldom have every service; a namespace of which some are known is judged, a cluster always.
            let known = configuration.source == Source::Cluster
                || facts.within(Kind::Service, namespace).any(|service| service.source != Source::Default);
            // Istio's injectors have istioctl's code.
            let injector = webhook.text("name").ends_with("istio.io") && configuration.kind == Kind::MutatingWebhookConfiguration;
            if closed && known && !injector && facts.get(Kind::Service, namespace, name).is_none() {
                let path = format!("webhooks[{index}].clientConfig.service.name");
                let message = format!("Service {namespace}/{name} does not exist, and {} fails closed", webhook.text("name"));
                report.find("FM0913", configuration, &path, message);
            }
        }
    }
}
