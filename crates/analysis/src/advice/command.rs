//! Commands: whether the tool has the sub-command and the flags, and what the command does.

use super::blocks::Piece;
use super::items::{Kind, Sink, tool_of};
use super::shell::{self, Command, Pipeline, Word};
use super::verdict::{Judgement, Verdict};
use super::{curl, kubectl, manifest, pipeline, values};
use crate::knowledge::{FLAG_VALUES, FlagSpec, REMOVED_COMMANDS, SubCommand, commands, nearest};

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
        judge_pipeline(sink, &parsed, context);
    }
}

/// Judges one pipeline.
pub(crate) fn judge_pipeline(sink: &mut Sink, pipeline: &Pipeline, context: &str) {
    let applied = pipeline.commands.iter().any(applies);
    for command in &pipeline.commands {
        let destroyed = input(sink, command, context, applied);
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
    let mut judgement = parsed
        .problems
        .iter()
        .cloned()
        .fold(Judgement::fine(parsed.source), Judgement::worse);
    if let Some(values) = flag_values(sink, &parsed) {
        judgement = judgement.worse(values);
    }
    if let Some(found) = destructive(sink, &parsed, words) {
        judgement = judgement.worse(found);
    }
    if let Some(destroyed) = destroyed {
        judgement = judgement.worse(destroyed);
    }
    let own = match tool {
        "kubectl" => kubectl::judge(sink, &parsed, context),
        "curl" => curl::judge(sink, &parsed),
        "helm" | "istioctl" => sets(sink, &parsed),
        "aws" => aws(sink, &parsed),
        _ => None,
    };
    if let Some(own) = own {
        judgement = judgement.worse(own);
    }
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

fn global(tool: &str) -> &[FlagSpec] {
    commands()
        .of(tool)
        .iter()
        .find(|sub| sub.path.is_empty())
        .map_or(&[], |sub| sub.flags.as_slice())
}

/// Go's flag package: `-name`, whatever the length.
fn single_dash(tool: &str) -> bool {
    matches!(tool, "fortio" | "hey")
}

/// Sorts the words of a command.
pub(crate) fn parse<'a>(sink: &Sink, tool: &'static str, words: &'a [Word]) -> Parsed<'a> {
    let subs = commands().of(tool);
    let mut parsed = Parsed {
        tool,
        path: Vec::new(),
        positional: Vec::new(),
        flags: Vec::new(),
        inner: &[],
        source: "",
        problems: Vec::new(),
    };
    let plain = positional(tool, words);
    let taken = resolve(sink, subs, &plain, &mut parsed);
    let sub = subs.iter().find(|sub| {
        sub.path.len() == parsed.path.len()
            && sub
                .path
                .iter()
                .zip(&parsed.path)
                .all(|(names, word)| names[0] == *word)
    });
    parsed.source = sub.map_or("", |sub| sub.source);
    let open = sub.is_none_or(|sub| sub.open) || !parsed.problems.is_empty();
    let mut specs: Vec<FlagSpec> = global(tool).to_vec();
    for sub in subs
        .iter()
        .filter(|sub| !sub.path.is_empty() && is_prefix(sub, &parsed.path))
    {
        specs.extend(&sub.flags);
    }
    flags(sink, words, &specs, open, taken, &mut parsed);
    parsed
}

fn is_prefix(sub: &SubCommand, path: &[&str]) -> bool {
    sub.path.len() <= path.len()
        && sub
            .path
            .iter()
            .zip(path)
            .all(|(names, word)| names[0] == *word)
}

/// The words that are no flags and no values of flags, whatever the sub-command.
fn positional<'a>(tool: &str, words: &'a [Word]) -> Vec<&'a Word> {
    let mut out = Vec::new();
    let mut skip = false;
    for word in &words[1..] {
        let text = word.text.as_str();
        if std::mem::take(&mut skip) {
            continue;
        }
        if text == "--" {
            break;
        }
        if text.starts_with(['-', '–', '—']) && text.len() > 1 {
            skip = commands()
                .of(tool)
                .iter()
                .flat_map(|sub| &sub.flags)
                .any(|spec| spec.value && (spec.short == Some(text) || spec.long == Some(text)));
            continue;
        }
        out.push(word);
    }
    out
}

/// Finds the sub-command; gives back how many words it takes.
fn resolve(
    sink: &Sink,
    subs: &'static [SubCommand],
    words: &[&Word],
    parsed: &mut Parsed<'_>,
) -> usize {
    if let Some(gone) = removed(sink, parsed.tool, words) {
        parsed.problems.push(gone);
        return words.len();
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

/// A sub-command that is gone or stands elsewhere.
fn removed(sink: &Sink, tool: &str, words: &[&Word]) -> Option<Judgement> {
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
        return None;
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
    Some(Judgement::new(Verdict::Unknown, why, row.get("source")).fix(row.get("instead")))
}

fn flags<'a>(
    sink: &Sink,
    words: &'a [Word],
    specs: &[FlagSpec],
    open: bool,
    taken: usize,
    parsed: &mut Parsed<'a>,
) {
    let mut left = taken;
    let mut index = 1;
    while index < words.len() {
        let word = &words[index];
        let text = word.text.as_str();
        index += 1;
        if text == "--" {
            parsed.inner = &words[index..];
            break;
        }
        let next = words.get(index).map(|word| word.text.clone());
        if let Some(rest) = text.strip_prefix(['–', '—']) {
            if !word.quoted && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') {
                let right = if rest.chars().count() > 2 {
                    format!("--{rest}")
                } else {
                    format!("-{rest}")
                };
                let why = sink.say(
                    format!("{text} begins with a typographic dash: the shell passes it on as an argument"),
                    format!("{text} 以排版破折号开头：会被当作普通参数"),
                );
                parsed
                    .problems
                    .push(Judgement::new(Verdict::Unknown, why, "POSIX utility syntax").fix(right));
            }
            continue;
        }
        let flag = text.starts_with('-') && text.len() > 1 && !is_number(text);
        if !flag {
            if left > 0 && !parsed.path.is_empty() {
                left -= 1;
            } else {
                parsed.positional.push(word);
            }
            continue;
        }
        let used = if text.starts_with("--") || single_dash(parsed.tool) {
            long(specs, text, next.as_deref(), word, parsed)
        } else {
            short(specs, text, next.as_deref(), word, parsed)
        };
        match used {
            Some(more) => index += more,
            None if open || values::is_placeholder(text) || word.quoted => {}
            None => {
                let problem = unknown_flag(sink, specs, text, parsed);
                parsed.problems.push(problem);
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    text[1..].starts_with(|c: char| c.is_ascii_digit())
}

fn spec_name(spec: &FlagSpec) -> String {
    spec.long.or(spec.short).unwrap_or_default().to_owned()
}

/// A long flag; how many further words it takes, or `None` if the command has no such flag.
fn long<'a>(
    specs: &[FlagSpec],
    text: &str,
    next: Option<&str>,
    word: &'a Word,
    parsed: &mut Parsed<'a>,
) -> Option<usize> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let single = format!("-{}", name.trim_start_matches('-'));
    let matching: Vec<&FlagSpec> = specs
        .iter()
        .filter(|spec| {
            spec.long == Some(name)
                || spec.short == Some(name)
                || (single_dash(parsed.tool) && spec.short == Some(&single))
        })
        .collect();
    let curl = matches!(parsed.tool, "curl" | "grep" | "aws") && matching.is_empty();
    let prefix: Vec<&FlagSpec> = if curl && name.len() > 3 {
        specs
            .iter()
            .filter(|spec| spec.long.is_some_and(|long| long.starts_with(name)))
            .collect()
    } else {
        Vec::new()
    };
    let negated = matches!(parsed.tool, "curl") && name.starts_with("--no-");
    let spec = matching
        .first()
        .or(prefix.first().filter(|_| prefix.len() == 1));
    let Some(spec) = spec else {
        return negated.then_some(0);
    };
    let boolean = matching.iter().any(|spec| !spec.value);
    let takes = spec.value && value.is_none() && !boolean;
    let value = value.or_else(|| if takes { next.map(str::to_owned) } else { None });
    parsed.flags.push((spec_name(spec), value, word));
    Some(usize::from(takes))
}

/// A cluster of short flags.
fn short<'a>(
    specs: &[FlagSpec],
    text: &str,
    next: Option<&str>,
    word: &'a Word,
    parsed: &mut Parsed<'a>,
) -> Option<usize> {
    if let Some(spec) = specs
        .iter()
        .find(|spec| spec.short == Some(text) || (spec.long == Some(text)))
    {
        let value = if spec.value {
            next.map(str::to_owned)
        } else {
            None
        };
        parsed.flags.push((spec_name(spec), value, word));
        return Some(usize::from(spec.value));
    }
    if let Some((name, value)) = text.split_once('=') {
        let spec = specs.iter().find(|spec| spec.short == Some(name))?;
        parsed
            .flags
            .push((spec_name(spec), Some(value.to_owned()), word));
        return Some(0);
    }
    let mut found = Vec::new();
    let mut rest = &text[1..];
    while let Some(c) = rest.chars().next() {
        let name = format!("-{c}");
        rest = &rest[c.len_utf8()..];
        let spec = specs
            .iter()
            .find(|spec| spec.short == Some(name.as_str()))?;
        if spec.value {
            let (value, more) = if rest.is_empty() {
                (next.map(str::to_owned), 1)
            } else {
                (Some(rest.to_owned()), 0)
            };
            found.push((spec_name(spec), value, word));
            parsed.flags.extend(found);
            return Some(more);
        }
        found.push((spec_name(spec), None, word));
    }
    parsed.flags.extend(found);
    Some(0)
}

fn unknown_flag(sink: &Sink, specs: &[FlagSpec], text: &str, parsed: &Parsed<'_>) -> Judgement {
    let name = text.split('=').next().unwrap_or(text);
    let command: Vec<&str> = std::iter::once(parsed.tool)
        .chain(parsed.path.iter().copied())
        .collect();
    let command = command.join(" ");
    let known = specs
        .iter()
        .flat_map(|spec| [spec.long, spec.short])
        .flatten();
    let near = nearest(
        name,
        known.filter(|known| known.len() > 2 || single_dash(parsed.tool)),
    )
    .map(str::to_owned)
    .or_else(|| meant(parsed, name))
    .unwrap_or_default();
    let why = sink.say(
        format!("{command} has no flag {name}: it stops with an error"),
        format!("{command} 没有参数 {name}：会报错退出"),
    );
    Judgement::new(Verdict::Unknown, why, parsed.source).fix(near)
}

/// Flags that other tools have for the same.
fn meant(parsed: &Parsed<'_>, name: &str) -> Option<String> {
    let right = match (parsed.tool, name.trim_start_matches('-')) {
        ("fortio", "concurrency" | "connections") | ("hey", "concurrency" | "workers") => "-c",
        ("fortio", "duration") => "-t",
        ("hey", "duration") => "-z",
        ("fortio" | "hey", "requests") => "-n",
        ("hey", "qps" | "rate") => "-q",
        ("fortio", "rate") => "-qps",
        ("hey", "timeout") => "-t",
        ("istioctl", "severity" | "level") => "--output-threshold",
        _ => return None,
    };
    Some(right.to_owned())
}

/// Values that a flag does not take.
fn flag_values(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let sub = parsed.sub();
    parsed.flags.iter().find_map(|(flag, value, _)| {
        let value = value
            .as_deref()
            .filter(|value| !values::is_placeholder(value))?;
        let (wanted, value) = match (parsed.tool, flag.as_str(), value.split_once('=')) {
            ("istioctl", "--set", Some((key, value))) => (format!("--set {key}"), value),
            _ => (flag.clone(), value),
        };
        let row = FLAG_VALUES.rows().find(|row| {
            row.get("tool") == parsed.tool
                && sub.starts_with(row.get("sub"))
                && row.get("flag") == wanted
        })?;
        let misfit = match row.get("values") {
            "kubectl-output" => kubectl::output_format(value),
            levels if levels.starts_with("loglevels:") => log_level(&levels[10..], value),
            ty => values::check(ty, value),
        }?;
        let why = sink.say(misfit.why.0, misfit.why.1);
        Some(
            Judgement::new(Verdict::Refused, why, row.get("source"))
                .fix(misfit.fix.unwrap_or_default()),
        )
    })
}

/// `debug`, or `http:debug,router:trace`.
fn log_level(levels: &str, value: &str) -> Option<values::Misfit> {
    let ty = format!("enum:{levels}");
    value
        .split(',')
        .map(|part| part.rsplit(':').next().unwrap_or(part))
        .find_map(|level| values::check(&ty, level))
}

/// Whether the command destroys.
fn destructive(sink: &Sink, parsed: &Parsed<'_>, words: &[Word]) -> Option<Judgement> {
    let dry = parsed
        .flags
        .iter()
        .any(|(flag, value, _)| flag == "--dry-run" && value.as_deref() != Some("none"));
    if dry {
        return None;
    }
    let has = |alternatives: &Vec<&str>| {
        alternatives.iter().any(|wanted| {
            *wanted == "*"
                || words[1..].iter().any(|word| {
                    word.text == *wanted
                        || word.text.split('/').next() == Some(wanted)
                            && word.text.contains('/')
                            && !wanted.contains('-')
                        || (wanted.len() == 2
                            && wanted.starts_with('-')
                            && !word.text.starts_with("--")
                            && word.text.starts_with('-')
                            && parsed.tool.ends_with("tables")
                            && word.text.contains(&wanted[1..]))
                })
        })
    };
    let tool = if parsed.tool.starts_with("ip") {
        "iptables"
    } else {
        parsed.tool
    };
    let row = commands()
        .destructive(tool)
        .iter()
        .find(|row| row.words.iter().all(has))?;
    let why = sink.say(row.why.0, row.why.1);
    Some(Judgement::new(Verdict::Destructive, why, row.source).fix(row.fix))
}

/// `--set a.b=c` of helm and istioctl.
fn sets(sink: &mut Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let istio = parsed.tool == "istioctl"
        || parsed
            .positional
            .iter()
            .any(|word| word.text.contains("istio"));
    if !istio {
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
        let judgement = super::path::setting(sink, parsed.tool, path, value);
        worst = match (worst, judgement) {
            (Some(worst), Some(judgement)) => Some(worst.worse(judgement)),
            (worst, judgement) => worst.or(judgement),
        };
    }
    worst
}

/// What the AWS API refuses.
fn aws(sink: &mut Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
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
        return super::insights::judge_query(sink, &pieces);
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
