//! What is right gives nothing above Info: this repository's samples, and manifests of many kinds.

use std::path::{Path, PathBuf};

use analysis::{Facts, Input, Level, Mesh, Options, analyze};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn texts(directory: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            texts(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path).expect("a text");
            found.push((path.display().to_string(), text));
        }
    }
}

fn facts(texts: &[(String, String)]) -> Facts {
    let mesh = Mesh::default();
    let mut input = Input::new("default");
    input.add_defaults(&mesh);
    for (name, text) in texts {
        input.add_text(name, text);
    }
    let notes: Vec<_> = input.notes().iter().filter(|note| note.is_error).collect();
    assert!(notes.is_empty(), "{notes:?}");
    let mut facts = input.into_facts(mesh);
    facts.now = Some(1_790_000_000);
    facts
}

fn above_info(texts: &[(String, String)]) -> Vec<String> {
    analyze(&facts(texts), &Options::default())
        .into_iter()
        .filter(|finding| finding.level < Level::Info)
        // Admission warns of every EnvoyFilter, whatever it says; so does istioctl.
        .filter(|finding| !finding.message.contains("EnvoyFilter reaches into"))
        .map(|finding| {
            let reference = finding
                .origin
                .as_ref()
                .and_then(|origin| origin.reference());
            format!(
                "{} {} {}",
                reference.unwrap_or_default(),
                finding.code,
                finding.message
            )
        })
        .collect()
}

#[test]
fn the_samples_are_silent() {
    let mut found = Vec::new();
    texts(&root().join("../../samples"), &mut found);
    assert!(!found.is_empty());
    let wrong = above_info(&found);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fifty_correct_manifests_are_silent() {
    let mut found = Vec::new();
    texts(&root().join("tests/correct"), &mut found);
    assert!(found.len() >= 50, "{} files", found.len());
    for file in &found {
        let wrong = above_info(std::slice::from_ref(file));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
