//! Access logs as configured: where, what, and which requests.

use std::path::PathBuf;

use super::format::{JsonTemplate, Program};
use super::matcher::{Fraction, HeaderMatcher};

/// One access log.
#[derive(Debug, Clone)]
pub struct AccessLog {
    pub name: Box<str>,
    pub sink: LogSink,
    pub format: LogFormat,
    pub filter: Option<LogFilter>,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogSink {
    File(PathBuf),
    Stdout,
    Stderr,
}

impl LogSink {
    /// Equality without taking paths apart.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a), Self::File(b)) => a.as_os_str() == b.as_os_str(),
            (Self::Stdout, Self::Stdout) | (Self::Stderr, Self::Stderr) => true,
            _ => false,
        }
    }
}

/// What a line looks like.
#[derive(Debug, Clone)]
pub enum LogFormat {
    Text(Program),
    /// One JSON object and a line feed.
    Json(JsonTemplate),
}

/// Comparison of a number with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal(u64),
    AtLeast(u64),
    AtMost(u64),
    NotEqual(u64),
}

impl Comparison {
    #[must_use]
    pub fn holds(self, value: u64) -> bool {
        match self {
            Self::Equal(limit) => value == limit,
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
            Self::NotEqual(limit) => value != limit,
        }
    }
}

/// Which requests are logged.
#[derive(Debug, Clone)]
pub enum LogFilter {
    Status(Comparison),
    DurationMs(Comparison),
    NotHealthCheck,
    Traceable,
    /// A share of requests; by the request id's random part when it has one, unless independent.
    Share {
        fraction: Fraction,
        independent: bool,
    },
    And(Vec<LogFilter>),
    Or(Vec<LogFilter>),
    Header(HeaderMatcher),
    /// Short names of response flags; empty admits every request with any flag.
    ResponseFlags(Vec<Box<str>>),
    GrpcStatus {
        codes: Vec<u8>,
        exclude: bool,
    },
    LogTypes {
        types: Vec<i32>,
        exclude: bool,
    },
}

/// What filters read.
pub trait LogView {
    /// The response status, 0 without one.
    fn status(&self) -> u64;
    fn duration_ms(&self) -> u64;
    fn is_health_check(&self) -> bool;
    /// A value that stays the same for the request: of its id, or random.
    fn stable_random(&self) -> u64;
    fn has_flag(&self, short_name: &str) -> bool;
    fn has_any_flag(&self) -> bool;
    fn grpc_status(&self) -> Option<u8>;
    fn log_type(&self) -> i32;
    fn header_matches(&self, matcher: &HeaderMatcher) -> bool;
}

impl LogFilter {
    /// Whether this request is logged. `random` is a fresh random value.
    #[must_use]
    pub fn admits<V: LogView>(&self, view: &V, random: u64) -> bool {
        match self {
            // Envoy: a request without a response status counts as status 0.
            Self::Status(comparison) => comparison.holds(view.status()),
            Self::DurationMs(comparison) => comparison.holds(view.duration_ms()),
            Self::NotHealthCheck => !view.is_health_check(),
            // Nothing is traced here.
            Self::Traceable => false,
            Self::Share {
                fraction,
                independent,
            } => fraction.hit(if *independent {
                random
            } else {
                view.stable_random()
            }),
            Self::And(filters) => filters.iter().all(|filter| filter.admits(view, random)),
            Self::Or(filters) => filters.iter().any(|filter| filter.admits(view, random)),
            Self::Header(matcher) => view.header_matches(matcher),
            Self::ResponseFlags(flags) if flags.is_empty() => view.has_any_flag(),
            Self::ResponseFlags(flags) => flags.iter().any(|flag| view.has_flag(flag)),
            Self::GrpcStatus { codes, exclude } => {
                let listed = view
                    .grpc_status()
                    .is_some_and(|status| codes.contains(&status));
                listed != *exclude
            }
            Self::LogTypes { types, exclude } => types.contains(&view.log_type()) != *exclude,
        }
    }
}
