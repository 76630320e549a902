//! The mesh's configuration: read strictly from YAML or JSON, and judged.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::destination_rule::{connection_pool, outlier};
use super::fields::{self, Exporter};
use super::report::Report;
use super::support::{unsupported_mesh, unsupported_proxy};
use crate::Diagnostic;
use crate::istio::MeshConfig;
use crate::istio::mesh_proxy_config::ProxyConfig;
use crate::parse::decode::decode;
use crate::parse::{self, Node};
use crate::path::Path;
use crate::schema::Tree;

/// Reads the text of a mesh configuration (key `mesh` of the ConfigMap `istio`), with Istio's defaults for
/// what it does not say. The error names every mistake: an unknown field, and one that is not served, too.
pub fn mesh_config(text: &str) -> Result<MeshConfig, Vec<Diagnostic>> {
    read(text, check, &unsupported_mesh)
}

/// Reads the text of a proxy's settings, YAML or JSON: the annotation `proxy.istio.io/config`, the agent's
/// `PROXY_CONFIG`. The error names every mistake: an unknown field, and one that is not served, too.
pub fn proxy_config(text: &str) -> Result<ProxyConfig, Vec<Diagnostic>> {
    let rules = |report: &mut Report, config: &ProxyConfig| proxy(report, &Path::Root, config);
    read(text, rules, &unsupported_proxy)
}

fn read<T: DeserializeOwned>(
    text: &str,
    rules: impl Fn(&mut Report, &T),
    unsupported: &dyn Fn(&Value) -> Vec<Diagnostic>,
) -> Result<T, Vec<Diagnostic>> {
    let documents = parse::documents(text, "mesh")?;
    let empty = Node::bare(parse::Kind::Map(Vec::new()));
    let node = documents.first().unwrap_or(&empty);
    let tree = Tree::of::<T>();
    let config: T = decode(node, Path::Root, Some(&tree))?;
    let mut report = Report::default();
    rules(&mut report, &config);
    let mut found = report.finish();
    found.retain(Diagnostic::is_error);
    found.extend(unsupported(&node.to_value()));
    if found.is_empty() {
        return Ok(config);
    }
    for diagnostic in &mut found {
        (diagnostic.line, diagnostic.column) = node.place_of(&diagnostic.path);
    }
    Err(found)
}

fn check(report: &mut Report, config: &MeshConfig) {
    let root = Path::Root;
    for (field, port) in [
        ("proxyListenPort", config.proxy_listen_port),
        ("proxyInboundListenPort", config.proxy_inbound_listen_port),
        ("proxyHttpPort", config.proxy_http_port),
    ] {
        if !(0..=65535).contains(&port) {
            report.error(
                &root.key(field),
                format!("port {port} is not between 1 and 65535"),
            );
        }
    }
    report.duration(&root.key("connectTimeout"), config.connect_timeout);
    report.duration(&root.key("dnsRefreshRate"), config.dns_refresh_rate);
    if config
        .protocol_detection_timeout
        .is_some_and(|timeout| !timeout.is_zero())
    {
        report.duration(
            &root.key("protocolDetectionTimeout"),
            config.protocol_detection_timeout,
        );
    }
    for (field, domain) in std::iter::once(("trustDomain", &config.trust_domain)).chain(
        config
            .trust_domain_aliases
            .iter()
            .map(|alias| ("trustDomainAliases", alias)),
    ) {
        if !domain.is_empty() {
            report.check(
                &root.key(field),
                fields::fqdn(domain).map_err(|error| format!("trust domain: {error}")),
            );
        }
    }
    if !config.root_namespace.is_empty() {
        report.dns_label(
            &root.key("rootNamespace"),
            "namespace",
            &config.root_namespace,
        );
    }
    visibility(report, config);
    default_traffic(report, config);
    providers(report, config);
    if let Some(config) = &config.default_config {
        proxy(report, &root.key("defaultConfig"), config);
    }
}

fn visibility(report: &mut Report, config: &MeshConfig) {
    let root = Path::Root;
    for (field, list) in [
        ("defaultServiceExportTo", &config.default_service_export_to),
        (
            "defaultVirtualServiceExportTo",
            &config.default_virtual_service_export_to,
        ),
        (
            "defaultDestinationRuleExportTo",
            &config.default_destination_rule_export_to,
        ),
    ] {
        fields::export_to(report, &root.key(field), "", list, Exporter::ServiceEntry);
    }
}

fn default_traffic(report: &mut Report, config: &MeshConfig) {
    let root = Path::Root;
    if let Some(policy) = &config.default_traffic_policy {
        let at = root.key("defaultTrafficPolicy");
        if let Some(settings) = &policy.connection_pool {
            connection_pool(report, &at.key("connectionPool"), settings);
        }
        if let Some(settings) = &policy.outlier_detection {
            outlier(report, &at.key("outlierDetection"), settings);
        }
    }
}

fn providers(report: &mut Report, config: &MeshConfig) {
    let root = Path::Root;
    let list = root.key("extensionProviders");
    for (index, provider) in config.extension_providers.iter().enumerate() {
        let at = list.index(index);
        if provider.name.is_empty() {
            report.error(&at.key("name"), "the provider has no name");
        }
        if config.extension_providers[..index]
            .iter()
            .any(|other| other.name == provider.name)
        {
            report.error(
                &at.key("name"),
                format!("provider {:?} stands here twice", provider.name),
            );
        }
        let kinds = [
            ("envoyExtAuthzHttp", provider.envoy_ext_authz_http.is_some()),
            ("envoyExtAuthzGrpc", provider.envoy_ext_authz_grpc.is_some()),
            ("zipkin", provider.zipkin.is_some()),
            ("lightstep", provider.lightstep.is_some()),
            ("datadog", provider.datadog.is_some()),
            ("stackdriver", provider.stackdriver.is_some()),
            ("opencensus", provider.opencensus.is_some()),
            ("skywalking", provider.skywalking.is_some()),
            ("opentelemetry", provider.opentelemetry.is_some()),
            ("prometheus", provider.prometheus.is_some()),
            (
                "envoyFileAccessLog",
                provider.envoy_file_access_log.is_some(),
            ),
            ("envoyHttpAls", provider.envoy_http_als.is_some()),
            ("envoyTcpAls", provider.envoy_tcp_als.is_some()),
            ("envoyOtelAls", provider.envoy_otel_als.is_some()),
            ("sds", provider.sds.is_some()),
        ];
        if report.one_of(&at, &kinds) == 0 {
            report.error(&at, "the provider says not what it is");
        }
    }
}

fn proxy(report: &mut Report, at: &Path<'_>, config: &ProxyConfig) {
    report.not_negative(
        &at.key("concurrency"),
        config.concurrency.unwrap_or_default(),
    );
    report.duration(&at.key("drainDuration"), config.drain_duration);
    let at_the_end = config.termination_drain_duration;
    report.duration(
        &at.key("terminationDrainDuration"),
        at_the_end.filter(|duration| !duration.is_zero()),
    );
    for (field, port) in [
        ("proxyAdminPort", config.proxy_admin_port),
        ("statusPort", config.status_port),
    ] {
        if !(0..=65535).contains(&port) {
            report.error(
                &at.key(field),
                format!("port {port} is not between 1 and 65535"),
            );
        }
    }
}
