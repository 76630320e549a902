//! Telemetries whose providers resolve to nothing.

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "telemetry_providers",
    analyzer: "telemetry.Providers",
    summary: "Checks that providers named by Telemetries exist and that their services resolve",
    codes: &[
        Code {
            id: "FM0611",
            level: Level::Warning,
            name: "TelemetryProviderUnknown",
            meaning: "MeshConfig has no extensionProvider of this name: the control plane ignores the entry, and no log, \
                      metric or span is made by it.",
            remedy: "Add the provider to extensionProviders in MeshConfig, or correct the name.",
            verify: "kubectl get configmap istio -n istio-system -o jsonpath='{.data.mesh}'",
        },
        Code {
            id: "FM0612",
            level: Level::Warning,
            name: "ExtensionProviderUnresolved",
            meaning: "The provider's service is an address and no host of the registry: no cluster is built for it, and \
                      the filter or tracer is left out.",
            remedy: "Write a ServiceEntry with a host for the address, and name that host.",
            verify: "kubectl logs -n istio-system deployment/istiod | grep 'could not find cluster'",
        },
    ],
    check,
};

/// Providers that every mesh has.
const BUILT_IN: [&str; 3] = ["prometheus", "stackdriver", "envoy"];

fn check(facts: &Facts, report: &mut Report) {
    if !facts.mesh.is_known() {
        return;
    }
    let providers = facts.mesh.config().list("extensionProviders");
    let known = |name: &str| {
        BUILT_IN.contains(&name) || providers.iter().any(|provider| provider.text("name") == name)
    };
    for telemetry in facts.all(Kind::Telemetry).filter(|r| reportable(r)) {
        for field in ["accessLogging", "metrics", "tracing"] {
            for (index, entry) in telemetry.spec().list(field).iter().enumerate() {
                for (item, provider) in entry.list("providers").iter().enumerate() {
                    let name = provider.text("name");
                    let path = format!("spec.{field}[{index}].providers[{item}].name");
                    if !known(name) {
                        let message = format!("MeshConfig has no extensionProvider {name}: this entry makes nothing");
                        report.find("FM0611", telemetry, &path, message);
                    } else if let Some(service) = address(providers, name) {
                        let message = format!("The service {service:?} of provider {name} is an address: no cluster is built for it");
                        report.find("FM0612", telemetry, &path, message);
                    }
                }
            }
        }
    }
}

/// The service of a provider, if it is an IP address.
fn address<'a>(providers: &'a [Node], name: &str) -> Option<&'a str> {
    let provider = providers.iter().find(|provider| provider.text("name") == name)?;
    provider
        .entries()
        .iter()
        .map(|(_, settings)| settings.text("service"))
        .find(|service| service.parse::<std::net::IpAddr>().is_ok())
}
