//! Answers that the route itself gives: redirects and direct responses; and the form of local replies.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{Stop, Turn};
use crate::config::hcm::ReplyProgram;
use crate::config::headers::HeaderMutations;
use crate::config::route::{
    Action, DirectResponse, PathRedirect, Redirect, Route, RouteTable, SchemeRedirect, VirtualHost,
};
use crate::filters::headers::{Direction, apply};
use crate::http::HeaderId;
use crate::http::hcm::{self, Reply};

/// A redirect that changes nothing.
static IN_PLACE: Redirect = Redirect {
    status: 0,
    scheme: SchemeRedirect::Keep,
    host: None,
    port: None,
    path: PathRedirect::Keep,
    strip_query: false,
};

impl Turn<'_> {
    pub(super) fn direct(
        &mut self,
        table: &RouteTable,
        vhost: &VirtualHost,
        route: &Route,
        direct: &DirectResponse,
    ) -> Stop {
        self.record
            .moments
            .request_end
            .get_or_insert(self.record.start);
        let mut reply = Reply::new(direct.status, direct.body.clone(), "direct_response");
        // As Envoy: what names a place without saying which names the request's own.
        if matches!(direct.status, 201 | 300..=399) {
            reply = reply.header(HeaderId::Location, self.redirect_location(route, &IN_PLACE));
        }
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
        let mut reply =
            Reply::new(redirect.status, "", "direct_response").header(HeaderId::Location, location);
        self.stage_response_mutations(table, vhost, route, &mut reply);
        reply.into()
    }

    /// A local reply to a request with a forwarding route gets the fields that the route gives to responses
    /// (Envoy's `DownstreamFilterManager::sendLocalReplyViaFilterChain`).
    pub(super) fn with_route_headers(&mut self, reply: &Reply) -> Option<Reply> {
        let route = self.record.route.clone()?;
        let vhost = self.record.virtual_host.clone()?;
        let Action::Forward(forward) = &route.action else {
            return None;
        };
        if reply.staged.is_some() {
            return None;
        }
        let chosen = self.chosen.as_ref()?;
        let table = Arc::clone(&chosen.table);
        let weighted = forward.weighted_cluster(chosen.weighted);
        self.response.clear();
        self.response.status = reply.status;
        let levels = weighted.map(|weighted| &weighted.headers);
        self.mutate(&table, &vhost, &route, levels, Direction::Response);
        for (id, value) in &reply.headers {
            self.response.headers.append_id(*id, value);
        }
        if vhost.include_attempt_count_in_response && self.record.attempts > 0 {
            let mut digits = itoa::Buffer::new();
            let count = digits.format(self.record.attempts);
            self.response
                .headers
                .set_id(HeaderId::XEnvoyAttemptCount, count.as_bytes());
        }
        let mut staged = reply.clone();
        staged.staged = Some(std::mem::take(&mut self.response.headers));
        Some(staged)
    }

    /// Local replies pass the filters as other responses do.
    fn filter_reply(&mut self) {
        let Some(route) = self.record.route.clone() else {
            return;
        };
        let Some(chosen) = self.chosen.as_ref() else {
            return;
        };
        let weighted = match &route.action {
            Action::Forward(forward) => forward.weighted_cluster(chosen.weighted),
            _ => None,
        };
        self.cors_response(weighted.map_or(&route.filters, |weighted| &weighted.filters));
    }

    /// Writes the head of a local reply, as `local_reply_config` wants it; returns its body.
    pub(super) fn local_reply(&mut self, reply: &Reply) -> Bytes {
        let config = &self.hcm.local_reply;
        let body = if config.mappers.is_empty() && config.body.is_none() {
            reply.write(self.response, self.record.is_grpc)
        } else {
            self.mapped_reply(reply)
        };
        self.filter_reply();
        hcm::process_response(
            self.worker,
            self.hcm,
            self.request,
            self.response,
            false,
            Instant::now(),
        );
        body
    }

    fn mapped_reply(&mut self, reply: &Reply) -> Bytes {
        let hcm = self.hcm;
        let mut mapped = reply.clone();
        self.record.status = reply.status;
        self.record.local_reply = Some(reply.body.clone());
        let random = self.worker.random();
        let mapper = hcm
            .local_reply
            .mappers
            .iter()
            .find(|mapper| mapper.filter.admits(&self.context(), random));
        if let Some(mapper) = mapper {
            mapped.status = mapper.status.unwrap_or(mapped.status);
            if let Some(body) = &mapper.body {
                mapped.body = Bytes::copy_from_slice(body);
            }
        }
        // Formats see the reply as it is by now.
        self.record.status = mapped.status;
        self.record.local_reply = Some(mapped.body.clone());
        let format = mapper
            .and_then(|mapper| mapper.format.as_ref())
            .or(hcm.local_reply.body.as_ref());
        let mut content_type = None;
        if let Some(format) = format {
            let mut out = Vec::new();
            match &format.program {
                ReplyProgram::Text(program) => program.render(&self.context(), &mut out),
                ReplyProgram::Json(template) => {
                    template.render_with(&self.context(), &mut out, &mut Vec::new());
                }
            }
            mapped.body = out.into();
            content_type = Some(&format.content_type);
        }
        let body = mapped.write(self.response, self.record.is_grpc);
        if let Some(kind) = content_type.filter(|_| !self.record.is_grpc && !body.is_empty()) {
            self.response
                .headers
                .set_id(HeaderId::ContentType, kind.as_bytes());
        }
        if let Some(mapper) = mapper {
            let mut head = self.response.clone();
            let set = HeaderMutations {
                remove: Box::default(),
                set: mapper.headers.clone().into(),
            };
            apply(&set, &mut head, &self.context(), &mut Vec::new());
            *self.response = head;
        }
        body
    }
}
