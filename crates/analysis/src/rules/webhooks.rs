//! Injection webhooks that overlap, or that call a service which does not exist.

use std::collections::{BTreeSet, HashSet};

use api::parse::Node;

use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, label, label_selector_matches};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "webhooks",
    analyzer: "webhook.Analyzer",
    summary: "Checks that injection webhooks do not overlap and that their services exist",
    codes: &[Code {
        id: "IST0139",
        level: Level::Error,
        name: "InvalidWebhook",
        meaning: "Overlapping webhooks inject twice; a webhook whose service is missing blocks the creation of pods \
                  (failurePolicy Fail) or leaves them without a sidecar (Ignore).",
        remedy: "Delete the webhook configuration of the revision that is gone.",
        verify: "kubectl get mutatingwebhookconfigurations",
    }],
    check,
};

const REVISION: &str = "istio.io/rev";

struct Webhook<'a> {
    resource: &'a Resource,
    node: &'a Node,
    index: usize,
}

impl Webhook<'_> {
    fn name(&self) -> String {
        format!("{}/{}", self.resource.name, self.node.text("name"))
    }
}

fn check(facts: &Facts, report: &mut Report) {
    let mut webhooks = Vec::new();
    let mut revisions = BTreeSet::new();
    for resource in facts.all(Kind::MutatingWebhookConfiguration) {
        let list = resource.node.list("webhooks");
        let found = revisions_of(resource);
        if found.is_empty() && !list.iter().any(|hook| hook.text("name").ends_with("istio.io")) {
            continue;
        }
        revisions.extend(found);
        let hooks = list.iter().enumerate();
        webhooks.extend(hooks.map(|(index, node)| Webhook {
            resource,
            node,
            index,
        }));
    }
    overlaps(report, &webhooks, &revisions);
    for webhook in &webhooks {
        let Some(service) = webhook.node.at(&["clientConfig", "service"]) else {
            continue;
        };
        let (namespace, name) = (service.text("namespace"), service.text("name"));
        if facts.get(Kind::Service, namespace, name).is_none() {
            let message = format!(
                "Injector refers to a control plane service that does not exist: {namespace}/{name}."
            );
            let finding = report.find("IST0139", webhook.resource, "", message);
            let path = format!("webhooks[{}].clientConfig.service.name", webhook.index);
            finding.evidence[0] = webhook.resource.evidence(&path, name);
        }
    }
}

fn revisions_of(resource: &Resource) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    found.extend(resource.label(REVISION).map(str::to_owned));
    for webhook in resource.node.list("webhooks") {
        for selector in ["namespaceSelector", "objectSelector"] {
            let Some(selector) = webhook.get(selector) else {
                continue;
            };
            found.extend(label(selector.map("matchLabels"), REVISION).map(str::to_owned));
            for expression in selector.list("matchExpressions") {
                if expression.text("key") == REVISION {
                    found.extend(expression.texts("values").map(str::to_owned));
                }
            }
        }
    }
    found
}

/// Labels of every namespace or pod that could make a difference.
fn labels<'a>(name: &'a str, values: [&'a str; 2], revisions: &'a BTreeSet<String>) -> Vec<Vec<(&'a str, &'a str)>> {
    let base = [vec![], vec![(name, values[0])], vec![(name, values[1])]];
    let mut all = base.to_vec();
    for revision in revisions {
        for labels in &base {
            let mut labels = labels.clone();
            labels.push((REVISION, revision));
            all.push(labels);
        }
    }
    all
}

fn overlaps(report: &mut Report, webhooks: &[Webhook<'_>], revisions: &BTreeSet<String>) {
    // Nobody has hundreds of revisions; hostile input may.
    let revisions: BTreeSet<String> = revisions.iter().take(32).cloned().collect();
    let namespaces = labels("istio-injection", ["enabled", "disabled"], &revisions);
    let objects = labels("sidecar.istio.io/inject", ["true", "false"], &revisions);
    let mut reported = HashSet::new();
    for namespace in &namespaces {
        for object in &objects {
            let matching: Vec<&Webhook<'_>> = webhooks
                .iter()
                .take(256)
                .filter(|hook| {
                    label_selector_matches(hook.node.get("namespaceSelector"), namespace)
                        && label_selector_matches(hook.node.get("objectSelector"), object)
                })
                .collect();
            if matching.len() < 2 {
                continue;
            }
            let names: BTreeSet<String> = matching.iter().map(|hook| hook.name()).collect();
            for hook in matching {
                let mut others = names.clone();
                others.remove(&hook.name());
                let others: Vec<String> = others.into_iter().collect();
                let message = format!(
                    "Webhook overlaps with others: [{}]. This may cause injection to occur twice.",
                    others.join(" ")
                );
                if others.is_empty() || !reported.insert((hook.name(), message.clone())) {
                    continue;
                }
                let finding = report.find("IST0139", hook.resource, "", message);
                let path = format!("webhooks[{}].namespaceSelector", hook.index);
                finding.evidence[0] = hook.resource.evidence(&path, hook.node.text("name"));
            }
        }
    }
}
