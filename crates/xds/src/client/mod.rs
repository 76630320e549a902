//! The client's end of delta aggregated discovery: [`Stream`] decides, [`run`] connects it to tonic.

mod backoff;
mod stream;
mod transport;

pub use backoff::Backoff;
pub use stream::{
    Nack, ReceivedResource, Rejected, Stream, Subscriptions, Update, UpdateId, Violation,
};
pub use transport::{
    ClientOptions, Connect, Handler, SessionError, Subscriber, endpoint, run, subscriber,
};
