//! Clusters that every proxy has: the original destination, nowhere, and the workload itself.

use std::time::Duration;

use super::policy::{self, HttpOptions, HttpVersion};
use crate::generate::{InboundPort, Scope};
use crate::mesh_view::destination_rule::ClusterPolicy;
use crate::mesh_view::settings::MeshSettings;
use crate::names;
use crate::pb::{
    self, cluster_v3, core_v3, duration, list_value, metadata, string_value, struct_value,
    structure,
};
use cluster_v3::cluster::{ClusterDiscoveryType, DiscoveryType};

/// Where traffic goes that the mesh does not know: to its original destination, in whatever protocol it has.
pub(crate) fn passthrough(mesh: &MeshSettings) -> cluster_v3::Cluster {
    original(
        names::PASSTHROUGH_CLUSTER.to_owned(),
        HttpVersion::AsDownstream,
        None,
        mesh,
    )
}

/// Where refused traffic goes: no endpoint (`cluster.go`, `buildBlackHoleCluster`).
pub(crate) fn black_hole(mesh: &MeshSettings) -> cluster_v3::Cluster {
    cluster_v3::Cluster {
        name: names::BLACK_HOLE_CLUSTER.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static as i32)),
        connect_timeout: duration(mesh.connect_timeout),
        ..Default::default()
    }
}

/// Ports of the workload that no service names.
pub(crate) fn inbound_passthrough(scope: &Scope<'_>) -> cluster_v3::Cluster {
    let mut cluster = original(
        names::INBOUND_PASSTHROUGH_CLUSTER.to_owned(),
        HttpVersion::AsDownstream,
        None,
        scope.settings(),
    );
    cluster.upstream_bind_config = loop_guard(scope);
    cluster
}

/// A port of the workload that a service names. Of the service's DestinationRule the connection pool applies.
pub(crate) fn inbound(
    scope: &Scope<'_>,
    port: &InboundPort,
    rule: Option<&ClusterPolicy>,
) -> cluster_v3::Cluster {
    let version = HttpVersion::of(port.port.protocol);
    let mut cluster = original(
        names::inbound_cluster(port.target),
        version,
        rule,
        scope.settings(),
    );
    cluster.cleanup_interval = duration(Duration::from_secs(60));
    cluster.upstream_bind_config = loop_guard(scope);
    let service = struct_value(vec![
        ("host", string_value(&*port.service.hostname)),
        ("name", string_value(&*port.service.name)),
        ("namespace", string_value(&*port.service.namespace)),
    ]);
    cluster.metadata = metadata(vec![(
        "istio",
        structure(vec![("services", list_value(vec![service]))]),
    )]);
    cluster
}

/// Connections to the workload leave from 127.0.0.6, which the pod's redirection lets pass: else they would come back
/// (`cluster.go`, `InboundPassthroughBindIpv4`).
fn loop_guard(scope: &Scope<'_>) -> Option<core_v3::BindConfig> {
    let source = if scope.is_ipv4() { "127.0.0.6" } else { "::6" };
    Some(core_v3::BindConfig {
        source_address: Some(pb::socket_address(source, 0)),
        ..Default::default()
    })
}

fn original(
    name: String,
    version: HttpVersion,
    rule: Option<&ClusterPolicy>,
    mesh: &MeshSettings,
) -> cluster_v3::Cluster {
    let mut cluster = cluster_v3::Cluster {
        name,
        ..Default::default()
    };
    policy::original_destination(&mut cluster);
    let mut options = HttpOptions::new(version);
    policy::connection_pool(
        &mut cluster,
        &mut options,
        rule.and_then(|rule| rule.connection_pool.as_ref()),
        mesh,
    );
    options.finish(&mut cluster);
    cluster
}
