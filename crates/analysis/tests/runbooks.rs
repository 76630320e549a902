//! Runbooks written by people who had not seen this code: what is wrong in them must be found, what is right must not
//! be flagged.

use std::path::Path;

use analysis::advice::{self, Item, Verdict, Wanted};

/// A line that was judged by hand.
struct Judged {
    file: String,
    line: usize,
    text: String,
    verdict: Verdict,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbooks")
}

fn judged() -> Vec<Judged> {
    include_str!("runbooks/expected.tsv")
        .lines()
        .filter(|row| !row.starts_with('#'))
        .map(|row| {
            let [file, text, verdict] = row.split('\t').collect::<Vec<_>>()[..] else {
                panic!("three cells: {row}");
            };
            let bytes = std::fs::read(folder().join(file)).expect("the document");
            let whole = String::from_utf8_lossy(&bytes);
            let mut lines = whole
                .lines()
                .zip(1..)
                .filter(|(line, _)| line.contains(text));
            let (_, line) = lines
                .next()
                .unwrap_or_else(|| panic!("{row}: no such line"));
            assert!(lines.next().is_none(), "{row}: more than one line");
            Judged {
                file: file.to_owned(),
                line,
                text: text.to_owned(),
                verdict: Verdict::of(verdict).expect("a verdict"),
            }
        })
        .collect()
}

fn items(file: &str) -> Vec<Item> {
    let bytes = std::fs::read(folder().join(file)).expect("the document");
    advice::lint(file, &bytes, &Wanted::default())
}

fn is_fine(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Works | Verdict::Deprecated)
}

#[test]
fn what_is_wrong_in_runbooks_is_found_and_what_is_right_is_not_flagged() {
    let judged = judged();
    let (mut wrong, mut found, mut right) = (0_usize, 0_usize, 0_usize);
    let (mut missed, mut alarms) = (Vec::new(), Vec::new());
    let mut open: Option<(String, Vec<Item>)> = None;
    for Judged {
        file,
        line,
        text,
        verdict,
    } in &judged
    {
        if open.as_ref().is_none_or(|(name, _)| name != file) {
            open = Some((file.clone(), items(file)));
        }
        let all = open.as_ref().map_or(&[][..], |(_, items)| items);
        let here: Vec<&Item> = all.iter().filter(|i| i.line as usize == *line).collect();
        let got: Vec<Verdict> = here.iter().map(|item| item.verdict).collect();
        if *verdict == Verdict::Works {
            right += 1;
            if got.iter().any(|verdict| !is_fine(*verdict)) {
                alarms.push(format!("{file}:{line}: {text}: {got:?}"));
            }
        } else {
            wrong += 1;
            if got.contains(verdict) {
                found += 1;
            } else {
                missed.push(format!(
                    "{file}:{line}: {text}: want {verdict}; got {got:?}"
                ));
            }
        }
    }
    println!(
        "{found} of {wrong} wrong lines found with the right verdict; {} of {right} right lines flagged",
        alarms.len()
    );
    for line in missed.iter().chain(&alarms) {
        println!("{line}");
    }
    // What is not found yet may only become less.
    assert!(found * 100 >= wrong * 95, "{missed:#?}");
    assert!(alarms.len() * 100 < right * 2, "{alarms:#?}");
}
