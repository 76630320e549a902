//! TCP rules of VirtualServices: filter chains of a service's port
//! (`pilot/pkg/networking/core/tls.go`, `buildSidecarOutboundTCPFilterChainOpts`).

use std::collections::BTreeMap;

use api::istio::{L4MatchAttributes, RouteDestination, TcpRoute};
use base::ObjectRef;

use super::http::Place;
use crate::generate::Scope;
use crate::listener::tcp::Destination;
use crate::mesh_view::model::{Port, Service, subset_of};
use crate::names;
use crate::pb::{cidr, listener_v3, parse_cidr};

/// A destination with what connections to it have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TcpChain {
    pub(crate) ranges: Vec<ipnet::IpNet>,
    pub(crate) server_names: Vec<String>,
    pub(crate) destination: Destination,
}

impl TcpChain {
    fn all(destination: Destination) -> Self {
        Self {
            ranges: Vec::new(),
            server_names: Vec::new(),
            destination,
        }
    }

    /// Whether the two ask for the same connections.
    pub(crate) fn same_match(&self, other: &Self) -> bool {
        self.ranges == other.ranges && self.server_names == other.server_names
    }

    /// `None` takes every connection.
    pub(crate) fn filter_chain_match(&self) -> Option<listener_v3::FilterChainMatch> {
        if self.ranges.is_empty() && self.server_names.is_empty() {
            return None;
        }
        Some(listener_v3::FilterChainMatch {
            prefix_ranges: self.ranges.iter().map(cidr).collect(),
            server_names: self.server_names.clone(),
            ..Default::default()
        })
    }
}

/// The chains of a sidecar's outbound TCP port: those of the oldest VirtualService that has TCP rules for the host, then the
/// service itself. The objects that shaped them come second.
pub(crate) fn chains(
    scope: &Scope<'_>,
    service: &Service,
    port: &Port,
) -> (Vec<TcpChain>, Vec<ObjectRef>) {
    let mesh = ["mesh".to_owned()];
    let place = Place {
        scope,
        gateways: &mesh,
        port: port.number,
        tls: false,
    };
    let mut chains = Vec::new();
    let mut sources = Vec::new();
    if let Some(rules) =
        scope.virtual_service_for(&service.hostname, |rules| !rules.spec.tcp.is_empty())
    {
        sources.push(rules.origin.clone());
        if routes(&place, &rules.spec.tcp, &mut chains) {
            return (chains, sources);
        }
    }
    let cluster = names::outbound_cluster(port.number, "", &service.hostname);
    chains.push(TcpChain::all(Destination::Cluster(cluster)));
    (chains, sources)
}

/// Appends the chains of TCP rules at a place; whether one of them took every connection.
pub(crate) fn routes(place: &Place<'_>, rules: &[TcpRoute], chains: &mut Vec<TcpChain>) -> bool {
    for rule in rules {
        let destination = destination(place, &rule.route);
        if rule.r#match.is_empty() {
            chains.push(TcpChain::all(destination));
            return true;
        }
        for condition in &rule.r#match {
            if !applies(place, condition) {
                continue;
            }
            let mut chain = TcpChain::all(destination.clone());
            chain.ranges = condition
                .destination_subnets
                .iter()
                .filter_map(|text| parse_cidr(text))
                .collect();
            let everything = chain.ranges.is_empty();
            chains.push(chain);
            if everything {
                return true;
            }
        }
    }
    false
}

fn applies(place: &Place<'_>, condition: &L4MatchAttributes) -> bool {
    if condition.port != 0 && condition.port != place.port {
        return false;
    }
    if !condition.gateways.is_empty() {
        return condition
            .gateways
            .iter()
            .any(|name| place.gateways.contains(name));
    }
    let node = place.scope.node;
    let labels: &BTreeMap<String, String> = &condition.source_labels;
    subset_of(labels, &node.labels)
        && (condition.source_namespace.is_empty() || *condition.source_namespace == *node.namespace)
}

fn destination(place: &Place<'_>, destinations: &[RouteDestination]) -> Destination {
    match destinations {
        [
            RouteDestination {
                destination: Some(only),
                ..
            },
        ] => Destination::Cluster(place.cluster(only)),
        many => {
            let weighted: Vec<(String, u32)> = many
                .iter()
                .filter_map(|destination| {
                    let weight = u32::try_from(destination.weight).unwrap_or(0);
                    let cluster = place.cluster(destination.destination.as_ref()?);
                    (weight > 0).then_some((cluster, weight))
                })
                .collect();
            match weighted.as_slice() {
                [] => Destination::Cluster(names::BLACK_HOLE_CLUSTER.to_owned()),
                [(name, _)] => Destination::Cluster(name.clone()),
                _ => Destination::Weighted(weighted),
            }
        }
    }
}
