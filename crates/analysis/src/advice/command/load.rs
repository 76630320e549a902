//! hey and the like: combinations of flags that do not do what they say.

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;

/// What hey refuses or passes over.
pub(super) fn hey(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let number = |flag: &str, default: u64| {
        parsed
            .flag(flag)
            .map_or(Some(default), |value| value.parse::<u64>().ok())
    };
    if !parsed.has("-z")
        && let (Some(requests), Some(workers)) = (number("-n", 200), number("-c", 50))
        && requests < workers
    {
        let why = sink.say(
            format!("-n {requests} is less than -c {workers}: hey stops with an error"),
            format!("-n {requests} 小于 -c {workers}：hey 会报错退出"),
        );
        return Some(
            Judgement::new(Verdict::Refused, why, "hey")
                .fix(format!("-n {requests} -c {requests}")),
        );
    }
    let (_, host, _) = parsed.flags.iter().find(|(flag, value, _)| {
        flag == "-H"
            && value
                .as_deref()
                .is_some_and(|value| value.to_lowercase().starts_with("host:"))
    })?;
    let name = host.as_deref()?.split_once(':')?.1.trim();
    let why = sink.say(
        "Go’s client takes the host from the URL: a Host header is passed over",
        "Go 客户端从 URL 取 Host：Host 头会被忽略",
    );
    Some(Judgement::new(Verdict::Ignored, why, "hey").fix(format!("-host {name}")))
}
