//! What a user reads when a file is wrong: one golden a file of `tests/bad`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::path::Path;

use api::parse;

fn judge(file: &Path) -> String {
    let name = file.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = String::new();
    for document in parse::parse_file(name, &text) {
        for found in &document.diagnostics {
            writeln!(lines, "{found}").unwrap();
        }
        let Some(ty) = document.ty.filter(|_| name == "unsupported.yaml") else {
            continue;
        };
        for mut found in api::unsupported(ty, &document.value) {
            (found.line, found.column) = document.node.place_of(&found.path);
            writeln!(lines, "{found}").unwrap();
        }
    }
    lines
}

#[test]
fn every_mistake_is_named_with_its_place() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap();
        insta::assert_snapshot!(name, judge(&file));
    }
}

#[test]
fn correct_files_give_no_findings() {
    let mut files = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/good")).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(judge(&file), "", "{}", file.display());
        for document in parse::parse_str(&std::fs::read_to_string(&file).unwrap()) {
            let ty = document.ty.expect("a kind that we know");
            assert_eq!(
                api::unsupported(ty, &document.value),
                [],
                "{}",
                file.display()
            );
            assert_eq!(
                api::strict_fields(ty, &document.value),
                Vec::<String>::new()
            );
        }
        files += 1;
    }
    assert!(files >= 3, "{files}");
}
