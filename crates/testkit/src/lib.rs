//! What tests stand on: an API server in memory, a clock that only tests move, certificates, ports, the
//! real programs that we are tested against, and the seeds of the fuzz targets.

mod clock;
pub mod fuzz;
mod memory;
mod peers;
pub mod pki;
mod ports;

pub use clock::FakeClock;
pub use memory::{Call, MemoryStore, Verb};
pub use peers::{peer, peer_directory, skipped};
pub use ports::{free_port, listener};
