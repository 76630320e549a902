//! DestinationRule: host, subsets and traffic policies.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Rules;
use super::fields::{self, Exporter};
use super::report::Report;
use crate::istio::{
    ClientTlsMode, ClientTlsSettings, ConnectionPoolSettings, ConsistentHashLb, DestinationRule,
    H2UpgradePolicy, HttpSettings, LoadBalancerSettings, LocalityLoadBalancerSetting,
    OutlierDetection, PortTrafficPolicy, TcpSettings, TrafficPolicy, TunnelSettings,
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
        if let Some(policy) = traffic_policy {
            check_policy(report, &spec.key("trafficPolicy"), policy);
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
                check_policy(report, &at.key("trafficPolicy"), policy);
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
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        fields::export_to(report, &spec, namespace, export_to, exporter);
    }
}

fn check_policy(report: &mut Report, at: &Path<'_>, policy: &TrafficPolicy) {
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
        tls.as_ref(),
    );
    let list = at.key("portLevelSettings");
    for (index, settings) in port_level_settings.iter().enumerate() {
        port_policy(report, &list.index(index), settings);
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

fn port_policy(report: &mut Report, at: &Path<'_>, policy: &PortTrafficPolicy) {
    let PortTrafficPolicy {
        port,
        load_balancer,
        connection_pool,
        outlier_detection,
        tls,
    } = policy;
    match port {
        Some(port) => report.port(&at.key("port").key("number"), port.number),
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
        tls.as_ref(),
    );
}

fn settings(
    report: &mut Report,
    at: &Path<'_>,
    load_balancer: Option<&LoadBalancerSettings>,
    connection_pool: Option<&ConnectionPoolSettings>,
    outlier_detection: Option<&OutlierDetection>,
    tls: Option<&ClientTlsSettings>,
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
    if let Some(settings) = tls {
        client_tls(report, &at.key("tls"), settings);
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
        locality(report, &at.key("localityLbSetting"), setting, outlier);
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
    if warmup.aggression.is_some_and(|aggression| aggression < 1.0) {
        report.error(&at.key("aggression"), "aggression is below 1");
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
        report.error(at, "consistentHash says not what to hash");
    }
    report.one_of(
        at,
        &[
            ("ringHash", hash.ring_hash.is_some()),
            ("maglev", hash.maglev.is_some()),
        ],
    );
    if hash
        .http_cookie
        .as_ref()
        .is_some_and(|cookie| cookie.name.is_empty())
    {
        report.error(&at.key("httpCookie").key("name"), "the cookie has no name");
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

fn is_prime(number: u64) -> bool {
    number > 1
        && (2..)
            .take_while(|factor| factor * factor <= number)
            .all(|factor| !number.is_multiple_of(factor))
}

fn locality(
    report: &mut Report,
    at: &Path<'_>,
    setting: &LocalityLoadBalancerSetting,
    outlier: bool,
) {
    let LocalityLoadBalancerSetting {
        distribute,
        failover,
        failover_priority,
        enabled,
    } = setting;
    let ways = [
        ("distribute", !distribute.is_empty()),
        ("failover", !failover.is_empty()),
    ];
    report.one_of(at, &ways);
    report.one_of(
        at,
        &[
            ("distribute", !distribute.is_empty()),
            ("failoverPriority", !failover_priority.is_empty()),
        ],
    );
    for (index, rule) in distribute.iter().enumerate() {
        let at = at.key("distribute");
        let sum: u64 = rule.to.values().map(|share| u64::from(*share)).sum();
        if sum != 100 {
            report.error(
                &at.index(index).key("to"),
                format!("the shares are {sum} in sum, not 100"),
            );
        }
    }
    for (index, rule) in failover
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.from == rule.to)
    {
        let at = at.key("failover");
        report.error(
            &at.index(index).key("to"),
            format!("locality {:?} cannot fail over to itself", rule.from),
        );
    }
    let fails_over = !failover.is_empty() || !failover_priority.is_empty();
    if fails_over && !outlier && *enabled != Some(false) {
        report
            .warning(at, "failover needs outlierDetection to notice failures")
            .suggestion = Some("write outlierDetection beside loadBalancer".into());
    }
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
    report.duration(&at.key("idleTimeout"), *idle_timeout);
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
        report.duration(&at.key("interval"), keepalive.interval);
        report.duration(&at.key("timeout"), keepalive.timeout);
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

pub(super) fn client_tls(report: &mut Report, at: &Path<'_>, settings: &ClientTlsSettings) {
    let files = [
        ("clientCertificate", &settings.client_certificate),
        ("privateKey", &settings.private_key),
        ("caCertificates", &settings.ca_certificates),
        ("caCrl", &settings.ca_crl),
    ];
    let by_name = !settings.credential_name.is_empty();
    for (field, file) in files.into_iter().filter(|(_, file)| !file.is_empty()) {
        if by_name && matches!(settings.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual) {
            report.fix(
                &at.key(field),
                format!("{field} ({file}) and credentialName cannot stand together"),
                "keep one of them",
            );
        } else if settings.mode == ClientTlsMode::IstioMutual {
            report.fix(
                &at.key(field),
                format!("ISTIO_MUTUAL uses the workload's own certificate; {field} has no place"),
                "remove it, or write mode: MUTUAL",
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
    if settings.insecure_skip_verify == Some(true) {
        if settings.mode != ClientTlsMode::Simple {
            report.error(
                &at.key("insecureSkipVerify"),
                "insecureSkipVerify goes with mode: SIMPLE only",
            );
        }
        for (field, set) in [
            ("caCertificates", !settings.ca_certificates.is_empty()),
            ("subjectAltNames", !settings.subject_alt_names.is_empty()),
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
