//! The HTTP side: from bytes to a call and back.

pub(crate) mod body;
pub(crate) mod discovery;
pub(crate) mod dispatch;
pub(crate) mod present;
pub(crate) mod protobuf;
pub(crate) mod request;
