//! Every code has its page, every page its code, and every code of istioctl is accounted for. To write the
//! pages anew: `UPDATE_PAGES=1 cargo test -p analysis --test pages`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use analysis::coverage::{Coverage, IST};
use analysis::{pages, rules};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/codes")
}

#[test]
fn the_pages_are_the_rules_own_text() {
    let pages = pages::pages();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::create_dir_all(directory()).expect("docs can be written");
        for page in &pages {
            std::fs::write(directory().join(&page.file), &page.text).expect("docs can be written");
        }
    }
    for page in &pages {
        let text = std::fs::read_to_string(directory().join(&page.file)).unwrap_or_default();
        assert_eq!(
            text, page.text,
            "docs/codes/{} is not what its rule says",
            page.file
        );
    }
    let known: BTreeSet<_> = pages.iter().map(|page| page.file.clone()).collect();
    for entry in std::fs::read_dir(directory()).expect("docs/codes exists") {
        let name = entry
            .expect("a file")
            .file_name()
            .into_string()
            .expect("UTF-8");
        assert!(
            known.contains(&name),
            "docs/codes/{name} belongs to no code"
        );
    }
}

#[test]
fn every_code_of_istioctl_is_reported_or_names_what_it_lacks() {
    let reported: BTreeSet<&str> = rules::codes().into_iter().map(|code| code.id).collect();
    for row in IST {
        let by_rule = row.coverage == Coverage::Rule;
        assert_eq!(by_rule, reported.contains(row.code), "{}", row.code);
    }
    for code in reported.iter().filter(|code| code.starts_with("IST")) {
        assert!(IST.iter().any(|row| row.code == *code), "{code}");
    }
    let numbers: BTreeSet<&str> = IST.iter().map(|row| row.code).collect();
    let retired = [104, 105, 114, 115, 117, 120, 121, 124];
    for number in (101..=177).filter(|number| !retired.contains(number)) {
        assert!(
            numbers.contains(format!("IST0{number}").as_str()),
            "IST0{number}"
        );
    }
}

#[test]
fn no_two_codes_differ_in_level_or_text() {
    let all = rules::RULES.iter().flat_map(|rule| rule.codes);
    for code in all {
        let first = rules::codes()
            .into_iter()
            .find(|other| other.id == code.id)
            .expect("listed");
        assert_eq!(
            (first.level, first.name, first.meaning),
            (code.level, code.name, code.meaning)
        );
    }
}

#[test]
fn every_failure_is_found_or_names_the_runtime_fact_it_lacks() {
    let reported: BTreeSet<&str> = rules::codes().into_iter().map(|code| code.id).collect();
    let symptoms: BTreeSet<&str> = analysis::coverage::FAILURES
        .iter()
        .map(|failure| failure.symptom)
        .collect();
    // As many as the product has to explain; one that is dropped or doubled is missed here.
    assert_eq!(symptoms.len(), 45);
    assert_eq!(symptoms.len(), analysis::coverage::FAILURES.len());
    for failure in analysis::coverage::FAILURES {
        assert!(
            !failure.codes.is_empty() || !failure.lacks.is_empty(),
            "{}",
            failure.symptom
        );
        for code in failure.codes {
            assert!(reported.contains(code), "{}: {code}", failure.symptom);
        }
    }
}
