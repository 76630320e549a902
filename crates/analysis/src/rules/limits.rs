//! Limits of connection pools that bite.

use super::outlier_intent::policies;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind};
use crate::finding::Level;

const VERIFY: &str = "istioctl proxy-config cluster POD --fqdn HOST -o json | grep -A8 circuitBreakers";

pub(super) const RULE: Rule = Rule {
    name: "limits",
    analyzer: "destinationrule.Limits",
    summary: "Points out connection limits that answer requests with 503 UO, or make connections churn",
    codes: &[
        Code {
            id: "FM0221",
            level: Level::Info,
            name: "PoolLimitLow",
            meaning: "Each proxy answers what goes beyond the limit itself: 503 with flag UO, counted in \
                      upstream_cx_overflow and upstream_rq_pending_overflow, which are not among the statistics that \
                      Istio admits by default.",
            remedy: "Raise the limit above the concurrency of one client proxy, and admit the statistics \
                     (proxyStatsMatcher) to see it bite.",
            verify: VERIFY,
        },
        Code {
            id: "FM0222",
            level: Level::Info,
            name: "ConnectionChurn",
            meaning: "Every connection is closed after so few requests that most requests pay for a new connection and a \
                      TLS handshake; under load the client runs out of ports.",
            remedy: "Remove maxRequestsPerConnection, or raise it to hundreds.",
            verify: VERIFY,
        },
    ],
    check,
};

/// Below this a limit is a test's, not a service's.
const LOW: i64 = 10;

fn check(facts: &Facts, report: &mut Report) {
    for rule in facts.all(Kind::DestinationRule).filter(|r| reportable(r)) {
        for (policy, path) in policies(rule) {
            let fields = [
                ("tcp", "maxConnections"),
                ("http", "http1MaxPendingRequests"),
                ("http", "http2MaxRequests"),
            ];
            for (section, field) in fields {
                let value = policy.at(&["connectionPool", section]).and_then(|s| s.int(field));
                if let Some(value) = value.filter(|value| (1..LOW).contains(value)) {
                    let path = format!("{path}.connectionPool.{section}.{field}");
                    let message = format!("{field}: {value}: each proxy answers 503 UO beyond {value} at a time");
                    report.find("FM0221", rule, &path, message);
                }
            }
            let churn = policy
                .at(&["connectionPool", "http"])
                .and_then(|http| http.int("maxRequestsPerConnection"));
            if let Some(value) = churn.filter(|value| (1..LOW).contains(value)) {
                let path = format!("{path}.connectionPool.http.maxRequestsPerConnection");
                let message = format!("maxRequestsPerConnection: {value}: a new connection for every {value} requests");
                report.find("FM0222", rule, &path, message);
            }
        }
    }
}
