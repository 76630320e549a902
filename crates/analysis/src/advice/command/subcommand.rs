//! Whether the tool has the sub-command, now or once.

use super::super::items::Sink;
use super::super::shell::Word;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::{REMOVED_COMMANDS, SubCommand, nearest};

/// Finds the sub-command; gives back how many words it takes.
pub(super) fn resolve(
    sink: &Sink,
    subs: &'static [SubCommand],
    words: &[&Word],
    parsed: &mut Parsed<'_>,
) -> usize {
    match removed(sink, parsed.tool, words) {
        Some(Some(gone)) => {
            parsed.problems.push(gone);
            return words.len();
        }
        // The chosen version still has it; of its flags nothing is known.
        Some(None) => {
            parsed.open = true;
            return words.len();
        }
        None => {}
    }
    let mut depth = 0;
    while let Some(word) = words.get(depth) {
        let next = subs.iter().find(|sub| {
            sub.path.len() > depth
                && sub.path[depth].contains(&word.text.as_str())
                && sub.path[..depth]
                    .iter()
                    .zip(&parsed.path)
                    .all(|(names, word)| names[0] == *word)
        });
        let Some(next) = next else { break };
        parsed.path.push(next.path[depth][0]);
        depth += 1;
    }
    let children: Vec<&str> = subs
        .iter()
        .filter(|sub| sub.path.len() > depth && is_prefix_names(sub, &parsed.path))
        .flat_map(|sub| sub.path[depth].iter().copied())
        .collect();
    let Some(word) = words.get(depth) else {
        return depth;
    };
    let judged =
        !children.is_empty() && !values::is_placeholder(&word.text) && !word.text.starts_with('[');
    let aws_service = parsed.tool == "aws"
        && (depth == 0 || (depth == 1 && matches!(word.text.as_str(), "wait" | "help")));
    let plugin = parsed.tool == "kubectl" && depth == 0 && PLUGINS.contains(&word.text.as_str());
    let open = subs
        .iter()
        .any(|sub| sub.open && sub.path.len() == depth && is_prefix_names(sub, &parsed.path));
    if !judged || aws_service || plugin || open || sentence(&word.text) {
        return depth;
    }
    let near = nearest(&word.text, children.iter().copied()).unwrap_or_default();
    let command: Vec<&str> = std::iter::once(parsed.tool)
        .chain(parsed.path.iter().copied())
        .collect();
    let command = command.join(" ");
    let why = sink.say(
        format!("{command} has no sub-command {}", word.text),
        format!("{command} 没有子命令 {}", word.text),
    );
    let fix = if near.is_empty() {
        String::new()
    } else {
        format!("{command} {near}")
    };
    let source = subs.first().map_or("", |sub| sub.source);
    parsed
        .problems
        .push(Judgement::new(Verdict::Unknown, why, source).fix(fix));
    words.len()
}

/// Plugins of kubectl that people have.
const PLUGINS: &[&str] = &[
    "neat",
    "ctx",
    "ns",
    "stern",
    "argo",
    "krew",
    "tree",
    "view-secret",
    "sniff",
    "cert-manager",
    "node-shell",
    "convert",
    "argo-rollouts",
    "karpenter",
    "cnpg",
    "iexec",
    "who-can",
    "resource-capacity",
    "df-pv",
    "kc",
    "istio",
    "options",
    "help",
    "kn",
    "tail",
    "trace",
    "ingress-nginx",
    "slice",
    "popeye",
    "outdated",
    "access-matrix",
    "konfig",
    "images",
    "hns",
    "score",
    "rollouts",
];

fn is_prefix_names(sub: &SubCommand, path: &[&str]) -> bool {
    sub.path.len() >= path.len()
        && sub
            .path
            .iter()
            .zip(path)
            .all(|(names, word)| names[0] == *word)
}

/// Words of a sentence behind a tool's name, such as "kubectl is".
fn sentence(word: &str) -> bool {
    !word.is_ascii()
        || matches!(
            word,
            "is" | "and"
                | "or"
                | "to"
                | "the"
                | "command"
                | "commands"
                | "for"
                | "with"
                | "can"
                | "CLI"
                | "will"
                | "has"
                | "on"
                | "in"
                | "a"
                | "from"
                | "does"
                | "version:"
                | "output"
                | "…"
                | ","
        )
}

fn first_name(tool: &str, word: &str) -> String {
    match (tool, word) {
        ("istioctl", "experimental" | "exp") => "x".into(),
        ("istioctl", "pc") => "proxy-config".into(),
        ("istioctl", "dash" | "d") => "dashboard".into(),
        _ => word.to_owned(),
    }
}

/// A sub-command that is gone or stands elsewhere; `Some(None)` if it goes later than the chosen version.
fn removed(sink: &Sink, tool: &str, words: &[&Word]) -> Option<Option<Judgement>> {
    let said: Vec<String> = words
        .iter()
        .take(4)
        .map(|word| first_name(tool, &word.text))
        .collect();
    let row = REMOVED_COMMANDS
        .rows()
        .filter(|row| row.get("tool") == tool)
        .filter(|row| {
            let wanted: Vec<String> = row
                .get("sub")
                .split(' ')
                .map(|word| first_name(tool, word))
                .collect();
            wanted.len() <= said.len() && wanted.iter().zip(&said).all(|(a, b)| a == b)
        })
        .max_by_key(|row| row.get("sub").len())?;
    let until = row.get("until");
    if !until.is_empty() && sink.options.istio.within("", until) && tool == "istioctl" {
        return Some(None);
    }
    let sub = row.get("sub");
    let why = if until.is_empty() {
        sink.say(format!("{tool} has no {sub}"), format!("{tool} 没有 {sub}"))
    } else {
        sink.say(
            format!("{tool} {sub} is gone since {until}"),
            format!("{tool} {sub} 自 {until} 起移除"),
        )
    };
    Some(Some(
        Judgement::new(Verdict::Unknown, why, row.get("source")).fix(row.get("instead")),
    ))
}
