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
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
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
