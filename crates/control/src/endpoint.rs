//! Endpoints of clusters, with the locality, weight and TLS mode of each
//! (`pilot/pkg/xds/endpoints/endpoint_builder.go`).

use std::collections::BTreeMap;

use api::istio::ClientTlsMode;
use envoy_types::pb::envoy::config::core::v3::HealthStatus;

use crate::cluster::Target;
use crate::generate::Scope;
use crate::mesh_view::destination_rule::ClusterPolicy;
use crate::mesh_view::model::{Endpoint, MtlsMode, subset_of};
use crate::node::Locality;
use crate::pb::{self, core_v3, endpoint_v3, metadata, string_value, structure, uint32};
use endpoint_v3::lb_endpoint::HostIdentifier;

/// The endpoints of a cluster as a proxy should use them.
pub(crate) fn assignment(
    scope: &Scope<'_>,
    target: &Target<'_>,
) -> endpoint_v3::ClusterLoadAssignment {
    let policy = target.policy();
    let mut by_locality: BTreeMap<&Locality, Vec<&Endpoint>> = BTreeMap::new();
    let endpoints = scope.view.endpoints(target.service).of(target.port.number);
    for endpoint in endpoints {
        if target
            .subset
            .is_none_or(|subset| subset_of(&subset.labels, &endpoint.workload.labels))
        {
            by_locality
                .entry(&endpoint.workload.locality)
                .or_default()
                .push(endpoint);
        }
    }
    let priorities = priorities(scope, &policy, by_locality.keys().copied());
    let localities = by_locality
        .into_iter()
        .zip(priorities)
        .map(
            |((locality, endpoints), priority)| endpoint_v3::LocalityLbEndpoints {
                locality: Some(core_v3::Locality {
                    region: locality.region.to_string(),
                    zone: locality.zone.to_string(),
                    sub_zone: locality.sub_zone.to_string(),
                }),
                load_balancing_weight: uint32(
                    endpoints
                        .iter()
                        .map(|endpoint| endpoint.weight)
                        .fold(0, u32::saturating_add),
                ),
                lb_endpoints: endpoints
                    .into_iter()
                    .map(|endpoint| lb_endpoint(scope, &policy, endpoint))
                    .collect(),
                priority,
                ..Default::default()
            },
        )
        .collect();
    endpoint_v3::ClusterLoadAssignment {
        cluster_name: target.name(),
        endpoints: localities,
        ..Default::default()
    }
}

/// With outlier detection, nearer localities come first: same sub-zone, zone, region, the rest; without gaps
/// (`pilot/pkg/networking/core/loadbalancer/loadbalancer.go`, `applyLocalityFailover`).
fn priorities<'a>(
    scope: &Scope<'_>,
    policy: &ClusterPolicy,
    localities: impl Iterator<Item = &'a Locality>,
) -> Vec<u32> {
    let own = &scope.node.locality;
    let own_setting = policy
        .load_balancer
        .as_ref()
        .and_then(|lb| lb.locality_lb_setting.as_ref())
        .and_then(|setting| setting.enabled);
    let failover = policy.outlier_detection.is_some()
        && own_setting.unwrap_or(scope.settings().locality_failover)
        && !own.region.is_empty();
    let distances: Vec<u32> = localities
        .map(|locality| match (failover, locality.region == own.region) {
            (false, _) => 0,
            (true, false) => 3,
            (true, true) if locality.zone != own.zone => 2,
            (true, true) if locality.sub_zone != own.sub_zone => 1,
            (true, true) => 0,
        })
        .collect();
    let mut levels = distances.clone();
    levels.sort_unstable();
    levels.dedup();
    distances
        .into_iter()
        .map(|distance| {
            u32::try_from(
                levels
                    .iter()
                    .position(|level| *level == distance)
                    .unwrap_or(0),
            )
            .unwrap_or(0)
        })
        .collect()
}

fn lb_endpoint(
    scope: &Scope<'_>,
    policy: &ClusterPolicy,
    endpoint: &Endpoint,
) -> endpoint_v3::LbEndpoint {
    let workload = &endpoint.workload;
    let mut entries = Vec::with_capacity(2);
    if takes_mtls(scope, policy, endpoint) {
        entries.push((
            "envoy.transport_socket_match",
            structure(vec![("tlsMode", string_value("istio"))]),
        ));
    }
    if !workload.name.is_empty() {
        let description = format!(
            "{};{};{};{};{}",
            workload.name,
            workload.namespace,
            workload.canonical_name(),
            workload.canonical_revision(),
            scope.node.cluster_id
        );
        entries.push((
            "istio",
            structure(vec![("workload", string_value(description))]),
        ));
    }
    endpoint_v3::LbEndpoint {
        health_status: HealthStatus::Healthy as i32,
        metadata: metadata(entries),
        load_balancing_weight: uint32(endpoint.weight),
        host_identifier: Some(HostIdentifier::Endpoint(endpoint_v3::Endpoint {
            address: pb::address(&endpoint.address.to_string(), endpoint.port),
            ..Default::default()
        })),
    }
}

/// Whether an endpoint is told to get mutual TLS: it has a proxy, its policy does not forbid it, and the client's rule does
/// not say otherwise (`mtls_checker.go`).
fn takes_mtls(scope: &Scope<'_>, policy: &ClusterPolicy, endpoint: &Endpoint) -> bool {
    let workload = &endpoint.workload;
    if !workload.mesh_tls {
        return false;
    }
    match policy.tls.as_ref().map(|tls| tls.mode) {
        Some(ClientTlsMode::IstioMutual) => true,
        Some(ClientTlsMode::Disable | ClientTlsMode::Simple | ClientTlsMode::Mutual) => false,
        None => {
            scope
                .view
                .mtls_mode(&workload.namespace, &workload.labels, endpoint.port)
                != MtlsMode::Disable
        }
    }
}
