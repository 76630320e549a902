//! What a DestinationRule's traffic policy makes of a cluster
//! (`pilot/pkg/networking/core/cluster_traffic_policy.go`).

use std::collections::HashMap;
use std::time::Duration;

use api::istio::{
    ConnectionPoolSettings, H2UpgradePolicy, LoadBalancerSettings, OutlierDetection, SimpleLb,
    TcpKeepalive, WarmupConfiguration,
};

use crate::mesh_view::settings::MeshSettings;
use crate::pb::{any, cluster_v3, core_v3, duration, type_v3, uint32, upstream_http_v3};
use cluster_v3::circuit_breakers::Thresholds;
use cluster_v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, LbConfig, LbPolicy, LeastRequestLbConfig,
    RoundRobinLbConfig, SlowStartConfig,
};
use upstream_http_v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
    explicit_http_config::ProtocolConfig,
};

/// Which HTTP version a cluster speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// Not an HTTP cluster, or HTTP/1.1.
    One,
    Two,
    /// What the downstream speaks.
    AsDownstream,
}

impl HttpVersion {
    /// By the port's protocol; sniffed ports pass on what came (`cluster_builder.go`, `setUpstreamProtocol`).
    pub(crate) fn of(protocol: base::Protocol) -> Self {
        if protocol.is_http2() {
            Self::Two
        } else if protocol == base::Protocol::Auto {
            Self::AsDownstream
        } else {
            Self::One
        }
    }
}

/// HTTP options of a cluster while it is being built.
#[derive(Debug, Default)]
pub(crate) struct HttpOptions {
    version: Option<HttpVersion>,
    common: Option<core_v3::HttpProtocolOptions>,
    max_concurrent_streams: u32,
    upstream: Option<core_v3::UpstreamHttpProtocolOptions>,
    keepalive: Option<core_v3::KeepaliveSettings>,
}

impl HttpOptions {
    pub(crate) fn new(version: HttpVersion) -> Self {
        Self {
            version: (version != HttpVersion::One).then_some(version),
            ..Self::default()
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.version == Some(HttpVersion::Two)
    }

    /// Server name and names to verify follow the request's authority.
    pub(crate) fn follow_authority(&mut self, verify: bool) {
        self.upstream = Some(core_v3::UpstreamHttpProtocolOptions {
            auto_sni: true,
            auto_san_validation: verify,
            ..Default::default()
        });
    }

    /// Writes the options where they are needed; a plain HTTP/1.1 cluster needs none.
    pub(crate) fn finish(self, cluster: &mut cluster_v3::Cluster) {
        let Self {
            version,
            common,
            max_concurrent_streams,
            upstream,
            keepalive,
        } = self;
        if version.is_none() && common.is_none() && upstream.is_none() {
            return;
        }
        let http2 = || core_v3::Http2ProtocolOptions {
            max_concurrent_streams: (max_concurrent_streams > 0)
                .then(|| uint32(max_concurrent_streams))
                .flatten(),
            connection_keepalive: keepalive,
            ..Default::default()
        };
        let http1 = core_v3::Http1ProtocolOptions::default;
        let explicit = |config| {
            UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
                protocol_config: Some(config),
            })
        };
        let protocol = match version.unwrap_or(HttpVersion::One) {
            HttpVersion::One => explicit(ProtocolConfig::HttpProtocolOptions(http1())),
            HttpVersion::Two => explicit(ProtocolConfig::Http2ProtocolOptions(http2())),
            HttpVersion::AsDownstream => {
                UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                    http_protocol_options: Some(http1()),
                    http2_protocol_options: Some(http2()),
                    ..Default::default()
                })
            }
        };
        let options = upstream_http_v3::HttpProtocolOptions {
            common_http_protocol_options: common,
            upstream_http_protocol_options: upstream,
            upstream_protocol_options: Some(protocol),
            ..Default::default()
        };
        cluster.typed_extension_protocol_options = HashMap::from([(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            any(&options),
        )]);
    }
}

/// No limits: Envoy's small defaults break during pod churn (`getDefaultCircuitBreakerThresholds`).
fn unlimited() -> Thresholds {
    Thresholds {
        max_connections: uint32(u32::MAX),
        max_pending_requests: uint32(u32::MAX),
        max_requests: uint32(u32::MAX),
        max_retries: uint32(u32::MAX),
        track_remaining: true,
        ..Default::default()
    }
}

/// A limit; zero means none is set.
fn limit(value: i32) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| *value > 0)
}

/// Connection pool settings, or the defaults.
pub(crate) fn connection_pool(
    cluster: &mut cluster_v3::Cluster,
    http_options: &mut HttpOptions,
    settings: Option<&ConnectionPoolSettings>,
    mesh: &MeshSettings,
) {
    let mut thresholds = unlimited();
    let mut common = core_v3::HttpProtocolOptions::default();
    let http = settings.and_then(|settings| settings.http.as_ref());
    let tcp = settings.and_then(|settings| settings.tcp.as_ref());
    if let Some(http) = http {
        if let Some(max) = limit(http.http2_max_requests) {
            thresholds.max_requests = uint32(max);
        }
        if let Some(max) = limit(http.http1_max_pending_requests) {
            thresholds.max_pending_requests = uint32(max);
        }
        if let Some(max) = limit(http.max_retries) {
            thresholds.max_retries = uint32(max);
        }
        common.idle_timeout = http.idle_timeout.and_then(|timeout| duration(timeout.0));
        common.max_requests_per_connection =
            limit(http.max_requests_per_connection).and_then(uint32);
        http_options.max_concurrent_streams = limit(http.max_concurrent_streams).unwrap_or(0);
        http_options.keepalive =
            http.http2_keep_alive
                .as_ref()
                .map(|keepalive| core_v3::KeepaliveSettings {
                    interval: keepalive.interval.and_then(|interval| duration(interval.0)),
                    timeout: keepalive.timeout.and_then(|timeout| duration(timeout.0)),
                    ..Default::default()
                });
        if http.use_client_protocol {
            http_options.version = Some(HttpVersion::AsDownstream);
        }
    }
    cluster.connect_timeout = duration(mesh.connect_timeout);
    if let Some(tcp) = tcp {
        if let Some(timeout) = tcp.connect_timeout {
            cluster.connect_timeout = duration(timeout.0);
        }
        if let Some(max) = limit(tcp.max_connections) {
            thresholds.max_connections = uint32(max);
        }
        common.max_connection_duration =
            tcp.max_connection_duration.and_then(|max| duration(max.0));
        common.idle_timeout = common
            .idle_timeout
            .or_else(|| tcp.idle_timeout.and_then(|timeout| duration(timeout.0)));
    }
    let keepalive = tcp
        .and_then(|tcp| tcp.tcp_keepalive.as_ref())
        .or(mesh.tcp_keepalive.as_ref());
    cluster.upstream_connection_options = keepalive.map(tcp_keepalive);
    cluster.circuit_breakers = Some(cluster_v3::CircuitBreakers {
        thresholds: vec![thresholds],
        ..Default::default()
    });
    if common != core_v3::HttpProtocolOptions::default() {
        http_options.common = Some(common);
    }
}

fn tcp_keepalive(settings: &TcpKeepalive) -> cluster_v3::UpstreamConnectionOptions {
    let seconds = |value: Option<api::Duration>| {
        value
            .map(|value| u32::try_from(value.0.as_secs()).unwrap_or(u32::MAX))
            .filter(|secs| *secs > 0)
            .and_then(uint32)
    };
    cluster_v3::UpstreamConnectionOptions {
        tcp_keepalive: Some(core_v3::TcpKeepalive {
            keepalive_probes: (settings.probes > 0)
                .then(|| uint32(settings.probes))
                .flatten(),
            keepalive_time: seconds(settings.time),
            keepalive_interval: seconds(settings.interval),
        }),
        ..Default::default()
    }
}

/// HTTP/1.1 requests travel over HTTP/2 where the rule, or the mesh for a declared HTTP port, says so.
pub(crate) fn upgrade_to_http2(
    http_options: &mut HttpOptions,
    settings: Option<&ConnectionPoolSettings>,
    protocol: base::Protocol,
    mesh: &MeshSettings,
) {
    let policy = settings
        .and_then(|settings| settings.http.as_ref())
        .map(|http| http.h2_upgrade_policy);
    let upgrade = match policy {
        Some(H2UpgradePolicy::Upgrade) => true,
        Some(H2UpgradePolicy::DoNotUpgrade) => false,
        Some(H2UpgradePolicy::Default) | None => protocol.is_http() && mesh.h2_upgrade,
    };
    if upgrade {
        http_options.version = Some(HttpVersion::Two);
    }
}

/// Outlier detection. Only what the rule asks for can eject: success rates never do, and the panic threshold is
/// `minHealthPercent`, zero by default.
pub(crate) fn outlier_detection(cluster: &mut cluster_v3::Cluster, settings: &OutlierDetection) {
    let enforce = |count: u32| uint32(if count > 0 { 100 } else { 0 });
    let mut outlier = cluster_v3::OutlierDetection {
        enforcing_success_rate: uint32(0),
        interval: settings.interval.and_then(|interval| duration(interval.0)),
        base_ejection_time: settings
            .base_ejection_time
            .and_then(|time| duration(time.0)),
        max_ejection_percent: limit(settings.max_ejection_percent).and_then(uint32),
        ..Default::default()
    };
    if let Some(count) = settings.consecutive_5xx_errors {
        outlier.consecutive_5xx = uint32(count);
        outlier.enforcing_consecutive_5xx = enforce(count);
    }
    if let Some(count) = settings.consecutive_gateway_errors {
        outlier.consecutive_gateway_failure = uint32(count);
        outlier.enforcing_consecutive_gateway_failure = enforce(count);
    }
    if settings.split_external_local_origin_errors {
        outlier.split_external_local_origin_errors = true;
        if let Some(count) = settings
            .consecutive_local_origin_failures
            .filter(|count| *count > 0)
        {
            outlier.consecutive_local_origin_failure = uint32(count);
            outlier.enforcing_consecutive_local_origin_failure = uint32(100);
        }
        outlier.enforcing_local_origin_success_rate = uint32(0);
    }
    cluster.outlier_detection = Some(outlier);
    cluster
        .common_lb_config
        .get_or_insert_default()
        .healthy_panic_threshold = Some(type_v3::Percent {
        value: f64::from(settings.min_health_percent.clamp(0, 100)),
    });
}

/// The load-balancing policy; `LEAST_REQUEST` where none is named.
pub(crate) fn load_balancer(
    cluster: &mut cluster_v3::Cluster,
    settings: Option<&LoadBalancerSettings>,
) {
    if cluster.cluster_discovery_type
        == Some(ClusterDiscoveryType::Type(
            DiscoveryType::OriginalDst as i32,
        ))
    {
        cluster.lb_policy = LbPolicy::ClusterProvided as i32;
        return;
    }
    let simple = settings
        .and_then(|settings| settings.simple)
        .unwrap_or_default();
    match simple {
        SimpleLb::Random => cluster.lb_policy = LbPolicy::Random as i32,
        SimpleLb::RoundRobin => {
            cluster.lb_policy = LbPolicy::RoundRobin as i32;
            cluster.lb_config = slow_start(settings).map(|slow_start_config| {
                LbConfig::RoundRobinLbConfig(RoundRobinLbConfig {
                    slow_start_config: Some(slow_start_config),
                })
            });
        }
        SimpleLb::Passthrough => original_destination(cluster),
        SimpleLb::Unspecified | SimpleLb::LeastConn | SimpleLb::LeastRequest => {
            cluster.lb_policy = LbPolicy::LeastRequest as i32;
            cluster.lb_config = slow_start(settings).map(|slow_start_config| {
                LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                    slow_start_config: Some(slow_start_config),
                    ..Default::default()
                })
            });
        }
    }
}

/// Makes connections go where the application's were going.
pub(crate) fn original_destination(cluster: &mut cluster_v3::Cluster) {
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(
        DiscoveryType::OriginalDst as i32,
    ));
    cluster.lb_policy = LbPolicy::ClusterProvided as i32;
    cluster.eds_cluster_config = None;
}

fn slow_start(settings: Option<&LoadBalancerSettings>) -> Option<SlowStartConfig> {
    let settings = settings?;
    let (window, aggression, minimum) = match &settings.warmup {
        Some(WarmupConfiguration {
            duration,
            minimum_percent,
            aggression,
        }) => ((*duration)?, *aggression, *minimum_percent),
        None => (settings.warmup_duration_secs?, None, None),
    };
    if window.0 == Duration::ZERO {
        return None;
    }
    Some(SlowStartConfig {
        slow_start_window: duration(window.0),
        aggression: aggression.map(|default_value| core_v3::RuntimeDouble {
            default_value,
            runtime_key: String::new(),
        }),
        min_weight_percent: minimum.map(|value| type_v3::Percent { value }),
    })
}
