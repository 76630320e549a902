//! ConfigMaps of Istio and Knative by their names and keys.

use super::super::items::Sink;
use super::super::path::{self, Step};
use super::super::shell::Word;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use super::kubectl::target;
use crate::knowledge::{kinds, nearest, settings};

/// ConfigMaps of Knative whose keys are not in the tables.
const OTHER_MAPS: &[&str] = &[
    "config-logging",
    "config-observability",
    "config-leader-election",
    "config-tracing",
    "config-istio",
    "config-kourier",
    "config-contour",
    "config-gateway",
    "config-certmanager",
    "config-domainmapping",
    "config-sugar",
    "config-domain",
];

/// A ConfigMap of Knative under a name that is nearly right.
pub(super) fn name(sink: &Sink, parsed: &Parsed<'_>, words: &[&Word]) -> Option<Judgement> {
    if parsed.flag("--namespace") != Some("knative-serving") || parsed.has("--from-literal") {
        return None;
    }
    target(words).into_iter().find_map(|(kind, name)| {
        let is_map = kinds()
            .by_resource(&kind)
            .iter()
            .any(|kind| kind.kind == "ConfigMap");
        let known = || settings().config_keys().iter().map(|row| row.configmap);
        if !is_map || known().any(|known| known == name) {
            return None;
        }
        let near = nearest(&name, known());
        let invented = name.starts_with("config-") && !OTHER_MAPS.contains(&name.as_str());
        if values::is_placeholder(&name) || near.is_none() && !invented {
            return None;
        }
        let near = near.unwrap_or_default();
        let why = sink.say(
            format!("Knative has no ConfigMap {name}: nothing reads it"),
            format!("Knative 没有名为 {name} 的 ConfigMap：没有组件读取它"),
        );
        Some(Judgement::new(Verdict::Unknown, why, "knative/serving config").fix(near))
    })
}

/// A key of a ConfigMap that is never in its data (`-o jsonpath='{.data.KEY}'`).
pub(super) fn keys(sink: &Sink, parsed: &Parsed<'_>, words: &[&Word]) -> Option<Judgement> {
    let template = parsed.flag("--output")?.strip_prefix("jsonpath=")?;
    let (_, map) = target(words).into_iter().find(|(kind, _)| {
        kinds()
            .by_resource(kind)
            .iter()
            .any(|k| k.kind == "ConfigMap")
    })?;
    let known: Vec<&str> = settings().config_map(&map).map(|row| row.key).collect();
    // The keys of config-domain are the user's.
    if known.is_empty() || map == "config-domain" {
        return None;
    }
    let asked = path::expressions(template)
        .into_iter()
        .find_map(|expression| {
            let steps = path::steps(&expression);
            match steps.as_slice() {
                [Step::Field(data), Step::Field(key), ..] if data == "data" => Some(key.clone()),
                _ => None,
            }
        })?;
    if known.contains(&&*asked) || asked.starts_with('_') || values::is_placeholder(&asked) {
        return None;
    }
    let near = nearest(&asked, known.iter().copied()).or(known.first().copied());
    let why = sink.say(
        format!("{map} has no key {asked}: kubectl prints nothing"),
        format!("{map} 没有键 {asked}：kubectl 什么也不输出"),
    );
    let fix = near.map_or_else(String::new, |key| format!("{{.data.{key}}}"));
    Some(Judgement::new(Verdict::CannotMatch, why, "ConfigMap keys").fix(fix))
}
