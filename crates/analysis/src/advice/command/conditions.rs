//! `kubectl wait --for=condition=…`: conditions that no controller writes.

use super::super::items::Sink;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::{Parsed, kubectl};
use crate::knowledge::{CONDITIONS, nearest};

/// A condition that objects of the kind never have.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let wanted = parsed.flag("--for")?.strip_prefix("condition=")?;
    let wanted = wanted.split('=').next().unwrap_or(wanted);
    let known = kubectl::kind_named(&parsed.positional)?;
    let row = CONDITIONS
        .rows()
        .find(|row| row.get("kind") == known.kind && row.get("group") == known.group)?;
    let mut names = row.get("conditions").split(' ');
    if values::is_placeholder(wanted) || names.clone().any(|name| name.eq_ignore_ascii_case(wanted))
    {
        return None;
    }
    let list = row.get("conditions").replace(' ', ", ");
    let why = sink.say(
        format!(
            "a {} has no condition {wanted}, but {list}: the wait ends with a time-out",
            known.kind
        ),
        format!("{} 没有条件 {wanted}，只有 {list}：等待会超时", known.kind),
    );
    let fix = nearest(wanted, names.clone()).or_else(|| names.next());
    let fix = fix.map(|name| format!("--for=condition={name}"));
    Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(fix.unwrap_or_default()))
}
