//! Load assignments.

use std::sync::Arc;

use xds::envoy::config::core::v3 as core;
use xds::envoy::config::endpoint::v3 as pb;

use super::common::{fractional_percent, host_port, metadata, u32_or};
use super::{At, Result};
use crate::config::cluster::{
    Assignment, EdsHealth, Endpoint, EndpointAddress, Locality, LocalityEndpoints,
};

/// Whether an address may be a DNS name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Refused,
    Allowed,
}

/// Envoy's highest priority number.
const MAX_PRIORITY: u32 = 128;

pub(super) fn compile(
    at: &At<'_>,
    message: &pb::ClusterLoadAssignment,
    names: Names,
) -> Result<Assignment> {
    if let Some(name) = message.named_endpoints.keys().next() {
        return Err(at
            .field("named_endpoints")
            .error(format_args!("{name:?}: not supported by ferromesh-proxy")));
    }
    let localities = message.endpoints.iter().enumerate();
    let localities = localities.map(|(i, group)| locality(&at.item("endpoints", i), group, names));
    let mut assignment = Assignment {
        localities: localities.collect::<Result<_>>()?,
        ..Assignment::default()
    };
    check_priorities(at, &assignment)?;
    if let Some(policy) = &message.policy {
        let at = at.field("policy");
        assignment.overprovisioning_factor =
            policy.overprovisioning_factor.map(|value| value.value);
        for (i, drop) in policy.drop_overloads.iter().enumerate() {
            let at = at.item("drop_overloads", i);
            let percent = drop
                .drop_percentage
                .as_ref()
                .ok_or_else(|| at.field("drop_percentage").missing())?;
            let fraction = fractional_percent(&at.field("drop_percentage"), percent)?;
            assignment
                .drop_overloads
                .push((drop.category.as_str().into(), fraction));
        }
    }
    Ok(assignment)
}

/// Priorities may have holes, which `HostSets` fills with empty ones; their number is bounded.
fn check_priorities(at: &At<'_>, assignment: &Assignment) -> Result<()> {
    for (i, locality) in assignment.localities.iter().enumerate() {
        if locality.priority > MAX_PRIORITY {
            return Err(at
                .item("endpoints", i)
                .field("priority")
                .error("greater than 128"));
        }
    }
    Ok(())
}

#[expect(deprecated, reason = "one of the two forms of the list")]
fn locality(
    at: &At<'_>,
    group: &pb::LocalityLbEndpoints,
    names: Names,
) -> Result<LocalityEndpoints> {
    use pb::locality_lb_endpoints::LbConfig;
    let list = match &group.lb_config {
        Some(LbConfig::LoadBalancerEndpoints(list)) => &list.lb_endpoints,
        Some(LbConfig::LedsClusterLocalityConfig(_)) => {
            return Err(at.field("leds_cluster_locality_config").unsupported());
        }
        None => &group.lb_endpoints,
    };
    let endpoints = list
        .iter()
        .enumerate()
        .map(|(i, value)| endpoint(&at.item("lb_endpoints", i), value, names));
    let locality = group.locality.as_ref().map(|locality| Locality {
        region: locality.region.as_str().into(),
        zone: locality.zone.as_str().into(),
        sub_zone: locality.sub_zone.as_str().into(),
    });
    Ok(LocalityEndpoints {
        locality: locality.unwrap_or_default(),
        priority: group.priority,
        weight: group.load_balancing_weight.map(|value| value.value),
        endpoints: endpoints.collect::<Result<_>>()?,
    })
}

fn endpoint(at: &At<'_>, value: &pb::LbEndpoint, names: Names) -> Result<Endpoint> {
    use pb::lb_endpoint::HostIdentifier;
    let endpoint = match &value.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint,
        Some(HostIdentifier::EndpointName(_)) => {
            return Err(at.field("endpoint_name").unsupported());
        }
        None => return Err(at.field("endpoint").missing()),
    };
    let weight = u32_or(value.load_balancing_weight, 1);
    if weight == 0 {
        return Err(at
            .field("load_balancing_weight")
            .error("must be at least 1"));
    }
    let at = at.field("endpoint");
    let address_at = at.field("address");
    let source = endpoint
        .address
        .as_ref()
        .ok_or_else(|| address_at.missing())?;
    Ok(Endpoint {
        address: address(&address_at, source, names)?,
        hostname: endpoint.hostname.as_str().into(),
        weight,
        health: health(value.health_status),
        metadata: metadata(value.metadata.as_ref()),
    })
}

pub(super) fn address(
    at: &At<'_>,
    source: &core::Address,
    names: Names,
) -> Result<EndpointAddress> {
    use core::address::Address;
    match &source.address {
        Some(Address::SocketAddress(socket)) => {
            let at = at.field("socket_address");
            let (host, port) = host_port(&at, socket)?;
            match host.parse::<std::net::IpAddr>() {
                Ok(ip) => Ok(EndpointAddress::Socket((ip, port).into())),
                Err(_) if names == Names::Allowed && !host.is_empty() => {
                    Ok(EndpointAddress::Name {
                        host: host.into(),
                        port,
                    })
                }
                Err(_) => Err(at
                    .field("address")
                    .error(format_args!("{host:?} is not an IP address"))),
            }
        }
        Some(Address::Pipe(pipe)) => Ok(EndpointAddress::Pipe(Arc::from(std::path::Path::new(
            &pipe.path,
        )))),
        Some(Address::EnvoyInternalAddress(_)) => {
            Err(at.field("envoy_internal_address").unsupported())
        }
        None => Err(at.missing()),
    }
}

fn health(status: i32) -> EdsHealth {
    use core::HealthStatus;
    match HealthStatus::try_from(status) {
        Ok(HealthStatus::Unhealthy | HealthStatus::Timeout) => EdsHealth::Unhealthy,
        Ok(HealthStatus::Draining) => EdsHealth::Draining,
        Ok(HealthStatus::Degraded) => EdsHealth::Degraded,
        Ok(HealthStatus::Unknown | HealthStatus::Healthy) | Err(_) => EdsHealth::Healthy,
    }
}
