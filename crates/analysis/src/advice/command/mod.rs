//! Commands: whether the tool has the sub-command and the flags, and what the command does.

pub(crate) mod aws;
pub(crate) mod cloudwatch;
mod conditions;
mod config_maps;
pub(crate) mod curl;
mod destroys;
mod field_selector;
mod flag;
mod helm;
mod iptables;
pub(crate) mod kubectl;
mod load;
mod pilot_agent;
mod selector;
mod subcommand;
mod words;

pub(crate) use self::words::parse;
use super::blocks::Piece;
use super::items::{Kind, Sink, tool_of};
use super::shell::{self, Command, Pipeline, Word};
use super::verdict::{Judgement, Verdict};
use super::{manifest, pipeline};

/// A command with its words sorted.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    pub tool: &'static str,
    /// The sub-command's words, first names of aliases.
    pub path: Vec<&'static str>,
    pub positional: Vec<&'a Word>,
    /// Flag as it is written long if it has a long name, its value, the word.
    pub flags: Vec<(String, Option<String>, &'a Word)>,
    /// What stands behind `--`.
    pub inner: &'a [Word],
    pub source: &'static str,
    /// Any flag and argument is taken.
    pub open: bool,
    pub problems: Vec<Judgement>,
}

impl Parsed<'_> {
    /// The value of a flag, by its long name.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.flags
            .iter()
            .find(|(flag, _, _)| flag == name)
            .and_then(|(_, value, _)| value.as_deref())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _, _)| flag == name)
    }

    pub(crate) fn sub(&self) -> String {
        self.path.join(" ")
    }
}

/// Judges every command of a block of shell.
pub(crate) fn judge(sink: &mut Sink, pieces: &[Piece], context: &str) {
    for parsed in shell::parse(pieces) {
        match comments(pieces, parsed.line) {
            said if said.is_empty() => judge_pipeline(sink, &parsed, context),
            said => judge_pipeline(sink, &parsed, &format!("{context}\n{said}")),
        }
    }
}

/// The comment on a line and those right above it, lower case.
fn comments(pieces: &[Piece], line: u32) -> String {
    let Some(index) = pieces.iter().position(|piece| piece.line == line) else {
        return String::new();
    };
    let above = pieces[..index].iter().rev();
    let mut said: Vec<&str> = above
        .map_while(|piece| piece.text.trim().strip_prefix('#'))
        .take(6)
        .collect();
    said.reverse();
    let own = pieces[index].text.split_once(" # ").map(|(_, own)| own);
    said.extend(own);
    said.join(" ").to_lowercase()
}

/// Judges one pipeline.
pub(crate) fn judge_pipeline(sink: &mut Sink, pipeline: &Pipeline, context: &str) {
    let applied = pipeline.commands.iter().any(applies);
    let replaced = destroys::replaced(sink, pipeline);
    for command in &pipeline.commands {
        let destroyed = input(sink, command, context, applied).or_else(|| replaced.clone());
        one(sink, command, context, destroyed);
    }
    pipeline::judge(sink, pipeline);
}

/// Whether the command brings what it reads to the cluster.
fn applies(command: &Command) -> bool {
    let words: Vec<&str> = command
        .words
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    words.iter().any(|word| tool_of(word) == Some("kubectl"))
        && words
            .iter()
            .any(|word| matches!(*word, "apply" | "replace" | "create" | "patch"))
}

/// The here-document of a command; what it destroys.
fn input(sink: &mut Sink, command: &Command, context: &str, applied: bool) -> Option<Judgement> {
    if command.input.is_empty() {
        return None;
    }
    let mark = sink.mark();
    let how = if applied {
        manifest::Applied::Whole
    } else {
        manifest::Applied::Not
    };
    let language = super::items::language("", &command.input);
    if language == super::items::Language::Yaml {
        manifest::judge(sink, &command.input, context, Some(how));
    } else {
        let block = super::blocks::Block {
            kind: super::blocks::BlockKind::Code(String::new()),
            pieces: command.input.clone(),
            context: context.to_owned(),
        };
        super::code(sink, &block, "");
    }
    sink.worst_since(mark)
        .filter(|item| applied && item.verdict == Verdict::Destructive)
        .map(|item| Judgement {
            verdict: item.verdict,
            reason: item.reason.clone(),
            fix: item.fix.clone(),
            source: item.source.clone(),
        })
}

/// Words that run the command behind them.
const RUNNERS: &[&str] = &[
    "sudo", "watch", "time", "exec", "nohup", "xargs", "do", "then", "if", "while", "until", "!",
    "else", "command", "env", "timeout", "{", "(",
];

/// The words of the command proper, without what runs it.
pub(crate) fn proper(words: &[Word]) -> &[Word] {
    let mut rest = words;
    for _ in 0..12 {
        let Some(first) = rest.first() else { break };
        let assignment = first.text.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        if RUNNERS.contains(&first.text.as_str()) {
            rest = &rest[1..];
            while rest.first().is_some_and(|word| {
                word.text.starts_with('-')
                    || word.text.starts_with(|c: char| c.is_ascii_digit())
                    || (word.text == "{}")
            }) {
                rest = &rest[1..];
            }
        } else if assignment {
            rest = &rest[1..];
        } else if first.text == "for" {
            return &[];
        } else {
            break;
        }
    }
    rest
}

fn one(sink: &mut Sink, command: &Command, context: &str, destroyed: Option<Judgement>) {
    let words = proper(&command.words);
    let Some(first) = words.first() else { return };
    let Some(tool) = tool_of(&first.text) else {
        shell_string(sink, words, context);
        if let (Some(destroyed), Some(word)) = (destroyed, command.words.first()) {
            sink.put(
                word.line,
                word.column,
                Kind::Command,
                &command.text(),
                destroyed,
            );
        }
        return;
    };
    let parsed = parse(sink, tool, words);
    let own = match tool {
        "kubectl" => kubectl::judge(sink, &parsed, context),
        "curl" => curl::judge(sink, &parsed),
        "helm" => helm::nameless(sink, &parsed)
            .or_else(|| helm::sets(sink, &parsed))
            .or_else(|| helm::resets(sink, &parsed)),
        "istioctl" => helm::sets(sink, &parsed),
        "aws" => aws::judge(sink, &parsed, context),
        "hey" => load::hey(sink, &parsed),
        "iptables" => iptables::judge(sink, &parsed),
        "pilot-agent" => pilot_agent::judge(sink, &parsed),
        _ => None,
    };
    let values = flag::flag_values(sink, &parsed);
    let destroys = destroys::destructive(sink, &parsed, words);
    let judgement = parsed
        .problems
        .iter()
        .cloned()
        .chain(values)
        .chain(destroys)
        .chain(destroyed)
        .chain(own)
        .fold(Judgement::fine(parsed.source), Judgement::worse);
    let text = Command {
        words: words.to_vec(),
        ..Command::default()
    };
    sink.put(
        first.line,
        first.column,
        Kind::Command,
        &text.text(),
        judgement,
    );
    if !parsed.inner.is_empty() {
        let inner = Command {
            words: parsed.inner.to_vec(),
            ..Command::default()
        };
        one(sink, &inner, context, None);
    }
}

/// `sh -c '…'` and the like: the string is shell.
fn shell_string(sink: &mut Sink, words: &[Word], context: &str) {
    let shell = words.first().is_some_and(|word| {
        matches!(
            word.text.rsplit('/').next(),
            Some("sh" | "bash" | "ash" | "zsh")
        )
    });
    let string = words
        .iter()
        .position(|word| word.text.ends_with('c') && word.text.starts_with('-'));
    if let (true, Some(at)) = (shell, string) {
        if let Some(word) = words.get(at + 1) {
            let pieces = [Piece {
                line: word.line,
                column: word.column + 1,
                text: word.text.replace('\n', " ; "),
            }];
            judge(sink, &pieces, context);
        }
        return;
    }
    // docker exec, nsenter, ssh: the first tool that is known begins a command.
    let runs = words.first().is_some_and(|word| {
        matches!(
            word.text.as_str(),
            "docker" | "nsenter" | "ssh" | "crictl" | "nerdctl" | "minikube"
        )
    });
    let at = words.iter().position(|word| tool_of(&word.text).is_some());
    if let (true, Some(at)) = (runs, at) {
        let inner = Command {
            words: words[at..].to_vec(),
            ..Command::default()
        };
        one(sink, &inner, context, None);
    }
}
