//! pilot-agent: `request METHOD PATH` is a request at the agent's or the proxy's local port.

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::{Parsed, curl};

/// The port that `request` asks where no flag says another: Envoy's admin interface.
const ADMIN: &str = "15000";

/// Judges `pilot-agent request`.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    if parsed.path != ["request"] {
        return None;
    }
    if parsed
        .positional
        .iter()
        .any(|word| word.text.starts_with('$'))
    {
        return None;
    }
    let [method, path, ..] = parsed.positional.as_slice() else {
        let why = sink.say(
            "pilot-agent request takes a method and a path",
            "pilot-agent request 需要方法和路径",
        );
        return Some(
            Judgement::new(Verdict::Refused, why, "istio/istio pilot-agent")
                .fix("pilot-agent request GET /stats"),
        );
    };
    let port = parsed.flag("--debug-port").unwrap_or(ADMIN);
    if !port.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let url = format!("localhost:{port}/{}", path.text.trim_start_matches('/'));
    let judgement = curl::endpoint(sink, &url, method.text.eq_ignore_ascii_case("post"))?;
    let fix = match judgement.fix.as_str() {
        fix if fix.starts_with("curl -X POST ") => {
            format!("pilot-agent request POST {}", path.text)
        }
        fix if fix.starts_with('/') => format!("pilot-agent request {} {fix}", method.text),
        fix => match fix
            .strip_prefix("curl localhost:")
            .and_then(|rest| rest.split_once('/'))
        {
            Some((port, path)) => {
                format!(
                    "pilot-agent request --debug-port {port} {} /{path}",
                    method.text
                )
            }
            None => fix.to_owned(),
        },
    };
    Some(Judgement { fix, ..judgement })
}
