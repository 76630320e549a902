//! What a proxy under the agent needs to start: Envoy's bootstrap, SDS and ADS over private sockets.
//!
//! Our own proxy reads the same bootstrap, so both engines are started and watched alike.

mod bootstrap;
mod relay;
mod sds;

pub use bootstrap::{Bootstrap, bootstrap};
pub use relay::relay;
pub use sds::{LocalSecrets, serve as serve_sds};
