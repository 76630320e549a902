//! The admin interface: Envoy's endpoints and formats, on a thread of its own.

mod clusters;
mod dump;
mod info;
mod pages;
mod server;
mod stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::Value;

use crate::config::Config;
use crate::observe::Observe;

pub use dump::DumpResource;
pub use pages::ENDPOINTS;
pub use server::serve;

/// What the running proxy does when the admin interface says so.
pub trait Control: Send + Sync + 'static {
    /// `/drain_listeners`: inbound connections finish, new ones are still taken with `graceful`.
    fn drain_listeners(&self, graceful: bool);
    /// `/quitquitquit`
    fn quit(&self);
    /// `/logging?level=…`: the filter in force after it.
    fn logging(&self, level: Option<&str>) -> Result<String, String>;
}

/// Everything that the pages are made from.
pub struct Sources {
    pub observe: Arc<Observe>,
    /// The configuration in force.
    pub config: Box<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// Resources as received, for `/config_dump`.
    pub resources: Box<dyn Fn() -> Vec<DumpResource> + Send + Sync>,
    /// Whether the first configuration is complete: `LIVE` in `/server_info`, 200 from `/ready`.
    pub initialized: Box<dyn Fn() -> bool + Send + Sync>,
    pub control: Arc<dyn Control>,
    /// The encoded bootstrap.
    pub bootstrap: Bytes,
    /// Envoy's `node`, as JSON.
    pub node: Value,
    pub concurrency: usize,
    /// Set by `/healthcheck/fail`.
    pub unhealthy: AtomicBool,
    pub draining: AtomicBool,
}

impl Sources {
    /// Envoy's `ServerInfo.State`.
    pub(crate) fn state(&self) -> &'static str {
        if self.draining.load(Ordering::Relaxed) || self.unhealthy.load(Ordering::Relaxed) {
            "DRAINING"
        } else if (self.initialized)() {
            "LIVE"
        } else {
            "INITIALIZING"
        }
    }
}
