//! Applies header mutations to whatever holds headers.

use crate::config::format::FormatContext;
use crate::config::headers::{
    AppendAction, HeaderMutations, HeaderTarget, LevelMutations, SetHeader,
};
use crate::config::request::LowerName;

/// Headers that can be changed; the codecs' header lists implement it.
pub trait HeaderSink {
    fn contains(&self, target: &HeaderTarget) -> bool;
    fn append(&mut self, target: &HeaderTarget, value: &[u8]);
    /// Replaces all values by one, which goes to the end, as in Envoy.
    fn set(&mut self, target: &HeaderTarget, value: &[u8]);
    fn remove(&mut self, name: &LowerName);
}

/// Which direction a level is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Request,
    Response,
}

/// The levels of one request, most specific first: weighted cluster, route, virtual host, route table. Envoy applies
/// them in this order, so that the table has the last word, unless `most_specific_wins`.
pub fn apply_levels<S: HeaderSink, C: FormatContext + ?Sized>(
    levels: &[&LevelMutations],
    most_specific_wins: bool,
    direction: Direction,
    sink: &mut S,
    context: &C,
    scratch: &mut Vec<u8>,
) {
    let mut one = |level: &LevelMutations| {
        let mutations = match direction {
            Direction::Request => &level.request,
            Direction::Response => &level.response,
        };
        apply(mutations, sink, context, scratch);
    };
    if most_specific_wins {
        levels.iter().rev().for_each(|level| one(level));
    } else {
        levels.iter().for_each(|level| one(level));
    }
}

/// Applies one list as Envoy's `HeaderParser::evaluateHeaders`: removals, then overwrites, then additions. Values are
/// rendered with the headers as they were at the request's start: `context` does not see changes of this call.
pub fn apply<S: HeaderSink, C: FormatContext + ?Sized>(
    mutations: &HeaderMutations,
    sink: &mut S,
    context: &C,
    scratch: &mut Vec<u8>,
) {
    for name in &mutations.remove {
        sink.remove(name);
    }
    for appends in [false, true] {
        let of_pass = |header: &&SetHeader| header.action.appends() == appends;
        for header in mutations.set.iter().filter(of_pass) {
            set(header, sink, context, scratch);
        }
    }
}

fn set<S: HeaderSink, C: FormatContext + ?Sized>(
    header: &SetHeader,
    sink: &mut S,
    context: &C,
    scratch: &mut Vec<u8>,
) {
    let value: &[u8] = if let Some(literal) = header.value.as_literal() {
        literal
    } else {
        scratch.clear();
        header.value.render(context, scratch);
        // A value of a request must not smuggle a line break into another message.
        scratch.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
        scratch
    };
    if value.is_empty() && !header.keep_empty {
        return;
    }
    match (header.action, sink.contains(&header.target)) {
        (AppendAction::Append, _) if matches!(header.target, HeaderTarget::Named { .. }) => {
            sink.append(&header.target, value);
        }
        (AppendAction::AddIfAbsent, true) | (AppendAction::OverwriteIfExists, false) => {}
        _ => sink.set(&header.target, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::format::{Operator, Program, Rendered};

    #[derive(Default)]
    struct List(Vec<(String, String)>);

    fn name(target: &HeaderTarget) -> String {
        match target {
            HeaderTarget::Named { lower, .. } => lower.as_str().into(),
            other => format!("{other:?}"),
        }
    }

    impl HeaderSink for List {
        fn contains(&self, target: &HeaderTarget) -> bool {
            self.0.iter().any(|(have, _)| *have == name(target))
        }

        fn append(&mut self, target: &HeaderTarget, value: &[u8]) {
            self.0
                .push((name(target), String::from_utf8_lossy(value).into()));
        }

        fn set(&mut self, target: &HeaderTarget, value: &[u8]) {
            self.0.retain(|(have, _)| *have != name(target));
            self.append(target, value);
        }

        fn remove(&mut self, header: &LowerName) {
            self.0.retain(|(have, _)| have != header.as_str());
        }
    }

    struct Nothing;

    impl FormatContext for Nothing {
        fn render(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
            match op {
                Operator::Protocol => {
                    out.extend_from_slice(b"HTTP\r\n/1.1");
                    Rendered::Text
                }
                _ => Rendered::Absent,
            }
        }
    }

    fn set(name: &str, value: &str, action: AppendAction) -> SetHeader {
        let target = HeaderTarget::Named {
            lower: LowerName::new(name),
            original: name.into(),
        };
        SetHeader {
            target,
            value: Program::parse(value, true).unwrap(),
            action,
            keep_empty: false,
        }
    }

    fn run(start: &[(&str, &str)], mutations: &HeaderMutations) -> Vec<String> {
        let mut list = List(
            start
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        );
        apply(mutations, &mut list, &Nothing, &mut Vec::new());
        list.0.iter().map(|(k, v)| format!("{k}: {v}")).collect()
    }

    #[test]
    fn actions_differ_when_the_header_is_there() {
        for (action, want) in [
            (AppendAction::Append, vec!["a: 1", "a: 2"]),
            (AppendAction::AddIfAbsent, vec!["a: 1"]),
            (AppendAction::OverwriteIfExistsOrAdd, vec!["a: 2"]),
            (AppendAction::OverwriteIfExists, vec!["a: 2"]),
        ] {
            let mutations = HeaderMutations {
                remove: [].into(),
                set: [set("A", "2", action)].into(),
            };
            assert_eq!(run(&[("a", "1")], &mutations), want, "{action:?}");
        }
        let absent = HeaderMutations {
            remove: [].into(),
            set: [set("a", "2", AppendAction::OverwriteIfExists)].into(),
        };
        assert!(run(&[], &absent).is_empty());
    }

    #[test]
    fn overwrites_come_before_additions() {
        let mutations = HeaderMutations {
            remove: [].into(),
            set: [
                set("b", "added", AppendAction::Append),
                set("a", "set", AppendAction::OverwriteIfExistsOrAdd),
            ]
            .into(),
        };
        assert_eq!(run(&[], &mutations), ["a: set", "b: added"]);
    }

    #[test]
    fn removal_comes_first_and_empty_values_are_left_out() {
        let mutations = HeaderMutations {
            remove: [LowerName::new("a")].into(),
            set: [
                set("a", "new", AppendAction::Append),
                set("b", "%ROUTE_NAME%", AppendAction::Append),
                set("c", "%PROTOCOL%", AppendAction::Append),
            ]
            .into(),
        };
        assert_eq!(run(&[("a", "old")], &mutations), ["a: new", "c: HTTP/1.1"]);
    }
}
