//! Service addresses: an nftables map in the node's namespace that leads each to a random ready
//! endpoint. What has none is refused at once.

mod table;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::cluster::Cluster;

pub(crate) use table::Network;
use table::{install, update};

/// Protocol, address and port of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Frontend {
    pub(crate) protocol: u8,
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
}

/// Where connections to each frontend may go; sorted, never empty.
pub(crate) type Routes = BTreeMap<Frontend, Vec<(Ipv4Addr, u16)>>;

/// The routes that follow from the cluster's state. `except` is the cluster's DNS, which the node
/// itself serves.
pub(crate) fn routes(cluster: &Cluster, except: Ipv4Addr) -> Routes {
    let mut routes = Routes::new();
    for (key, service) in &cluster.services {
        let Some(address) = service.cluster_ip.filter(|ip| *ip != except) else {
            continue;
        };
        for port in &service.ports {
            let mut backends: Vec<_> = cluster
                .slices_of(key)
                .flat_map(|slice| {
                    // A service's port and a slice's belong together by name.
                    let target = slice
                        .ports
                        .iter()
                        .find(|p| p.name == port.name && p.protocol == port.protocol);
                    let ready = slice
                        .endpoints
                        .iter()
                        .filter(|e| e.ready || service.publish_not_ready);
                    ready.filter_map(move |endpoint| Some((endpoint.address, target?.port)))
                })
                .collect();
            backends.sort_unstable();
            backends.dedup();
            if !backends.is_empty() {
                routes.insert(
                    Frontend {
                        protocol: port.protocol,
                        address,
                        port: port.port,
                    },
                    backends,
                );
            }
        }
    }
    routes
}

/// Keeps the kernel's map like the cluster's state.
pub(crate) async fn run(network: Network, mut cluster: watch::Receiver<Option<Arc<Cluster>>>) {
    let mut current: Option<Routes> = None;
    loop {
        let wanted = cluster
            .borrow_and_update()
            .as_ref()
            .map(|cluster| routes(cluster, network.dns_ip));
        if let Some(wanted) = wanted.filter(|wanted| Some(wanted) != current.as_ref()) {
            current = apply(&network, current, wanted);
        }
        if cluster.changed().await.is_err() {
            return;
        }
    }
}

/// Returns what the kernel has now, if that is known.
fn apply(network: &Network, current: Option<Routes>, wanted: Routes) -> Option<Routes> {
    if let Some(current) = current {
        match update(&current, &wanted) {
            Ok(()) => return Some(wanted),
            Err(error) => tracing::error!(%error, "service map not updated; making it anew"),
        }
    }
    match install(network, &wanted) {
        Ok(()) => Some(wanted),
        Err(error) => {
            tracing::error!(%error, "service map not made");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{service, slice};
    use serde_json::json;

    #[test]
    fn a_service_leads_to_the_ready_endpoints_of_its_port_by_name() {
        let mut cluster = Cluster::default();
        let (key, web) = service(&json!({
            "metadata": { "name": "web", "namespace": "a" },
            "spec": { "clusterIP": "10.96.1.1", "ports": [{ "name": "http", "port": 80 }, { "name": "dns", "port": 53, "protocol": "UDP" }] },
        }))
        .unwrap();
        cluster.services.insert(key, Arc::new(web));
        let (key, endpoints) = slice(&json!({
            "metadata": { "name": "web-1", "namespace": "a", "labels": { "kubernetes.io/service-name": "web" } },
            "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
            "endpoints": [
                { "addresses": ["10.244.0.3"], "conditions": { "ready": true } },
                { "addresses": ["10.244.0.2"] },
                { "addresses": ["10.244.0.4"], "conditions": { "ready": false } },
            ],
        }))
        .unwrap();
        cluster.slices.insert(key, Arc::new(endpoints));
        let routes = routes(&cluster, [10, 96, 0, 10].into());
        let http = Frontend {
            protocol: net::nft::TCP,
            address: [10, 96, 1, 1].into(),
            port: 80,
        };
        let expected = vec![
            ([10, 244, 0, 2].into(), 8080),
            ([10, 244, 0, 3].into(), 8080),
        ];
        assert_eq!(routes, Routes::from([(http, expected)]));
    }
}
