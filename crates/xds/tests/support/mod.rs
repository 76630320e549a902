//! Small resources and views to talk about.
#![allow(dead_code, unreachable_pub)]

use std::sync::Arc;

use xds::envoy::config::cluster::v3::{Cluster, cluster};
use xds::envoy::config::core::v3::{
    Address, SocketAddress, TypedExtensionConfig, address, socket_address,
};
use xds::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use xds::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use xds::envoy::config::route::v3::RouteConfiguration;
use xds::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, Rds, http_connection_manager::RouteSpecifier,
};
use xds::envoy::extensions::transport_sockets::tls::v3::Secret;
use xds::google::protobuf::Duration;
use xds::type_url::{CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SECRET};
use xds::{Resource, View, any};

pub fn view(resources: impl IntoIterator<Item = Resource>) -> Arc<View> {
    Arc::new(resources.into_iter().collect())
}

/// A cluster with endpoints by EDS; revisions differ in their connect timeout.
pub fn cluster(name: &str, revision: i64) -> Resource {
    let message = Cluster {
        name: name.into(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds as i32,
        )),
        connect_timeout: Some(Duration {
            seconds: revision,
            nanos: 0,
        }),
        ..Default::default()
    };
    Resource::new(name, CLUSTER, &message, [])
}

/// One endpoint; revisions differ in its port.
pub fn endpoints(name: &str, revision: u32) -> Resource {
    let socket = SocketAddress {
        address: "127.0.0.1".into(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(revision)),
        ..Default::default()
    };
    let endpoint = Endpoint {
        address: Some(Address {
            address: Some(address::Address::SocketAddress(socket)),
        }),
        ..Default::default()
    };
    let lb = LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(endpoint)),
        ..Default::default()
    };
    let message = ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![lb],
            ..Default::default()
        }],
        ..Default::default()
    };
    Resource::new(name, ENDPOINT, &message, [])
}

/// A listener whose routes come by RDS.
pub fn listener(name: &str, route: &str) -> Resource {
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            route_config_name: route.into(),
            ..Default::default()
        })),
        ..Default::default()
    };
    let filter = Filter {
        config_type: Some(filter::ConfigType::TypedConfig(any::pack(&manager))),
        ..Default::default()
    };
    let message = Listener {
        name: name.into(),
        filter_chains: vec![FilterChain {
            filters: vec![filter],
            ..Default::default()
        }],
        ..Default::default()
    };
    Resource::new(name, LISTENER, &message, [])
}

/// Routes; revisions differ in the headers that they remove.
pub fn route(name: &str, revision: u32) -> Resource {
    let message = RouteConfiguration {
        name: name.into(),
        request_headers_to_remove: vec![format!("x-revision-{revision}")],
        ..Default::default()
    };
    Resource::new(name, ROUTE, &message, [])
}

pub fn empty_route(name: &str) -> Resource {
    Resource::new(
        name,
        ROUTE,
        &RouteConfiguration {
            name: name.into(),
            ..Default::default()
        },
        [],
    )
}

pub fn empty_endpoints(name: &str) -> Resource {
    Resource::new(
        name,
        ENDPOINT,
        &ClusterLoadAssignment {
            cluster_name: name.into(),
            ..Default::default()
        },
        [],
    )
}

pub fn secret(name: &str) -> Resource {
    Resource::new(
        name,
        SECRET,
        &Secret {
            name: name.into(),
            ..Default::default()
        },
        [],
    )
}

pub fn extension(name: &str) -> Resource {
    Resource::new(
        name,
        EXTENSION_CONFIG,
        &TypedExtensionConfig {
            name: name.into(),
            ..Default::default()
        },
        [],
    )
}
