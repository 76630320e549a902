//! Pods and the pod specs of templates.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checks, names};
use crate::error::Cause;
use crate::objects::call::Call;

pub(super) fn check(checks: &mut Checks, call: &Call, pod: &Value, old: Option<&Value>) {
    spec(checks, &pod["spec"], "spec");
    if let Some(old) = old
        && call.subresource.is_empty()
    {
        unchanged(checks, &old["spec"], &pod["spec"]);
    }
}

/// What may change in a running pod: images, deadlines, added tolerations. Everything else is compared
/// after being put back.
fn unchanged(checks: &mut Checks, old: &Value, new: &Value) {
    let mut allowed = new.clone();
    for field in ["containers", "initContainers"] {
        let (Some(new), Some(old)) = (
            allowed.get_mut(field).and_then(Value::as_array_mut),
            old[field].as_array(),
        ) else {
            continue;
        };
        for (new, old) in new.iter_mut().zip(old) {
            if let (Some(new), Some(image)) = (new.as_object_mut(), old.get("image")) {
                new.insert("image".into(), image.clone());
            }
        }
    }
    for field in [
        "activeDeadlineSeconds",
        "tolerations",
        "ephemeralContainers",
        "schedulingGates",
    ] {
        match old.get(field) {
            Some(value) => allowed[field] = value.clone(),
            None => {
                if let Some(map) = allowed.as_object_mut() {
                    map.remove(field);
                }
            }
        }
    }
    if allowed != *old {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        checks.add(Cause::forbidden("spec", detail));
    }
}

pub(super) fn spec(checks: &mut Checks, spec: &Value, at: &str) {
    if !spec.is_object() {
        checks.add(Cause::required(at, ""));
        return;
    }
    let restart = ["Always", "OnFailure", "Never"];
    checks.one_of(
        &spec["restartPolicy"],
        &format!("{at}.restartPolicy"),
        &restart,
    );
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    checks.one_of(&spec["dnsPolicy"], &format!("{at}.dnsPolicy"), &dns);
    checks.at_least(
        &spec["terminationGracePeriodSeconds"],
        &format!("{at}.terminationGracePeriodSeconds"),
        0,
    );
    let volumes = volumes(checks, spec, at);
    let mut seen = BTreeSet::new();
    checks.required(&spec["containers"], &format!("{at}.containers"));
    for field in ["initContainers", "containers"] {
        let list = checks.list(spec, field, &format!("{at}.{field}"));
        for (i, container) in list.iter().enumerate() {
            let place = format!("{at}.{field}[{i}]");
            self::container(checks, container, &place, &volumes);
            let name = container["name"].as_str().unwrap_or_default();
            if !name.is_empty() && !seen.insert(name.to_owned()) {
                checks.add(Cause::duplicate(
                    format!("{place}.name"),
                    &container["name"],
                ));
            }
            let sidecar = &container["restartPolicy"];
            if field == "initContainers" {
                checks.one_of(sidecar, &format!("{place}.restartPolicy"), &["Always"]);
            } else if !sidecar.is_null() {
                checks.add(Cause::forbidden(
                    format!("{place}.restartPolicy"),
                    "may not be set for non-init containers",
                ));
            }
            let probed = [
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
                "lifecycle",
            ];
            if field == "initContainers" && sidecar.is_null() {
                for probe in probed.iter().filter(|p| !container[**p].is_null()) {
                    let detail = "may not be set for init containers without restartPolicy=Always";
                    checks.add(Cause::forbidden(format!("{place}.{probe}"), detail));
                }
            }
        }
    }
}

fn volumes(checks: &mut Checks, spec: &Value, at: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (i, volume) in checks
        .list(spec, "volumes", &format!("{at}.volumes"))
        .iter()
        .enumerate()
    {
        let place = format!("{at}.volumes[{i}]");
        checks.dns_label(&volume["name"], &format!("{place}.name"));
        let name = volume["name"].as_str().unwrap_or_default().to_owned();
        let sources = volume
            .as_object()
            .map_or(0, |map| map.keys().filter(|key| *key != "name").count());
        match sources {
            0 => checks.add(Cause::required(&place, "must specify a volume type")),
            1 => {}
            _ => checks.add(Cause::forbidden(
                &place,
                "may not specify more than 1 volume type",
            )),
        }
        if !name.is_empty() && !names.insert(name) {
            checks.add(Cause::duplicate(format!("{place}.name"), &volume["name"]));
        }
    }
    names
}

fn container(checks: &mut Checks, container: &Value, at: &str, volumes: &BTreeSet<String>) {
    checks.dns_label(&container["name"], &format!("{at}.name"));
    checks.required(&container["image"], &format!("{at}.image"));
    let policies = ["Always", "IfNotPresent", "Never"];
    checks.one_of(
        &container["imagePullPolicy"],
        &format!("{at}.imagePullPolicy"),
        &policies,
    );
    ports(checks, container, at);
    environment(checks, container, at);
    mounts(checks, container, at, volumes);
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        probe(checks, &container[field], &format!("{at}.{field}"), field);
    }
    for hook in ["postStart", "preStop"] {
        handler(
            checks,
            &container["lifecycle"][hook],
            &format!("{at}.lifecycle.{hook}"),
            &["exec", "httpGet", "tcpSocket", "sleep"],
        );
    }
}

fn environment(checks: &mut Checks, container: &Value, at: &str) {
    for (i, variable) in checks
        .list(container, "env", &format!("{at}.env"))
        .iter()
        .enumerate()
    {
        let place = format!("{at}.env[{i}]");
        checks.required(&variable["name"], &format!("{place}.name"));
        let valued = variable["value"].as_str().is_some_and(|v| !v.is_empty());
        if valued && !variable["valueFrom"].is_null() {
            let detail = "may not be specified when `value` is not empty";
            checks.add(Cause::invalid(
                format!("{place}.valueFrom"),
                &"".into(),
                detail,
            ));
        }
        if !variable["value"].is_null() && !variable["value"].is_string() {
            checks.add(Cause::invalid(
                format!("{place}.value"),
                &variable["value"],
                "must be a string",
            ));
        }
    }
}

fn mounts(checks: &mut Checks, container: &Value, at: &str, volumes: &BTreeSet<String>) {
    let mut paths = BTreeSet::new();
    for (i, mount) in checks
        .list(container, "volumeMounts", &format!("{at}.volumeMounts"))
        .iter()
        .enumerate()
    {
        let place = format!("{at}.volumeMounts[{i}]");
        checks.required(&mount["mountPath"], &format!("{place}.mountPath"));
        let name = mount["name"].as_str().unwrap_or_default();
        if checks.required(&mount["name"], &format!("{place}.name")) && !volumes.contains(name) {
            let cause = Cause {
                reason: "FieldValueNotFound",
                message: format!("Not found: {name:?}"),
                field: format!("{place}.name"),
            };
            checks.add(cause);
        }
        let path = mount["mountPath"].as_str().unwrap_or_default();
        if !path.is_empty() && !paths.insert(path) {
            checks.add(Cause::invalid(
                format!("{place}.mountPath"),
                &mount["mountPath"],
                "must be unique",
            ));
        }
    }
}

fn ports(checks: &mut Checks, container: &Value, at: &str) {
    let mut seen = BTreeSet::new();
    for (i, port) in checks
        .list(container, "ports", &format!("{at}.ports"))
        .iter()
        .enumerate()
    {
        let place = format!("{at}.ports[{i}]");
        checks.port(&port["containerPort"], &format!("{place}.containerPort"));
        checks.one_of(
            &port["protocol"],
            &format!("{place}.protocol"),
            &["SCTP", "TCP", "UDP"],
        );
        if let Some(name) = port["name"].as_str().filter(|n| !n.is_empty()) {
            if let Some(problem) = names::port_name(name) {
                checks.add(Cause::invalid(
                    format!("{place}.name"),
                    &port["name"],
                    problem,
                ));
            }
            if !seen.insert(name) {
                checks.add(Cause::duplicate(format!("{place}.name"), &port["name"]));
            }
        }
    }
}

fn probe(checks: &mut Checks, probe: &Value, at: &str, kind: &str) {
    if !probe.is_object() {
        return;
    }
    handler(checks, probe, at, &["exec", "httpGet", "tcpSocket", "grpc"]);
    checks.at_least(
        &probe["initialDelaySeconds"],
        &format!("{at}.initialDelaySeconds"),
        0,
    );
    for field in [
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        checks.at_least(&probe[field], &format!("{at}.{field}"), 1);
    }
    if kind != "readinessProbe" && probe["successThreshold"].as_i64().is_some_and(|n| n != 1) {
        checks.add(Cause::invalid(
            format!("{at}.successThreshold"),
            &probe["successThreshold"],
            "must be 1",
        ));
    }
}

fn handler(checks: &mut Checks, handler: &Value, at: &str, kinds: &[&str]) {
    if !handler.is_object() {
        return;
    }
    match kinds
        .iter()
        .filter(|kind| !handler[**kind].is_null())
        .count()
    {
        0 => checks.add(Cause::required(at, "must specify a handler type")),
        1 => {}
        _ => checks.add(Cause::forbidden(
            at,
            "may not specify more than 1 handler type",
        )),
    }
    for kind in ["httpGet", "tcpSocket"] {
        if handler[kind].is_object() {
            checks.required(&handler[kind]["port"], &format!("{at}.{kind}.port"));
        }
    }
    if handler["grpc"].is_object() {
        checks.port(&handler["grpc"]["port"], &format!("{at}.grpc.port"));
    }
    if handler["exec"].is_object() {
        checks.required(&handler["exec"]["command"], &format!("{at}.exec.command"));
    }
}
