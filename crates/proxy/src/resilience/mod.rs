//! Circuit breakers, outlier detection, retries and timeouts: pure state machines; time and randomness are arguments.

pub mod breaker;
pub mod outlier;
#[cfg(test)]
mod outlier_tests;
pub mod replay;
pub mod retry;
pub mod timeout;
