//! Functions that pass their arguments on: a call stands for the command in the body.

use std::collections::HashMap;

use super::{Command, Pipeline, Word};

/// The name in `name()` or `function name`, where a pipeline is the head of a function.
fn head(pipeline: &Pipeline) -> Option<&str> {
    let [command] = pipeline.commands.as_slice() else {
        return None;
    };
    let words: Vec<&str> = command.words.iter().map(|word| &*word.text).collect();
    match words.as_slice() {
        [name] | ["function", name] => {
            let plain = name.strip_suffix("()");
            plain.or((words.len() == 2).then_some(name))
        }
        [name, "()"] => Some(name),
        _ => None,
    }
}

/// The words of a body, if it is one command that its arguments stand in as words: `"$@"` at its end, or `"$1"`.
fn body(pipeline: &Pipeline) -> Option<Vec<Word>> {
    let [command] = pipeline.commands.as_slice() else {
        return None;
    };
    let takes = |word: &Word| all(word) || number(word).is_some();
    let (first, rest) = command.words.split_first()?;
    (!takes(first) && rest.iter().any(takes)).then(|| command.words.clone())
}

/// Whether a word stands for all arguments.
fn all(word: &Word) -> bool {
    matches!(&*word.text, "$@" | "$*" | "${@}" | "${*}")
}

/// The number of the argument that a word stands for.
fn number(word: &Word) -> Option<usize> {
    let name = word.text.strip_prefix('$')?;
    let name = name
        .strip_prefix('{')
        .and_then(|name| name.strip_suffix('}'))
        .unwrap_or(name);
    name.parse().ok().filter(|number| (1..10).contains(number))
}

/// Puts the bodies of functions in the place of their calls; the bodies themselves are no commands.
pub(super) fn called(pipelines: Vec<Pipeline>) -> Vec<Pipeline> {
    let mut known: HashMap<String, Vec<Word>> = HashMap::new();
    let mut out: Vec<Pipeline> = Vec::new();
    for mut pipeline in pipelines {
        if let (Some(name), Some(words)) = (out.last().and_then(head), body(&pipeline)) {
            known.insert(name.to_owned(), words);
            out.pop();
            continue;
        }
        for command in &mut pipeline.commands {
            expand(command, &known);
        }
        out.push(pipeline);
    }
    out
}

fn expand(command: &mut Command, known: &HashMap<String, Vec<Word>>) {
    let Some(first) = command.words.first() else {
        return;
    };
    let Some(body) = known.get(&first.text) else {
        return;
    };
    let place = (first.line, first.column);
    let arguments: Vec<Word> = command.words.drain(1..).collect();
    let mut words = Vec::new();
    for word in body {
        match number(word).map(|number| arguments.get(number - 1)) {
            _ if all(word) => words.extend(arguments.iter().cloned()),
            Some(Some(argument)) => words.push(argument.clone()),
            _ => words.push(Word {
                line: place.0,
                column: place.1,
                ..word.clone()
            }),
        }
    }
    command.words = words;
}
