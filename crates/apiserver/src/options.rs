//! What the one who starts the server decides.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// Options of [`crate::Server::open`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of `state.redb` and `pki/`; created when missing.
    pub data_dir: PathBuf,
    /// Range that service addresses are taken from.
    pub service_cidr: IpNet,
    /// Range that node ports are taken from, both ends included.
    pub node_ports: (u16, u16),
    /// Where clients inside the cluster reach this server; behind the Service `default/kubernetes`.
    pub advertise: SocketAddr,
    /// More host names and addresses that the serving certificate must carry.
    pub extra_sans: Vec<String>,
    /// Where to write a kubeconfig for the administrator, and the server URL to put into it.
    pub kubeconfig: Option<Kubeconfig>,
    /// `iss` of service account tokens.
    pub issuer: String,
    /// Connections served at a time; more wait in the listen backlog.
    pub max_connections: usize,
    /// Seconds between bookmarks of a watch that asked for them.
    pub bookmark_interval: Duration,
    /// Changes per resource that a watch can go back to; older ones are answered with 410.
    pub watch_history: usize,
    /// Events older than this are removed.
    pub event_ttl: Duration,
}

/// A kubeconfig to write.
#[derive(Debug, Clone)]
pub struct Kubeconfig {
    pub path: PathBuf,
    /// Such as `https://127.0.0.1:6443`.
    pub server: String,
    /// Name of the context, the cluster and the user.
    pub name: String,
}

impl Options {
    /// Options with the defaults of `ferromesh up`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            service_cidr: IpNet::V4(ipnet::Ipv4Net::new_assert([10, 96, 0, 0].into(), 16)),
            node_ports: (30000, 32767),
            advertise: SocketAddr::from(([10, 244, 0, 1], 6443)),
            extra_sans: Vec::new(),
            kubeconfig: None,
            issuer: "https://kubernetes.default.svc.cluster.local".into(),
            max_connections: 4096,
            bookmark_interval: Duration::from_secs(60),
            watch_history: crate::storage::HISTORY,
            event_ttl: Duration::from_secs(3600),
        }
    }
}
