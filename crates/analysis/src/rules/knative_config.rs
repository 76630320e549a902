//! ConfigMaps of Knative: keys that exist, with values that the webhook accepts.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::{EditAction, Level};
use crate::tables::{self, near, value};

pub(super) const RULE: Rule = Rule {
    name: "knative_config",
    analyzer: "knative.ConfigMaps",
    summary: "Checks keys and values of Knative's ConfigMaps",
    codes: &[
        Code {
            id: "FM0711",
            level: Level::Warning,
            name: "KnativeConfigKeyUnknown",
            meaning: "No component reads the key: it has no effect. A copy of the block _example has none either.",
            remedy: "Correct the key, or remove it.",
            verify: "kubectl get configmap NAME -n knative-serving -o yaml",
        },
        Code {
            id: "FM0712",
            level: Level::Error,
            name: "KnativeConfigValueRefused",
            meaning: "The webhook refuses the value; where it gets past, the component keeps its last good configuration \
                      and ignores every later change of the map.",
            remedy: "Correct the value.",
            verify: "kubectl logs -n knative-serving deployment/autoscaler | grep -i config",
        },
        Code {
            id: "FM0713",
            level: Level::Warning,
            name: "KnativeConfigOverwritten",
            meaning: "The operator writes the ConfigMaps from KnativeServing's spec.config: the value in the map lasts until \
                      the operator reconciles next.",
            remedy: "Set the value in KnativeServing spec.config.",
            verify: "kubectl get knativeserving -A -o yaml",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    overwritten(facts, report);
    for map in facts.within(Kind::ConfigMap, "knative-serving").filter(|r| reportable(r)) {
        // Keys of config-domain are domains; logging and tracing take what zap and others know.
        if !map.name.starts_with("config-") || matches!(&*map.name, "config-domain" | "config-logging") {
            continue;
        }
        let known = tables::config_map(&map.name);
        if known.is_empty() {
            continue;
        }
        for (key, node) in map.node.map("data") {
            if key.text.starts_with('_') {
                continue;
            }
            let path = format!("data[{:?}]", key.text);
            let rows = known.iter().filter(|row| row.key == key.text);
            let Some(row) = rows.max_by_key(|row| row.until.is_empty()) else {
                unknown(report, map, &key.text, path);
                continue;
            };
            if !row.until.is_empty() {
                let message = format!("{}: {} is not read since Knative {}", map.name, key.text, row.until);
                let finding = report.find("FM0711", map, &path, message);
                if !row.instead.is_empty() {
                    finding.advise(format!("Write {} instead.", row.instead));
                }
                continue;
            }
            let text = node.scalar().unwrap_or_default();
            if let Err(wanted) = value::accepts(row.kind, &text) {
                let message = format!("{}: {}: {text:?} is refused; write {wanted}", map.name, key.text);
                report.find("FM0712", map, &path, message);
            }
        }
    }
}

/// Keys that the operator's resource and the map give different values.
fn overwritten(facts: &Facts, report: &mut Report) {
    for serving in facts.all(Kind::KnativeServing) {
        for (name, values) in serving.spec().map("config") {
            let map = match name.text.strip_prefix("config-") {
                Some(_) => name.text.clone(),
                None => format!("config-{}", name.text),
            };
            let Some(map) = facts.get(Kind::ConfigMap, &serving.namespace, &map) else {
                continue;
            };
            for (key, wanted) in values.entries() {
                let found = map.node.get("data").and_then(|data| data.get(&key.text));
                let (Some(wanted), Some(found)) = (wanted.scalar(), found.and_then(Fields::scalar)) else {
                    continue;
                };
                if wanted != found {
                    let path = format!("data[{:?}]", key.text);
                    let message = format!(
                        "{} {}: the operator writes {wanted:?} over {found:?}, as KnativeServing {} has it",
                        map.name,
                        key.text,
                        serving.full_name()
                    );
                    let place = format!("spec.config[{:?}][{:?}]", name.text, key.text);
                    report
                        .find("FM0713", map, &path, message)
                        .seen(serving.evidence(&place, wanted));
                }
            }
        }
    }
}

fn unknown(report: &mut Report, map: &Resource, key: &str, path: String) {
    let candidates = tables::config_map(&map.name).iter().map(|row| row.key);
    let near = near(key, candidates);
    let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    let message = format!("{} has no key {key}{hint}", map.name);
    let finding = report.find("FM0711", map, &path, message);
    if let Some(near) = near {
        finding.edit(
            map,
            path,
            EditAction::Rename(near.to_owned()),
            "the setting begins to have an effect for every revision",
        );
    }
}
