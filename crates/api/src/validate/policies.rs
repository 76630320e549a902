//! PeerAuthentication, Telemetry and ProxyConfig.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Rules;
use super::fields;
use super::report::Report;
use crate::istio::{
    Metrics, MetricsOverrides, PeerAuthentication, ProviderRef, ProxyConfig, TagOperation,
    Telemetry, Tracing,
};
use crate::path::Path;

impl Rules for PeerAuthentication {
    fn check(&self, report: &mut Report, _: &ObjectMeta, spec: Path<'_>) {
        let Self {
            selector,
            mtls: _,
            port_level_mtls,
        } = self;
        fields::policy_selector(report, &spec.key("selector"), selector.as_ref());
        let selects = selector
            .as_ref()
            .is_some_and(|selector| !selector.match_labels.is_empty());
        let at = spec.key("portLevelMtls");
        if !port_level_mtls.is_empty() && !selects {
            report.fix(
                &at,
                "modes by port need a selector: they belong to the ports of some workloads",
                "write selector.matchLabels",
            );
        }
        for port in port_level_mtls.keys() {
            report.port(&at.key(&port.to_string()), *port);
        }
    }
}

impl Rules for ProxyConfig {
    fn check(&self, report: &mut Report, _: &ObjectMeta, spec: Path<'_>) {
        fields::policy_selector(report, &spec.key("selector"), self.selector.as_ref());
        report.not_negative(
            &spec.key("concurrency"),
            self.concurrency.unwrap_or_default(),
        );
    }
}

impl Rules for Telemetry {
    fn check(&self, report: &mut Report, _: &ObjectMeta, spec: Path<'_>) {
        let Self {
            selector,
            target_ref,
            target_refs,
            tracing,
            metrics,
            access_logging,
        } = self;
        fields::policy_selector(report, &spec.key("selector"), selector.as_ref());
        fields::target_refs(
            report,
            &spec,
            selector.is_some(),
            target_ref.as_ref(),
            target_refs,
        );
        let list = spec.key("tracing");
        if tracing.len() > 1 {
            report.warning(&list, "only the first tracing configuration works");
        }
        for (index, tracing) in tracing.iter().enumerate() {
            check_tracing(report, &list.index(index), tracing);
        }
        let list = spec.key("metrics");
        for (index, metrics) in metrics.iter().enumerate() {
            check_metrics(report, &list.index(index), metrics);
        }
        let list = spec.key("accessLogging");
        for (index, logging) in access_logging.iter().enumerate() {
            providers(report, &list.index(index), &logging.providers);
        }
    }
}

fn providers(report: &mut Report, at: &Path<'_>, providers: &[ProviderRef]) {
    let list = at.key("providers");
    for (index, _) in providers
        .iter()
        .enumerate()
        .filter(|(_, provider)| provider.name.is_empty())
    {
        report.error(&list.index(index).key("name"), "the provider has no name");
    }
}

fn check_tracing(report: &mut Report, at: &Path<'_>, tracing: &Tracing) {
    if tracing.providers.len() > 1 {
        report.warning(&at.key("providers"), "only the first provider works");
    }
    providers(report, at, &tracing.providers);
    if tracing
        .random_sampling_percentage
        .is_some_and(|share| !(0.0..=100.0).contains(&share))
    {
        report.error(
            &at.key("randomSamplingPercentage"),
            "the share is not between 0 and 100",
        );
    }
    let list = at.key("customTags");
    for (name, tag) in &tracing.custom_tags {
        let at = list.key(name);
        if name.is_empty() {
            report.error(&list, "a tag has no name");
        }
        let kinds = [
            ("literal", tag.literal.is_some()),
            ("environment", tag.environment.is_some()),
            ("header", tag.header.is_some()),
            ("formatter", tag.formatter.is_some()),
        ];
        report.one_of(&at, &kinds);
        let empty = [
            (
                "literal",
                tag.literal
                    .as_ref()
                    .is_some_and(|literal| literal.value.is_empty()),
            ),
            (
                "environment",
                tag.environment
                    .as_ref()
                    .is_some_and(|variable| variable.name.is_empty()),
            ),
            (
                "header",
                tag.header
                    .as_ref()
                    .is_some_and(|header| header.name.is_empty()),
            ),
            (
                "formatter",
                tag.formatter
                    .as_ref()
                    .is_some_and(|formatter| formatter.value.is_empty()),
            ),
        ];
        for (kind, _) in empty.iter().filter(|(_, empty)| *empty) {
            report.error(&at.key(kind), format!("the {kind} tag is empty"));
        }
    }
}

fn check_metrics(report: &mut Report, at: &Path<'_>, metrics: &Metrics) {
    providers(report, at, &metrics.providers);
    report.duration(&at.key("reportingInterval"), metrics.reporting_interval);
    let list = at.key("overrides");
    for (index, given) in metrics.overrides.iter().enumerate() {
        let at = list.index(index);
        let MetricsOverrides {
            r#match,
            disabled: _,
            tag_overrides,
        } = given;
        if let Some(selector) = r#match {
            let at = at.key("match");
            report.one_of(
                &at,
                &[
                    ("metric", selector.metric.is_some()),
                    ("customMetric", selector.custom_metric.is_some()),
                ],
            );
            if selector.custom_metric.as_deref() == Some("") {
                report.error(&at.key("customMetric"), "the metric has no name");
            }
        }
        let tags = at.key("tagOverrides");
        for (name, tag) in tag_overrides {
            let at = tags.key(name);
            match (tag.operation, tag.value.is_empty()) {
                (TagOperation::Upsert, true) => {
                    report.fix(&at.key("value"), "UPSERT needs a value", "write value");
                }
                (TagOperation::Remove, false) => {
                    report.fix(&at.key("value"), "REMOVE takes no value", "remove it");
                }
                _ => {}
            }
        }
    }
}
