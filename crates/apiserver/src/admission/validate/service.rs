//! Services.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::{Checks, names};
use crate::error::Cause;

/// Values that the choices may have.
const CHOICES: &[(&str, &[&str])] = &[
    (
        "type",
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
    ),
    ("sessionAffinity", &["ClientIP", "None"]),
    ("internalTrafficPolicy", &["Cluster", "Local"]),
    ("externalTrafficPolicy", &["Cluster", "Local"]),
];

pub(super) fn check(checks: &mut Checks, service: &Value, old: Option<&Value>) {
    let spec = &service["spec"];
    if !spec.is_object() {
        checks.add(Cause::required("spec", ""));
        return;
    }
    for (field, allowed) in CHOICES {
        checks.one_of(&spec[*field], &format!("spec.{field}"), allowed);
    }
    let external = spec["type"] == "ExternalName";
    let headless = spec["clusterIP"] == "None";
    if external {
        checks.required(&spec["externalName"], "spec.externalName");
    } else if !headless {
        checks.required(&spec["ports"], "spec.ports");
    }
    if headless && matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer")) {
        let detail = "may not be set to 'None' for LoadBalancer services";
        checks.add(Cause::invalid(
            "spec.clusterIPs[0]",
            &spec["clusterIP"],
            detail,
        ));
    }
    ports(checks, spec);
    if let Some(ip) = spec["clusterIP"]
        .as_str()
        .filter(|ip| !ip.is_empty() && *ip != "None")
        && ip.parse::<IpAddr>().is_err()
    {
        checks.add(Cause::invalid(
            "spec.clusterIPs[0]",
            &ip.into(),
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ));
    }
    super::metadata::labels(checks, &spec["selector"], "spec.selector");
    if let Some(old) = old {
        let before = &old["spec"];
        let was_external = before["type"] == "ExternalName";
        if !external
            && !was_external
            && before["clusterIP"].is_string()
            && before["clusterIP"] != spec["clusterIP"]
        {
            checks.add(Cause::invalid(
                "spec.clusterIPs[0]",
                &spec["clusterIPs"],
                "may not change once set",
            ));
        }
    }
}

fn ports(checks: &mut Checks, spec: &Value) {
    let list = checks.list(spec, "ports", "spec.ports");
    let mut seen_names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (i, port) in list.iter().enumerate() {
        let at = format!("spec.ports[{i}]");
        checks.port(&port["port"], &format!("{at}.port"));
        checks.one_of(
            &port["protocol"],
            &format!("{at}.protocol"),
            &["SCTP", "TCP", "UDP"],
        );
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            if list.len() > 1 {
                checks.add(Cause::required(format!("{at}.name"), ""));
            }
        } else {
            if let Some(problem) = names::dns_label(name) {
                checks.add(Cause::invalid(format!("{at}.name"), &port["name"], problem));
            }
            if !seen_names.insert(name) {
                checks.add(Cause::duplicate(format!("{at}.name"), &port["name"]));
            }
        }
        match &port["targetPort"] {
            Value::Number(_) => checks.port(&port["targetPort"], &format!("{at}.targetPort")),
            Value::String(text) => {
                if let Some(problem) = names::port_name(text) {
                    checks.add(Cause::invalid(
                        format!("{at}.targetPort"),
                        &port["targetPort"],
                        problem,
                    ));
                }
            }
            _ => {}
        }
        let identity = (
            port["port"].as_i64(),
            port["protocol"].as_str().unwrap_or("TCP"),
        );
        if !seen.insert(identity) {
            checks.add(Cause::duplicate(at, port));
        }
    }
}
