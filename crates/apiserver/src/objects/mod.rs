//! What can be done to objects: read, watch, write, delete; one file a verb.

pub(crate) mod call;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod meta;
pub(crate) mod patch_request;
pub(crate) mod read;
pub(crate) mod select;
pub(crate) mod subresource;
mod token;
pub(crate) mod update;
pub(crate) mod watch;
