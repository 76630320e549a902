//! Upstream failures as Envoy names them: reset reasons, details, flags and answers.

use std::borrow::Cow;

use crate::http::HeaderId;
use crate::http::hcm::Reply;
use crate::http::stream::StreamError;
use crate::observe::record::ResponseFlags;
use crate::upstream::{AcquireError, ConnectError};

/// Envoy's `StreamResetReason`, as far as it concerns an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ResetReason {
    RemoteConnectionFailure,
    LocalConnectionFailure,
    ConnectionTimeout,
    ConnectionTermination,
    Overflow,
    RemoteReset,
    RemoteRefusedStream,
    ProtocolError,
}

impl ResetReason {
    pub(crate) const ALL: [Self; 8] = [
        Self::RemoteConnectionFailure,
        Self::LocalConnectionFailure,
        Self::ConnectionTimeout,
        Self::ConnectionTermination,
        Self::Overflow,
        Self::RemoteReset,
        Self::RemoteRefusedStream,
        Self::ProtocolError,
    ];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::RemoteConnectionFailure => "remote connection failure",
            Self::LocalConnectionFailure => "local connection failure",
            Self::ConnectionTimeout => "connection timeout",
            Self::ConnectionTermination => "connection termination",
            Self::Overflow => "overflow",
            Self::RemoteReset => "remote reset",
            Self::RemoteRefusedStream => "remote refused stream reset",
            Self::ProtocolError => "protocol error",
        }
    }

    /// A stable word.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::RemoteConnectionFailure => "remote_connection_failure",
            Self::LocalConnectionFailure => "local_connection_failure",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionTermination => "connection_termination",
            Self::Overflow => "overflow",
            Self::RemoteReset => "remote_reset",
            Self::RemoteRefusedStream => "remote_refused_stream",
            Self::ProtocolError => "protocol_error",
        }
    }

    pub(crate) fn flags(self) -> ResponseFlags {
        match self {
            Self::RemoteConnectionFailure
            | Self::LocalConnectionFailure
            | Self::ConnectionTimeout => ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
            Self::ConnectionTermination => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
            Self::Overflow => ResponseFlags::UPSTREAM_OVERFLOW,
            Self::RemoteReset | Self::RemoteRefusedStream => ResponseFlags::UPSTREAM_REMOTE_RESET,
            Self::ProtocolError => ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
        }
    }
}

/// A failed attempt.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) reason: ResetReason,
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%`
    pub(crate) transport: Option<Cow<'static, str>>,
    /// The exact fault, for the cause.
    pub(crate) detail: Option<String>,
}

impl Failure {
    pub(crate) fn new(reason: ResetReason) -> Self {
        Self {
            reason,
            transport: None,
            detail: None,
        }
    }

    pub(crate) fn acquire(error: AcquireError) -> Self {
        match error {
            AcquireError::Overflow => Self::new(ResetReason::Overflow),
            AcquireError::Connect(ConnectError::Timeout) => {
                Self::new(ResetReason::ConnectionTimeout)
            }
            AcquireError::Connect(ConnectError::Remote(text) | ConnectError::Tls(text)) => Self {
                transport: Some(text),
                ..Self::new(ResetReason::RemoteConnectionFailure)
            },
            AcquireError::Connect(ConnectError::Local(text)) => Self {
                transport: Some(text),
                ..Self::new(ResetReason::LocalConnectionFailure)
            },
        }
    }

    pub(crate) fn stream(error: &StreamError) -> Self {
        let (reason, detail) = match error {
            StreamError::Closed | StreamError::ConnectionReset | StreamError::Io(_) => {
                (ResetReason::ConnectionTermination, None)
            }
            StreamError::Truncated(at) => (ResetReason::ProtocolError, Some(at.to_string())),
            StreamError::Malformed(at) => (ResetReason::ProtocolError, Some(at.to_string())),
            StreamError::StreamReset(code) => (
                ResetReason::RemoteReset,
                Some(format!("RST_STREAM {code:?}")),
            ),
            StreamError::Refused => (ResetReason::RemoteRefusedStream, None),
            StreamError::Http2(text) => {
                (ResetReason::ConnectionTermination, Some(text.to_string()))
            }
        };
        Self {
            reason,
            transport: None,
            detail,
        }
    }

    /// The answer when no response had begun.
    pub(crate) fn reply(&self, attempts: u32) -> Reply {
        let retried = if attempts > 1 {
            "retried and the latest "
        } else {
            ""
        };
        // Why the transport failed is for the log alone, as in Envoy: it names certificates and addresses.
        let body = format!(
            "upstream connect error or disconnect/reset before headers. {retried}reset reason: {}",
            self.reason.text()
        );
        let status = if self.reason == ResetReason::ProtocolError {
            502
        } else {
            503
        };
        let reply = Reply::new(
            status,
            body,
            self.details("upstream_reset_before_response_started"),
        )
        .flag(self.reason.flags());
        if self.reason == ResetReason::Overflow {
            reply.header(HeaderId::XEnvoyOverloaded, *b"true")
        } else {
            reply
        }
    }

    /// `name{reason|transport failure}`, with underscores for spaces.
    pub(crate) fn details(&self, name: &str) -> String {
        let mut text = format!("{name}{{{}", self.reason.text());
        if let Some(transport) = &self.transport {
            text.push('|');
            text.push_str(transport);
        }
        text.push('}');
        text.replace(' ', "_")
    }
}
