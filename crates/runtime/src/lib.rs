//! Pods as local processes: the node of `ferromesh up`, a small kubelet that talks to the API server
//! through `api::store::Store` alone.

mod cluster;
mod dns;
mod env;
mod events;
mod facts;
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod kubelet;
mod node;
mod options;
mod plan;
mod pod;
mod quantity;
mod services;
pub mod shim;
mod source;
mod time;
mod volume;

pub use image::{ImageMap, Program, USER_FILE};
pub use node::Node;
pub use options::{KubeletTls, Options};
