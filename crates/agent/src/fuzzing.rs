//! Fuzz targets: bytes in, nothing out; see `fuzz/`.

use base64::Engine as _;
use serde_json::Value;

use crate::inject::{Settings, app_probes};
use crate::redirect::{Flags, plan};
use crate::webhook::answer;

/// An AdmissionReview: an injected pod is what its patch makes of the one that was sent.
pub fn injection(data: &[u8]) {
    let Ok(review) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let mut pod = review["request"]["object"].clone();
    let Some(response) = answer(&review, &Settings::default()) else {
        return;
    };
    assert!(response["allowed"].is_boolean());
    if let Some(patch) = response["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch);
        let patch = patch.expect("the patch is base64");
        let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a JSON patch");
        json_patch::patch(&mut pod, &patch).expect("the patch fits the pod");
    }
    let _ = app_probes(&mut pod);
}

/// The flags of `istio-init`, one a line.
pub fn redirect(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.lines().map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    let _ = plan(&Flags {
        inbound_ports: next(),
        inbound_exclude: next(),
        outbound_cidrs: next(),
        outbound_cidrs_exclude: next(),
        outbound_ports: next(),
        outbound_exclude: next(),
        ..Flags::default()
    });
}
