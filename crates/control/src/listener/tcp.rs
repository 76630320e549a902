//! TCP proxy filters.

use crate::node::NodeInfo;
use crate::pb::{self, accesslog_v3, listener_v3, tcp_proxy_v3};
use tcp_proxy_v3::tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight};

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    Cluster(String),
    Weighted(Vec<(String, u32)>),
}

/// The network filters of a TCP chain.
pub(crate) fn proxy(
    stat_prefix: &str,
    destination: &Destination,
    access_log: &[accesslog_v3::AccessLog],
    node: &NodeInfo,
) -> Vec<listener_v3::Filter> {
    let specifier = match destination {
        Destination::Cluster(name) => ClusterSpecifier::Cluster(name.clone()),
        Destination::Weighted(clusters) => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: clusters
                .iter()
                .map(|(name, weight)| ClusterWeight {
                    name: name.clone(),
                    weight: *weight,
                    ..Default::default()
                })
                .collect(),
        }),
    };
    let proxy = tcp_proxy_v3::TcpProxy {
        stat_prefix: stat_prefix.to_owned(),
        access_log: access_log.to_vec(),
        cluster_specifier: Some(specifier),
        ..Default::default()
    };
    let mut filters = Vec::with_capacity(2);
    if node.istio_filters.metadata_exchange {
        filters.push(super::istio_filters::metadata_exchange());
    }
    filters.push(pb::network_filter(
        "envoy.filters.network.tcp_proxy",
        &proxy,
    ));
    filters
}
