//! Kubernetes' and Istio's resources as the layers above see them: strict positioned parsing, Istio's
//! admission rules, the immutable [`Snapshot`], and the [`store::Store`] trait through which everything is
//! read and written. No IO here.

mod diagnostic;
mod duration;
#[doc(hidden)]
pub mod fuzzing;
pub mod istio;
pub mod kinds;
pub mod parse;
pub mod path;
pub mod proxies;
mod registry;
pub mod schema;
pub mod snapshot;
mod status;
pub mod store;
mod validate;

pub use diagnostic::{Diagnostic, Severity};
pub use duration::Duration;
pub use k8s_openapi as k8s;
pub use schema::{crds, strict_fields};
pub use snapshot::{Applied, Meta, Quarantine, Resource, Snapshot, Table};
pub use status::{Condition, Revision};
pub use validate::{
    MeshFields, RefusedField, mesh_config, mesh_fields, proxy_config, refused_fields, unsupported,
    unsupported_mesh, validate, validate_at,
};
