//! The L7 data plane: one program that is sidecar, gateway or anything else that its xDS configuration says.

pub mod codec;
pub mod http;

pub mod balance;
pub mod config;
pub mod filters;
pub mod resilience;
