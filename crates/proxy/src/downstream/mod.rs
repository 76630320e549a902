//! Accepted connections: which filter chain serves them, and how they end.

mod accept;
pub(crate) mod drain;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod listener;

pub(crate) use listener::Listeners;
