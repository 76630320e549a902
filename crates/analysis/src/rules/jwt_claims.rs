//! Routes by claims of a token that nothing verifies.

use super::report::reportable;
use super::virtual_service_gateways::gateway_key;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selects};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "jwt_claims",
    analyzer: "virtualservice.JWTClaimRouteAnalyzer",
    summary: "Checks that routes by token claims have a RequestAuthentication at the gateway",
    codes: &[Code {
        id: "IST0149",
        level: Level::Error,
        name: "JwtClaimBasedRoutingWithoutRequestAuthN",
        meaning: "Claims are known only where a RequestAuthentication has verified the token. Without one at the \
                  gateway the match is never true and the route is never taken.",
        remedy: "Apply a RequestAuthentication that selects the gateway's pods, in their namespace.",
        verify: "ferromesh analyze -A",
    }],
    check,
};

fn claim(service: &Resource) -> Option<(&str, String)> {
    for (rule, route) in service.spec().list("http").iter().enumerate() {
        for (index, request) in route.list("match").iter().enumerate() {
            for field in ["headers", "withoutHeaders"] {
                for (key, _) in request.map(field) {
                    if is_claim(&key.text) {
                        let path = format!("spec.http[{rule}].match[{index}].{field}[{:?}]", key.text);
                        return Some((&key.text, path));
                    }
                }
            }
        }
    }
    None
}

fn is_claim(header: &str) -> bool {
    const PREFIX: &str = "@request.auth.claims";
    let Some(head) = header.get(..PREFIX.len()) else {
        return false;
    };
    let rest = &header[PREFIX.len()..];
    head.eq_ignore_ascii_case(PREFIX)
        && (rest.len() > 1 && rest.starts_with('.')
            || rest.len() > 2 && rest.starts_with('[') && rest.ends_with(']'))
}

fn check(facts: &Facts, report: &mut Report) {
    let root = facts.mesh.istio_namespace();
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        let Some((key, path)) = claim(service) else {
            continue;
        };
        for name in service.spec().texts("gateways").filter(|name| *name != "mesh") {
            let (namespace, local) = gateway_key(&service.namespace, name);
            let Some(gateway) = facts.get(Kind::Gateway, namespace, local) else {
                continue;
            };
            for pod in facts
                .workloads()
                .select(facts, None, gateway.spec().map("selector"))
            {
                let mut policies = facts
                    .within(Kind::RequestAuthentication, root)
                    .chain(facts.within(Kind::RequestAuthentication, pod.namespace()));
                let verified = policies.any(|policy| {
                    let selector = policy.spec().get("selector");
                    let labels = selector.map_or(&[][..], |s| s.map("matchLabels"));
                    selects(labels, pod.labels())
                });
                if verified {
                    continue;
                }
                let message = format!(
                    "The virtual service uses the JWT claim based routing (key: {key}) but found no request \
                     authentication for the gateway ({namespace}/{local}) pod ({}). The request authentication must \
                     first be applied for the gateway pods to validate the JWT token and make the claims available for \
                     routing.",
                    pod.resource.name
                );
                let finding = report.find("IST0149", service, "", message);
                finding.evidence[0] = service.evidence(&path, key);
            }
        }
    }
}
