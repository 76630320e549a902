//! Calls admission webhooks.

#[derive(Debug, Default)]
pub(crate) struct Webhooks {}
