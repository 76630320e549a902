//! Informational responses: `100 Continue` and its kin, on their way to the client.

use super::Turn;
use super::answer::send_interim;
use super::attempt::Plan;
use crate::http::Version;
use crate::http::stream::StreamError;
use crate::observe::hooks;

/// Informational responses passed on for one request: what is queued for a slow client stays bounded.
const MOST: u32 = 16;

impl Turn<'_> {
    /// Passes on the informational head just read, where the connection manager is to (`proxy_100_continue`), but not
    /// to HTTP/1.0 (RFC 9110 §15.2). As in Envoy, no attempt follows the one that the client has heard of.
    pub(super) fn pass_interim(&mut self, plan: &mut Plan) -> Result<(), StreamError> {
        let special = matches!(self.response.status, 100 | 102..=104);
        if !special || !self.hcm.proxy_100_continue || self.manner.version == Version::Http10 {
            return Ok(());
        }
        plan.interims += 1;
        if plan.interims > MOST {
            return Ok(());
        }
        plan.retry = None;
        self.record.status = self.response.status;
        hooks::on_response(self.worker, &plan.cluster, self.response.status);
        hooks::in_http(self.worker, self.hcm, |group| {
            group.downstream_rq_completed.inc();
            group.downstream_rq_1xx.inc();
        });
        send_interim(self.down, self.response)
    }
}
