//! The embedded Kubernetes API server: kubectl, client-go and `kube` work against it unmodified. Objects
//! are raw JSON in a redb file; a write is acknowledged only once it is on disk.

mod admission;
mod api;
mod auth;
mod bounds;
mod clock;
mod conditions;
mod controllers;
mod convert;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod node;
mod objects;
mod openapi;
mod options;
mod patch;
mod pki;
mod registry;
mod schema;
mod server;
pub mod storage;
mod table;

pub use options::{Kubeconfig, Options};
pub use pki::PkiError;
pub use server::{OpenError, Server};
