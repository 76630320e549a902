//! Commands that destroy.

use super::super::items::Sink;
use super::super::items::tool_of;
use super::super::shell::{Command, Pipeline, Word};
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::{commands, settings};

/// Whether the command destroys.
pub(super) fn destructive(sink: &Sink, parsed: &Parsed<'_>, words: &[Word]) -> Option<Judgement> {
    let dry = parsed
        .flags
        .iter()
        .any(|(flag, value, _)| flag == "--dry-run" && value.as_deref() != Some("none"));
    if dry {
        return None;
    }
    let tool = if parsed.tool.starts_with("ip") {
        "iptables"
    } else {
        parsed.tool
    };
    if let Some(judgement) = definitions(sink, parsed) {
        return Some(judgement);
    }
    let row = commands().destructive(tool).iter().find(|row| {
        let has = |wanted: &&str| *wanted == "*" || has(parsed.tool, &words[1..], wanted);
        row.words
            .iter()
            .all(|alternatives| alternatives.iter().any(has))
    })?;
    let why = sink.say(row.why.0, row.why.1);
    Some(Judgement::new(Verdict::Destructive, why, row.source).fix(row.fix))
}

/// `kubectl delete -f …crds.yaml`: the definitions go, and every object with them.
fn definitions(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let file = parsed.flag("--filename")?;
    let name = file.rsplit('/').next().unwrap_or(file).to_lowercase();
    if parsed.tool != "kubectl" || parsed.sub() != "delete" || !name.contains("crd") {
        return None;
    }
    let why = sink.say(
        "deletes the definitions, and with them every object of their kinds",
        "会删除 CRD，以及这些类型的全部对象",
    );
    Some(
        Judgement::new(Verdict::Destructive, why, "Kubernetes custom resources").fix(format!(
            "kubectl apply -f {file}, which leaves the objects alone"
        )),
    )
}

/// Whether a word is among the words: itself, as the kind of `kind/name`, or as a letter of iptables' clustered flags.
fn has(tool: &str, words: &[Word], wanted: &str) -> bool {
    let letter = wanted
        .strip_prefix('-')
        .filter(|letter| letter.len() == 1 && tool.ends_with("tables"));
    words.iter().any(|word| {
        let text = word.text.as_str();
        let of_kind = text
            .split_once('/')
            .is_some_and(|(kind, name)| kind == wanted || name == wanted);
        let clustered = letter.is_some_and(|letter| {
            text.starts_with('-') && !text.starts_with("--") && text.contains(letter)
        });
        text == wanted || of_kind || clustered
    })
}

/// Kinds that are piped into `kubectl delete` by name.
const MANY: &[&str] = &[
    "crd",
    "crds",
    "customresourcedefinitions",
    "namespaces",
    "ns",
];

/// What a pipe destroys: a ConfigMap of a component made anew from a few keys, or every custom resource with its kind.
pub(super) fn replaced(sink: &Sink, pipeline: &Pipeline) -> Option<Judgement> {
    let (first, rest) = pipeline.commands.split_first()?;
    let last = rest.last()?;
    let texts = |command: &Command| -> Vec<String> {
        super::proper(&command.words)
            .iter()
            .map(|word| word.text.clone())
            .collect()
    };
    let (maker, taker) = (texts(first), texts(last));
    let kubectl = |words: &[String], sub: &str| {
        words.first().and_then(|word| tool_of(word)) == Some("kubectl")
            && words.iter().any(|word| word == sub)
    };
    let makes = kubectl(&maker, "create") && maker.iter().any(|w| w == "configmap" || w == "cm");
    let component = maker
        .iter()
        .any(|word| word == "istio" || settings().config_map(word).next().is_some());
    if makes && component && kubectl(&taker, "replace") {
        let why = sink.say(
            "the ConfigMap is replaced as a whole: every key that is not named here is gone",
            "ConfigMap 会被整体替换：未写出的键全部丢失",
        );
        return Some(
            Judgement::new(Verdict::Destructive, why, "kubectl replace").fix(
                "kubectl patch configmap NAME -n NAMESPACE --type merge -p '{\"data\":{\"KEY\":\"VALUE\"}}'",
            ),
        );
    }
    let lists = kubectl(&maker, "get") && maker.iter().any(|word| MANY.contains(&word.as_str()));
    if lists && kubectl(&taker, "delete") {
        let why = sink.say(
            "deletes the kinds, and with them every object of theirs in all namespaces",
            "会删除这些类型，以及所有命名空间中的全部对象",
        );
        return Some(
            Judgement::new(Verdict::Destructive, why, "Kubernetes custom resources")
                .fix("kubectl get KIND -A -o yaml > backup.yaml first"),
        );
    }
    None
}
