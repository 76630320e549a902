//! What has to happen inside the server without anybody asking: establishing definitions, emptying
//! namespaces, collecting what lost its owner, forgetting old events.

pub(crate) mod bootstrap;
pub(crate) mod definitions;
mod events;
pub(crate) mod garbage;
pub(crate) mod namespaces;

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::api::Api;

/// Starts the loops; they end when the server stops.
pub(crate) fn start(api: &Arc<Api>, tasks: &TaskTracker) {
    tasks.spawn(definitions::run(api.clone()));
    tasks.spawn(namespaces::run(api.clone()));
    tasks.spawn(garbage::run(api.clone()));
    tasks.spawn(events::run(api.clone()));
}
