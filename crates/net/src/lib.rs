//! What touches the operating system's network: sockets, TLS, drain, telemetry, inherited descriptors.

pub mod drain;
pub mod listenfd;
pub mod memory;
pub mod netns;
pub mod nft;
pub mod socket;
pub mod telemetry;
pub mod tls;
