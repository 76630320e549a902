//! Documents written in the manner of runbooks, half of them correct: what is wrong must get its verdict, what is
//! right must not be flagged.

use std::path::Path;

use analysis::advice::{self, Item, Verdict, Wanted};

fn documents() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/advice");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder of documents")
        .map(|entry| {
            let entry = entry.expect("an entry of the folder");
            entry.file_name().to_string_lossy().into_owned()
        })
        .filter(|name| name != "expected.tsv")
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(folder.join(&name)).expect("a document");
            (name, bytes)
        })
        .collect()
}

/// File, line and verdict that a line must get.
fn expected(documents: &[(String, Vec<u8>)]) -> Vec<(String, usize, String, Verdict)> {
    include_str!("advice/expected.tsv")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|row| {
            let cells: Vec<&str> = row.split('\t').collect();
            let (_, bytes) = documents
                .iter()
                .find(|(name, _)| name == cells[0])
                .expect("a document of this name");
            let text = String::from_utf8_lossy(bytes);
            let lines: Vec<usize> = text
                .lines()
                .zip(1..)
                .filter(|(line, _)| line.contains(cells[1]))
                .map(|(_, number)| number)
                .collect();
            assert!(!lines.is_empty(), "{row}: no such line");
            let verdict = Verdict::of(cells[2]).expect("a verdict");
            (cells[0].to_owned(), lines[0], cells[1].to_owned(), verdict)
        })
        .collect()
}

fn lint_all(documents: &[(String, Vec<u8>)]) -> Vec<Item> {
    documents
        .iter()
        .flat_map(|(name, bytes)| advice::lint(name, bytes, &Wanted::default()))
        .collect()
}

#[test]
fn documents_in_the_manner_of_runbooks_are_judged_rightly() {
    let documents = documents();
    assert!(documents.len() >= 20);
    let items = lint_all(&documents);
    let expected = expected(&documents);
    let (mut found, mut missed, mut false_alarms) = (0, Vec::new(), Vec::new());
    for (file, line, text, verdict) in &expected {
        let hit = items.iter().any(|item| {
            item.file == *file && item.line as usize == *line && item.verdict == *verdict
        });
        if hit {
            found += 1;
        } else {
            let got: Vec<_> = items
                .iter()
                .filter(|item| item.file == *file && item.line as usize == *line)
                .map(|item| format!("{} {:?} {}", item.kind, item.text, item.verdict))
                .collect();
            missed.push(format!(
                "{file}:{line}: {text}: want {verdict}; got {got:?}"
            ));
        }
    }
    let mut right = 0;
    for item in &items {
        let wanted: Vec<_> = expected
            .iter()
            .filter(|(file, line, _, _)| *file == item.file && *line == item.line as usize)
            .collect();
        let summary = matches!(item.kind, "manifest" | "fragment" | "logs insights query");
        let known_wrong = wanted
            .iter()
            .any(|(_, _, _, verdict)| *verdict != Verdict::Works);
        // The summary of a part that is wrong is wrong too.
        let of_wrong = summary && expected.iter().any(|(file, ..)| *file == item.file);
        if known_wrong || of_wrong {
            continue;
        }
        right += 1;
        if item.verdict != Verdict::Works {
            false_alarms.push(format!(
                "{}:{}:{} {} {:?}: {}: {}",
                item.file, item.line, item.column, item.kind, item.text, item.verdict, item.reason
            ));
        }
    }
    println!(
        "{} documents, {} items: {found} of {} wrong items found; {} false alarms among {right} right items",
        documents.len(),
        items.len(),
        expected.len(),
        false_alarms.len(),
    );
    for line in missed.iter().chain(&false_alarms) {
        println!("{line}");
    }
    assert!(found * 100 >= expected.len() * 95, "missed: {missed:#?}");
    assert!(false_alarms.len() * 100 < right * 2, "{false_alarms:#?}");
}
