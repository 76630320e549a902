//! Holds what was found of a case against what is listed of it: neither may lack what the other has.

use super::observation::Differing;
use crate::differences::Difference;

/// What came of a case.
pub(super) struct Outcome {
    /// Expectations of the case that did not hold, and in what Envoy differs from itself.
    pub(super) unmet: Vec<String>,
    /// In what our proxy differs from Envoy.
    pub(super) differing: Vec<Differing>,
}

/// The problems of a case; none when it agrees but for what is listed.
pub(super) fn judge(case: &str, outcome: &Outcome, known: &[&Difference]) -> Vec<String> {
    let mut problems: Vec<String> = outcome
        .unmet
        .iter()
        .map(|what| format!("{case}: {what}"))
        .collect();
    let is = |known: &Difference, found: &Differing| {
        known.field == found.field && known.envoy == found.envoy && known.ours == found.ours
    };
    for found in &outcome.differing {
        if !known.iter().any(|known| is(known, found)) {
            let Differing { field, envoy, ours } = found;
            problems.push(format!(
                "{case}: {field} is not listed as different\n  envoy: {envoy:?}\n  ours:  {ours:?}"
            ));
        }
    }
    for known in known {
        if !outcome.differing.iter().any(|found| is(known, found)) {
            problems.push(format!(
                "{case}: the listed difference of {} has vanished",
                known.field
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differences::Reason;

    const LISTED: Difference = Difference {
        case: "a_case",
        field: "log[0].flags",
        envoy: "UC",
        ours: "-",
        because: Reason::Rfc("9112 §9.3.1"),
    };

    fn outcome(differing: &[(&str, &str, &str)]) -> Outcome {
        let differing = differing.iter().map(|(field, envoy, ours)| Differing {
            field: (*field).to_owned(),
            envoy: (*envoy).to_owned(),
            ours: (*ours).to_owned(),
        });
        Outcome {
            unmet: Vec::new(),
            differing: differing.collect(),
        }
    }

    #[test]
    fn a_listed_difference_is_no_problem() {
        let found = outcome(&[("log[0].flags", "UC", "-")]);
        assert_eq!(judge("a_case", &found, &[&LISTED]), Vec::<String>::new());
    }

    #[test]
    fn an_unlisted_difference_is_a_problem() {
        let found = outcome(&[("log[0].flags", "UC", "-"), ("client[0].start", "a", "b")]);
        let problems = judge("a_case", &found, &[&LISTED]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("client[0].start is not listed"));
    }

    #[test]
    fn a_listed_difference_that_vanished_is_a_problem() {
        let problems = judge("a_case", &outcome(&[]), &[&LISTED]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("log[0].flags has vanished"));
    }

    #[test]
    fn another_value_than_the_listed_one_is_a_problem() {
        for (envoy, ours) in [("UC", "UF"), ("UF", "-")] {
            let found = outcome(&[("log[0].flags", envoy, ours)]);
            assert_eq!(judge("a_case", &found, &[&LISTED]).len(), 2);
        }
    }

    #[test]
    fn what_a_case_expected_in_vain_is_a_problem() {
        let found = Outcome {
            unmet: vec!["status 200".to_owned()],
            ..outcome(&[])
        };
        assert_eq!(judge("a_case", &found, &[]), ["a_case: status 200"]);
    }
}
