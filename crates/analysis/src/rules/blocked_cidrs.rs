//! A control plane that fetches signing keys from anywhere.

use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "blocked_cidrs",
    analyzer: "authn.BlockedCIDRsAnalyzer",
    summary: "Checks that istiod restricts where it fetches JWKS from",
    codes: &[Code {
        id: "IST0175",
        level: Level::Warning,
        name: "JwksUriFetchUnrestricted",
        meaning: "Whoever may create a RequestAuthentication makes istiod call any address by its jwksUri.",
        remedy: "Set BLOCKED_CIDRS_IN_JWKS_URIS on istiod, e.g. to 169.254.169.254/32 and the cluster's ranges.",
        verify: "kubectl get deployment istiod -n istio-system -o yaml | grep BLOCKED_CIDRS",
    }],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let names: Vec<String> = facts
        .all(Kind::RequestAuthentication)
        .map(|policy| policy.full_name())
        .collect();
    if names.is_empty() {
        return;
    }
    let mut listed = names[..names.len().min(5)].join(", ");
    if names.len() > 5 {
        listed.push_str(&format!(", and {} more", names.len() - 5));
    }
    for deployment in facts.all(Kind::Deployment) {
        if deployment.label("app") != Some("istiod") {
            continue;
        }
        let containers = deployment.spec().at(&["template", "spec"]);
        let set = containers.is_some_and(|spec| {
            spec.list("containers")
                .iter()
                .flat_map(|container| container.list("env"))
                .any(|env| {
                    env.text("name") == "BLOCKED_CIDRS_IN_JWKS_URIS" && !env.text("value").is_empty()
                })
        });
        if !set {
            let message = format!(
                "BLOCKED_CIDRS_IN_JWKS_URIS is not configured but {} RequestAuthentication resource(s) exist ({listed}). \
                 Consider configuring it to restrict JWKS URI fetches to trusted networks.",
                names.len()
            );
            report.find("IST0175", deployment, "", message);
        }
    }
}
