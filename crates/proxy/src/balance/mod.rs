//! Chooses one endpoint per request; knows nothing of sockets. Time and randomness are arguments.
//!
//! [`HostSets`] is an immutable picture of a cluster's endpoints, shared by all workers. A [`Balancer`] is one worker's
//! position in it.

mod balancer;
mod edf;
mod host;
mod hosts;
mod priority;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use balancer::{Ask, Balancer, NoHost, Pick};
pub use host::{ActiveRequest, Host, HostShared, HostTotals, OpenConnection};
pub use hosts::{HostSets, LocalityHosts, PriorityHosts};
