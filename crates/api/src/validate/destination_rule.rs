//! DestinationRule: host, subsets and traffic policies.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Rules;
use super::fields::{self, Exporter};
use super::locality;
use super::report::Report;
use crate::istio::{
    ClientTlsMode, ClientTlsSettings, ConnectionPoolSettings, ConsistentHashLb, DestinationRule,
    H2UpgradePolicy, HttpCookie, HttpSettings, LoadBalancerSettings, OutlierDetection,
    PortTrafficPolicy, TcpSettings, TrafficPolicy, TunnelSettings,
};
use crate::path::Path;

impl Rules for DestinationRule {
    fn check(&self, report: &mut Report, metadata: &ObjectMeta, spec: Path<'_>) {
        let Self {
            host,
            traffic_policy,
            subsets,
            export_to,
            workload_selector,
        } = self;
        report.check(&spec.key("host"), fields::wildcard_domain(host));
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        if let Some(policy) = traffic_policy {
            check_policy(report, &spec.key("trafficPolicy"), policy, namespace);
        }
        let list = spec.key("subsets");
        for (index, subset) in subsets.iter().enumerate() {
            let at = list.index(index);
            report.dns_label(&at.key("name"), "subset", &subset.name);
            if subsets[..index]
                .iter()
                .any(|other| other.name == subset.name)
            {
                report.error(
                    &at.key("name"),
                    format!("subset {:?} stands here twice", subset.name),
                );
            }
            fields::labels(report, &at.key("labels"), &subset.labels);
            if let Some(policy) = &subset.traffic_policy {
                check_policy(report, &at.key("trafficPolicy"), policy, namespace);
            }
        }
        fields::policy_selector(
            report,
            &spec.key("workloadSelector"),
            workload_selector.as_ref(),
        );
        let exporter = if workload_selector.is_some() {
            Exporter::SelectingDestinationRule
        } else {
            Exporter::Other
        };
        fields::export_to(report, &spec, namespace, export_to, exporter);
    }
}

fn check_policy(report: &mut Report, at: &Path<'_>, policy: &TrafficPolicy, namespace: &str) {
    let TrafficPolicy {
        load_balancer,
        connection_pool,
        outlier_detection,
        tls,
        port_level_settings,
        tunnel,
        proxy_protocol,
        retry_budget,
    } = policy;
    if *policy == TrafficPolicy::default() {
        report.fix(
            at,
            "the traffic policy says nothing",
            "write a policy or remove the field",
        );
    }
    report.one_of(
        at,
        &[
            ("tunnel", tunnel.is_some()),
            ("proxyProtocol", proxy_protocol.is_some()),
        ],
    );
    settings(
        report,
        at,
        load_balancer.as_ref(),
        connection_pool.as_ref(),
        outlier_detection.as_ref(),
    );
    if let Some(settings) = tls {
        client_tls(report, &at.key("tls"), settings, namespace);
    }
    let list = at.key("portLevelSettings");
    for (index, settings) in port_level_settings.iter().enumerate() {
        port_policy(report, &list.index(index), settings, namespace);
    }
    if let Some(settings) = tunnel {
        check_tunnel(report, &at.key("tunnel"), settings);
    }
    if let Some(percent) = retry_budget.as_ref().and_then(|budget| budget.percent) {
        let at = at.key("retryBudget");
        if !(0.0..=100.0).contains(&percent) {
            report.error(
                &at.key("percent"),
                format!("{percent} is not between 0 and 100"),
            );
        }
    }
}

fn port_policy(report: &mut Report, at: &Path<'_>, policy: &PortTrafficPolicy, namespace: &str) {
    let PortTrafficPolicy {
        port,
        load_balancer,
        connection_pool,
        outlier_detection,
        tls,
    } = policy;
    match port {
        Some(port) if !(1..=65535).contains(&port.number) => {
            let message = format!("port {} is none: the settings have no effect", port.number);
            report.warning(&at.key("port").key("number"), message);
        }
        Some(_) => {}
        None => report.fix(at, "the settings name no port", "write port: {number: …}"),
    }
    let empty = load_balancer.is_none()
        && connection_pool.is_none()
        && outlier_detection.is_none()
        && tls.is_none();
    if empty {
        report.error(at, "the settings of this port say nothing");
    }
    settings(
        report,
        at,
        load_balancer.as_ref(),
        connection_pool.as_ref(),
        outlier_detection.as_ref(),
    );
    if let Some(settings) = tls {
        client_tls(report, &at.key("tls"), settings, namespace);
    }
}

fn settings(
    report: &mut Report,
    at: &Path<'_>,
    load_balancer: Option<&LoadBalancerSettings>,
    connection_pool: Option<&ConnectionPoolSettings>,
    outlier_detection: Option<&OutlierDetection>,
) {
    if let Some(settings) = load_balancer {
        balancing(
            report,
            &at.key("loadBalancer"),
            settings,
            outlier_detection.is_some(),
        );
    }
    if let Some(settings) = connection_pool {
        self::connection_pool(report, &at.key("connectionPool"), settings);
    }
    if let Some(settings) = outlier_detection {
        outlier(report, &at.key("outlierDetection"), settings);
    }
}

fn balancing(report: &mut Report, at: &Path<'_>, settings: &LoadBalancerSettings, outlier: bool) {
    let LoadBalancerSettings {
        simple,
        consistent_hash,
        locality_lb_setting,
        zone_aware_lb_setting,
        warmup_duration_secs,
        warmup,
    } = settings;
    report.one_of(
        at,
        &[
            ("simple", simple.is_some()),
            ("consistentHash", consistent_hash.is_some()),
        ],
    );
    report.one_of(
        at,
        &[
            ("localityLbSetting", locality_lb_setting.is_some()),
            ("zoneAwareLbSetting", zone_aware_lb_setting.is_some()),
        ],
    );
    if let Some(hash) = consistent_hash {
        consistent(report, &at.key("consistentHash"), hash);
    }
    if let Some(setting) = locality_lb_setting {
        locality::check(report, &at.key("localityLbSetting"), setting, outlier);
    }
    if let Some(setting) = zone_aware_lb_setting {
        locality::zone_aware(report, &at.key("zoneAwareLbSetting"), setting, outlier);
    }
    report.duration(&at.key("warmupDurationSecs"), *warmup_duration_secs);
    let Some(warmup) = warmup else { return };
    let at = at.key("warmup");
    if warmup.duration.is_none() {
        report.error(&at, "warmup needs a duration");
    }
    report.duration(&at.key("duration"), warmup.duration);
    if warmup
        .minimum_percent
        .is_some_and(|percent| !(0.0..=100.0).contains(&percent))
    {
        report.error(
            &at.key("minimumPercent"),
            "minimumPercent is not between 0 and 100",
        );
    }
    if warmup
        .aggression
        .is_some_and(|aggression| aggression <= 0.0)
    {
        report.error(&at.key("aggression"), "aggression is not above 0");
    }
}

fn consistent(report: &mut Report, at: &Path<'_>, hash: &ConsistentHashLb) {
    let keys = [
        ("httpHeaderName", hash.http_header_name.is_some()),
        ("httpCookie", hash.http_cookie.is_some()),
        ("useSourceIp", hash.use_source_ip.is_some()),
        (
            "httpQueryParameterName",
            hash.http_query_parameter_name.is_some(),
        ),
    ];
    if report.one_of(at, &keys) == 0 {
        report.warning(
            at,
            "consistentHash says not what to hash: endpoints are chosen at random",
        );
    }
    report.one_of(
        at,
        &[
            ("ringHash", hash.ring_hash.is_some()),
            ("maglev", hash.maglev.is_some()),
        ],
    );
    if let Some(given) = &hash.http_cookie {
        cookie(report, &at.key("httpCookie"), given);
    }
    if hash.minimum_ring_size != 0 {
        let at = at.key("minimumRingSize");
        report
            .warning(&at, "minimumRingSize is deprecated")
            .suggestion = Some("write ringHash.minimumRingSize".into());
        if hash.ring_hash.is_some() || hash.maglev.is_some() {
            report.error(
                &at,
                "minimumRingSize cannot stand beside ringHash or maglev",
            );
        }
    }
    if let Some(size) = hash
        .maglev
        .as_ref()
        .map(|maglev| maglev.table_size)
        .filter(|size| !(*size < 5_000_011 && is_prime(*size)))
    {
        report.error(
            &at.key("maglev").key("tableSize"),
            format!("{size} is not a prime number below 5000011"),
        );
    }
}

fn cookie(report: &mut Report, at: &Path<'_>, cookie: &HttpCookie) {
    if cookie.name.is_empty() {
        report.error(&at.key("name"), "the cookie has no name");
    }
    let list = at.key("attributes");
    for (index, attribute) in cookie.attributes.iter().enumerate() {
        let at = list.index(index);
        let name = &attribute.name;
        if name.is_empty() {
            report.error(&at.key("name"), "the attribute has no name");
        } else if cookie.attributes[..index]
            .iter()
            .any(|other| other.name == *name)
        {
            report.error(
                &at.key("name"),
                format!("attribute {name:?} stands here twice"),
            );
        }
    }
}

/// As Envoy has it, to which 1 is one.
fn is_prime(number: u64) -> bool {
    number > 0
        && (2..)
            .take_while(|factor| factor * factor <= number)
            .all(|factor| !number.is_multiple_of(factor))
}

pub(super) fn connection_pool(
    report: &mut Report,
    at: &Path<'_>,
    settings: &ConnectionPoolSettings,
) {
    let ConnectionPoolSettings { tcp, http } = settings;
    if tcp.is_none() && http.is_none() {
        report.fix(at, "the connection pool says nothing", "write tcp or http");
    }
    if let Some(settings) = tcp {
        tcp_settings(report, &at.key("tcp"), settings);
    }
    if let Some(settings) = http {
        http_settings(report, &at.key("http"), settings);
    }
}

fn tcp_settings(report: &mut Report, at: &Path<'_>, settings: &TcpSettings) {
    let TcpSettings {
        max_connections,
        connect_timeout,
        tcp_keepalive,
        max_connection_duration,
        idle_timeout,
    } = settings;
    report.not_negative(&at.key("maxConnections"), *max_connections);
    report.duration(&at.key("connectTimeout"), *connect_timeout);
    report.duration(&at.key("maxConnectionDuration"), *max_connection_duration);
    // 0 turns the timeout off.
    let idle = idle_timeout.filter(|timeout| timeout.as_nanos() >= 1_000_000);
    report.duration(&at.key("idleTimeout"), idle);
    if let Some(keepalive) = tcp_keepalive {
        let at = at.key("tcpKeepalive");
        report.duration(&at.key("time"), keepalive.time);
        report.duration(&at.key("interval"), keepalive.interval);
    }
}

fn http_settings(report: &mut Report, at: &Path<'_>, settings: &HttpSettings) {
    for (field, value) in [
        (
            "http1MaxPendingRequests",
            settings.http1_max_pending_requests,
        ),
        ("http2MaxRequests", settings.http2_max_requests),
        (
            "maxRequestsPerConnection",
            settings.max_requests_per_connection,
        ),
        ("maxRetries", settings.max_retries),
        ("maxConcurrentStreams", settings.max_concurrent_streams),
    ] {
        report.not_negative(&at.key(field), value);
    }
    report.duration(&at.key("idleTimeout"), settings.idle_timeout);
    if let Some(keepalive) = &settings.http2_keep_alive {
        let at = at.key("http2KeepAlive");
        for (field, value) in [
            ("interval", keepalive.interval),
            ("timeout", keepalive.timeout),
        ] {
            report.duration(&at.key(field), value);
            if value.is_none() {
                report.error(&at, format!("http2KeepAlive needs {field}"));
            }
        }
    }
    if settings.h2_upgrade_policy == H2UpgradePolicy::Upgrade && settings.use_client_protocol {
        report.fix(
            &at.key("useClientProtocol"),
            "useClientProtocol and h2UpgradePolicy: UPGRADE contradict",
            "keep one of them",
        );
    }
}

pub(super) fn outlier(report: &mut Report, at: &Path<'_>, settings: &OutlierDetection) {
    report.duration(&at.key("baseEjectionTime"), settings.base_ejection_time);
    report.duration(&at.key("interval"), settings.interval);
    report.percent(&at.key("maxEjectionPercent"), settings.max_ejection_percent);
    report.percent(&at.key("minHealthPercent"), settings.min_health_percent);
    if settings.consecutive_errors != 0 {
        let warning = report.warning(&at.key("consecutiveErrors"), "consecutiveErrors is deprecated and has no effect; the block ejects after 5 server errors");
        warning.suggestion = Some("write consecutive5xxErrors or consecutiveGatewayErrors".into());
    }
    let local = settings
        .consecutive_local_origin_failures
        .unwrap_or_default();
    if local > 0 && !settings.split_external_local_origin_errors {
        let message =
            "local origin failures are only counted apart with splitExternalLocalOriginErrors";
        report.fix(
            &at.key("consecutiveLocalOriginFailures"),
            message,
            "write splitExternalLocalOriginErrors: true",
        );
    }
}

fn check_tunnel(report: &mut Report, at: &Path<'_>, settings: &TunnelSettings) {
    let TunnelSettings {
        protocol,
        target_host,
        target_port,
    } = settings;
    if !matches!(protocol.as_str(), "" | "CONNECT" | "POST") {
        report.error(
            &at.key("protocol"),
            format!("{protocol:?} is neither CONNECT nor POST"),
        );
    }
    if !fields::is_ip(target_host) {
        report.check(&at.key("targetHost"), fields::fqdn(target_host));
    }
    report.port(&at.key("targetPort"), *target_port);
}

fn client_tls(report: &mut Report, at: &Path<'_>, settings: &ClientTlsSettings, namespace: &str) {
    let files = [
        ("clientCertificate", &settings.client_certificate),
        ("privateKey", &settings.private_key),
        ("caCertificates", &settings.ca_certificates),
        ("caCrl", &settings.ca_crl),
    ];
    let by_name = !settings.credential_name.is_empty();
    let own = matches!(settings.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
    for (field, file) in files.into_iter().filter(|(_, file)| !file.is_empty()) {
        if by_name && own {
            report.fix(
                &at.key(field),
                format!("{field} ({file}) and credentialName cannot stand together"),
                "keep one of them",
            );
        } else if settings.mode == ClientTlsMode::IstioMutual {
            let message =
                format!("ISTIO_MUTUAL uses the workload's own certificate; {field} has no effect");
            report.warning(&at.key(field), message).suggestion =
                Some("remove it, or write mode: MUTUAL".into());
        }
    }
    if let Some(reference) = settings.credential_name.strip_prefix("configmap://") {
        let of = reference.split_once('/').map(|(of, _)| of);
        if of.is_some_and(|of| of != namespace) {
            report.fix(
                &at.key("credentialName"),
                "a ConfigMap of another namespace is not read",
                format!("write configmap://{namespace}/NAME"),
            );
        }
    }
    if settings.mode == ClientTlsMode::Mutual && !by_name {
        for (field, file) in &files[..2] {
            if file.is_empty() {
                report.fix(
                    at,
                    format!("MUTUAL needs {field}"),
                    "write credentialName, or clientCertificate and privateKey",
                );
            }
        }
    }
    if settings.insecure_skip_verify == Some(true) && own {
        let simple = settings.mode == ClientTlsMode::Simple;
        for (field, set) in [
            ("caCertificates", !settings.ca_certificates.is_empty()),
            ("subjectAltNames", !settings.subject_alt_names.is_empty()),
            ("credentialName", by_name && simple),
        ] {
            if set {
                report.error(
                    &at.key(field),
                    format!("{field} is not verified with insecureSkipVerify"),
                );
            }
        }
    }
}
