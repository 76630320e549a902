//! Which resources a resource refers to: the endpoints of a cluster, the routes of a listener.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::envoy::config::cluster::v3::{Cluster, cluster};
use crate::envoy::config::listener::v3::{Filter, Listener, filter};
use crate::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager::RouteSpecifier,
};
use crate::{Resource, any};

/// The name under which a client asks for the endpoints of this cluster, if it does.
pub(super) fn endpoints_of(resource: &Resource) -> Option<Arc<str>> {
    let cluster: Cluster = any::decode(&resource.body).ok()?;
    let eds = cluster::ClusterDiscoveryType::Type(cluster::DiscoveryType::Eds as i32);
    if cluster.cluster_discovery_type != Some(eds) {
        return None;
    }
    let service = cluster.eds_cluster_config.map(|eds| eds.service_name);
    let name = service
        .filter(|name| !name.is_empty())
        .unwrap_or(cluster.name);
    Some(name.into())
}

/// The route configurations that a client asks for when it has this listener.
pub(super) fn routes_of(resource: &Resource) -> BTreeSet<Arc<str>> {
    let Ok(listener) = any::decode::<Listener>(&resource.body) else {
        return BTreeSet::new();
    };
    let chains = listener
        .filter_chains
        .iter()
        .chain(&listener.default_filter_chain);
    chains
        .flat_map(|chain| &chain.filters)
        .filter_map(route_of_filter)
        .collect()
}

fn route_of_filter(filter: &Filter) -> Option<Arc<str>> {
    let filter::ConfigType::TypedConfig(config) = filter.config_type.as_ref()? else {
        return None;
    };
    let manager: HttpConnectionManager = any::unpack(config).ok()?;
    match manager.route_specifier? {
        RouteSpecifier::Rds(rds) => Some(rds.route_config_name.into()),
        RouteSpecifier::RouteConfig(_) | RouteSpecifier::ScopedRoutes(_) => None,
    }
}
