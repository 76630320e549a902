//! aws: attributes that an API refuses, queries of Logs Insights.

use super::super::blocks::Piece;
use super::super::insights;
use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;

/// What the AWS API refuses.
pub(super) fn judge(sink: &mut Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    if let Some(query) = parsed.flag("--query-string") {
        let word = parsed
            .flags
            .iter()
            .find(|(flag, _, _)| flag == "--query-string")
            .map(|(_, _, word)| *word)?;
        let pieces = [Piece {
            line: word.line,
            column: word.column,
            text: query.replace('\n', " "),
        }];
        return insights::judge_query(sink, &pieces);
    }
    let attributes = parsed.flag("--attributes")?;
    let listener = parsed.sub().contains("listener");
    let load_balancer = parsed.sub().contains("load-balancer");
    let wrong = (load_balancer && attributes.contains("tcp.idle_timeout"))
        || (listener && attributes.contains("Key=idle_timeout.timeout_seconds"));
    if !wrong {
        return None;
    }
    let why = sink.say(
        "tcp.idle_timeout.seconds is an attribute of an NLB’s listener, idle_timeout.timeout_seconds one of an ALB",
        "tcp.idle_timeout.seconds 是 NLB 监听器的属性，idle_timeout.timeout_seconds 是 ALB 的属性",
    );
    Some(Judgement::new(Verdict::Refused, why, "AWS ELBv2 API").fix(
        "aws elbv2 modify-listener-attributes --listener-arn ARN --attributes Key=tcp.idle_timeout.seconds,Value=600",
    ))
}
