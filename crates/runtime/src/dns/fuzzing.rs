//! Fuzz target of the DNS server.

use std::net::Ipv4Addr;
use std::sync::Arc;

use base::ObjectKey;
use hickory_proto::op::{Message, MessageType};
use tokio::sync::watch;

use super::server::{Dns, Transport};
use super::upstream::Upstream;
use crate::cluster::{Cluster, Endpoint, Port, Service, Slice};

/// A message from a pod: an answer is a response to it that can be read, and no larger than it may be.
pub fn dns(data: &[u8]) {
    let (_sender, cluster) = watch::channel(Some(Arc::new(sample())));
    let dns = Dns {
        cluster,
        domain: "cluster.local".into(),
        dns_ip: Ipv4Addr::new(10, 96, 0, 10),
        networks: [
            (Ipv4Addr::new(10, 244, 0, 0), 16),
            (Ipv4Addr::new(10, 96, 0, 0), 16),
        ],
        upstream: Upstream::none(),
    };
    for transport in [Transport::Udp, Transport::Tcp] {
        // Nothing waits: there is no resolver outside.
        let Some(answer) = futures::executor::block_on(dns.respond(data, transport)) else {
            continue;
        };
        let read = Message::from_vec(&answer).expect("the answer can be read");
        assert_eq!(read.metadata.message_type, MessageType::Response);
        assert_eq!(answer[..2], data[..2]);
        if transport == Transport::Udp {
            assert!(answer.len() <= data.len().max(1232), "{}", answer.len());
        }
    }
}

/// Enough names to find, and more endpoints than fit in one datagram.
fn sample() -> Cluster {
    let port = |name: &str, port| Port {
        name: name.into(),
        protocol: 6,
        port,
    };
    let service = |cluster_ip, external_name: Option<&str>| {
        Arc::new(Service {
            cluster_ip,
            headless: cluster_ip.is_none() && external_name.is_none(),
            external_name: external_name.map(str::to_owned),
            publish_not_ready: false,
            ports: vec![port("http", 80), port("grpc", 9090)],
        })
    };
    let endpoint = |n: u8| Endpoint {
        address: Ipv4Addr::new(10, 244, 0, n),
        hostname: Some(format!("h-{n}")),
        ready: !n.is_multiple_of(7),
    };
    let headless = ObjectKey::new("default", "h");
    let slice = Slice {
        service: headless.clone(),
        endpoints: (2..120).map(endpoint).collect(),
        ports: vec![port("http", 80)],
    };
    Cluster {
        services: [
            (
                ObjectKey::new("default", "a"),
                service(Some(Ipv4Addr::new(10, 96, 0, 20)), None),
            ),
            (headless, service(None, None)),
            (
                ObjectKey::new("default", "e"),
                service(None, Some("example.com")),
            ),
        ]
        .into(),
        slices: [(ObjectKey::new("default", "h-1"), Arc::new(slice))].into(),
    }
}
