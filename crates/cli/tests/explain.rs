//! `ferromesh explain` as a program: codes, flags, fields, metrics, annotations, log lines.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn explain(args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ferromesh"))
        .arg("explain")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    // A program that reads no input may end before it is written.
    let _unread = input.write_all(stdin.as_bytes());
    drop(input);
    child.wait_with_output().expect("it ends")
}

/// What is said of something that is known.
fn said(args: &[&str]) -> String {
    let out = explain(args, "");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{args:?}: {stderr}");
    String::from_utf8(out.stdout).expect("UTF-8")
}

#[track_caller]
fn says(query: &str, wanted: &[&str]) {
    let said = said(&[query]);
    for text in wanted {
        assert!(said.contains(text), "{query}: no {text:?} in\n{said}");
    }
}

#[test]
fn a_code_has_its_name_level_meaning_and_what_to_do() {
    says(
        "IST0101",
        &["IST0101 ReferencedResourceNotFound", "Error", "check:"],
    );
    says("ist0101", &["IST0101 ReferencedResourceNotFound"]);
    says("FM0202", &["FM0202", "check:"]);
}

#[test]
fn a_flag_has_its_long_name_status_and_checks() {
    says(
        "UO",
        &[
            "response flag UO",
            "UpstreamOverflow",
            "503",
            "connectionPool",
        ],
    );
    says("UpstreamOverflow", &["response flag UO"]);
}

#[test]
fn a_field_has_its_places_and_default() {
    says(
        "spec.trafficPolicy.outlierDetection.baseEjectionTime",
        &["field baseEjectionTime", "DestinationRule", "30s"],
    );
    says(
        "VirtualService.spec.http.retries.attempts",
        &["VirtualService"],
    );
}

#[test]
fn a_metric_is_found_by_any_of_its_names() {
    for name in [
        "upstream_cx_overflow",
        "cluster.outbound|80||web.shop.svc.cluster.local.upstream_cx_overflow",
        "cluster.*.upstream_cx_overflow",
        "envoy_cluster_upstream_cx_overflow{app=\"web\"}",
    ] {
        says(
            name,
            &[
                "envoy_cluster_upstream_cx_overflow",
                "maxConnections",
                "absent is not zero",
            ],
        );
    }
    says(
        "istio_requests_total",
        &["metric istio_requests_total", "counter", "response_flags"],
    );
    says(
        "http.ingress_http.downstream_rq_5xx",
        &["envoy_http_downstream_rq_xx"],
    );
    says(
        "listener_manager.lds.update_rejected",
        &["envoy_listener_manager_lds_update_rejected", "NACK"],
    );
}

#[test]
fn a_metric_that_the_version_lacks_is_said_with_what_came_instead() {
    let old = said(&["--knative", "1.20", "revision_request_count"]);
    assert!(
        old.contains("does not exist") && old.contains("kn_serving_invocation_duration_seconds"),
        "{old}"
    );
    let then = said(&["--knative", "1.15", "revision_request_count"]);
    assert!(!then.contains("does not exist"), "{then}");
}

#[test]
fn an_annotation_has_its_place_type_and_default() {
    says(
        "autoscaling.knative.dev/min-scale",
        &[
            "annotation autoscaling.knative.dev/min-scale",
            "on",
            "value",
        ],
    );
    says("sidecar.istio.io/inject", &["sidecar.istio.io/inject"]);
}

const ISTIO: &str = r#"[2026-08-01T10:00:00.000Z] "GET /api HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 120 95 4 - "10.0.0.9" "curl/8" "abc" "api.shop:8080" "10.1.2.3:8080" outbound|8080||api.shop.svc.cluster.local 10.1.1.1:40000 10.96.0.5:8080 10.1.1.1:50000 - default"#;
const ENVOY: &str = r#"[2026-08-01T10:00:00.000Z] "GET / HTTP/2" 504 UT 0 24 15000 - "-" "curl/8" "abc" "web" "10.1.2.3:80""#;
const JSON: &str = r#"{"response_code":503,"response_flags":"UO","duration":0,"upstream_cluster":"outbound|80||a","authority":"a"}"#;

#[test]
fn the_three_forms_of_log_lines_are_taken_apart_with_ranked_causes() {
    for (line, form, wanted) in [
        (
            ISTIO,
            "Istio TEXT",
            ["outbound|8080||api.shop.svc.cluster.local", "idle race"],
        ),
        (ENVOY, "Envoy TEXT", ["15000", "timeout"]),
        (JSON, "JSON", ["outbound|80||a", "connectionPool"]),
    ] {
        let said = said(&[line]);
        assert!(said.contains(form), "{said}");
        for text in wanted {
            assert!(said.contains(text), "no {text:?} in\n{said}");
        }
        assert!(said.contains("1. "), "no ranked cause in\n{said}");
    }
}

#[test]
fn the_idle_race_comes_first_for_a_quick_reset_and_not_for_a_slow_one() {
    let first = |line: &str| {
        let said = said(&[line]);
        said.lines()
            .find(|line| line.trim_start().starts_with("1. "))
            .expect("a first cause")
            .to_owned()
    };
    assert!(first(ISTIO).contains("idle race"), "{}", first(ISTIO));
    let slow = ISTIO.replace(" 120 95 4 ", " 120 95 9000 ");
    assert!(!first(&slow).contains("idle race"), "{}", first(&slow));
}

#[test]
fn standard_input_has_a_question_a_line() {
    let out = explain(&["-"], &format!("UC\n\n{ENVOY}\nIST0101\n"));
    let said = String::from_utf8_lossy(&out.stdout);
    for text in ["response flag UC", "Envoy TEXT", "IST0101"] {
        assert!(said.contains(text), "no {text:?} in\n{said}");
    }
}

#[test]
fn what_is_not_known_ends_with_1_and_says_what_to_type() {
    let out = explain(&["zzzzzz"], "");
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        said.contains("zzzzzz") && said.contains("try: ferromesh explain"),
        "{said}"
    );
    assert!(out.stdout.is_empty());
    assert_eq!(explain(&[], "").status.code(), Some(2));
}

#[test]
fn chinese_where_asked_for() {
    let said = said(&["--lang", "zh", "UC"]);
    assert!(said.contains("响应标志 UC"), "{said}");
}

#[test]
fn credentials_of_a_log_line_do_not_come_out() {
    let line = JSON.replace(
        "\"authority\"",
        "\"authorization\":\"Bearer eyJhbGciOiJIUzI1NiJ9.hunter2hunter2.sig\",\"path\":\"/a?password=hunter2&access_token=hunter2\",\"authority\"",
    );
    let said = said(&[&line]);
    assert!(said.contains("UO"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
