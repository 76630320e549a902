//! xDS v3: messages, type names, canonical resources, and both ends of the protocol.
//!
//! - [`envoy`] and [`google`] are Envoy's generated messages; [`type_url`] names those that ferromesh speaks
//!   and [`any`] packs and unpacks them.
//! - [`Resource`] is one encoded, content-hashed fragment of configuration; [`View`] is the set of them that one
//!   node should have.
//! - [`server`] and [`client`] are the two ends of an aggregated discovery stream: state machines without IO,
//!   with thin tonic adapters around them.
//! - [`json`] maps encoded messages to and from JSON as Envoy prints it, through descriptors.

pub mod any;
mod canonical;
pub mod client;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "descriptors")]
pub mod json;
mod resource;
pub mod server;
pub mod type_url;
mod view;

pub use envoy_types::pb::{envoy, google, udpa, xds as cncf};
pub use resource::Resource;
pub use view::{Diff, View};
