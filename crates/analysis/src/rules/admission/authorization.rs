//! AuthorizationPolicy and RequestAuthentication: rules that say something, of attributes that exist together.

use std::net::IpAddr;

use api::parse::Node;

use super::{Verdicts, selectors};
use crate::facts::fields::Fields;

const SOURCE: [&str; 14] = [
    "principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals", "namespaces", "notNamespaces",
    "ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks", "serviceAccounts", "notServiceAccounts",
    "trustDomains", "notTrustDomains",
];
const OPERATION: [&str; 8] = [
    "ports", "notPorts", "methods", "notMethods", "paths", "notPaths", "hosts", "notHosts",
];
/// Attributes of a source that a TCP connection has too.
const OF_TCP: [&str; 10] = [
    "principals", "notPrincipals", "ipBlocks", "notIpBlocks", "namespaces", "notNamespaces", "remoteIpBlocks",
    "notRemoteIpBlocks", "serviceAccounts", "notServiceAccounts",
];
/// What an external authorizer cannot be asked by.
const NOT_CUSTOM: [&str; 10] = [
    "namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts", "trustDomains", "notTrustDomains",
    "principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals",
];

pub(super) fn policy(say: &mut Verdicts<'_>) {
    selectors::policy(say);
    let spec = say.resource.spec();
    let action = spec.text("action");
    let rules = spec.list("rules");
    if matches!(action, "DENY" | "CUSTOM") && rules.is_empty() {
        let text = format!("{action} without rules never acts");
        say.refuse("spec.rules", &text, "write rules: [{}] to act on every request");
    }
    let provider = spec.get("provider").map_or("", |provider| provider.text("name"));
    if action == "CUSTOM" && !rules.is_empty() && provider.is_empty() {
        let advice = "name an extensionProvider of MeshConfig";
        say.refuse("spec.provider.name", "CUSTOM needs a provider", advice);
    }
    if action != "CUSTOM" && spec.has("provider") {
        let text = "a provider belongs to the action CUSTOM alone";
        say.refuse("spec.provider", text, "write action: CUSTOM, or remove it");
    }
    for (index, rule) in rules.iter().enumerate() {
        self::rule(say, &format!("spec.rules[{index}]"), action, rule);
    }
}

fn rule(say: &mut Verdicts<'_>, path: &str, action: &str, rule: &Node) {
    let (mut from_http, mut from_tcp, mut to_http, mut to_tcp) = (false, false, false, false);
    for (index, from) in rule.list("from").iter().enumerate() {
        let at = format!("{path}.from[{index}].source");
        let Some(source) = from.get("source").filter(|_| from.has("source")) else {
            say.refuse(&at, "the source is missing", "write source");
            continue;
        };
        from_http = true;
        from_tcp |= OF_TCP.iter().any(|field| source.has(field));
        self::source(say, &at, action, source);
    }
    for (index, to) in rule.list("to").iter().enumerate() {
        let at = format!("{path}.to[{index}].operation");
        let Some(operation) = to.get("operation").filter(|_| to.has("operation")) else {
            say.refuse(&at, "the operation is missing", "write operation");
            continue;
        };
        to_http = true;
        to_tcp |= operation.has("ports") || operation.has("notPorts");
        self::operation(say, &at, operation);
    }
    for (index, condition) in rule.list("when").iter().enumerate() {
        let at = format!("{path}.when[{index}]");
        let key = condition.text("key");
        if key.is_empty() {
            say.refuse(&at, "the condition has no key", "write key");
        } else if condition.list("values").is_empty() && condition.list("notValues").is_empty() {
            let text = format!("the condition on {key} has no values");
            say.refuse(&at, &text, "write values or notValues");
        }
    }
    if action == "DENY" && (from_http && !to_http && !from_tcp || to_http && !to_tcp) {
        let text = "a DENY rule of HTTP attributes alone denies everything on TCP ports";
        say.warn(path, text, "name the ports that it is for: to.operation.ports");
    }
}

fn source(say: &mut Verdicts<'_>, path: &str, action: &str, source: &Node) {
    let has = |fields: &[&str]| fields.iter().any(|field| !source.list(field).is_empty());
    if !has(&SOURCE) {
        say.refuse(path, "the source is empty", "write what it is, or remove from");
    }
    let accounts = has(&["serviceAccounts", "notServiceAccounts"]);
    if accounts && has(&["principals", "notPrincipals", "namespaces", "notNamespaces"]) {
        let text = "serviceAccounts stand beside no principals and no namespaces";
        say.refuse(path, text, "write two sources");
    }
    for field in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
        for block in source.texts(field).filter(|block| !is_block(block)) {
            let text = format!("{block:?} is no address and no CIDR block");
            say.refuse(&format!("{path}.{field}"), &text, "write e.g. 10.0.0.0/8");
        }
    }
    empty_values(say, path, source, &SOURCE);
    if action == "CUSTOM" {
        for field in NOT_CUSTOM.iter().filter(|field| !source.list(field).is_empty()) {
            let text = format!("CUSTOM does not support {field}");
            say.refuse(&format!("{path}.{field}"), &text, "use ipBlocks, or rules of the authorizer");
        }
    }
}

fn operation(say: &mut Verdicts<'_>, path: &str, operation: &Node) {
    if OPERATION.iter().all(|field| operation.list(field).is_empty()) {
        say.refuse(path, "the operation is empty", "write what it is, or remove to");
    }
    for field in ["ports", "notPorts"] {
        for port in operation.texts(field) {
            if !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0) {
                let text = format!("{port:?} is no port");
                say.refuse(&format!("{path}.{field}"), &text, "write a number of 1 to 65535 in quotes");
            }
        }
    }
    empty_values(say, path, operation, &OPERATION);
}

fn empty_values(say: &mut Verdicts<'_>, path: &str, node: &Node, fields: &[&str]) {
    for field in fields {
        if node.texts(field).any(str::is_empty) {
            say.refuse(&format!("{path}.{field}"), "an empty value matches nothing", "remove it");
        }
    }
}

fn is_block(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<ipnet::IpNet>().is_ok()
}

pub(super) fn request(say: &mut Verdicts<'_>) {
    selectors::policy(say);
    for (index, rule) in say.resource.spec().list("jwtRules").iter().enumerate() {
        let path = format!("spec.jwtRules[{index}]");
        if rule.text("issuer").is_empty() && rule.text("jwksUri").is_empty() {
            say.refuse(&path, "the rule has neither issuer nor jwksUri", "write issuer");
        }
        let uri = rule.text("jwksUri");
        if !uri.is_empty() && !["http://", "https://"].iter().any(|scheme| uri.starts_with(scheme)) {
            let text = "jwksUri is no URL of http or https";
            say.refuse(&format!("{path}.jwksUri"), text, "write https://…");
        }
        for (field, what) in [("audiences", "audience"), ("fromParams", "parameter"), ("fromCookies", "cookie")] {
            if rule.texts(field).any(str::is_empty) {
                let text = format!("a {what} has no name");
                say.refuse(&format!("{path}.{field}"), &text, "remove it");
            }
        }
        if rule.list("fromHeaders").iter().any(|header| header.text("name").is_empty()) {
            say.refuse(&format!("{path}.fromHeaders"), "a header has no name", "write name");
        }
        let claims = rule.list("outputClaimToHeaders");
        if claims.iter().any(|to| to.text("claim").is_empty() || to.text("header").is_empty()) {
            let text = "a claim or its header has no name";
            say.refuse(&format!("{path}.outputClaimToHeaders"), text, "write claim and header");
        }
    }
}
