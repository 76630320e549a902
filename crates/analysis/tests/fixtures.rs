//! Runs every rule's fixture, and checks that each of its codes fires and that near misses do not.
//!
//! A fixture has cases that begin with a line `#= what the case shows`. A line that ends in `#! CODE` is where a
//! finding must point; on the `#=` line itself it stands for a finding that has no line. `#~ CODE` says that the
//! case must have a finding of the code somewhere among its evidence on this line. A case without marks must be
//! silent. `#mesh` lines hold MeshConfig.

use std::collections::BTreeSet;
use std::path::PathBuf;

use analysis::rules::{self, RULES, Rule};
use analysis::{Input, Mesh};

struct Case {
    name: String,
    text: String,
    mesh: String,
    networks: String,
    expected: BTreeSet<(String, u32)>,
    evidence: BTreeSet<(String, u32)>,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rules")
}

fn cases(rule: &Rule) -> Vec<Case> {
    let path = directory().join(format!("{}.yaml", rule.name));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("rule {} has no fixture: {error}", rule.name));
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("#= ") {
            let (name, marks) = title.split_once("#!").unwrap_or((title, ""));
            cases.push(Case {
                name: name.trim().to_owned(),
                text: String::new(),
                mesh: String::new(),
                networks: String::new(),
                expected: marks
                    .split_whitespace()
                    .map(|code| (code.to_owned(), 0))
                    .collect(),
                evidence: BTreeSet::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        if let Some(mesh) = line.strip_prefix("#mesh ") {
            case.mesh.push_str(mesh);
            case.mesh.push('\n');
        }
        if let Some(networks) = line.strip_prefix("#networks ") {
            case.networks.push_str(networks);
            case.networks.push('\n');
        }
        // Settings are no comment of the document below them.
        if !line.starts_with("#mesh ") && !line.starts_with("#networks ") {
            case.text.push_str(line);
        }
        case.text.push('\n');
        let number = u32::try_from(case.text.lines().count()).expect("a short fixture");
        if let Some((_, marks)) = line.split_once("#!") {
            let codes = marks.split("#~").next().unwrap_or_default();
            let codes = codes.split_whitespace();
            case.expected
                .extend(codes.map(|code| (code.to_owned(), number)));
        }
        if let Some((_, marks)) = line.split_once("#~") {
            let codes = marks.split_whitespace();
            case.evidence
                .extend(codes.map(|code| (code.to_owned(), number)));
        }
    }
    cases
}

fn facts(case: &Case) -> analysis::Facts {
    let mut input = Input::new("default");
    input.add_text("fixture.yaml", &case.text);
    let errors: Vec<_> = input.notes().iter().filter(|note| note.is_error).collect();
    assert!(errors.is_empty(), "{}: {errors:?}", case.name);
    let mut mesh = if case.mesh.is_empty() {
        Mesh::default()
    } else {
        Mesh::read("mesh.yaml", &case.mesh).expect("the fixture's MeshConfig is YAML")
    };
    if !case.networks.is_empty() {
        mesh.read_networks("networks.yaml", &case.networks)
            .expect("the fixture's MeshNetworks are YAML");
    }
    let mut facts = input.into_facts(mesh);
    facts.now = Some(1_790_000_000);
    facts
}

#[test]
fn every_fixture_gives_what_it_says() {
    let mut wrong = Vec::new();
    for rule in RULES {
        for case in cases(rule) {
            let findings = rules::run(rule, &facts(&case));
            let found: BTreeSet<(String, u32)> = findings
                .iter()
                .map(|finding| {
                    let line = finding.origin.as_ref().map_or(0, |origin| origin.line);
                    (finding.code.to_owned(), line)
                })
                .collect();
            let seen: BTreeSet<(String, u32)> = findings
                .iter()
                .flat_map(|finding| {
                    let lines = finding.evidence.iter().map(|seen| seen.line);
                    lines.map(|line| (finding.code.to_owned(), line))
                })
                .collect();
            if found != case.expected || !case.evidence.is_subset(&seen) {
                let messages: Vec<String> = findings
                    .iter()
                    .map(|f| format!("{} {}", f.code, f.message))
                    .collect();
                wrong.push(format!(
                    "{}.yaml, {:?}: expected {:?} with evidence {:?}, found {found:?} with evidence {seen:?}\n  {}",
                    rule.name,
                    case.name,
                    case.expected,
                    case.evidence,
                    messages.join("\n  ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_fires_in_a_fixture_and_every_rule_has_a_near_miss() {
    for rule in RULES {
        let cases = cases(rule);
        for code in rule.codes {
            assert!(
                cases
                    .iter()
                    .any(|case| case.expected.iter().any(|(id, _)| id == code.id)),
                "no case of {}.yaml has {}",
                rule.name,
                code.id
            );
        }
        assert!(
            cases.iter().any(|case| case.expected.is_empty()),
            "{}.yaml has no near miss",
            rule.name
        );
    }
}

#[test]
fn every_finding_says_why_what_to_do_and_how_to_check() {
    for rule in RULES {
        for case in cases(rule) {
            for finding in rules::run(rule, &facts(&case)) {
                assert!(!finding.cause.is_empty(), "{}: {}", rule.name, finding.code);
                assert!(finding.fix.is_some(), "{}: {}", rule.name, finding.code);
                assert!(
                    !finding.verify.is_empty(),
                    "{}: {}",
                    rule.name,
                    finding.code
                );
                assert!(
                    !finding.evidence.is_empty() || finding.code == "IST0126",
                    "{}: {} without evidence",
                    rule.name,
                    finding.code
                );
            }
        }
    }
}
