//! Parity with stock Envoy: a case goes through Envoy, by either form of xDS, and through our proxy, from the same
//! resources. Status, headers, bodies, upstream choice, response flags and details agree, but for what
//! [`differences`] lists with its reason.
#![allow(clippy::unwrap_used)]

mod differences;
mod failures;
#[allow(
    dead_code,
    reason = "the words of cases, whichever the classes use today"
)]
mod harness;
mod headers;
mod retries;
mod routing;
mod tcp;
mod tls;

#[test]
fn routing_agrees_with_envoy() {
    harness::run("routing", &routing::mesh(), routing::CASES);
}

#[test]
fn retries_and_timeouts_agree_with_envoy() {
    harness::run("retries and timeouts", &retries::mesh(), retries::CASES);
}

#[test]
fn headers_agree_with_envoy() {
    harness::run("headers", &headers::mesh(), headers::CASES);
}

#[test]
fn failures_agree_with_envoy() {
    harness::run("failures", &failures::mesh(), failures::CASES);
}

#[test]
fn tcp_agrees_with_envoy() {
    harness::run("tcp", &tcp::mesh(), tcp::CASES);
}

#[test]
fn tls_agrees_with_envoy() {
    harness::run("tls", &tls::mesh(), tls::CASES);
}

#[test]
fn every_listed_difference_is_one_of_a_case() {
    let classes = [
        routing::CASES,
        retries::CASES,
        headers::CASES,
        failures::CASES,
        tcp::CASES,
        tls::CASES,
    ];
    let cases: Vec<&str> = classes.concat().iter().map(|(name, _)| *name).collect();
    for (at, name) in cases.iter().enumerate() {
        assert!(!cases[..at].contains(name), "two cases are named {name}");
    }
    for listed in differences::ALL {
        assert!(
            cases.contains(&listed.case),
            "no case is named {}",
            listed.case
        );
    }
}
