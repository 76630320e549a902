//! Why bytes were refused: the fault, where it stands and which byte it is.

use std::fmt;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Fault {
    BareLf,
    BareCr,
    ObsFold,
    Nul,
    ControlByte,
    SpaceBeforeColon,
    HeaderNameByte,
    EmptyHeaderName,
    MissingColon,
    MethodByte,
    UnknownMethod,
    TargetByte,
    TargetHighByte,
    TargetRelative,
    TargetForm,
    Scheme,
    Version,
    VersionUnsupported,
    StatusLine,
    ContentLength,
    ContentLengthConflict,
    ContentLengthAndChunked,
    TransferEncoding,
    TransferEncodingInHttp10,
    Host,
    HostConflict,
    HeadTooLarge,
    TooManyHeaders,
    ChunkSize,
    ChunkExtension,
    ChunkEnd,
    TrailersTooLarge,
    TooManyTrailers,
    ClosedMidMessage,
    UnexpectedBody,
}

impl Fault {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::BareLf,
        Self::BareCr,
        Self::ObsFold,
        Self::Nul,
        Self::ControlByte,
        Self::SpaceBeforeColon,
        Self::HeaderNameByte,
        Self::EmptyHeaderName,
        Self::MissingColon,
        Self::MethodByte,
        Self::UnknownMethod,
        Self::TargetByte,
        Self::TargetHighByte,
        Self::TargetRelative,
        Self::TargetForm,
        Self::Scheme,
        Self::Version,
        Self::VersionUnsupported,
        Self::StatusLine,
        Self::ContentLength,
        Self::ContentLengthConflict,
        Self::ContentLengthAndChunked,
        Self::TransferEncoding,
        Self::TransferEncodingInHttp10,
        Self::Host,
        Self::HostConflict,
        Self::HeadTooLarge,
        Self::TooManyHeaders,
        Self::ChunkSize,
        Self::ChunkExtension,
        Self::ChunkEnd,
        Self::TrailersTooLarge,
        Self::TooManyTrailers,
        Self::ClosedMidMessage,
        Self::UnexpectedBody,
    ];

    /// The status with which a proxy answers such a request, as Envoy 1.40 does.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::VersionUnsupported => 426,
            Self::TransferEncoding => 501,
            Self::HeadTooLarge
            | Self::TooManyHeaders
            | Self::TrailersTooLarge
            | Self::TooManyTrailers => 431,
            _ => 400,
        }
    }

    /// Envoy's `response_code_details`.
    #[must_use]
    pub fn details(self) -> &'static str {
        match self {
            Self::Nul | Self::ControlByte | Self::TargetByte => "http1.invalid_characters",
            Self::TargetForm => "http1.invalid_url",
            Self::Scheme => "http1.invalid_scheme",
            Self::VersionUnsupported => "low_version",
            Self::ContentLengthAndChunked => "http1.content_length_and_chunked_not_allowed",
            Self::TransferEncoding => "http1.invalid_transfer_encoding",
            Self::TransferEncodingInHttp10 => "http1.transfer_encoding_not_allowed",
            Self::Host | Self::HostConflict => "http.invalid_authority",
            Self::HeadTooLarge => "http1.headers_too_large",
            Self::TooManyHeaders => "http1.too_many_headers",
            Self::TrailersTooLarge => "http1.trailers_too_large",
            Self::TooManyTrailers => "http1.too_many_trailers",
            Self::UnexpectedBody => "http1.body_disallowed",
            _ => "http1.codec_error",
        }
    }

    /// A stable word for the fault.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BareLf => "bare_lf",
            Self::BareCr => "bare_cr",
            Self::ObsFold => "obs_fold",
            Self::Nul => "nul",
            Self::ControlByte => "control_byte",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::HeaderNameByte => "header_name_byte",
            Self::EmptyHeaderName => "empty_header_name",
            Self::MissingColon => "missing_colon",
            Self::MethodByte => "method_byte",
            Self::UnknownMethod => "unknown_method",
            Self::TargetByte => "target_byte",
            Self::TargetHighByte => "target_high_byte",
            Self::TargetRelative => "target_relative",
            Self::TargetForm => "target_form",
            Self::Scheme => "scheme",
            Self::Version => "version",
            Self::VersionUnsupported => "version_unsupported",
            Self::StatusLine => "status_line",
            Self::ContentLength => "content_length",
            Self::ContentLengthConflict => "content_length_conflict",
            Self::ContentLengthAndChunked => "content_length_and_chunked",
            Self::TransferEncoding => "transfer_encoding",
            Self::TransferEncodingInHttp10 => "transfer_encoding_in_http10",
            Self::Host => "host",
            Self::HostConflict => "host_conflict",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::ChunkSize => "chunk_size",
            Self::ChunkExtension => "chunk_extension",
            Self::ChunkEnd => "chunk_end",
            Self::TrailersTooLarge => "trailers_too_large",
            Self::TooManyTrailers => "too_many_trailers",
            Self::ClosedMidMessage => "closed_mid_message",
            Self::UnexpectedBody => "unexpected_body",
        }
    }

    /// The fault in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::BareLf => "line ends in LF without CR",
            Self::BareCr => "CR without LF",
            Self::ObsFold => "header line folded over several lines",
            Self::Nul => "NUL in a header value",
            Self::ControlByte => "control byte in a header value",
            Self::SpaceBeforeColon => "white space before the colon of a header",
            Self::HeaderNameByte => "byte not allowed in a header name",
            Self::EmptyHeaderName => "empty header name",
            Self::MissingColon => "header line without a colon",
            Self::MethodByte => "byte not allowed in a method",
            Self::UnknownMethod => "unknown method",
            Self::TargetHighByte => {
                "byte beyond ASCII in a request target; it must be percent-encoded"
            }
            Self::TargetRelative => "request target that is neither a path nor an absolute URL",
            Self::TargetByte => "byte not allowed in a request target",
            Self::TargetForm => "request target of a form that the method does not allow",
            Self::Scheme => "request target with a scheme other than http and https",
            Self::Version => "malformed protocol version",
            Self::VersionUnsupported => "protocol version not supported",
            Self::StatusLine => "malformed status line",
            Self::ContentLength => "malformed content-length",
            Self::ContentLengthConflict => "several content-length values",
            Self::ContentLengthAndChunked => "both content-length and transfer-encoding",
            Self::TransferEncoding => "transfer-encoding other than one chunked",
            Self::TransferEncodingInHttp10 => "transfer-encoding in an HTTP/1.0 message",
            Self::Host => "invalid host",
            Self::HostConflict => "several host headers",
            Self::HeadTooLarge => "header section too large",
            Self::TooManyHeaders => "too many headers",
            Self::ChunkSize => "malformed chunk size",
            Self::ChunkExtension => "malformed or overlong chunk extension",
            Self::ChunkEnd => "chunk data not followed by CRLF",
            Self::TrailersTooLarge => "trailer section too large",
            Self::TooManyTrailers => "too many trailers",
            Self::ClosedMidMessage => "connection closed in the middle of a message",
            Self::UnexpectedBody => "a body where none is allowed",
        }
    }
}

/// A refused message: the fault, its offset from the message's (or body part's) first byte, and the byte there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseError {
    pub fault: Fault,
    pub offset: u64,
    pub byte: Option<u8>,
}

impl ParseError {
    pub(crate) fn at(fault: Fault, bytes: &[u8], offset: usize) -> Self {
        Self {
            fault,
            offset: offset as u64,
            byte: bytes.get(offset).copied(),
        }
    }

    pub(crate) fn new(fault: Fault, offset: usize) -> Self {
        Self {
            fault,
            offset: offset as u64,
            byte: None,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.fault.text(), self.offset)?;
        match self.byte {
            Some(byte) => write!(f, " (0x{byte:02x})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}
