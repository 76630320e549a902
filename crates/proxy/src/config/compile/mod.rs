//! From xDS messages to compiled configuration. Every field has an effect, is listed as harmless with the reason, or
//! is refused by name: [`accept`] holds the table, the modules here give fields their effect.

pub mod accept;
mod access_log;
mod cluster;
mod common;
mod endpoint;
mod filter;
mod hcm;
mod headers;
mod listener;
mod local_reply;
mod matcher;
mod route;
mod route_action;
mod supported;
#[cfg(test)]
mod tests;
mod tls;
mod upstream_http;

use std::fmt;
use std::sync::Arc;

use base::ContentHash;
use prost::Message;
use xds::envoy::config::cluster::v3 as cluster_pb;
use xds::envoy::config::endpoint::v3 as endpoint_pb;
use xds::envoy::config::listener::v3 as listener_pb;
use xds::envoy::config::route::v3 as route_pb;
use xds::envoy::extensions::transport_sockets::tls::v3 as tls_pb;

use super::cluster::{Assignment, ClusterInfo};
use super::ids::Ids;
use super::listener::{ListenAddress, Listener};
use super::route::RouteTable;
use super::tls::Secret;

/// Why a resource was refused: the resource, the field, the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct CompileError {
    pub path: String,
    pub reason: String,
}

pub(crate) type Result<T> = std::result::Result<T, CompileError>;

/// Where in a message the compiler is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    name: &'a str,
    index: Option<usize>,
}

impl<'a> At<'a> {
    pub(crate) fn root(name: &'a str) -> Self {
        Self {
            parent: None,
            name,
            index: None,
        }
    }

    pub(crate) fn field(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            name,
            index: None,
        }
    }

    pub(crate) fn item(&'a self, name: &'a str, index: usize) -> Self {
        Self {
            parent: Some(self),
            name,
            index: Some(index),
        }
    }

    pub(crate) fn error(&self, reason: impl fmt::Display) -> CompileError {
        CompileError {
            path: self.to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn unsupported(&self) -> CompileError {
        self.error("not supported by ferromesh-proxy")
    }

    pub(crate) fn missing(&self) -> CompileError {
        self.error("required and not set")
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

/// Decodes a message, refusing fields that have no meaning here.
fn decode<M: Message + prost::Name + Default>(root: &At<'_>, body: &[u8]) -> Result<M> {
    let message =
        M::decode(body).map_err(|error| root.error(format_args!("malformed: {error}")))?;
    accept::check(&M::full_name(), body, root)?;
    Ok(message)
}

/// Compiles a Listener.
pub fn listener(ids: &Ids, name: &str, body: &[u8]) -> Result<Listener> {
    let label = format!("listener {name:?}");
    let at = At::root(&label);
    let message: listener_pb::Listener = decode(&at, body)?;
    listener::compile(ids, &at, &message, ContentHash::of(body))
}

/// Compiles a RouteConfiguration.
pub fn route_table(ids: &Ids, name: &str, body: &[u8]) -> Result<RouteTable> {
    let label = format!("route configuration {name:?}");
    let at = At::root(&label);
    let message: route_pb::RouteConfiguration = decode(&at, body)?;
    route::compile(ids, &at, &message, ContentHash::of(body))
}

/// Compiles a Cluster.
pub fn cluster(ids: &Ids, name: &str, body: &[u8]) -> Result<ClusterInfo> {
    let label = format!("cluster {name:?}");
    let at = At::root(&label);
    let message: cluster_pb::Cluster = decode(&at, body)?;
    cluster::compile(ids, &at, &message, ContentHash::of(body))
}

/// Compiles a ClusterLoadAssignment.
pub fn assignment(name: &str, body: &[u8]) -> Result<Assignment> {
    let label = format!("endpoints of {name:?}");
    let at = At::root(&label);
    let message: endpoint_pb::ClusterLoadAssignment = decode(&at, body)?;
    let mut assignment = endpoint::compile(&at, &message, endpoint::Names::Refused)?;
    assignment.version = ContentHash::of(body);
    Ok(assignment)
}

/// Compiles an address to listen on.
pub(crate) fn listen_address(
    label: &str,
    address: &xds::envoy::config::core::v3::Address,
) -> Result<ListenAddress> {
    listener::address(&At::root(label), Some(address))
}

/// Compiles a Secret.
pub fn secret(name: &str, body: &[u8]) -> Result<Arc<Secret>> {
    let label = format!("secret {name:?}");
    let at = At::root(&label);
    let message: tls_pb::Secret = decode(&at, body)?;
    tls::secret(&at, name, &message).map(Arc::new)
}
