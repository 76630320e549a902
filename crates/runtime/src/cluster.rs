//! Services and their endpoints, as the node's DNAT map and DNS need them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use api::kinds;
use api::store::{Change, Query, Store};
use base::ObjectKey;
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::watch;

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    /// TCP or UDP by IP number; others are passed over.
    pub(crate) protocol: u8,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) cluster_ip: Option<Ipv4Addr>,
    pub(crate) headless: bool,
    pub(crate) external_name: Option<String>,
    pub(crate) publish_not_ready: bool,
    pub(crate) ports: Vec<Port>,
}

/// An address behind a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: Ipv4Addr,
    pub(crate) hostname: Option<String>,
    pub(crate) ready: bool,
}

/// One EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) service: ObjectKey,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) ports: Vec<Port>,
}

/// All of them at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) services: BTreeMap<ObjectKey, Arc<Service>>,
    pub(crate) slices: BTreeMap<ObjectKey, Arc<Slice>>,
}

impl Cluster {
    /// The slices of a service.
    pub(crate) fn slices_of<'a>(&'a self, key: &'a ObjectKey) -> impl Iterator<Item = &'a Slice> {
        self.slices
            .values()
            .map(AsRef::as_ref)
            .filter(move |slice| slice.service == *key)
    }
}

fn key_of(object: &Value) -> Option<ObjectKey> {
    let meta = &object["metadata"];
    Some(ObjectKey::new(
        meta["namespace"].as_str()?,
        meta["name"].as_str()?,
    ))
}

fn ports(list: &Value) -> Vec<Port> {
    let port = |port: &Value| {
        let protocol = match port["protocol"].as_str().unwrap_or("TCP") {
            "TCP" => net::nft::TCP,
            "UDP" => net::nft::UDP,
            _ => return None,
        };
        let name = port["name"].as_str().unwrap_or_default().into();
        Some(Port {
            name,
            protocol,
            port: u16::try_from(port["port"].as_u64()?).ok()?,
        })
    };
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(port)
        .collect()
}

pub(crate) fn service(object: &Value) -> Option<(ObjectKey, Service)> {
    let spec = &object["spec"];
    let ip = spec["clusterIP"].as_str().unwrap_or_default();
    let external =
        (spec["type"] == "ExternalName").then(|| spec["externalName"].as_str().unwrap_or_default());
    let service = Service {
        cluster_ip: ip.parse().ok(),
        headless: ip == "None",
        external_name: external.filter(|name| !name.is_empty()).map(str::to_owned),
        publish_not_ready: spec["publishNotReadyAddresses"].as_bool().unwrap_or(false),
        ports: ports(&spec["ports"]),
    };
    Some((key_of(object)?, service))
}

pub(crate) fn slice(object: &Value) -> Option<(ObjectKey, Slice)> {
    let key = key_of(object)?;
    let service = object["metadata"]["labels"]["kubernetes.io/service-name"].as_str()?;
    let service = ObjectKey::new(key.namespace.clone(), service);
    let endpoints = object["endpoints"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|endpoint| {
            let ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
            let hostname = endpoint["hostname"].as_str().map(str::to_owned);
            let addresses = endpoint["addresses"].as_array().into_iter().flatten();
            addresses.filter_map(move |address| {
                let address = address.as_str()?.parse().ok()?;
                Some(Endpoint {
                    address,
                    hostname: hostname.clone(),
                    ready,
                })
            })
        });
    let endpoints = endpoints.collect();
    Some((
        key,
        Slice {
            service,
            endpoints,
            ports: ports(&object["ports"]),
        },
    ))
}

fn apply<T>(
    table: &mut BTreeMap<ObjectKey, Arc<T>>,
    change: Change,
    parse: fn(&Value) -> Option<(ObjectKey, T)>,
) {
    let parsed = |object: &Value| parse(object).map(|(key, value)| (key, Arc::new(value)));
    match change {
        Change::Synced(all) => *table = all.iter().filter_map(parsed).collect(),
        Change::Applied(object) => table.extend(parsed(&object)),
        Change::Deleted(object) => {
            if let Some(key) = key_of(&object) {
                table.remove(&key);
            }
        }
    }
}

/// Follows services and slices; the first state is published when both are complete.
pub(crate) fn follow(
    store: &Arc<dyn Store>,
) -> (
    watch::Receiver<Option<Arc<Cluster>>>,
    impl Future<Output = ()> + use<>,
) {
    let mut services = store.watch(&kinds::SERVICE, &Query::default());
    let mut slices = store.watch(&kinds::ENDPOINT_SLICE, &Query::default());
    let (sender, receiver) = watch::channel(None);
    let task = async move {
        let mut cluster = Cluster::default();
        let mut complete = (false, false);
        loop {
            tokio::select! {
                change = services.next() => match change {
                    Some(change) => { complete.0 = true; apply(&mut cluster.services, change, service); }
                    None => return,
                },
                change = slices.next() => match change {
                    Some(change) => { complete.1 = true; apply(&mut cluster.slices, change, slice); }
                    None => return,
                },
            }
            if complete == (true, true) {
                let _ = sender.send(Some(Arc::new(cluster.clone())));
            }
        }
    };
    (receiver, task)
}
