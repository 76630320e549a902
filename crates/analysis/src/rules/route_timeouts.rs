//! Time-outs and retries of routes that cannot hold.

use base::parse_duration;

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind};
use crate::finding::{EditAction, Level};

const VERIFY: &str = "istioctl proxy-config route POD -o json | grep -E 'timeout|perTryTimeout|numRetries'";

pub(super) const RULE: Rule = Rule {
    name: "route_timeouts",
    analyzer: "virtualservice.Timeouts",
    summary: "Checks time-outs, retries and faults of routes against each other",
    codes: &[
        Code {
            id: "FM0501",
            level: Level::Warning,
            name: "FaultWithRetries",
            meaning: "Injected faults end a request before the router: retries of the same route do not see them, and the \
                      client gets the injected error at once.",
            remedy: "Test retries with a fault in the server, or inject the fault in a VirtualService of another hop.",
            verify: VERIFY,
        },
        Code {
            id: "FM0502",
            level: Level::Warning,
            name: "PerTryTimeoutAboveTimeout",
            meaning: "The route's time-out ends the request first: the time-out of a try never does, and no try is \
                      repeated because of it.",
            remedy: "Make perTryTimeout at most timeout divided by the number of tries.",
            verify: VERIFY,
        },
        Code {
            id: "FM0503",
            level: Level::Info,
            name: "RetriesDoNotFit",
            meaning: "All tries at their full time take longer than the route allows: the last ones are cut off.",
            remedy: "Raise timeout, or lower attempts or perTryTimeout.",
            verify: VERIFY,
        },
    ],
    check,
};

fn seconds(node: Option<&Node>, field: &str) -> Option<f64> {
    let text = node?.get(field)?.as_str()?;
    parse_duration(text).ok().map(|duration| duration.as_secs_f64())
}

fn check(facts: &Facts, report: &mut Report) {
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        for (index, route) in service.spec().list("http").iter().enumerate() {
            let at = format!("spec.http[{index}]");
            let retries = route.get("retries");
            let attempts = retries.and_then(|retries| retries.int("attempts"));
            let aborts = route.at(&["fault", "abort"]).is_some();
            if aborts && attempts.is_some_and(|attempts| attempts > 0) {
                let path = format!("{at}.retries");
                let message = "The injected abort is not retried: faults act before the router";
                report
                    .find("FM0501", service, &path, message)
                    .seen(service.evidence(&format!("{at}.fault.abort"), "the fault"));
            }
            let limit = seconds(Some(route), "timeout").filter(|limit| *limit > 0.0);
            let (Some(limit), Some(one)) = (limit, seconds(retries, "perTryTimeout")) else {
                continue;
            };
            let path = format!("{at}.retries.perTryTimeout");
            if one > limit {
                let message = format!("perTryTimeout {one}s is above timeout {limit}s and never ends a try");
                report
                    .find("FM0502", service, &path, message)
                    .edit(service, path.clone(), EditAction::Remove, "none: it has no effect")
                    .seen(service.evidence(&format!("{at}.timeout"), format!("{limit}s")));
                continue;
            }
            let tries = attempts.unwrap_or(2).saturating_add(1);
            if attempts.is_some_and(|attempts| attempts > 0) && one * tries as f64 > limit {
                let message = format!("{tries} tries of {one}s do not fit into timeout {limit}s");
                report
                    .find("FM0503", service, &path, message)
                    .seen(service.evidence(&format!("{at}.timeout"), format!("{limit}s")));
            }
        }
    }
}
