//! AuthorizationPolicies that deny more, or less, than they say.

use base::Protocol;

use api::parse::Node;

use super::port_names::protocol;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selects};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::{EditAction, Level};

const VERIFY: &str = "istioctl x authz check POD";

pub(super) const RULE: Rule = Rule {
    name: "authorization_rules",
    analyzer: "auth.Rules",
    summary: "Checks authorization policies for rules that match nothing or everything",
    codes: &[
        Code {
            id: "FM0411",
            level: Level::Warning,
            name: "AuthorizationDenyWithoutRules",
            meaning: "A DENY policy without rules matches no request: it denies nothing.",
            remedy: "Write rules: [{}] to deny everything, or say what to deny.",
            verify: VERIFY,
        },
        Code {
            id: "FM0412",
            level: Level::Info,
            name: "AuthorizationDeniesAll",
            meaning: "An ALLOW policy without rules allows nothing: every request that no other policy allows is answered \
                      403 with rbac_access_denied.",
            remedy: "Nothing if this is meant; write rules: [{}] to allow everything.",
            verify: VERIFY,
        },
        Code {
            id: "FM0413",
            level: Level::Warning,
            name: "AuthorizationPrincipalScheme",
            meaning: "Principals are written without spiffe://: this one equals nobody's, so the rule never matches.",
            remedy: "Write TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT.",
            verify: VERIFY,
        },
        Code {
            id: "FM0414",
            level: Level::Warning,
            name: "AuthorizationTrustDomain",
            meaning: "No workload of this mesh has an identity in that trust domain, so the rule never matches.",
            remedy: "Write cluster.local, which stands for the mesh's own trust domain, or add the domain to \
                     trustDomainAliases in MeshConfig.",
            verify: VERIFY,
        },
        Code {
            id: "FM0415",
            level: Level::Warning,
            name: "AuthorizationHttpOnTcp",
            meaning: "Methods, paths, hosts, headers and tokens are known for HTTP ports only. On a TCP port an ALLOW rule \
                      with them never matches, and everything is denied.",
            remedy: "Name the port http or grpc, or use ports, namespaces and principals only.",
            verify: VERIFY,
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for policy in facts.all(Kind::AuthorizationPolicy).filter(|r| reportable(r)) {
        let spec = policy.spec();
        let action = spec.text("action");
        let rules = spec.list("rules");
        if rules.is_empty() {
            match action {
                "DENY" => {
                    report.find("FM0411", policy, "spec.action", "The policy denies nothing: it has no rules");
                }
                "" | "ALLOW" => {
                    let message = "The policy has no rules and so allows nothing: requests that no other policy allows get 403";
                    report.find("FM0412", policy, "spec", message);
                }
                _ => {}
            }
        }
        for (index, rule) in rules.iter().enumerate() {
            principals(facts, report, policy, rule, index);
        }
        if matches!(action, "" | "ALLOW") {
            on_tcp(facts, report, policy);
        }
    }
}

fn principals(facts: &Facts, report: &mut Report, policy: &Resource, rule: &Node, index: usize) {
    for (from, source) in rule.list("from").iter().enumerate() {
        let Some(source) = source.get("source") else {
            continue;
        };
        for field in ["principals", "notPrincipals"] {
            for (item, principal) in source.list(field).iter().enumerate() {
                let text = principal.as_str().unwrap_or_default();
                let path = format!("spec.rules[{index}].from[{from}].source.{field}[{item}]");
                if let Some(bare) = text.strip_prefix("spiffe://") {
                    let message = format!("{text} never matches: principals have no spiffe://");
                    report.find("FM0413", policy, &path, message).edit(
                        policy,
                        path.clone(),
                        EditAction::Set(bare.to_owned()),
                        "the rule begins to match",
                    );
                } else if let Some(domain) = foreign(facts, text) {
                    let message = format!("{text} never matches: the mesh's trust domain is {}, not {domain}", facts.mesh.trust_domain());
                    report.find("FM0414", policy, &path, message);
                }
            }
        }
    }
}

/// The trust domain of a principal, if it is known to be nobody's.
fn foreign<'a>(facts: &Facts, principal: &'a str) -> Option<&'a str> {
    let config = facts.mesh.config();
    let (domain, rest) = principal.split_once('/')?;
    let own = domain == facts.mesh.trust_domain()
        || domain == "cluster.local"
        || config.texts("trustDomainAliases").any(|alias| alias == domain);
    // Federated meshes trust further roots.
    let federated = config.has("caCertificates");
    let judged = facts.mesh.is_known() && !federated && rest.starts_with("ns/") && !domain.contains('*');
    (judged && !own).then_some(domain)
}

/// The first field of a rule that only HTTP knows.
fn http_field(rule: &Node, index: usize) -> Option<String> {
    let at = format!("spec.rules[{index}]");
    for (item, to) in rule.list("to").iter().enumerate() {
        for field in ["methods", "notMethods", "paths", "notPaths", "hosts", "notHosts"] {
            if to.get("operation").is_some_and(|operation| !operation.list(field).is_empty()) {
                return Some(format!("{at}.to[{item}].operation.{field}"));
            }
        }
    }
    for (item, from) in rule.list("from").iter().enumerate() {
        for field in ["requestPrincipals", "notRequestPrincipals"] {
            if from.get("source").is_some_and(|source| !source.list(field).is_empty()) {
                return Some(format!("{at}.from[{item}].source.{field}"));
            }
        }
    }
    let conditions = rule.list("when").iter().enumerate();
    conditions
        .filter(|(_, when)| when.text("key").starts_with("request."))
        .map(|(item, _)| format!("{at}.when[{item}].key"))
        .next()
}

fn on_tcp(facts: &Facts, report: &mut Report, policy: &Resource) {
    let spec = policy.spec();
    let Some(selector) = spec.get("selector") else {
        return;
    };
    let rules = spec.list("rules");
    let fields: Vec<Option<String>> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| http_field(rule, index))
        .collect();
    if fields.iter().all(Option::is_none) {
        return;
    }
    let labels = selector.map("matchLabels");
    let Some(workload) = facts
        .workloads()
        .select(facts, Some(&policy.namespace), labels)
        .next()
    else {
        return;
    };
    let mut ports = Vec::new();
    for service in facts.within(Kind::Service, &policy.namespace) {
        let own = service.spec().map("selector");
        if own.is_empty() || !selects(own, workload.labels()) {
            continue;
        }
        for (index, port) in service.spec().list("ports").iter().enumerate() {
            ports.push((service, index, protocol(port)));
        }
    }
    let opaque = |protocol: Protocol| !protocol.is_http() && protocol != Protocol::Auto;
    if ports.is_empty() || !ports.iter().all(|(_, _, protocol)| opaque(*protocol)) {
        return;
    }
    for path in fields.into_iter().flatten() {
        let (service, index, _) = ports[0];
        let message = format!("The rule never matches: every port of {} is TCP, and this is a field of HTTP", service.full_name());
        report
            .find("FM0415", policy, &path, message)
            .seen(service.evidence(&format!("spec.ports[{index}]"), "a TCP port"));
    }
}
