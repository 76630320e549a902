//! The only crate that speaks to an API server: implements `api::store::Store` with `kube`, turns
//! watches into [`api::Snapshot`]s, writes statuses, and remembers each object's last revision that
//! resolved.

mod connect;
mod error;
mod kube_store;
mod mesh;
mod remote;
mod request;
mod revisions;
mod snapshots;
mod status;
mod watch;

pub use connect::{Access, ConnectError, Credentials};
pub use kube_store::KubeStore;
pub use remote::{PodStream, Remote};
pub use revisions::Revisions;
pub use snapshots::snapshots;
pub use status::{Report, StatusWriter};
