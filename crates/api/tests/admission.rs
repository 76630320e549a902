//! Istio's admission on a corpus of specs, and ours: the same verdict on each, but for the listed ones.
//!
//! `admission/istio.txt` was printed by Istio's own code (1.31, August 2026): the schemas of its
//! CustomResourceDefinitions with their CEL rules, then the checks of istiod's webhook.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use api::parse::{Kind, documents};
use serde_json::json;

/// Ours on purpose: case, our verdict, and why. (Where Istio accepts, ours may warn.)
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "VirtualService/http-delegate-and-direct",
        "refused",
        "Istio drops the direct response in silence",
    ),
    (
        "VirtualService/fault-abort-600",
        "refused",
        "Envoy refuses it: fault.v3.FaultAbort.http_status is below 600",
    ),
    (
        "VirtualService/direct-status-600",
        "refused",
        "Envoy refuses it: route.v3.DirectResponseAction.status is below 600",
    ),
    (
        "VirtualService/fault-delay-percent-101",
        "refused",
        "there is no such share",
    ),
    (
        "VirtualService/header-value-operator-lower",
        "refused",
        "Envoy refuses it: no command operator",
    ),
    (
        "VirtualService/header-value-two-percents-apart",
        "refused",
        "Envoy refuses it: no command operator",
    ),
    (
        "VirtualService/header-value-operator-length",
        "accepted",
        "Envoy's form for a length; Istio's check does not know it",
    ),
    (
        "VirtualService/tcp-source-subnet-bad",
        "refused",
        "no address could match",
    ),
    (
        "Gateway/protocol-udp",
        "refused",
        "Istio accepts it and opens no listener",
    ),
    (
        "Telemetry/logging-filter-bad",
        "accepted",
        "filters are not served: `unsupported` refuses each",
    ),
    (
        "Telemetry/logging-filter-empty",
        "accepted",
        "filters are not served: `unsupported` refuses each",
    ),
];

fn verdicts() -> BTreeMap<String, String> {
    let text = include_str!("admission/istio.txt");
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(case, verdict)| (case.to_owned(), verdict.to_owned()))
        .collect()
}

fn ours(case: &str, spec: &serde_json::Value) -> (&'static str, String) {
    let (kind, name) = case.split_once('/').unwrap();
    let ty = api::kinds::ISTIO.iter().find(|ty| ty.kind == kind).unwrap();
    let object = json!({
        "apiVersion": ty.api_version(),
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    });
    let found = api::validate(ty, &object);
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    let verdict = if found.iter().any(api::Diagnostic::is_error) {
        "refused"
    } else if found.is_empty() {
        "accepted"
    } else {
        "warned"
    };
    (verdict, said.join("\n    "))
}

#[test]
fn every_spec_gets_the_verdict_of_istio() {
    let corpus = documents(include_str!("admission/corpus.yaml"), "corpus.yaml").unwrap();
    let Kind::Map(cases) = &corpus[0].kind else {
        panic!("the corpus is a map");
    };
    let istio = verdicts();
    assert_eq!(cases.len(), istio.len(), "istio.txt is of another corpus");
    let listed: BTreeMap<&str, &str> = DIFFERENCES
        .iter()
        .map(|(case, verdict, _)| (*case, *verdict))
        .collect();
    let mut wrong = Vec::new();
    for (key, spec) in cases {
        let case = &*key.text;
        let (verdict, said) = ours(case, &spec.to_value());
        let wanted = listed.get(case).copied().unwrap_or(&*istio[case]);
        let noted = wanted == "accepted" && verdict == "warned";
        if verdict != wanted && !noted {
            wrong.push(format!("{case}: {verdict}, not {wanted}\n    {said}"));
        } else if listed.contains_key(case) && verdict == istio[case] {
            wrong.push(format!("{case}: no difference any more"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
