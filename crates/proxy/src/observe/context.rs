//! Gives format strings their values.

use std::io::Write;

use super::record::Exchange;
use crate::config::format::{Address, FormatContext, Operator, Rendered, Side};
use crate::config::request::RequestView;

impl FormatContext for Exchange<'_> {
    fn render(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
        match op {
            Operator::RequestHeader(header) => {
                let found = self.named(header.name.as_str());
                let found = found.or_else(|| header.alternative.as_ref().and_then(|name| self.named(name.as_str())));
                text(found, out)
            }
            Operator::ResponseHeader(header) => {
                let found = self.response.and_then(|head| head.headers.get(header.name.as_str()));
                text(found, out)
            }
            Operator::Protocol => text(self.record.protocol.map(|version| version.as_str().as_bytes()), out),
            Operator::ResponseCode => {
                let _ = write!(out, "{}", self.record.status);
                Rendered::Number
            }
            Operator::ResponseCodeDetails => text(Some(self.record.details.as_bytes()), out),
            Operator::RequestedServerName => text(self.connection.sni.as_deref().map(str::as_bytes), out),
            Operator::RouteName => text(self.record.route.as_ref().map(|route| route.name.as_bytes()), out),
            Operator::LocalReplyBody => text(self.record.local_reply.as_deref(), out),
            Operator::Address { side, part } => self.address(*side, *part, out),
            Operator::Constant(value) => text(value.as_deref().map(str::as_bytes), out),
            _ => Rendered::Absent,
        }
    }
}

impl Exchange<'_> {
    fn named(&self, name: &str) -> Option<&[u8]> {
        let head = self.request?;
        match name {
            ":method" => Some(head.method()),
            ":path" => Some(head.path()),
            ":authority" | "host" => Some(head.authority()),
            ":scheme" => Some(head.scheme.as_str().as_bytes()),
            name => head.headers.get(name),
        }
    }

    fn address(&self, side: Side, part: Address, out: &mut Vec<u8>) -> Rendered {
        let address = match side {
            Side::DownstreamDirectLocal => Some(self.connection.direct_local),
            Side::DownstreamDirectRemote => Some(self.connection.direct_remote),
            Side::DownstreamLocal => Some(self.connection.local),
            Side::DownstreamRemote => self.downstream().remote,
            Side::UpstreamLocal => self.record.upstream_local,
            Side::UpstreamRemote => self.record.upstream_remote,
        };
        let Some(address) = address else { return Rendered::Absent };
        let _ = match part {
            Address::WithPort => write!(out, "{address}"),
            Address::WithoutPort => write!(out, "{}", address.ip()),
            Address::Port => write!(out, "{}", address.port()),
        };
        Rendered::Text
    }
}

fn text(value: Option<&[u8]>, out: &mut Vec<u8>) -> Rendered {
    match value {
        Some(value) if !value.is_empty() => {
            out.extend_from_slice(value);
            Rendered::Text
        }
        _ => Rendered::Absent,
    }
}
