//! What brings a proxy to a workload: injection, redirection, identity, bootstrap, health and drain.

pub mod admin;
pub mod drain;
pub mod envoy;
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub mod identity;
pub mod inject;
pub mod node;
pub mod redirect;
pub mod webhook;
