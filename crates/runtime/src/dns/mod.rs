//! The cluster's DNS on the node: services and headless pods from the cluster's state, everything else
//! from the host's resolvers where there are some.

pub(crate) mod fuzzing;
mod server;
mod upstream;
mod zone;

pub(crate) use server::{Dns, serve};
pub(crate) use upstream::Upstream;
