//! Keeps the configuration in step with the control plane: applies updates, warms what depends on others, publishes
//! consistent snapshots, and remembers the last good one on disk.

mod applier;
mod dns;
mod last_good;
mod session;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;
mod warming;

pub use applier::{Applier, Publish, Settings};
pub use dns::resolve_clusters;
pub use last_good::LastGood;
pub use session::{Session, connector};
pub use table::{Dump, DumpEntry, DumpState};
