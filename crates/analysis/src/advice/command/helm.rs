//! helm and istioctl: the settings that they are given.

use super::super::items::Sink;
use super::super::path;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;

/// Whether a release or a chart is one of Istio's.
fn names_istio(parsed: &Parsed<'_>) -> bool {
    parsed
        .positional
        .iter()
        .any(|word| word.text.contains("istio"))
}

/// `--set a.b=c` of helm and istioctl.
pub(super) fn sets(sink: &mut Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    if parsed.tool != "istioctl" && !names_istio(parsed) {
        return None;
    }
    let mut worst: Option<Judgement> = None;
    let given: Vec<String> = parsed
        .flags
        .iter()
        .filter(|(flag, _, _)| flag.starts_with("--set"))
        .filter_map(|(_, value, _)| value.clone())
        .collect();
    for setting in given.iter().flat_map(|value| value.split(',')) {
        let Some((path, value)) = setting.split_once('=') else {
            continue;
        };
        let judgement = path::setting(sink, parsed.tool, path, value);
        worst = match (worst, judgement) {
            (Some(worst), Some(judgement)) => Some(worst.worse(judgement)),
            (worst, judgement) => worst.or(judgement),
        };
    }
    worst
}

/// `helm install CHART` without a name for the release.
pub(super) fn nameless(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let [chart] = parsed.positional.as_slice() else {
        return None;
    };
    let named = parsed.has("--generate-name") || values::is_placeholder(&chart.text);
    if !matches!(parsed.path.as_slice(), ["install"]) || named || !chart.text.contains('/') {
        return None;
    }
    let name = chart.text.rsplit('/').next().unwrap_or("NAME");
    let why = sink.say(
        "the release has no name: helm stops with an error",
        "没有指定 release 名称：helm 会报错退出",
    );
    Some(
        Judgement::new(Verdict::Refused, why, "helm install")
            .fix(format!("helm install {name} {}", chart.text)),
    )
}

/// `helm upgrade --set` without the values of before.
pub(super) fn resets(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    const KEEPS: &[&str] = &[
        "--reuse-values",
        "--reset-then-reuse-values",
        "--values",
        "--install",
        "--dry-run",
    ];
    let sets = parsed.flags.iter().any(|(flag, _, _)| flag == "--set");
    if parsed.path.as_slice() != ["upgrade"]
        || !names_istio(parsed)
        || !sets
        || KEEPS.iter().any(|flag| parsed.has(flag))
    {
        return None;
    }
    let why = sink.say(
        "with --set and without --reuse-values every value that was set before goes back to the chart’s default",
        "带 --set 而没有 --reuse-values 时，之前设置的值都会恢复为 chart 默认值",
    );
    Some(
        Judgement::new(Verdict::Destructive, why, "helm upgrade")
            .fix("--reset-then-reuse-values, or -f with all values"),
    )
}
