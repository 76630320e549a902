//! Comparisons in programs of jq, JMESPath and JSONPath with values that never occur.

use std::sync::LazyLock;

use regex::Regex;

use super::super::items::Sink;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use crate::knowledge::{COMPARED, nearest};

/// A path, `==`, and a literal.
static COMPARISON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"([@.A-Za-z_](?:[A-Za-z0-9_.]|\[[0-9*]*\]|\?\.)*)\s*==\s*(?:"([^"]*)"|'([^']*)'|`"?([^`"]*)"?`|(true|false)\b)"#,
    )
    .ok()
});

/// The first comparison that nothing meets.
pub(crate) fn judge(sink: &Sink, tool: &str, sub: &str, program: &str) -> Option<Judgement> {
    let expression = COMPARISON.as_ref()?;
    expression.captures_iter(program).find_map(|found| {
        let path = plain(found.get(1)?.as_str());
        let text = (2..5).find_map(|group| found.get(group));
        let bare = found.get(5);
        let value = text.or(bare)?.as_str();
        one(sink, (tool, sub), &path, value, bare.is_some(), program)
    })
}

/// A path without its indexes and marks.
fn plain(path: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let path: String = path.replace("[*]", "").chars().filter(kept).collect();
    path.trim_matches('.').to_owned()
}

fn one(
    sink: &Sink,
    (tool, sub): (&str, &str),
    path: &str,
    value: &str,
    bare: bool,
    program: &str,
) -> Option<Judgement> {
    let ends = |key: &str| {
        path == key
            || path
                .strip_suffix(key)
                .is_some_and(|head| head.ends_with('.'))
    };
    let row = COMPARED
        .rows()
        .filter(|row| {
            row.get("tool") == tool && matches!(row.get("sub"), s if s == sub || s == "*")
        })
        .find(|row| match row.get("key").split_once('.') {
            // `.conditions[] | select(.status==…)` names the list before the field.
            Some(("conditions", field)) => {
                path == field && program.contains("conditions") || ends(row.get("key"))
            }
            // Behind a pipe the path begins anew.
            Some((_, field)) => ends(row.get("key")) || path == field && sub != "*",
            None => ends(row.get("key")),
        })?;
    let mut words = row.get("values").split(' ');
    let known = words.any(|word| word == value);
    if row.get("values") == "true false" {
        return unquoted(sink, row.get("source"), path, value).filter(|_| !bare);
    }
    if known && !bare || values::is_placeholder(value) || value.is_empty() {
        return None;
    }
    let list = row.get("values").replace(' ', ", ");
    let why = if bare {
        sink.say(
            format!("{path} is text, one of {list}: it never equals the bare {value}"),
            format!("{path} 是文本（{list}）：不会等于不带引号的 {value}"),
        )
    } else {
        sink.say(
            format!("{path} is never {value:?}: it is one of {list}"),
            format!("{path} 不会是 {value:?}：取值为 {list}"),
        )
    };
    let near = nearest(value, row.get("values").split(' ')).unwrap_or_default();
    let fix = if near.is_empty() {
        String::new()
    } else {
        format!("{path}==\"{near}\"")
    };
    Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(fix))
}

/// A boolean that is compared with a text.
fn unquoted(sink: &Sink, source: &str, path: &str, value: &str) -> Option<Judgement> {
    if values::is_placeholder(value) {
        return None;
    }
    let why = sink.say(
        format!("{path} is true or false, no text: it never equals {value:?}"),
        format!("{path} 是布尔值，不是字符串：不会等于 {value:?}"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, source).fix(format!("{path}=={value}")))
}
