//! Access logs: exchanges rendered by compiled formats into buffers of the worker, written by one thread
//! a file.

mod address;
mod context;
mod sink;
mod time;

pub use context::ExchangeContext;
pub use sink::{Sinks, Writer};
