//! What the reference documentation says of this program, taken from the tables that the program itself uses.

pub use crate::admin::ENDPOINTS;
use crate::codec::h1::Fault;
pub use crate::config::compile::accept::{Field, Inner, Message, messages};
use crate::http::router::ResetReason;
pub use crate::observe::record::ResponseFlags;

/// A cause that the flight recorder keeps.
#[derive(Debug, Clone, Copy)]
pub struct CauseWord {
    pub code: &'static str,
    pub meaning: &'static str,
    /// The status that the proxy answers with, where it answers.
    pub status: Option<u16>,
    /// `%RESPONSE_CODE_DETAILS%`, where it is always the same.
    pub details: Option<&'static str>,
}

/// Causes that are no fault of a message and no reset of an upstream.
const OTHERS: &[(&str, &str)] = &[
    (
        "idle_race",
        "the upstream closed an idle connection as the request arrived, and sending it again was not provably safe",
    ),
    (
        "upstream_broke_response",
        "the upstream broke in the middle of its response",
    ),
    ("downstream_reset", "TCP: the client reset the connection"),
    ("upstream_reset", "TCP: the upstream reset the connection"),
    (
        "tcp_session_idle_timeout",
        "TCP: no byte in either direction for the idle timeout",
    ),
    (
        "drained",
        "TCP: the listener was drained and its time was up",
    ),
];

/// Every cause: malformed messages first, then upstreams.
pub fn causes() -> impl Iterator<Item = CauseWord> {
    let faults = Fault::ALL.iter().map(|fault| CauseWord {
        code: fault.code(),
        meaning: fault.text(),
        status: Some(fault.status()),
        details: Some(fault.details()),
    });
    let plain = |(code, meaning)| CauseWord {
        code,
        meaning,
        status: None,
        details: None,
    };
    let resets = ResetReason::ALL.map(|reason| (reason.code(), reason.text()));
    faults
        .chain(resets.into_iter().map(plain))
        .chain(OTHERS.iter().copied().map(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_listed_once() {
        for (index, fault) in Fault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, index);
        }
        assert_eq!(Fault::ALL.len(), Fault::UnexpectedBody as usize + 1);
    }

    #[test]
    fn the_other_causes_are_those_of_the_source() {
        let source = [
            include_str!("tcp/mod.rs"),
            include_str!("http/router/forward.rs"),
            include_str!("http/router/respond.rs"),
        ]
        .concat();
        for (code, _) in OTHERS {
            assert!(source.contains(&format!("\"{code}\"")), "{code}");
        }
    }
}
