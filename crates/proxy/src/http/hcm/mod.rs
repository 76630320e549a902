//! The HTTP connection manager's work on heads.

mod reply;
mod request;
mod request_id;
mod response;
mod xfcc;

pub(crate) use reply::Reply;
pub(crate) use request::{Refusal, process as process_request, sign_copy};
pub(crate) use response::process as process_response;
