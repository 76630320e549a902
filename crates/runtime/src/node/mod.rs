//! The node: registers itself, runs the pods that are bound to it, keeps service addresses and DNS.

mod register;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use api::kinds;
use api::store::{Change, Query};
use futures::StreamExt;
use net::netns::{Link, Namespace};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::dns::{self, Dns};
use crate::events;
use crate::options::Options;
use crate::pod::etc::ClusterDns;
use crate::pod::sandbox::Sandboxes;
use crate::pod::worker::{self, Update};
use crate::pod::{Registry, Shared};
use crate::services::{self, Network};
use crate::{cluster, kubelet};

/// A running node. Dropping it leaves pods as they are, for the next one to find.
pub struct Node {
    tasks: JoinSet<()>,
    kubelet: Option<std::net::SocketAddr>,
}

impl Node {
    /// Starts a node in the network namespace that the calling thread is in.
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options {
            store,
            node_name,
            node_ip,
            pod_cidr,
            service_cidr,
            dns_ip,
            cluster_domain,
            dns_upstream,
            data_dir,
            mut image_map,
            shim_command,
            lifeline,
            kubelet_tls,
            kubelet_listen,
            labels,
        } = options;
        let network = Network {
            node_ip,
            service_cidr,
            dns_ip,
        };
        prepare_network(&network)?;
        let data_dir = std::fs::canonicalize(data_dir)?;
        image_map.insert_file(&data_dir.join(crate::image::USER_FILE))?;
        let lifeline_fd = lifeline.as_ref().map(inheritable).transpose()?;
        let mut tasks = JoinSet::new();
        let (recorder, write_events) = events::recorder(store.clone(), node_name.clone());
        tasks.spawn(write_events);
        let sandboxes = Sandboxes::new(&data_dir, node_ip, pod_cidr, shim_command, lifeline_fd)?;
        let shared = Arc::new(Shared {
            store,
            node_name,
            node_ip,
            sandboxes,
            data_dir,
            images: image_map,
            recorder,
            dns: ClusterDns {
                server: dns_ip,
                domain: cluster_domain.clone(),
            },
            capacity: register::capacity(),
            registry: Registry::default(),
        });
        let (state, follow) = cluster::follow(&shared.store);
        tasks.spawn(follow);
        tasks.spawn(services::run(network, state.clone()));
        let dns = Dns {
            cluster: state,
            domain: cluster_domain,
            dns_ip,
            networks: [pod_cidr, service_cidr],
            upstream: dns::Upstream::new(dns_upstream)?,
        };
        tasks.spawn(serve_dns(dns, vec![dns_ip.into(), node_ip.into()]));
        let mut kubelet = None;
        if let Some(tls) = kubelet_tls {
            let (address, serve) = kubelet::serve(shared.clone(), &tls, kubelet_listen).await?;
            tasks.spawn(serve);
            kubelet = Some(address);
        }
        let port = kubelet.map_or(10250, |address| address.port());
        tasks.spawn(register::run(shared.clone(), labels, pod_cidr, port));
        tasks.spawn(async move {
            // The lifeline is inherited by number; this keeps it open.
            let _lifeline = lifeline;
            run_pods(shared).await;
        });
        Ok(Self { tasks, kubelet })
    }

    /// Where the kubelet API listens.
    #[must_use]
    pub fn kubelet_address(&self) -> Option<std::net::SocketAddr> {
        self.kubelet
    }

    /// Waits for the node's end, which only a failure brings.
    pub async fn wait(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn serve_dns(dns: Dns, addresses: Vec<IpAddr>) {
    if let Err(error) = dns::serve(Arc::new(dns), addresses).await {
        tracing::error!(%error, "cluster DNS does not run");
    }
}

fn inheritable(fd: &std::os::fd::OwnedFd) -> io::Result<i32> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::os::fd::AsRawFd;
    fcntl(fd.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(fd.as_raw_fd())
}

fn prepare_network(network: &Network) -> io::Result<()> {
    let lo = Link::named("lo");
    lo.up()?;
    lo.add_address(network.node_ip, 32)?;
    lo.add_address(network.dns_ip, 32)?;
    // Programs of the node itself reach services too: the route lets the packet come to the hook that
    // translates its destination.
    let (address, prefix) = network.service_cidr;
    lo.add_route(address, prefix, Some(network.node_ip))?;
    let here = Namespace::current()?;
    for (name, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv4/conf/all/route_localnet", "0"),
    ] {
        here.set_parameter(name, value)?;
    }
    Ok(())
}

/// Gives each pod of the node a worker.
async fn run_pods(shared: Arc<Shared>) {
    let query = Query {
        fields: format!("spec.nodeName={}", shared.node_name),
        ..Query::default()
    };
    let mut changes = shared.store.watch(&kinds::POD, &query);
    let mut workers: HashMap<String, mpsc::UnboundedSender<Update>> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            change = changes.next() => {
                let Some(change) = change else { return };
                apply(&shared, &mut workers, &mut tasks, change).await;
            }
            Some(ended) = tasks.join_next() => {
                if let Ok(uid) = ended {
                    workers.remove(&uid);
                }
            }
        }
    }
}

type Workers = HashMap<String, mpsc::UnboundedSender<Update>>;

async fn apply(
    shared: &Arc<Shared>,
    workers: &mut Workers,
    tasks: &mut JoinSet<String>,
    change: Change,
) {
    match change {
        Change::Synced(objects) => {
            let present: Vec<_> = objects
                .iter()
                .filter_map(uid_of)
                .map(str::to_owned)
                .collect();
            for (uid, updates) in workers.iter() {
                if !present.contains(uid) {
                    let _ = updates.send(Update::Gone);
                }
            }
            let left = shared.sandboxes.uids();
            let orphans = left
                .into_iter()
                .filter(|uid| !present.contains(uid) && !workers.contains_key(uid));
            let orphans: Vec<_> = orphans.collect();
            let cleaner = shared.clone();
            let _ = tokio::task::spawn_blocking(move || {
                for uid in orphans {
                    let _ = cleaner.sandboxes.remove(&uid);
                }
            })
            .await;
            for object in objects {
                deliver(shared, workers, tasks, object);
            }
        }
        Change::Applied(object) => deliver(shared, workers, tasks, object),
        Change::Deleted(object) => {
            if let Some(updates) = uid_of(&object).and_then(|uid| workers.get(uid)) {
                let _ = updates.send(Update::Gone);
            }
        }
    }
}

fn uid_of(object: &Value) -> Option<&str> {
    object["metadata"]["uid"].as_str()
}

fn deliver(
    shared: &Arc<Shared>,
    workers: &mut Workers,
    tasks: &mut JoinSet<String>,
    object: Value,
) {
    let Some(uid) = uid_of(&object).map(str::to_owned) else {
        return;
    };
    // The store may not know the field selector.
    if object["spec"]["nodeName"] != shared.node_name.as_str() || uid.contains(['/', '.']) {
        return;
    }
    let object = match workers.get(&uid) {
        None => object,
        Some(updates) => match updates.send(Update::Object(object)) {
            Ok(()) => return,
            Err(mpsc::error::SendError(Update::Object(object))) => object,
            Err(_) => return,
        },
    };
    let (sender, updates) = mpsc::unbounded_channel();
    workers.insert(uid.clone(), sender);
    let shared = shared.clone();
    tasks.spawn(async move {
        worker::run(shared, object, updates).await;
        uid
    });
}
