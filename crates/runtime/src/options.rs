//! What a node is started with.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use api::store::Store;

use crate::image::ImageMap;

/// TLS of the kubelet API: PEM of the server's chain and key, and of the CA that client certificates
/// (the API server's) must come from.
#[derive(Clone)]
pub struct KubeletTls {
    pub certificates: Vec<u8>,
    pub key: Vec<u8>,
    pub client_ca: Vec<u8>,
}

/// Settings of [`Node::start`](crate::Node::start). The calling process is in the node's network
/// namespace already.
pub struct Options {
    pub store: Arc<dyn Store>,
    pub node_name: String,
    /// The node's address, on the loopback interface of its namespace: 10.244.0.1.
    pub node_ip: Ipv4Addr,
    /// Pods' addresses, with the prefix length.
    pub pod_cidr: (Ipv4Addr, u8),
    /// Services' addresses, with the prefix length.
    pub service_cidr: (Ipv4Addr, u8),
    /// The service address of the cluster's DNS.
    pub dns_ip: Ipv4Addr,
    pub cluster_domain: String,
    /// Where names outside the cluster are asked for: UDP sockets of the host's namespace, each connected
    /// to a resolver, in the order in which they are asked. Without any such names get SERVFAIL at once.
    pub dns_upstream: Vec<std::net::UdpSocket>,
    /// Holds `pods/`.
    pub data_dir: PathBuf,
    pub image_map: ImageMap,
    /// The command that runs [`shim::main`](crate::shim::main); the pod's directory is appended.
    pub shim_command: Vec<String>,
    /// The end of a pipe whose other end the supervisor holds; pods end with it.
    pub lifeline: Option<OwnedFd>,
    /// `None` leaves the kubelet API out.
    pub kubelet_tls: Option<KubeletTls>,
    /// Where the kubelet API listens; port 0 picks one.
    pub kubelet_listen: SocketAddr,
    /// Labels of the Node object, besides the usual ones.
    pub labels: BTreeMap<String, String>,
}

impl Options {
    /// The addresses that ARCHITECTURE.md lists, and no kubelet API.
    pub fn new(
        store: Arc<dyn Store>,
        node_name: &str,
        data_dir: PathBuf,
        shim_command: Vec<String>,
    ) -> Self {
        let node_ip = Ipv4Addr::new(10, 244, 0, 1);
        Self {
            store,
            node_name: node_name.into(),
            node_ip,
            pod_cidr: (Ipv4Addr::new(10, 244, 0, 0), 16),
            service_cidr: (Ipv4Addr::new(10, 96, 0, 0), 16),
            dns_ip: Ipv4Addr::new(10, 96, 0, 10),
            cluster_domain: "cluster.local".into(),
            dns_upstream: Vec::new(),
            data_dir,
            image_map: ImageMap::new(),
            shim_command,
            lifeline: None,
            kubelet_tls: None,
            kubelet_listen: SocketAddr::from((node_ip, 10250)),
            labels: BTreeMap::new(),
        }
    }
}
