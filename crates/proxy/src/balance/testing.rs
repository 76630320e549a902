//! Clusters and endpoints made by hand, for tests and benches.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::cluster::{
    Assignment, ClusterInfo, EdsHealth, Endpoint, EndpointAddress, Locality, LocalityEndpoints,
};
use crate::config::ids::Ids;
use crate::config::route::Metadata;

/// A round-robin cluster with Envoy's defaults.
#[must_use]
pub fn cluster() -> ClusterInfo {
    cluster_with(&xds::envoy::config::cluster::v3::Cluster {
        name: "c".into(),
        ..Default::default()
    })
}

/// A cluster of this message.
#[must_use]
pub fn cluster_with(message: &xds::envoy::config::cluster::v3::Cluster) -> ClusterInfo {
    let body = prost::Message::encode_to_vec(message);
    crate::config::compile::cluster(&Ids::default(), "c", &body).expect("a valid cluster")
}

/// Healthy endpoints 10.0.0.1, 10.0.0.2 … of weight 1 in one locality.
#[must_use]
pub fn endpoints(count: usize) -> Assignment {
    weighted(&vec![1; count])
}

/// As [`endpoints`] with these weights.
#[must_use]
pub fn weighted(weights: &[u32]) -> Assignment {
    Assignment {
        localities: vec![locality("a", 0, 1, weights)],
        ..Assignment::default()
    }
}

/// A locality of endpoints; the third byte of addresses is the zone's first letter.
#[must_use]
pub fn locality(zone: &str, priority: u32, weight: u32, weights: &[u32]) -> LocalityEndpoints {
    let block = zone.as_bytes().first().copied().unwrap_or_default();
    let endpoints = weights.iter().enumerate().map(|(i, weight)| Endpoint {
        address: EndpointAddress::Socket(SocketAddr::from((
            [10, priority as u8, block, i as u8 + 1],
            80,
        ))),
        hostname: "".into(),
        weight: *weight,
        health: EdsHealth::Healthy,
        metadata: Metadata::default(),
    });
    LocalityEndpoints {
        locality: Locality {
            zone: Arc::from(zone),
            ..Locality::default()
        },
        priority,
        weight: Some(weight),
        endpoints: endpoints.collect(),
    }
}
