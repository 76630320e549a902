//! Deployments and ReplicaSets.

use serde_json::Value;

use super::{Checks, metadata, pod};
use crate::error::Cause;
use crate::objects::select::LabelSelector;

pub(super) fn check(checks: &mut Checks, object: &Value, old: Option<&Value>) {
    let spec = &object["spec"];
    if !spec.is_object() {
        checks.add(Cause::required("spec", ""));
        return;
    }
    for field in [
        "replicas",
        "minReadySeconds",
        "revisionHistoryLimit",
        "progressDeadlineSeconds",
    ] {
        checks.at_least(&spec[field], &format!("spec.{field}"), 0);
    }
    checks.one_of(
        &spec["strategy"]["type"],
        "spec.strategy.type",
        &["Recreate", "RollingUpdate"],
    );
    rolling(checks, &spec["strategy"]);
    let template = &spec["template"];
    if checks.required(&spec["selector"], "spec.selector") {
        selector(checks, &spec["selector"], template);
    }
    if let Some(old) = old {
        checks.immutable(&old["spec"]["selector"], &spec["selector"], "spec.selector");
    }
    metadata::labels(
        checks,
        &template["metadata"]["labels"],
        "spec.template.metadata.labels",
    );
    pod::spec(checks, &template["spec"], "spec.template.spec");
    let restart = &template["spec"]["restartPolicy"];
    if template["spec"].is_object() && restart != "Always" {
        checks.add(Cause::unsupported(
            "spec.template.spec.restartPolicy",
            restart,
            &["Always"],
        ));
    }
}

fn selector(checks: &mut Checks, selector: &Value, template: &Value) {
    let empty = |field: &str| match &selector[field] {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    };
    if empty("matchLabels") && empty("matchExpressions") {
        checks.add(Cause::invalid(
            "spec.selector",
            selector,
            "empty selector is invalid for deployment",
        ));
        return;
    }
    metadata::labels(
        checks,
        &selector["matchLabels"],
        "spec.selector.matchLabels",
    );
    for (i, expression) in checks
        .list(
            selector,
            "matchExpressions",
            "spec.selector.matchExpressions",
        )
        .iter()
        .enumerate()
    {
        let field = format!("spec.selector.matchExpressions[{i}].operator");
        checks.one_of(
            &expression["operator"],
            &field,
            &["In", "NotIn", "Exists", "DoesNotExist"],
        );
    }
    if !LabelSelector::from_object(selector).matches_labels(&template["metadata"]["labels"]) {
        let detail = "`selector` does not match template `labels`";
        checks.add(Cause::invalid(
            "spec.template.metadata.labels",
            &template["metadata"]["labels"],
            detail,
        ));
    }
}

fn rolling(checks: &mut Checks, strategy: &Value) {
    let rolling = &strategy["rollingUpdate"];
    if strategy["type"] == "Recreate" && !rolling.is_null() {
        let detail = "may not be specified when strategy `type` is 'Recreate'";
        checks.add(Cause::forbidden("spec.strategy.rollingUpdate", detail));
        return;
    }
    let mut zero = 0;
    for field in ["maxUnavailable", "maxSurge"] {
        let at = format!("spec.strategy.rollingUpdate.{field}");
        let value = &rolling[field];
        let number = match value {
            Value::Null => continue,
            Value::String(text) => text.strip_suffix('%').and_then(|n| n.parse::<i64>().ok()),
            other => other.as_i64(),
        };
        match number {
            None => checks.add(Cause::invalid(at, value, "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')")),
            Some(n) if n < 0 => checks.add(Cause::invalid(at, value, "must be greater than or equal to 0")),
            Some(0) => zero += 1,
            Some(_) => {}
        }
    }
    if zero == 2 {
        let detail = "may not be 0 when `maxSurge` is 0";
        checks.add(Cause::invalid(
            "spec.strategy.rollingUpdate.maxUnavailable",
            &rolling["maxUnavailable"],
            detail,
        ));
    }
}
