//! The cluster's DNS on the node: services and headless pods from the cluster's state, everything else
//! from an optional resolver outside.

pub(crate) mod fuzzing;
mod server;
mod zone;

pub(crate) use server::{Dns, Upstream, serve};
