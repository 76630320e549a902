//! Injected delays and aborts.

use std::time::Duration;

use crate::config::matcher::{Fraction, HeaderMatcher};

/// A fault policy.
#[derive(Debug, Clone, Default)]
pub struct FaultPolicy {
    pub delay: Option<Delay>,
    pub abort: Option<Abort>,
    /// Only for requests to this cluster; empty: all.
    pub upstream_cluster: Box<str>,
    pub headers: Box<[HeaderMatcher]>,
    /// Only for requests from these `x-envoy-downstream-service-node`s; empty: all.
    pub downstream_nodes: Box<[Box<[u8]>]>,
    /// More faults than this at one time are not injected.
    pub max_active_faults: Option<u32>,
    /// No `x-envoy-fault-*` statistics for the delay's downstream cluster.
    pub disable_downstream_cluster_stats: bool,
}

/// A delay.
#[derive(Debug, Clone, Copy)]
pub struct Delay {
    pub length: DelayLength,
    pub fraction: Fraction,
}

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelayLength {
    Fixed(Duration),
    /// `x-envoy-fault-delay-request` (ms), with `x-envoy-fault-delay-request-percentage`.
    Header,
}

/// An abort.
#[derive(Debug, Clone, Copy)]
pub struct Abort {
    pub status: AbortStatus,
    pub fraction: Fraction,
}

/// What the abort answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortStatus {
    Http(u16),
    Grpc(u32),
    /// `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request`, with
    /// `x-envoy-fault-abort-request-percentage`.
    Header,
}
