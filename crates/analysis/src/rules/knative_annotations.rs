//! Knative's annotations: known, on the right object, with a value that the webhook accepts, not contradictory.

use api::parse::{Key, Node};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, label};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::{EditAction, Level};
use crate::tables::{self, near, value};

const VERIFY: &str = "kubectl apply --dry-run=server -f FILE";

pub(super) const RULE: Rule = Rule {
    name: "knative_annotations",
    analyzer: "knative.Annotations",
    summary: "Checks the annotations of Knative Services",
    codes: &[
        Code {
            id: "FM0701",
            level: Level::Error,
            name: "KnativeAnnotationMisplaced",
            meaning: "Settings of the autoscaler belong to the revision: on the Service itself the webhook refuses them.",
            remedy: "Move the annotation to spec.template.metadata.annotations.",
            verify: VERIFY,
        },
        Code {
            id: "FM0702",
            level: Level::Warning,
            name: "KnativeAnnotationUnknown",
            meaning: "Knative has no such annotation: it has no effect.",
            remedy: "Correct the name or remove it.",
            verify: VERIFY,
        },
        Code {
            id: "FM0703",
            level: Level::Error,
            name: "KnativeAnnotationRefused",
            meaning: "The webhook refuses the value, and with it the whole Service.",
            remedy: "Correct the value.",
            verify: VERIFY,
        },
        Code {
            id: "FM0704",
            level: Level::Error,
            name: "KnativeScaleContradiction",
            meaning: "The settings contradict each other: the webhook refuses the Service.",
            remedy: "Make min-scale at most max-scale.",
            verify: VERIFY,
        },
        Code {
            id: "FM0705",
            level: Level::Warning,
            name: "KnativeTargetAboveLimit",
            meaning: "A revision never has more than containerConcurrency requests in a pod, so a target above it is cut \
                      down to it: the autoscaler does not do what the annotation says.",
            remedy: "Write a target of at most containerConcurrency, or raise containerConcurrency.",
            verify: "kubectl get podautoscaler REVISION -o yaml",
        },
        Code {
            id: "FM0706",
            level: Level::Error,
            name: "KnativeMetricRefused",
            meaning: "The autoscaler class does not know the metric: the webhook refuses the Service.",
            remedy: "Use concurrency or rps with kpa.autoscaling.knative.dev; cpu or memory with \
                     hpa.autoscaling.knative.dev.",
            verify: VERIFY,
        },
    ],
    check,
};

fn is_knatives(key: &str) -> bool {
    key.split_once('/')
        .is_some_and(|(domain, _)| domain.ends_with("autoscaling.knative.dev") || domain.ends_with("serving.knative.dev"))
}

fn check(facts: &Facts, report: &mut Report) {
    for kind in [Kind::KnativeService, Kind::KnativeConfiguration] {
        for service in facts.all(kind).filter(|r| reportable(r)) {
            let place = if kind == Kind::KnativeService { "ksvc" } else { "any" };
            each(report, service, service.annotations(), "metadata.annotations", place);
            let template = service.spec().at(&["template", "metadata"]);
            let annotations = template.map_or(&[][..], |metadata| metadata.map("annotations"));
            let at = "spec.template.metadata.annotations";
            each(report, service, annotations, at, "revision-template");
            together(report, service, annotations, at);
        }
    }
}

fn each(report: &mut Report, service: &Resource, annotations: &[(Key, Node)], at: &str, place: &str) {
    for (key, node) in annotations.iter().filter(|(key, _)| is_knatives(&key.text)) {
        let name = &key.text;
        let path = format!("{at}[{name:?}]");
        let Some(setting) = tables::setting(name) else {
            unknown(report, service, name, path);
            continue;
        };
        let mut places = setting.places.split(',');
        if !places.any(|allowed| allowed == place || allowed == "any") {
            if place == "ksvc" && setting.elsewhere == "refused" {
                let message = format!("{name} stands on the Service; it belongs to its template, and the webhook refuses it here");
                report.find("FM0701", service, &path, message).advise(format!(
                    "Move the line {name}: {:?} to spec.template.metadata.annotations.",
                    node.scalar().unwrap_or_default()
                ));
            }
            continue;
        }
        let text = node.scalar().unwrap_or_default();
        if let Err(wanted) = value::accepts(setting.kind, &text) {
            let message = format!("{name}: {text:?} is refused; write {wanted}");
            report.find("FM0703", service, &path, message);
        }
    }
}

fn unknown(report: &mut Report, service: &Resource, name: &str, path: String) {
    let candidates = tables::settings().keys().copied();
    let near = near(name, candidates);
    let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    let message = format!("Knative has no annotation {name}{hint}");
    let finding = report.find("FM0702", service, &path, message);
    if let Some(near) = near {
        finding.edit(
            service,
            path,
            EditAction::Rename(near.to_owned()),
            "the setting begins to have an effect",
        );
    }
}

fn together(report: &mut Report, service: &Resource, annotations: &[(Key, Node)], at: &str) {
    let get = |names: [&'static str; 2]| {
        names.iter().find_map(|name| {
            let key = format!("autoscaling.knative.dev/{name}");
            let text = annotations
                .iter()
                .find(|(found, _)| found.text == key)
                .and_then(|(_, node)| node.scalar())?;
            Some((format!("{at}[{key:?}]"), text))
        })
    };
    let number = |names| get(names).and_then(|(path, text)| Some((path, text.parse::<f64>().ok()?)));
    let (min, max) = (number(["min-scale", "minScale"]), number(["max-scale", "maxScale"]));
    if let (Some((path, min)), Some((other, max))) = (&min, &max)
        && *max > 0.0
        && min > max
    {
        let message = format!("min-scale {min} is above max-scale {max}: the webhook refuses the Service");
        report
            .find("FM0704", service, path, message)
            .seen(service.evidence(other, max.to_string()));
    }
    let class = label(annotations, "autoscaling.knative.dev/class").unwrap_or("kpa.autoscaling.knative.dev");
    let metric = get(["metric", "metric"]);
    if let Some((path, metric)) = &metric {
        let known = match class {
            "kpa.autoscaling.knative.dev" => matches!(metric.as_str(), "concurrency" | "rps"),
            _ => true,
        };
        if !known {
            let message = format!("metric {metric} does not go with class {class}: the webhook refuses the Service");
            report.find("FM0706", service, path, message);
        }
    }
    let limit = service
        .spec()
        .at(&["template", "spec"])
        .and_then(|spec| spec.int("containerConcurrency"))
        .filter(|limit| *limit > 0);
    let by_concurrency = metric.is_none_or(|(_, metric)| metric == "concurrency");
    if let (Some(limit), Some((path, target)), true) = (limit, number(["target", "target"]), by_concurrency)
        && class == "kpa.autoscaling.knative.dev"
        && target > limit as f64
    {
        let message = format!("the target {target} is above containerConcurrency {limit}: {limit} counts");
        report.find("FM0705", service, &path, message).seen(service.evidence(
            "spec.template.spec.containerConcurrency",
            limit.to_string(),
        ));
    }
}
