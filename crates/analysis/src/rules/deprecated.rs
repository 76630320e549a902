//! Fields and kinds that are on their way out.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind};
use crate::finding::{EditAction, Level};

pub(super) const RULE: Rule = Rule {
    name: "deprecated",
    analyzer: "deprecation.DeprecationAnalyzer",
    summary: "Checks for deprecated fields and kinds",
    codes: &[Code {
        id: "IST0002",
        level: Level::Warning,
        name: "Deprecated",
        meaning: "The feature is deprecated or ignored already; a later version refuses or drops it.",
        remedy: "Use what the message names instead.",
        verify: "ferromesh analyze",
    }],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        for (index, route) in service.spec().list("http").iter().enumerate() {
            let delay = route.at(&["fault", "delay"]);
            if delay.is_some_and(|delay| delay.int("percent").unwrap_or(0) > 0) {
                let path = format!("spec.http[{index}].fault.delay.percent");
                let finding = report.find(
                    "IST0002",
                    service,
                    "",
                    "Deprecated: HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage",
                );
                finding.evidence[0] = service.evidence(&path, "percent");
                finding.advise("Write percentage: {value: N} instead of percent: N.");
            }
        }
    }
    for sidecar in facts.all(Kind::Sidecar).filter(|r| reportable(r)) {
        let policy = sidecar.spec().get("outboundTrafficPolicy");
        if policy.is_some_and(|policy| policy.has("egressProxy")) {
            let path = "spec.outboundTrafficPolicy.egressProxy";
            let finding = report.find(
                "IST0002",
                sidecar,
                "",
                "Deprecated: OutboundTrafficPolicy.EgressProxy ignored",
            );
            finding.evidence[0] = sidecar.evidence(path, "egressProxy");
            finding.edit(sidecar, path, EditAction::Remove, "none: it has no effect");
        }
    }
    for definition in facts.all(Kind::CustomResourceDefinition) {
        let group = definition.spec().text("group");
        let kind = definition.spec().get("names").map_or("", |names| names.text("kind"));
        let removed = ["ClusterRbacConfig", "RbacConfig", "ServiceRole", "ServiceRoleBinding"];
        if group == "rbac.istio.io" && removed.contains(&kind) {
            let message = format!("Deprecated: Custom resource type {group} {kind} is removed");
            report.find("IST0002", definition, "", message);
        }
    }
    lightstep(facts, report);
}

fn lightstep(facts: &Facts, report: &mut Report) {
    let providers = facts.mesh.config().list("extensionProviders").iter();
    let names: Vec<&str> = providers
        .filter(|provider| provider.has("lightstep"))
        .map(|provider| provider.text("name"))
        .collect();
    for telemetry in facts.all(Kind::Telemetry).filter(|r| reportable(r) && !names.is_empty()) {
        for tracing in telemetry.spec().list("tracing") {
            for provider in tracing.list("providers") {
                let name = provider.text("name");
                if names.contains(&name) {
                    let message = format!(
                        "Deprecated: The Lightstep provider {name} is deprecated, please migrate to OpenTelemetry \
                         provider."
                    );
                    report.find("IST0002", telemetry, "", message);
                }
            }
        }
    }
}
