//! Shut-downs that Kubernetes cuts off.

use base::parse_duration;

use api::parse::{self, Node};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, label};
use crate::facts::{Facts, Workload};
use crate::finding::Level;

const VERIFY: &str = "kubectl get pod POD -o jsonpath='{.spec.terminationGracePeriodSeconds}'";

pub(super) const RULE: Rule = Rule {
    name: "drain",
    analyzer: "deployment.Drain",
    summary: "Checks drain times and preStop hooks against the pod's grace period",
    codes: &[
        Code {
            id: "FM0511",
            level: Level::Warning,
            name: "DrainLongerThanGrace",
            meaning: "Kubernetes kills the pod when the grace period ends, in the middle of the proxy's drain: open \
                      requests are cut off with 503 UC or a reset.",
            remedy: "Raise terminationGracePeriodSeconds above the drain time, with room for the preStop hook.",
            verify: VERIFY,
        },
        Code {
            id: "FM0512",
            level: Level::Warning,
            name: "PreStopLongerThanGrace",
            meaning: "The preStop hook takes the whole grace period: the application is killed without having seen SIGTERM.",
            remedy: "Raise terminationGracePeriodSeconds above the hook's time.",
            verify: VERIFY,
        },
    ],
    check,
};

/// Kubernetes' default.
const GRACE: i64 = 30;

fn check(facts: &Facts, report: &mut Report) {
    for workload in facts.workloads().all(facts) {
        if !reportable(workload.resource) || workload.is_pod() {
            continue;
        }
        let spec = workload.spec();
        let grace = spec.int("terminationGracePeriodSeconds").unwrap_or(GRACE);
        let seen = || {
            let path = workload.path_of("spec.terminationGracePeriodSeconds");
            workload.resource.evidence(&path, format!("{grace}s"))
        };
        if let Some((drain, path)) = drain(facts, &workload)
            && drain > grace as f64
        {
            let message = format!("The proxy drains for {drain}s, but the pod is killed after {grace}s");
            report.find("FM0511", workload.resource, &path, message).seen(seen());
        }
        for (index, container) in spec.list("containers").iter().enumerate() {
            let Some(hook) = container.at(&["lifecycle", "preStop"]) else {
                continue;
            };
            if let Some(sleep) = sleep(hook)
                && sleep >= grace as f64
            {
                let path = workload.path_of(&format!("spec.containers[{index}].lifecycle.preStop"));
                let message = format!("The preStop hook sleeps {sleep}s, but the pod is killed after {grace}s");
                report.find("FM0512", workload.resource, &path, message).seen(seen());
            }
        }
    }
}

/// The drain time that the pod's annotation or the mesh sets, in seconds, for workloads with a sidecar.
fn drain(facts: &Facts, workload: &Workload<'_>) -> Option<(f64, String)> {
    const CONFIG: &str = "proxy.istio.io/config";
    const FIELD: &str = "terminationDrainDuration";
    let read = |node: &Node| {
        let text = node.get(FIELD)?.as_str()?;
        parse_duration(text).ok().map(|drain| drain.as_secs_f64())
    };
    if let Some(text) = label(workload.annotations(), CONFIG) {
        let nodes = parse::documents(text, "").ok()?;
        if let Some(drain) = nodes.first().and_then(read) {
            let path = workload.path_of(&format!("metadata.annotations[{CONFIG:?}]"));
            return Some((drain, path));
        }
    }
    workload.has_sidecar(facts).filter(|sidecar| *sidecar)?;
    let drain = facts.mesh.config().get("defaultConfig").and_then(read)?;
    Some((drain, workload.path_of("spec")))
}

/// How long a preStop hook sleeps, if it does nothing else.
fn sleep(hook: &Node) -> Option<f64> {
    if let Some(seconds) = hook.get("sleep").and_then(|sleep| sleep.int("seconds")) {
        return Some(seconds as f64);
    }
    let command: Vec<&str> = hook.get("exec")?.texts("command").collect();
    let line = command.last()?;
    let text = match command.as_slice() {
        [program, seconds] if program.ends_with("sleep") => *seconds,
        _ => line.trim().strip_prefix("sleep ").or_else(|| line.trim().strip_prefix("/bin/sleep "))?,
    };
    text.trim().trim_end_matches('s').parse().ok()
}
