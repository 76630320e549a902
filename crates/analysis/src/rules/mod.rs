//! The rules: one a file, its documentation's text in the file, its fixture beside it. To add one, write the
//! file and add a line to `RULES`.

mod report;

use crate::facts::Facts;
use crate::finding::{Finding, Level};

pub(crate) use self::report::Report;

/// A code that a rule reports, with the text of its page.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// Identifier.
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it is called.
    pub name: &'static str,
    /// What is wrong, and what happens because of it.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// How to check that it is gone.
    pub verify: &'static str,
}

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Name of its file, and of its fixture.
    pub name: &'static str,
    /// Name in `--list-analyzers`; Istio's where Istio has this analyzer.
    pub analyzer: &'static str,
    /// What it looks at, in one sentence.
    pub summary: &'static str,
    /// What it reports.
    pub codes: &'static [Code],
    pub(crate) check: fn(&Facts, &mut Report),
}

macro_rules! rules {
    ($($module:ident,)*) => {
        $(mod $module;)*

        /// All rules.
        pub const RULES: &[Rule] = &[$($module::RULE,)*];
    };
}

rules! {
    admission,
    annotations,
    application_uid,
    authorization_rules,
    authorization_workloads,
    aws_annotations,
    blocked_cidrs,
    ca_certificates,
    conditions,
    deployment_services,
    deprecated,
    destination_hosts,
    destination_rule_merge,
    destination_subsets,
    drain,
    envoy_filter_names,
    envoy_patch,
    external_control_plane,
    gateway_certificates,
    gateway_conflicts,
    gateway_crds,
    gateway_ports,
    gateway_secrets,
    gateway_tls_hosts,
    image_auto,
    ineffective_selector,
    injection,
    jwt_claims,
    knative_annotations,
    knative_config,
    knative_ports,
    limits,
    mesh_config,
    mesh_hosts,
    mesh_networks,
    mtls_modes,
    outlier_intent,
    port_names,
    proxy_image,
    references,
    regexes,
    route_timeouts,
    schema,
    selects_nothing,
    service_entries,
    sidecar_scope,
    sidecar_selectors,
    subset_pods,
    telemetry_providers,
    telemetry_selectors,
    unreachable,
    virtual_service_gateways,
    webhooks,
}

/// Runs one rule.
#[must_use]
pub fn run(rule: &Rule, facts: &Facts) -> Vec<Finding> {
    let mut report = Report::new(rule);
    (rule.check)(facts, &mut report);
    report.finish()
}

/// Every code of every rule, by identifier; a code that several rules report stands once.
#[must_use]
pub fn codes() -> Vec<&'static Code> {
    let mut codes: Vec<&Code> = RULES.iter().flat_map(|rule| rule.codes).collect();
    codes.sort_by_key(|code| code.id);
    codes.dedup_by_key(|code| code.id);
    codes
}
