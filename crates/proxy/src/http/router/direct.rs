//! Answers that the route itself gives: redirects and direct responses; and the form of local replies.

use bytes::Bytes;

use super::{Stop, Turn};
use crate::config::route::{DirectResponse, Redirect, Route, RouteTable, VirtualHost};
use crate::http::hcm::{self, Reply};
use crate::http::HeaderId;

impl Turn<'_> {
    pub(super) fn direct(
        &mut self,
        table: &RouteTable,
        vhost: &VirtualHost,
        route: &Route,
        direct: &DirectResponse,
    ) -> Stop {
        self.record.moments.request_end.get_or_insert(self.record.start);
        let mut reply = Reply::new(direct.status, direct.body.clone(), "direct_response");
        self.stage_response_mutations(table, vhost, route, &mut reply);
        reply.into()
    }

    pub(super) fn redirect(
        &mut self,
        table: &RouteTable,
        vhost: &VirtualHost,
        route: &Route,
        redirect: &Redirect,
    ) -> Stop {
        let location = self.redirect_location(route, redirect);
        let mut reply = Reply::new(redirect.status, "", "direct_response").header(HeaderId::Location, location);
        self.stage_response_mutations(table, vhost, route, &mut reply);
        reply.into()
    }

    /// Writes the head of a local reply; returns its body.
    pub(super) fn local_reply(&mut self, reply: &Reply) -> Bytes {
        let body = reply.write(self.response, self.record.is_grpc);
        self.finish_local_reply(reply);
        hcm::process_response(self.worker, self.hcm, self.request, self.response, false, std::time::Instant::now());
        body
    }
}

impl Turn<'_> {
    fn finish_local_reply(&mut self, _reply: &Reply) {}
}
