//! Injected delays and aborts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::config::matcher::{Fraction, HeaderMatcher};
use crate::config::request::RequestView;

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
}

/// A delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What an abort answers to this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortWith {
    Http(u16),
    Grpc(u32),
}

/// What to do to a request: first the delay (flag `DI`, detail `fault_filter_abort` is the abort's), then the abort
/// (flag `FI`, body `fault filter abort`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Injection {
    pub delay: Option<Duration>,
    pub abort: Option<AbortWith>,
}

/// `response_code_details` of an abort.
pub const ABORT_DETAILS: &str = "fault_filter_abort";
/// The body of an abort.
pub const ABORT_BODY: &str = "fault filter abort";

impl FaultPolicy {
    /// Decides what is injected. `active` is the number of faults in progress; `cluster` the chosen cluster's name.
    pub fn inject<R: RequestView>(
        &self,
        request: &R,
        cluster: &str,
        active: u32,
        random: &mut impl FnMut() -> u64,
    ) -> Injection {
        if !self.applies(request, cluster)
            || self.max_active_faults.is_some_and(|most| active >= most)
        {
            return Injection::default();
        }
        Injection {
            delay: self.delay.and_then(|delay| delay.length(request, random)),
            abort: self.abort.and_then(|abort| abort.status(request, random)),
        }
    }

    fn applies<R: RequestView>(&self, request: &R, cluster: &str) -> bool {
        let node = || request.header("x-envoy-downstream-service-node");
        (self.upstream_cluster.is_empty() || *self.upstream_cluster == *cluster)
            && (self.downstream_nodes.is_empty()
                || node()
                    .is_some_and(|node| self.downstream_nodes.iter().any(|have| **have == *node)))
            && self.headers.iter().all(|matcher| matcher.matches(request))
    }
}

impl Delay {
    fn length<R: RequestView>(
        self,
        request: &R,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Duration> {
        let (length, fraction) = match self.length {
            DelayLength::Fixed(length) => (length, self.fraction),
            DelayLength::Header => {
                let millis = number(request, "x-envoy-fault-delay-request")?;
                let fraction = header_fraction(
                    request,
                    "x-envoy-fault-delay-request-percentage",
                    self.fraction,
                );
                (Duration::from_millis(millis), fraction)
            }
        };
        (fraction.hit(random()) && !length.is_zero()).then_some(length)
    }
}

impl Abort {
    fn status<R: RequestView>(
        self,
        request: &R,
        random: &mut impl FnMut() -> u64,
    ) -> Option<AbortWith> {
        let (status, fraction) = match self.status {
            AbortStatus::Http(status) => (AbortWith::Http(status), self.fraction),
            AbortStatus::Grpc(status) => (AbortWith::Grpc(status), self.fraction),
            AbortStatus::Header => {
                let http = number(request, "x-envoy-fault-abort-request")
                    .filter(|s| (200..600).contains(s));
                let grpc = number(request, "x-envoy-fault-abort-grpc-request");
                let status = match (http, grpc) {
                    (Some(status), _) => AbortWith::Http(status as u16),
                    (None, Some(status)) => AbortWith::Grpc(u32::try_from(status).ok()?),
                    (None, None) => return None,
                };
                (
                    status,
                    header_fraction(
                        request,
                        "x-envoy-fault-abort-request-percentage",
                        self.fraction,
                    ),
                )
            }
        };
        fraction.hit(random()).then_some(status)
    }
}

/// The header lowers the configured share, never raises it; its denominator is the configured one's, which is taken
/// as 100 here.
fn header_fraction<R: RequestView>(request: &R, name: &str, configured: Fraction) -> Fraction {
    match number(request, name) {
        Some(percent) => Fraction((percent.min(100) as u32 * 10_000).min(configured.0)),
        None => configured,
    }
}

fn number<R: RequestView>(request: &R, name: &str) -> Option<u64> {
    std::str::from_utf8(request.header(name)?)
        .ok()?
        .parse()
        .ok()
}

/// Faults in progress in this process.
#[derive(Debug, Default)]
pub struct ActiveFaults(AtomicU32);

/// One fault in progress.
#[derive(Debug)]
pub struct ActiveFault(Arc<ActiveFaults>);

impl ActiveFaults {
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// A fault begins; it ends when the guard is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> ActiveFault {
        self.0.fetch_add(1, Ordering::Relaxed);
        ActiveFault(Arc::clone(self))
    }
}

impl Drop for ActiveFault {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::testing::TestRequest;

    fn policy(delay_share: u32, abort_share: u32) -> FaultPolicy {
        FaultPolicy {
            delay: Some(Delay {
                length: DelayLength::Fixed(Duration::from_secs(7)),
                fraction: Fraction(delay_share),
            }),
            abort: Some(Abort {
                status: AbortStatus::Http(418),
                fraction: Fraction(abort_share),
            }),
            ..FaultPolicy::default()
        }
    }

    fn inject(policy: &FaultPolicy, request: &TestRequest, random: u64) -> Injection {
        policy.inject(request, "c", 0, &mut || random)
    }

    #[test]
    fn fractions_decide_each_fault_by_itself() {
        let request = TestRequest::new("GET", "/");
        let half = policy(500_000, 1_000_000);
        assert_eq!(
            inject(&half, &request, 499_999).delay,
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            inject(&half, &request, 500_000),
            Injection {
                delay: None,
                abort: Some(AbortWith::Http(418))
            }
        );
    }

    #[test]
    fn conditions_and_the_limit_of_active_faults_hold_it_back() {
        let request = TestRequest::new("GET", "/");
        let other = FaultPolicy {
            upstream_cluster: "d".into(),
            ..policy(1_000_000, 1_000_000)
        };
        assert_eq!(inject(&other, &request, 0), Injection::default());
        let limited = FaultPolicy {
            max_active_faults: Some(1),
            ..policy(1_000_000, 0)
        };
        assert_eq!(
            limited.inject(&request, "c", 1, &mut || 0),
            Injection::default()
        );
        assert!(limited.inject(&request, "c", 0, &mut || 0).delay.is_some());
    }

    #[test]
    fn headers_give_values_where_the_policy_says_so() {
        let policy = FaultPolicy {
            delay: Some(Delay {
                length: DelayLength::Header,
                fraction: Fraction::ALWAYS,
            }),
            abort: Some(Abort {
                status: AbortStatus::Header,
                fraction: Fraction::ALWAYS,
            }),
            ..FaultPolicy::default()
        };
        assert_eq!(
            inject(&policy, &TestRequest::new("GET", "/"), 0),
            Injection::default()
        );
        let request = TestRequest::new("GET", "/")
            .header("x-envoy-fault-delay-request", "250")
            .header("x-envoy-fault-delay-request-percentage", "10")
            .header("x-envoy-fault-abort-grpc-request", "14");
        let injection = inject(&policy, &request, 99_999);
        assert_eq!(injection.delay, Some(Duration::from_millis(250)));
        assert_eq!(injection.abort, Some(AbortWith::Grpc(14)));
        assert_eq!(inject(&policy, &request, 100_000).delay, None);
    }
}
