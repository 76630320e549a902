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

/// The words of a body before `"$@"`, if it is one command that ends in it.
fn body(pipeline: &Pipeline) -> Option<Vec<Word>> {
    let [command] = pipeline.commands.as_slice() else {
        return None;
    };
    let (last, words) = command.words.split_last()?;
    (matches!(&*last.text, "$@" | "$*") && !words.is_empty()).then(|| words.to_vec())
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
    let words = body.iter().map(|word| Word {
        line: place.0,
        column: place.1,
        ..word.clone()
    });
    command.words = words.chain(command.words.drain(1..)).collect();
}
