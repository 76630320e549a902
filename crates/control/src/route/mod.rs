//! Route configurations: shared outbound ports and sniffed services of sidecars, and gateway servers.

pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod matching;
pub(crate) mod policy;
pub(crate) mod sidecar;
pub(crate) mod tcp;

use std::collections::HashSet;
use std::time::Duration;

use base::ObjectRef;

use crate::generate::Scope;
use crate::mesh_view::model::Service;
use crate::names;
use crate::pb::{boolean, duration, route_v3, uint32};
use route_v3::route_action::ClusterSpecifier;

/// A route configuration and the objects it was made from.
pub(crate) type Made = (route_v3::RouteConfiguration, Vec<ObjectRef>);

/// Bodies of direct responses may have 1 MiB, which is what validation admits
/// (`route.go`, `DefaultMaxDirectResponseBodySizeBytes`).
const MAX_DIRECT_RESPONSE: u32 = 1024 * 1024;

/// A route configuration with Istio's settings. Clusters are not checked: a route to one that is not there yet answers
/// 503 NC instead of blocking every other route. The port in the request's authority is ignored.
pub(crate) fn configuration(
    name: String,
    virtual_hosts: Vec<route_v3::VirtualHost>,
) -> route_v3::RouteConfiguration {
    route_v3::RouteConfiguration {
        name,
        virtual_hosts,
        validate_clusters: boolean(false),
        max_direct_response_body_size_bytes: uint32(MAX_DIRECT_RESPONSE),
        ignore_port_in_host_matching: true,
        ..Default::default()
    }
}

/// Sets a route's time-out. A gRPC client's own `grpc-timeout` reaches no farther than that, and without one as far as it
/// says. The field is deprecated, but with `max_stream_duration` in its place Envoy would heed `timeout` no more; Istio
/// writes it for that reason (`route.go`, `setTimeout`).
pub(crate) fn with_timeout(
    mut action: route_v3::RouteAction,
    timeout: Duration,
) -> route_v3::RouteAction {
    action.timeout = duration(timeout);
    #[allow(deprecated)]
    {
        action.max_grpc_timeout = duration(timeout);
    }
    action
}

/// A route of everything to one action, named as Istio names generated routes.
pub(crate) fn default_route(action: route_v3::RouteAction, operation: &str) -> route_v3::Route {
    route_v3::Route {
        name: "default".to_owned(),
        r#match: Some(matching::everything()),
        decorator: Some(route_v3::Decorator {
            operation: operation.to_owned(),
            propagate: None,
        }),
        action: Some(route_v3::route::Action::Route(action)),
        ..Default::default()
    }
}

/// The route to a service that has no VirtualService (`BuildDefaultHTTPOutboundRoute`).
pub(crate) fn service_route(scope: &Scope<'_>, host: &str, port: u32) -> route_v3::Route {
    let action = route_v3::RouteAction {
        retry_policy: policy::retries(scope.settings().default_retries.as_ref()),
        cluster_specifier: Some(ClusterSpecifier::Cluster(names::outbound_cluster(
            port, "", host,
        ))),
        ..Default::default()
    };
    let action = with_timeout(action, Duration::ZERO);
    default_route(action, &format!("{host}:{port}/*"))
}

/// The names under which a proxy's workload reaches a host: the full name, its short forms as resolved from the
/// proxy's namespace, and the addresses (`httproute.go`, `generateVirtualHostDomains`).
pub(crate) fn domains(host: &str, dns_domain: &str, service: Option<&Service>) -> Vec<String> {
    let mut domains = vec![host.to_owned()];
    if let Some((unique, shared)) = split_shared(host, dns_domain) {
        // `shared` starts with the proxy's own namespace, or with `svc` for another one.
        let labels: Vec<&str> = shared.split('.').collect();
        match labels.iter().position(|label| *label == "svc") {
            Some(1) => {
                let namespace = labels[0];
                domains.push(unique.to_owned());
                domains.push(format!("{unique}.{namespace}.svc"));
                domains.push(format!("{unique}.{namespace}"));
            }
            Some(0) => {
                domains.push(format!("{unique}.svc"));
                domains.push(unique.to_owned());
            }
            _ => {}
        }
    }
    if let Some(service) = service {
        if service.headless {
            // Pods of a StatefulSet have names of their own below the service's.
            let pods: Vec<String> = domains.iter().map(|domain| format!("*.{domain}")).collect();
            domains.extend(pods);
        }
        domains.extend(service.hosts().map(|address| match address {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        }));
    }
    domains
}

/// Splits a host into what is its own and the DNS domain that it shares with the proxy, which must reach down to `svc`.
fn split_shared<'h>(host: &'h str, dns_domain: &str) -> Option<(&'h str, &'h str)> {
    let mut domain = dns_domain;
    loop {
        if let Some(unique) = host
            .strip_suffix(domain)
            .and_then(|rest| rest.strip_suffix('.'))
        {
            return (!unique.is_empty() && domain.split('.').any(|label| label == "svc"))
                .then(|| (unique, &host[unique.len() + 1..]));
        }
        domain = domain.split_once('.')?.1;
    }
}

/// Gives each domain to the first virtual host that asks for it: Envoy refuses configurations in which two do.
#[derive(Default)]
pub(crate) struct DomainRegister(HashSet<String>);

impl DomainRegister {
    /// Those of `domains` that nobody has yet.
    pub(crate) fn claim(&mut self, domains: Vec<String>) -> Vec<String> {
        domains
            .into_iter()
            .filter(|domain| self.0.insert(domain.to_ascii_lowercase()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_depend_on_the_proxys_namespace() {
        let host = "reviews.default.svc.cluster.local";
        assert_eq!(
            domains(host, "default.svc.cluster.local", None),
            [host, "reviews", "reviews.default.svc", "reviews.default"]
        );
        assert_eq!(
            domains(host, "other.svc.cluster.local", None),
            [host, "reviews.default.svc", "reviews.default"]
        );
        assert_eq!(
            domains("example.com", "default.svc.cluster.local", None),
            ["example.com"]
        );
        assert_eq!(
            domains("x.local", "default.svc.cluster.local", None),
            ["x.local"]
        );
    }
}
