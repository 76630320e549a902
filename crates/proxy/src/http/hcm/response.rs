//! What the connection manager does to response headers before they are sent.

use std::time::Instant;

use crate::config::Hcm;
use crate::config::hcm::ServerHeader;
use crate::http::{HeaderId, RequestHead, ResponseHead};
use crate::worker::Worker;

/// Makes `head` a response of this proxy. `upgrade`: the switch of protocols keeps its fields.
pub(crate) fn process(
    worker: &Worker,
    hcm: &Hcm,
    request: &RequestHead,
    head: &mut ResponseHead,
    upgrade: bool,
    now: Instant,
) {
    head.headers.retain_ids(|id| match id {
        HeaderId::Connection | HeaderId::Upgrade => upgrade,
        HeaderId::KeepAlive | HeaderId::ProxyConnection | HeaderId::TransferEncoding => false,
        _ => true,
    });
    if !head.headers.has_id(HeaderId::Date) {
        worker.date(now, |date| head.headers.append_id(HeaderId::Date, date));
    }
    match hcm.server_header {
        ServerHeader::Overwrite => head
            .headers
            .set_id(HeaderId::Server, hcm.server_name.as_bytes()),
        ServerHeader::AppendIfAbsent if !head.headers.has_id(HeaderId::Server) => {
            head.headers
                .append_id(HeaderId::Server, hcm.server_name.as_bytes());
        }
        ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
    }
    if hcm.always_set_request_id_in_response
        && let Some(id) = request.headers.get_id(HeaderId::XRequestId)
    {
        head.headers.set_id(HeaderId::XRequestId, id);
    }
    if let Some(via) = &hcm.via {
        head.headers.join_id(HeaderId::Via, ", ", via.as_bytes());
    }
}
