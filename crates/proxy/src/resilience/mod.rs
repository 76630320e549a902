//! Circuit breakers, outlier detection, retries and timeouts: pure state machines; time and randomness are arguments.

pub mod breaker;
pub mod outlier;
