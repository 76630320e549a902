//! The smaller built-in types.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Checks, names};
use crate::error::Cause;
use crate::registry::Crd;

const MAX_DATA: usize = 1024 * 1024;

fn data(checks: &mut Checks, object: &Value, field: &str, encoded: bool) {
    let map = match &object[field] {
        Value::Null => return,
        Value::Object(map) => map,
        other => {
            checks.add(Cause::invalid(field, other, "must be a map"));
            return;
        }
    };
    let mut size = 0;
    for (key, value) in map {
        let at = format!("{field}[{key}]");
        if let Some(problem) = names::config_key(key) {
            checks.add(Cause::invalid(&at, &key.as_str().into(), problem));
        }
        match value.as_str() {
            // The value may be secret: it is not quoted.
            None => checks.add(Cause {
                reason: "FieldValueInvalid",
                message: "Invalid value: must be a string".into(),
                field: at,
            }),
            Some(text) if encoded && STANDARD.decode(text).is_err() => {
                checks.add(Cause {
                    reason: "FieldValueInvalid",
                    message: "Invalid value: illegal base64 data".into(),
                    field: at,
                });
            }
            Some(text) => size += text.len(),
        }
    }
    if size
        > if encoded {
            MAX_DATA / 3 * 4 + 4
        } else {
            MAX_DATA
        }
    {
        let message = format!("Too long: may not be more than {MAX_DATA} bytes");
        checks.add(Cause {
            reason: "FieldValueTooLong",
            message,
            field: field.into(),
        });
    }
}

fn frozen(checks: &mut Checks, object: &Value, old: Option<&Value>, fields: &[&str]) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else {
        return;
    };
    for field in fields.iter().chain(&["immutable"]) {
        if old[*field] != object[*field] {
            checks.add(Cause::forbidden(
                *field,
                "field is immutable when `immutable` is set",
            ));
        }
    }
}

pub(super) fn config_map(checks: &mut Checks, object: &Value, old: Option<&Value>) {
    data(checks, object, "data", false);
    data(checks, object, "binaryData", true);
    frozen(checks, object, old, &["data", "binaryData"]);
}

pub(super) fn secret(checks: &mut Checks, object: &Value, old: Option<&Value>) {
    data(checks, object, "data", true);
    frozen(checks, object, old, &["data"]);
    if let Some(old) = old {
        checks.immutable(&old["type"], &object["type"], "type");
    }
    let needed: &[&str] = match object["type"].as_str() {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed {
        if object["data"][*key].is_null() {
            checks.add(Cause::required(format!("data[{key}]"), ""));
        }
    }
}

pub(super) fn endpoint_slice(checks: &mut Checks, object: &Value, old: Option<&Value>) {
    checks.required(&object["addressType"], "addressType");
    checks.one_of(
        &object["addressType"],
        "addressType",
        &["FQDN", "IPv4", "IPv6"],
    );
    if let Some(old) = old {
        checks.immutable(&old["addressType"], &object["addressType"], "addressType");
    }
    let endpoints = checks.list(object, "endpoints", "endpoints");
    if endpoints.len() > 1000 {
        let message = "Too many: must have at most 1000 items".into();
        checks.add(Cause {
            reason: "FieldValueTooMany",
            message,
            field: "endpoints".into(),
        });
    }
    for (i, endpoint) in endpoints.iter().enumerate() {
        checks.required(&endpoint["addresses"], &format!("endpoints[{i}].addresses"));
    }
}

pub(super) fn lease(checks: &mut Checks, object: &Value) {
    let spec = &object["spec"];
    checks.at_least(
        &spec["leaseDurationSeconds"],
        "spec.leaseDurationSeconds",
        1,
    );
    checks.at_least(&spec["leaseTransitions"], "spec.leaseTransitions", 0);
}

pub(super) fn definition(checks: &mut Checks, object: &Value, old: Option<&Value>) {
    if let Err(causes) = Crd::read(object) {
        for cause in causes {
            checks.add(cause);
        }
    }
    if let Some(old) = old {
        for field in ["group", "scope"] {
            checks.immutable(
                &old["spec"][field],
                &object["spec"][field],
                &format!("spec.{field}"),
            );
        }
        for field in ["plural", "kind"] {
            let at = format!("spec.names.{field}");
            checks.immutable(
                &old["spec"]["names"][field],
                &object["spec"]["names"][field],
                &at,
            );
        }
    }
}

pub(super) fn webhooks(checks: &mut Checks, object: &Value) {
    for (i, webhook) in checks
        .list(object, "webhooks", "webhooks")
        .iter()
        .enumerate()
    {
        let at = format!("webhooks[{i}]");
        if checks.required(&webhook["name"], &format!("{at}.name")) {
            let name = webhook["name"].as_str().unwrap_or_default();
            if name.split('.').count() < 3 || names::subdomain(name).is_some() {
                let detail = "should be a domain with at least three segments separated by dots";
                checks.add(Cause::invalid(
                    format!("{at}.name"),
                    &webhook["name"],
                    detail,
                ));
            }
        }
        client_config(
            checks,
            &webhook["clientConfig"],
            &format!("{at}.clientConfig"),
        );
        webhook_policies(checks, webhook, &at);
        rules(checks, webhook, &at);
    }
}

/// Values that a webhook's choices may have.
const CHOICES: &[(&str, &[&str])] = &[
    ("sideEffects", &["None", "NoneOnDryRun"]),
    ("failurePolicy", &["Fail", "Ignore"]),
    ("matchPolicy", &["Equivalent", "Exact"]),
    ("reinvocationPolicy", &["IfNeeded", "Never"]),
];

fn webhook_policies(checks: &mut Checks, webhook: &Value, at: &str) {
    checks.required(&webhook["sideEffects"], &format!("{at}.sideEffects"));
    for (field, allowed) in CHOICES {
        checks.one_of(&webhook[*field], &format!("{at}.{field}"), allowed);
    }
    let field = format!("{at}.admissionReviewVersions");
    let versions = checks.list(webhook, "admissionReviewVersions", &field);
    if !versions.iter().any(|v| v == "v1") {
        let detail = "must include at least one of v1";
        checks.add(Cause::invalid(
            field,
            &webhook["admissionReviewVersions"],
            detail,
        ));
    }
    let timeout = &webhook["timeoutSeconds"];
    if timeout.as_i64().is_none_or(|t| !(1..=30).contains(&t)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        checks.add(Cause::invalid(
            format!("{at}.timeoutSeconds"),
            timeout,
            detail,
        ));
    }
    if webhook["matchConditions"]
        .as_array()
        .is_some_and(|c| !c.is_empty())
    {
        // They are CEL expressions; refused rather than taken as always true.
        let detail = "CEL match conditions are not evaluated here; use objectSelector or rules";
        checks.add(Cause::forbidden(format!("{at}.matchConditions"), detail));
    }
}

fn client_config(checks: &mut Checks, config: &Value, at: &str) {
    let (url, service) = (config["url"].is_string(), config["service"].is_object());
    if url == service {
        checks.add(Cause::required(
            at,
            "exactly one of url or service is required",
        ));
    }
    if service {
        for field in ["name", "namespace"] {
            checks.required(&config["service"][field], &format!("{at}.service.{field}"));
        }
    }
    if url
        && !config["url"]
            .as_str()
            .unwrap_or_default()
            .starts_with("https://")
    {
        checks.add(Cause::invalid(
            format!("{at}.url"),
            &config["url"],
            "'https' is the only allowed URL scheme",
        ));
    }
}

fn rules(checks: &mut Checks, webhook: &Value, at: &str) {
    for (i, rule) in checks
        .list(webhook, "rules", &format!("{at}.rules"))
        .iter()
        .enumerate()
    {
        for field in ["operations", "apiGroups", "apiVersions", "resources"] {
            checks.required(&rule[field], &format!("{at}.rules[{i}].{field}"));
        }
        for (j, operation) in checks
            .list(rule, "operations", &format!("{at}.rules[{i}].operations"))
            .iter()
            .enumerate()
        {
            let field = format!("{at}.rules[{i}].operations[{j}]");
            checks.one_of(
                operation,
                &field,
                &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"],
            );
        }
        checks.one_of(
            &rule["scope"],
            &format!("{at}.rules[{i}].scope"),
            &["*", "Cluster", "Namespaced"],
        );
    }
}

pub(super) fn rbac(checks: &mut Checks, plural: &str, object: &Value, old: Option<&Value>) {
    if matches!(plural, "roles" | "clusterroles") {
        if !object["aggregationRule"].is_null() {
            checks.add(Cause::forbidden(
                "aggregationRule",
                "role aggregation is not evaluated here; list the rules",
            ));
        }
        for (i, rule) in checks.list(object, "rules", "rules").iter().enumerate() {
            checks.required(&rule["verbs"], &format!("rules[{i}].verbs"));
        }
        return;
    }
    for field in ["kind", "name"] {
        checks.required(&object["roleRef"][field], &format!("roleRef.{field}"));
    }
    checks.one_of(
        &object["roleRef"]["kind"],
        "roleRef.kind",
        &["ClusterRole", "Role"],
    );
    for (i, subject) in checks
        .list(object, "subjects", "subjects")
        .iter()
        .enumerate()
    {
        checks.required(&subject["name"], &format!("subjects[{i}].name"));
        checks.one_of(
            &subject["kind"],
            &format!("subjects[{i}].kind"),
            &["ServiceAccount", "User", "Group"],
        );
    }
    if let Some(old) = old
        && old["roleRef"] != object["roleRef"]
    {
        checks.add(Cause::invalid(
            "roleRef",
            &object["roleRef"],
            "cannot change roleRef",
        ));
    }
}
