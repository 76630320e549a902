//! The vocabulary shared by every layer: names, identities, protocols and durations. No IO.

mod duration;
mod hash;
mod hostname;
mod key;
mod protocol;
mod spiffe;

pub use duration::{DurationError, format_duration, parse_duration};
pub use hash::{ContentHash, ContentHasher};
pub use hostname::{Hostname, HostnameError};
pub use key::{ObjectKey, ObjectRef};
pub use protocol::Protocol;
pub use spiffe::{SpiffeError, SpiffeId};
