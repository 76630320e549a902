//! From the state of the mesh to what each proxy should have.
//!
//! - [`MeshView`] indexes a snapshot: services, endpoints and the rules in force.
//! - [`generate`] is pure: an indexed snapshot and a [`NodeInfo`] to xDS resources, under Istio's names.
//! - [`Planner`] keeps connected proxies in step with the snapshots and reports what became of each object.

mod cluster;
mod credentials;
mod endpoint;
mod fragments;
#[doc(hidden)]
pub mod fuzzing;
mod generate;
mod listener;
pub mod mesh_view;
mod names;
mod node;
mod pb;
pub mod planner;
mod route;
mod scope;
mod secret;
mod tls;

pub use generate::{Generated, Generator, Warning, generate};
pub use mesh_view::MeshView;
pub use node::{Engine, InterceptionMode, IstioFilters, Locality, NodeError, NodeInfo, NodeKind};
pub use planner::resolve::{InMemory, LastResolved};
pub use planner::status::{Live, StatusUpdate};
pub use planner::{Authenticator, Planner, PlannerOptions, ProxyStatus, SyncState};
