//! The L7 data plane: one program that is sidecar, gateway or anything else that its xDS configuration says.

pub mod admin;
pub mod balance;
pub mod bootstrap;
pub mod codec;
pub mod config;
mod downstream;
mod ejector;
pub mod filters;
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod instance;
pub mod observe;
pub mod proxy;
#[doc(hidden)]
pub mod reference;
pub mod resilience;
pub mod shared;
pub mod sniff;
mod tcp;
mod tls;
pub mod upstream;
pub mod worker;
pub mod xds;

pub use proxy::{Handle, ListenError, Options, Proxy};
