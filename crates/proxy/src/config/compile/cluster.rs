//! Clusters.

use std::sync::Arc;
use std::time::Duration;

use base::ContentHash;
use xds::envoy::config::cluster::v3 as pb;
use xds::envoy::config::core::v3 as core;

use super::common::{
    ads_only, bool_or, metadata, optional_duration, percent, positive, socket_address, structure,
    u32_or,
};
use super::endpoint::{self, Names};
use super::{At, Result, tls, upstream_http};
use crate::config::cluster::{
    Assignment, ClusterInfo, CommonBalancing, Discovery, DnsFamily, OriginalDst, Policy,
    SocketMatch, TcpKeepalive,
};
use crate::config::ids::Ids;
use crate::config::request::LowerName;
use crate::resilience::breaker::{Limits, RetryBudget};
use crate::resilience::outlier::{Enforcing, FailurePercentage, OutlierPolicy, SuccessRate};

pub(super) fn compile(
    ids: &Ids,
    at: &At<'_>,
    cluster: &pb::Cluster,
    version: ContentHash,
) -> Result<ClusterInfo> {
    if cluster.name.is_empty() {
        return Err(at.field("name").missing());
    }
    let discovery = discovery(at, cluster)?;
    let stat_name = if cluster.alt_stat_name.is_empty() {
        &cluster.name
    } else {
        &cluster.alt_stat_name
    };
    let outlier = cluster.outlier_detection.as_ref();
    let outlier = outlier
        .map(|value| outlier_policy(&at.field("outlier_detection"), value))
        .transpose()?;
    let (source_address, source_port) = bind(at, cluster)?;
    Ok(ClusterInfo {
        id: ids.cluster(&cluster.name),
        name: cluster.name.as_str().into(),
        stat_name: stat_name.as_str().into(),
        version,
        policy: policy(at, cluster, &discovery)?,
        balancing: balancing(at, cluster)?,
        connect_timeout: positive(
            &at.field("connect_timeout"),
            cluster.connect_timeout.as_ref(),
            Duration::from_secs(5),
        )?,
        buffer_limit: u32_or(cluster.per_connection_buffer_limit_bytes, 1 << 20),
        limits: limits(at, cluster)?,
        outlier: outlier.map(Arc::new),
        http: upstream_http::compile(at, cluster)?,
        tls: tls::upstream(
            &at.field("transport_socket"),
            cluster.transport_socket.as_ref(),
        )?,
        socket_matches: socket_matches(at, cluster)?,
        source_address,
        source_port,
        keepalive: keepalive(cluster),
        connection_pool_per_downstream_connection: cluster
            .connection_pool_per_downstream_connection,
        wait_for_warm_on_init: bool_or(cluster.wait_for_warm_on_init, true),
        metadata: metadata(cluster.metadata.as_ref()),
        assignment: assignment(at, cluster, &discovery)?,
        discovery,
    })
}

fn discovery(at: &At<'_>, cluster: &pb::Cluster) -> Result<Discovery> {
    use pb::cluster::{ClusterDiscoveryType, DiscoveryType};
    let kind = match &cluster.cluster_discovery_type {
        None => DiscoveryType::Static as i32,
        Some(ClusterDiscoveryType::Type(kind)) => *kind,
        Some(ClusterDiscoveryType::ClusterType(_)) => {
            return Err(at.field("cluster_type").unsupported());
        }
    };
    Ok(match DiscoveryType::try_from(kind) {
        Ok(DiscoveryType::Static) => Discovery::Static,
        Ok(DiscoveryType::Eds) => {
            let config = cluster
                .eds_cluster_config
                .as_ref()
                .ok_or_else(|| at.field("eds_cluster_config").missing())?;
            let name = if config.service_name.is_empty() {
                &cluster.name
            } else {
                &config.service_name
            };
            let source_at = at.field("eds_cluster_config");
            let fetch_timeout =
                ads_only(&source_at.field("eds_config"), config.eds_config.as_ref())?;
            Discovery::Eds {
                service_name: name.as_str().into(),
                fetch_timeout,
            }
        }
        Ok(DiscoveryType::OriginalDst) => Discovery::OriginalDst(original_dst(at, cluster)?),
        Ok(DiscoveryType::StrictDns) => dns(at, cluster, false)?,
        Ok(DiscoveryType::LogicalDns) => dns(at, cluster, true)?,
        Err(_) => return Err(at.field("type").error("unknown value")),
    })
}

#[expect(deprecated, reason = "the fields of the DNS cluster types")]
fn dns(at: &At<'_>, cluster: &pb::Cluster, logical: bool) -> Result<Discovery> {
    use pb::cluster::DnsLookupFamily;
    let refresh = positive(
        &at.field("dns_refresh_rate"),
        cluster.dns_refresh_rate.as_ref(),
        Duration::from_secs(5),
    )?;
    let respect_ttl = cluster.respect_dns_ttl;
    let family = match DnsLookupFamily::try_from(cluster.dns_lookup_family) {
        Ok(DnsLookupFamily::Auto) => DnsFamily::Auto,
        Ok(DnsLookupFamily::V4Only) => DnsFamily::V4Only,
        Ok(DnsLookupFamily::V6Only) => DnsFamily::V6Only,
        Ok(DnsLookupFamily::V4Preferred) => DnsFamily::V4Preferred,
        Ok(DnsLookupFamily::All) => DnsFamily::All,
        Err(_) => return Err(at.field("dns_lookup_family").error("unknown value")),
    };
    Ok(if logical {
        Discovery::LogicalDns {
            refresh,
            respect_ttl,
            family,
        }
    } else {
        Discovery::StrictDns {
            refresh,
            respect_ttl,
            family,
        }
    })
}

fn original_dst(at: &At<'_>, cluster: &pb::Cluster) -> Result<OriginalDst> {
    use pb::cluster::LbConfig;
    let cleanup_interval = positive(
        &at.field("cleanup_interval"),
        cluster.cleanup_interval.as_ref(),
        Duration::from_secs(5),
    )?;
    let mut settings = OriginalDst {
        cleanup_interval,
        ..OriginalDst::default()
    };
    if let Some(LbConfig::OriginalDstLbConfig(config)) = &cluster.lb_config {
        let at = at.field("original_dst_lb_config");
        if config.use_http_header {
            let name = match config.http_header_name.as_str() {
                "" => "x-envoy-original-dst-host",
                name => name,
            };
            settings.header = Some(LowerName::new(name));
        }
        let port = config
            .upstream_port_override
            .map(|port| u16::try_from(port.value))
            .transpose();
        settings.port_override = port.map_err(|_| {
            at.field("upstream_port_override")
                .error("greater than 65535")
        })?;
    }
    Ok(settings)
}

fn policy(at: &At<'_>, cluster: &pb::Cluster, discovery: &Discovery) -> Result<Policy> {
    use pb::cluster::{LbConfig, LbPolicy};
    let policy = match LbPolicy::try_from(cluster.lb_policy) {
        Ok(LbPolicy::RoundRobin) => match &cluster.lb_config {
            None => Policy::RoundRobin,
            Some(LbConfig::RoundRobinLbConfig(config)) => {
                refuse_slow_start(
                    &at.field("round_robin_lb_config"),
                    config.slow_start_config.as_ref(),
                )?;
                Policy::RoundRobin
            }
            Some(_) => return Err(at.error("the lb_config is of another policy than lb_policy")),
        },
        Ok(LbPolicy::LeastRequest) => match &cluster.lb_config {
            None => Policy::LeastRequest {
                choices: 2,
                active_request_bias: 1.0,
                full_scan: false,
            },
            Some(LbConfig::LeastRequestLbConfig(config)) => {
                least_request(&at.field("least_request_lb_config"), config)?
            }
            Some(_) => return Err(at.error("the lb_config is of another policy than lb_policy")),
        },
        Ok(LbPolicy::Random) if cluster.lb_config.is_none() => Policy::Random,
        Ok(LbPolicy::ClusterProvided) => Policy::ClusterProvided,
        _ => return Err(at.field("lb_policy").unsupported()),
    };
    match (discovery, &policy) {
        (Discovery::OriginalDst(_), Policy::ClusterProvided) => Ok(policy),
        (Discovery::OriginalDst(_), _) => Err(at
            .field("lb_policy")
            .error("ORIGINAL_DST needs CLUSTER_PROVIDED")),
        (_, Policy::ClusterProvided) => Err(at
            .field("lb_policy")
            .error("CLUSTER_PROVIDED needs ORIGINAL_DST")),
        _ => Ok(policy),
    }
}

fn least_request(at: &At<'_>, config: &pb::cluster::LeastRequestLbConfig) -> Result<Policy> {
    refuse_slow_start(at, config.slow_start_config.as_ref())?;
    let choices = u32_or(config.choice_count, 2);
    if choices < 2 {
        return Err(at.field("choice_count").error("must be at least 2"));
    }
    let bias = config
        .active_request_bias
        .as_ref()
        .map_or(1.0, |bias| bias.default_value);
    if !(0.0..=1000.0).contains(&bias) {
        return Err(at
            .field("active_request_bias")
            .error("must not be negative"));
    }
    Ok(Policy::LeastRequest {
        choices,
        active_request_bias: bias,
        full_scan: false,
    })
}

fn refuse_slow_start(at: &At<'_>, config: Option<&pb::cluster::SlowStartConfig>) -> Result<()> {
    match config {
        Some(_) => Err(at.field("slow_start_config").unsupported()),
        None => Ok(()),
    }
}

fn balancing(at: &At<'_>, cluster: &pb::Cluster) -> Result<CommonBalancing> {
    use pb::cluster::common_lb_config::LocalityConfigSpecifier as Locality;
    let config = cluster.common_lb_config.clone().unwrap_or_default();
    let at = at.field("common_lb_config");
    let panic_threshold = config
        .healthy_panic_threshold
        .as_ref()
        .map_or(50.0, |percent| percent.value);
    if !(0.0..=100.0).contains(&panic_threshold) {
        return Err(at
            .field("healthy_panic_threshold")
            .error("not a percentage"));
    }
    let zone_aware = match &config.locality_config_specifier {
        Some(Locality::ZoneAwareLbConfig(zone)) => zone.fail_traffic_on_panic,
        _ => false,
    };
    Ok(CommonBalancing {
        panic_threshold,
        fail_traffic_on_panic: zone_aware,
        locality_weighted: matches!(
            config.locality_config_specifier,
            Some(Locality::LocalityWeightedLbConfig(_))
        ),
        overprovisioning_factor: 140,
    })
}

fn limits(at: &At<'_>, cluster: &pb::Cluster) -> Result<[Limits; 2]> {
    let mut limits = [Limits::default(); 2];
    let Some(breakers) = &cluster.circuit_breakers else {
        return Ok(limits);
    };
    let at = at.field("circuit_breakers");
    // Envoy: the first entry of a priority counts.
    for (i, thresholds) in breakers.thresholds.iter().enumerate().rev() {
        let at = at.item("thresholds", i);
        let slot = usize::try_from(thresholds.priority)
            .ok()
            .and_then(|priority| limits.get_mut(priority));
        *slot.ok_or_else(|| at.field("priority").error("unknown value"))? =
            threshold(&at, thresholds)?;
    }
    Ok(limits)
}

fn threshold(at: &At<'_>, thresholds: &pb::circuit_breakers::Thresholds) -> Result<Limits> {
    let default = Limits::default();
    let budget = thresholds.retry_budget.as_ref().map(|budget| {
        let percent = budget
            .budget_percent
            .as_ref()
            .map_or(20.0, |percent| percent.value);
        if !(0.0..=100.0).contains(&percent) {
            return Err(at
                .field("retry_budget")
                .field("budget_percent")
                .error("not a percentage"));
        }
        Ok(RetryBudget {
            budget_percent: percent,
            min_concurrency: u32_or(budget.min_retry_concurrency, 3),
        })
    });
    Ok(Limits {
        max_connections: u32_or(thresholds.max_connections, default.max_connections),
        max_pending_requests: u32_or(
            thresholds.max_pending_requests,
            default.max_pending_requests,
        ),
        max_requests: u32_or(thresholds.max_requests, default.max_requests),
        max_retries: u32_or(thresholds.max_retries, default.max_retries),
        retry_budget: budget.transpose()?,
    })
}

fn outlier_policy(at: &At<'_>, value: &pb::OutlierDetection) -> Result<OutlierPolicy> {
    let d = OutlierPolicy::default();
    let base = positive(
        &at.field("base_ejection_time"),
        value.base_ejection_time.as_ref(),
        d.base_ejection_time,
    )?;
    let max_default = d.max_ejection_time.max(base);
    let jitter = optional_duration(
        &at.field("max_ejection_time_jitter"),
        value.max_ejection_time_jitter.as_ref(),
    )?;
    Ok(OutlierPolicy {
        interval: positive(&at.field("interval"), value.interval.as_ref(), d.interval)?,
        base_ejection_time: base,
        max_ejection_time: positive(
            &at.field("max_ejection_time"),
            value.max_ejection_time.as_ref(),
            max_default,
        )?,
        max_ejection_time_jitter: jitter.unwrap_or_default(),
        max_ejection_percent: percent(
            &at.field("max_ejection_percent"),
            value.max_ejection_percent,
            d.max_ejection_percent,
        )?,
        always_eject_one_host: bool_or(value.always_eject_one_host, false),
        split_local_origin: value.split_external_local_origin_errors,
        consecutive_5xx: u32_or(value.consecutive_5xx, d.consecutive_5xx),
        consecutive_gateway_failure: u32_or(
            value.consecutive_gateway_failure,
            d.consecutive_gateway_failure,
        ),
        consecutive_local_origin_failure: u32_or(
            value.consecutive_local_origin_failure,
            d.consecutive_local_origin_failure,
        ),
        enforcing: enforcing(at, value)?,
        success_rate: SuccessRate {
            minimum_hosts: u32_or(
                value.success_rate_minimum_hosts,
                d.success_rate.minimum_hosts,
            ),
            request_volume: u32_or(
                value.success_rate_request_volume,
                d.success_rate.request_volume,
            ),
            stdev_factor: u32_or(value.success_rate_stdev_factor, d.success_rate.stdev_factor),
        },
        failure_percentage: FailurePercentage {
            threshold: percent(
                &at.field("failure_percentage_threshold"),
                value.failure_percentage_threshold,
                d.failure_percentage.threshold,
            )?,
            minimum_hosts: u32_or(
                value.failure_percentage_minimum_hosts,
                d.failure_percentage.minimum_hosts,
            ),
            request_volume: u32_or(
                value.failure_percentage_request_volume,
                d.failure_percentage.request_volume,
            ),
        },
    })
}

fn enforcing(at: &At<'_>, value: &pb::OutlierDetection) -> Result<Enforcing> {
    let d = OutlierPolicy::default().enforcing;
    let read = |name: &str, value, default| percent(&at.field(name), value, default);
    Ok(Enforcing {
        consecutive_5xx: read(
            "enforcing_consecutive_5xx",
            value.enforcing_consecutive_5xx,
            d.consecutive_5xx,
        )?,
        consecutive_gateway_failure: read(
            "enforcing_consecutive_gateway_failure",
            value.enforcing_consecutive_gateway_failure,
            d.consecutive_gateway_failure,
        )?,
        consecutive_local_origin_failure: read(
            "enforcing_consecutive_local_origin_failure",
            value.enforcing_consecutive_local_origin_failure,
            d.consecutive_local_origin_failure,
        )?,
        success_rate: read(
            "enforcing_success_rate",
            value.enforcing_success_rate,
            d.success_rate,
        )?,
        local_origin_success_rate: read(
            "enforcing_local_origin_success_rate",
            value.enforcing_local_origin_success_rate,
            d.local_origin_success_rate,
        )?,
        failure_percentage: read(
            "enforcing_failure_percentage",
            value.enforcing_failure_percentage,
            d.failure_percentage,
        )?,
        failure_percentage_local_origin: read(
            "enforcing_failure_percentage_local_origin",
            value.enforcing_failure_percentage_local_origin,
            d.failure_percentage_local_origin,
        )?,
    })
}

fn socket_matches(at: &At<'_>, cluster: &pb::Cluster) -> Result<Box<[SocketMatch]>> {
    let entries = cluster
        .transport_socket_matches
        .iter()
        .enumerate()
        .map(|(i, entry)| {
            let at = at.item("transport_socket_matches", i);
            let criteria = entry.r#match.as_ref().map(|fields| structure(fields, 0));
            let criteria = match criteria {
                Some(serde_json::Value::Object(map)) => map
                    .into_iter()
                    .map(|(key, value)| (key.into(), value))
                    .collect(),
                _ => Box::default(),
            };
            let tls = tls::upstream(
                &at.field("transport_socket"),
                entry.transport_socket.as_ref(),
            )?;
            Ok(SocketMatch {
                name: entry.name.as_str().into(),
                criteria,
                tls,
            })
        });
    entries.collect()
}

fn bind(at: &At<'_>, cluster: &pb::Cluster) -> Result<(Option<std::net::IpAddr>, u16)> {
    let Some(config) = &cluster.upstream_bind_config else {
        return Ok((None, 0));
    };
    let Some(address) = &config.source_address else {
        return Ok((None, 0));
    };
    let address = socket_address(
        &at.field("upstream_bind_config").field("source_address"),
        address,
    )?;
    Ok((Some(address.ip()), address.port()))
}

fn keepalive(cluster: &pb::Cluster) -> Option<TcpKeepalive> {
    let options = cluster.upstream_connection_options.as_ref()?;
    options.tcp_keepalive.as_ref().map(tcp_keepalive)
}

pub(super) fn tcp_keepalive(value: &core::TcpKeepalive) -> TcpKeepalive {
    let seconds =
        |value: &xds::google::protobuf::UInt32Value| Duration::from_secs(u64::from(value.value));
    TcpKeepalive {
        probes: value.keepalive_probes.map(|value| value.value),
        time: value.keepalive_time.as_ref().map(seconds),
        interval: value.keepalive_interval.as_ref().map(seconds),
    }
}

fn assignment(
    at: &At<'_>,
    cluster: &pb::Cluster,
    discovery: &Discovery,
) -> Result<Arc<Assignment>> {
    let names = match discovery {
        Discovery::StrictDns { .. } | Discovery::LogicalDns { .. } => Names::Allowed,
        Discovery::Static => Names::Refused,
        Discovery::Eds { .. } | Discovery::OriginalDst(_) => {
            return match &cluster.load_assignment {
                None => Ok(Arc::default()),
                Some(_) => Err(at
                    .field("load_assignment")
                    .error("has no meaning for this type of cluster")),
            };
        }
    };
    match &cluster.load_assignment {
        None => Ok(Arc::default()),
        Some(value) => endpoint::compile(&at.field("load_assignment"), value, names).map(Arc::new),
    }
}
