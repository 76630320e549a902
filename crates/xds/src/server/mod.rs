//! The server's end of aggregated discovery: [`Stream`] decides, [`ads_service`] connects it to tonic.

pub(crate) mod fuzzing;
mod references;
mod service;
mod stream;
mod watch;
mod wire;

pub use service::{
    Ads, AdsOptions, BearerToken, ConnId, ConnInfo, PeerIdentity, Planner, ads_service,
};
pub use stream::Stream;
pub use wire::{Event, Form, Limits, Names, Push, Request, Violation};

/// The longest time that a client which does not answer holds up what depends on its answer.
pub const PATIENCE: std::time::Duration = watch::PATIENCE;
