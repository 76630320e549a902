//! No input makes analysis panic or loop, and no secret comes out of it.

use analysis::render::{Color, Detail, Format};
use analysis::{Input, Mesh, Options, analyze, fix};
use proptest::prelude::*;

fn run(text: &str) -> String {
    let mut input = Input::new("default");
    input.add_text("input.yaml", text);
    let notes: Vec<String> = input
        .notes()
        .iter()
        .map(|note| note.message.clone())
        .collect();
    let facts = input.into_facts(Mesh::default());
    let findings = analyze(&facts, &Options::default());
    let edits = fix::edits(&findings, "input.yaml");
    let fixed = fix::apply(text, &edits);
    let mut out = notes.join("\n");
    out.push_str(&fix::diff("input.yaml", text, &fixed.text));
    for format in Format::ALL {
        out.push_str(&format.render(&findings, Detail::Full, Color::On));
    }
    out
}

/// All fixtures in one: what rules look at.
fn corpus() -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .expect("rules")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let fixture = std::fs::read_to_string(path).expect("a fixture");
        for line in fixture.lines() {
            text.push_str(if line.starts_with("#= ") { "---" } else { line });
            text.push('\n');
        }
        text.push_str("---\n");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arbitrary_text_is_survived(text in "\\PC{0,400}") {
        run(&text);
    }

    /// Documents of the fixtures with lines dropped, doubled, and scalars replaced.
    #[test]
    fn mutilated_objects_are_survived(seed in any::<u64>(), start in 0usize..4000) {
        let corpus = corpus();
        let lines: Vec<&str> = corpus.lines().collect();
        let start = start % lines.len();
        let mut state = seed | 1;
        let mut text = String::new();
        for line in lines.iter().cycle().skip(start).take(120) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (state >> 33) % 24 {
                0 => {}
                1 => {
                    text.push_str(line);
                    text.push('\n');
                    text.push_str(line);
                }
                2 => {
                    let cut = line.split(':').next().unwrap_or_default();
                    let values = ["null", "[]", "{}", "-1", "9223372036854775808", "\"\u{0}\"", "[[{}]]", "~", "é"];
                    text.push_str(&format!("{cut}: {}", values[(state >> 40) as usize % values.len()]));
                }
                _ => text.push_str(line),
            }
            text.push('\n');
        }
        run(&text);
    }
}

#[test]
fn all_fixtures_together_are_survived() {
    assert!(run(&corpus()).len() > 1_000);
}

#[test]
fn nothing_of_a_secret_comes_out() {
    let out = run(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: broken, namespace: default}\nstringData:\n  tls.crt: hunter2-certificate\n  tls.key: hunter2-key\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: default, labels: {a: b}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a, namespace: default}\nspec:\n  selector: {a: b}\n  servers:\n    - port: {number: 443, name: https, protocol: HTTPS}\n      hosts: [\"*\"]\n      tls: {mode: SIMPLE, credentialName: broken}\n",
    );
    assert!(out.contains("IST0161"), "{out}");
    assert!(!out.contains("hunter2"), "{out}");
}
