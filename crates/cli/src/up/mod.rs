//! `ferromesh up`: prerequisites, data directory, supervisor, relay.

pub(crate) mod data_dir;
pub(crate) mod notify;
pub(crate) mod prerequisites;
pub(crate) mod progress;
pub(crate) mod relay;
pub(crate) mod resolvers;
pub(crate) mod supervisor;

use std::net::Ipv4Addr;

pub(crate) const DEFAULT_DATA_DIR: &str = "/var/lib/ferromesh";

/// The node's own address inside its namespace; see ARCHITECTURE.md.
pub(crate) const NODE_IP: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
pub(crate) const GATEWAY_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 80);
pub(crate) const API_PORT_INSIDE: u16 = 6443;
