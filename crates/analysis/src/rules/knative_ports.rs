//! Ports and fields of Knative Services that the webhook refuses.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource, Workload};
use crate::finding::{EditAction, Level};

const VERIFY: &str = "kubectl apply --dry-run=server -f FILE";

pub(super) const RULE: Rule = Rule {
    name: "knative_ports",
    analyzer: "knative.Ports",
    summary: "Checks ports and fields of Knative Services",
    codes: &[
        Code {
            id: "FM0721",
            level: Level::Error,
            name: "KnativePortRefused",
            meaning: "A revision has one container port, named http1 or h2c, over TCP: anything else is refused.",
            remedy: "Keep one port; name it h2c for gRPC or HTTP/2 without TLS.",
            verify: VERIFY,
        },
        Code {
            id: "FM0722",
            level: Level::Error,
            name: "KnativeFieldRefused",
            meaning: "The webhook does not allow the field in a revision's pod.",
            remedy: "Remove the field, or allow it in config-features where a feature exists for it.",
            verify: VERIFY,
        },
        Code {
            id: "FM0723",
            level: Level::Warning,
            name: "KnativeReplicasOverwritten",
            meaning: "Two controllers write the number of replicas: Knative's autoscaler (or the operator) and this HPA \
                      overwrite each other, and the pods flap.",
            remedy: "Remove the HorizontalPodAutoscaler; use min-scale, max-scale and target annotations, or \
                     KnativeServing spec.workloads.",
            verify: "kubectl get hpa -A",
        },
    ],
    check,
};

/// Fields that `fieldmask.go` of Knative allows by a feature flag, with the flag.
const FLAGGED: [(&str, &str); 10] = [
    ("affinity", "kubernetes.podspec-affinity"),
    ("nodeSelector", "kubernetes.podspec-nodeselector"),
    ("tolerations", "kubernetes.podspec-tolerations"),
    ("hostAliases", "kubernetes.podspec-hostaliases"),
    ("initContainers", "kubernetes.podspec-init-containers"),
    ("dnsPolicy", "kubernetes.podspec-dnspolicy"),
    ("dnsConfig", "kubernetes.podspec-dnsconfig"),
    ("priorityClassName", "kubernetes.podspec-priorityclassname"),
    ("schedulerName", "kubernetes.podspec-schedulername"),
    ("topologySpreadConstraints", "kubernetes.podspec-topologyspreadconstraints"),
];

/// Fields that no flag allows.
const REFUSED: [&str; 4] = ["restartPolicy", "terminationGracePeriodSeconds", "activeDeadlineSeconds", "hostname"];

fn check(facts: &Facts, report: &mut Report) {
    for service in facts
        .all(Kind::KnativeService)
        .chain(facts.all(Kind::KnativeConfiguration))
        .filter(|r| reportable(r))
    {
        let Some(workload) = Workload::of(service) else {
            continue;
        };
        ports(report, service, &workload);
        fields(facts, report, service, &workload);
    }
    replicas(facts, report);
}

fn ports(report: &mut Report, service: &Resource, workload: &Workload<'_>) {
    let mut first: Option<String> = None;
    for (index, container) in workload.spec().list("containers").iter().enumerate() {
        for (item, port) in container.list("ports").iter().enumerate() {
            let path = workload.path_of(&format!("spec.containers[{index}].ports[{item}]"));
            if let Some(first) = &first {
                let message = "a second port: a revision serves one container port only";
                report
                    .find("FM0721", service, &path, message)
                    .seen(service.evidence(first, "the first"));
            }
            let name = port.text("name");
            if !matches!(name, "" | "http1" | "h2c") {
                let near = if name.contains("grpc") || name.contains('2') { "h2c" } else { "http1" };
                let message = format!("the port's name {name:?} is refused: h2c, http1, or none");
                let path = format!("{path}.name");
                report.find("FM0721", service, &path, message).edit(
                    service,
                    path.clone(),
                    EditAction::Set(near.to_owned()),
                    "with h2c the application must speak HTTP/2 without TLS",
                );
            }
            if !matches!(port.text("protocol"), "" | "TCP") {
                let protocol = port.text("protocol");
                let message = format!("protocol {protocol:?} is refused: only TCP; HTTP/2 is chosen by the port's name h2c");
                let path = format!("{path}.protocol");
                report
                    .find("FM0721", service, &path, message)
                    .edit(service, path.clone(), EditAction::Remove, "none");
            }
            first.get_or_insert(path);
        }
    }
}

fn fields(facts: &Facts, report: &mut Report, service: &Resource, workload: &Workload<'_>) {
    let features = facts.get(Kind::ConfigMap, "knative-serving", "config-features");
    for (key, _) in workload.spec().entries() {
        let path = workload.path_of(&format!("spec.{}", key.text));
        if REFUSED.contains(&key.text.as_str()) {
            let message = format!("a revision's pod has no {}: the webhook refuses it", key.text);
            report.find("FM0722", service, &path, message);
        } else if let Some((_, flag)) = FLAGGED.iter().find(|(field, _)| *field == key.text)
            && let Some(features) = features
        {
            // Only where the flags are known can it be said that one is off.
            let value = features.node.get("data").map_or("", |data| data.text(flag));
            let on = value.eq_ignore_ascii_case("enabled") || value.eq_ignore_ascii_case("allowed");
            // Init containers are allowed by default since 1.16.
            let default = value.is_empty() && *flag == "kubernetes.podspec-init-containers";
            if !on && !default {
                let message = format!("{} is refused: config-features has {flag} not enabled", key.text);
                report
                    .find("FM0722", service, &path, message)
                    .seen(features.evidence("data", flag.to_string()));
            }
        }
    }
}

fn replicas(facts: &Facts, report: &mut Report) {
    for scaler in facts.all(Kind::HorizontalPodAutoscaler).filter(|r| reportable(r)) {
        let Some(target) = scaler.spec().get("scaleTargetRef") else {
            continue;
        };
        if target.text("kind") != "Deployment" {
            continue;
        }
        let name = target.text("name");
        let deployment = facts.get(Kind::Deployment, &scaler.namespace, name);
        let by_label = deployment.is_some_and(|found| found.label("serving.knative.dev/revision").is_some());
        let by_name = name.strip_suffix("-deployment").and_then(|revision| {
            let (service, number) = revision.rsplit_once('-')?;
            let counted = number.len() == 5 && number.bytes().all(|digit| digit.is_ascii_digit());
            facts
                .get(Kind::KnativeService, &scaler.namespace, service)
                .filter(|_| counted)
        });
        let own = scaler.label("autoscaling.knative.dev/class").is_some()
            || scaler.annotation("autoscaling.knative.dev/class").is_some();
        if (by_label || by_name.is_some()) && !own {
            let message = format!("Knative scales {name} itself; this HPA overwrites its number of replicas and is overwritten");
            report.find("FM0723", scaler, "spec.scaleTargetRef.name", message);
        }
    }
}
