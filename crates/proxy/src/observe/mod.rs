//! What is told of requests and connections: records, access logs, statistics, the flight recorder.
//!
//! `Proxy::start` makes one [`Observe`]. Each worker thread calls [`Observe::enter`] before its first connection,
//! [`flush`] once a second and before it ends; the [`hooks`] do the rest.

mod cause;
pub mod counted;
pub mod flags;
pub(crate) mod handshakes;
pub mod hooks;
mod local;
pub mod log;
pub mod record;
pub mod recorder;
pub mod stats;

pub use local::{Observe, flush};
