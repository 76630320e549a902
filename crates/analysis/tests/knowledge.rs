//! Items mutated from the knowledge tables: each wrong form must get its verdict, each right form none; no input may
//! make the reader panic or take long.

use analysis::advice::{self, Options, Verdict, Wanted};
use analysis::knowledge::{self, commands, kinds, settings, shapes};
use proptest::prelude::*;

/// A document, and the verdict that its line 1 to `lines` must have.
struct Case {
    name: &'static str,
    text: String,
    needle: String,
    wanted: Vec<Verdict>,
}

fn case(name: &'static str, text: String, needle: impl Into<String>, wanted: &[Verdict]) -> Case {
    Case {
        name,
        text,
        needle: needle.into(),
        wanted: wanted.to_vec(),
    }
}

/// A name with two letters of its middle exchanged for others.
fn misspelt(name: &str) -> String {
    let middle = name.len() / 2;
    let mut text = name.to_owned();
    text.insert_str(middle, "zq");
    text
}

const WORKS: &[Verdict] = &[Verdict::Works];

fn commands_cases(out: &mut Vec<Case>) {
    for tool in ["kubectl", "istioctl", "helm", "aws"] {
        for sub in commands()
            .of(tool)
            .iter()
            .filter(|sub| !sub.path.is_empty() && !sub.open)
            .step_by(if tool == "aws" { 40 } else { 4 })
        {
            let path: Vec<&str> = sub.path.iter().map(|names| names[0]).collect();
            let command = format!("{tool} {}", path.join(" "));
            let children = commands().of(tool).iter().any(|other| {
                other.path.len() > sub.path.len()
                    && other
                        .path
                        .iter()
                        .zip(&path)
                        .all(|(names, word)| names[0] == *word)
            });
            let words = command.split(' ').count();
            if !children && words > 2 {
                let wrong = format!(
                    "{tool} {} {}",
                    path[..path.len() - 1].join(" "),
                    misspelt(path[path.len() - 1])
                );
                if tool != "kubectl" || path.len() > 1 {
                    out.push(case(
                        "sub-command",
                        format!("```sh\n{wrong}\n```\n"),
                        wrong.clone(),
                        &[Verdict::Unknown],
                    ));
                }
            }
            if let Some(flag) = sub
                .flags
                .iter()
                .filter_map(|flag| flag.long.filter(|long| long.len() > 6))
                .next()
            {
                let wrong = format!("{command} {}=x", misspelt(flag));
                out.push(case(
                    "flag",
                    format!("```sh\n{wrong}\n```\n"),
                    wrong,
                    &[Verdict::Unknown],
                ));
            }
            if !children && !path.contains(&"delete") && !matches!(path[0], "uninstall" | "delete")
            {
                out.push(case(
                    "sub-command",
                    format!("```sh\n{command}\n```\n"),
                    command,
                    WORKS,
                ));
            }
        }
    }
}

fn metric_cases(out: &mut Vec<Case>) {
    let options = Options::default();
    let mut metrics: Vec<_> = settings().metrics().collect();
    metrics.sort_by_key(|metric| metric.name);
    for metric in metrics.iter().step_by(5) {
        let right = metric.exists(options.istio, options.knative);
        let suffix = if metric.ty == "histogram" { "_sum" } else { "" };
        let query = format!("sum(rate({}{suffix}[5m]))", metric.name);
        let wanted = if right {
            WORKS
        } else {
            &[Verdict::Unknown][..]
        };
        out.push(case(
            "metric",
            format!("```promql\n{query}\n```\n"),
            query,
            wanted,
        ));
        let families = [
            "istio_",
            "pilot_",
            "citadel_",
            "envoy_cluster_",
            "envoy_server_",
            "envoy_listener_",
        ];
        if families
            .iter()
            .any(|family| metric.name.starts_with(family) && metric.name.len() > family.len() + 8)
        {
            let wrong = misspelt(metric.name);
            out.push(case(
                "metric",
                format!("See `{wrong}` for it.\n"),
                wrong,
                &[Verdict::Unknown],
            ));
        }
    }
    for row in knowledge::RESPONSE_FLAGS.rows() {
        let flag = row.get("flag");
        let good = format!("istio_requests_total{{response_flags=\"{flag}\"}}");
        out.push(case(
            "flag value",
            format!("Query: `{good}`\n"),
            good,
            WORKS,
        ));
        let bad = format!("istio_requests_total{{response_flags=\"{flag}Q\"}}");
        out.push(case(
            "flag value",
            format!("Query: `{bad}`\n"),
            bad,
            &[Verdict::CannotMatch],
        ));
    }
}

fn setting_cases(out: &mut Vec<Case>) {
    for key in settings()
        .config_keys()
        .iter()
        .filter(|key| key.configmap.starts_with("config-") && key.until.is_empty())
    {
        let manifest = |name: &str, value: &str| {
            format!(
                "```yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n  namespace: knative-serving\ndata:\n  {name}: \"{value}\"\n```\n",
                key.configmap
            )
        };
        let wrong = misspelt(key.key);
        out.push(case(
            "configmap key",
            manifest(&wrong, "1"),
            format!("  {wrong}:"),
            &[Verdict::Unknown],
        ));
        if !key.default.is_empty() {
            out.push(case(
                "configmap key",
                manifest(key.key, key.default),
                format!("  {}:", key.key),
                WORKS,
            ));
        }
        if key.ty.starts_with("int")
            || key.ty.starts_with("float")
            || key.ty.starts_with("duration:")
            || key.ty == "bool"
        {
            out.push(case(
                "configmap value",
                manifest(key.key, "many"),
                format!("  {}:", key.key),
                &[Verdict::Refused],
            ));
        }
    }
    let mut rows: Vec<_> = settings().annotations().collect();
    rows.sort_by_key(|row| (row.key, row.label));
    for row in rows
        .iter()
        .filter(|row| !row.key.contains('*') && !row.label && row.status.is_empty())
        .step_by(2)
    {
        let wrong = misspelt(row.key);
        let prefix = knowledge::PREFIXES
            .rows()
            .any(|known| wrong.starts_with(known.get("prefix")));
        if prefix {
            out.push(case(
                "annotation",
                format!("Set `{wrong}` on it.\n"),
                wrong,
                &[Verdict::Unknown],
            ));
        }
        out.push(case(
            "annotation",
            format!("Set `{}` on it.\n", row.key),
            row.key,
            WORKS,
        ));
    }
}

fn kind_cases(out: &mut Vec<Case>) {
    for kind in kinds().all().iter().step_by(2) {
        let right = format!("kubectl get {}.{} -n shop", kind.plural, kind.group);
        let right = right.replace(". ", " ");
        out.push(case("kind", format!("```sh\n{right}\n```\n"), right, WORKS));
        let wrong = format!("kubectl get {} -n shop", misspelt(kind.plural));
        out.push(case(
            "kind",
            format!("```sh\n{wrong}\n```\n"),
            wrong,
            &[Verdict::Unknown],
        ));
    }
    for name in [
        "DestinationRule.networking.istio.io",
        "VirtualService.networking.istio.io",
        "Telemetry.telemetry.istio.io",
    ] {
        let shape = shapes().named(name).expect("the kind");
        let kind = name.split('.').next().unwrap_or_default();
        let mut paths = Vec::new();
        shape.visit("", &mut |path, _, _| {
            if path.starts_with("spec.") && !path.contains('*') && path.matches('.').count() < 5 {
                paths.push(path.replace("[]", "[*]"));
            }
        });
        for path in paths.iter().step_by(9) {
            let right = format!(
                "kubectl get {} x -o jsonpath='{{.{path}}}'",
                kind.to_lowercase()
            );
            out.push(case(
                "jsonpath",
                format!("```sh\n{right}\n```\n"),
                right,
                WORKS,
            ));
            let wrong = format!(
                "kubectl get {} x -o jsonpath='{{.{}}}'",
                kind.to_lowercase(),
                misspelt_leaf(path)
            );
            out.push(case(
                "jsonpath",
                format!("```sh\n{wrong}\n```\n"),
                wrong,
                &[Verdict::CannotMatch],
            ));
        }
    }
}

fn misspelt_leaf(path: &str) -> String {
    let (parent, leaf) = path.rsplit_once('.').unwrap_or(("", path));
    let leaf = leaf.trim_end_matches("[*]");
    format!("{parent}.{}", misspelt(leaf))
}

#[test]
fn wrong_forms_are_found_and_right_forms_are_not_flagged() {
    let mut cases = Vec::new();
    commands_cases(&mut cases);
    metric_cases(&mut cases);
    setting_cases(&mut cases);
    kind_cases(&mut cases);
    let (mut wrong, mut found, mut right, mut alarms) = (0, 0, 0, 0);
    let mut failures = Vec::new();
    for case in &cases {
        let line = case
            .text
            .lines()
            .position(|line| line.contains(&case.needle))
            .map_or(1, |line| line + 1);
        let items = advice::lint("case.md", case.text.as_bytes(), &Wanted::default());
        let verdicts: Vec<Verdict> = items
            .iter()
            .filter(|item| item.line as usize == line)
            .map(|item| item.verdict)
            .collect();
        if case.wanted == WORKS {
            right += 1;
            if verdicts.iter().any(|verdict| *verdict != Verdict::Works) {
                alarms += 1;
                failures.push(format!(
                    "{}: {}: flagged {verdicts:?}",
                    case.name, case.needle
                ));
            }
        } else {
            wrong += 1;
            if verdicts.iter().any(|verdict| case.wanted.contains(verdict)) {
                found += 1;
            } else {
                failures.push(format!(
                    "{}: {}: want {:?}, got {verdicts:?}",
                    case.name, case.needle, case.wanted
                ));
            }
        }
    }
    println!(
        "{} items: {found} of {wrong} wrong ones found, {alarms} of {right} right ones flagged",
        cases.len()
    );
    for failure in &failures {
        println!("{failure}");
    }
    assert!(cases.len() >= 300);
    assert!(found * 100 >= wrong * 95, "{failures:#?}");
    assert!(alarms * 100 < right * 2, "{failures:#?}");
}

#[test]
fn every_row_of_every_table_fits_its_heading() {
    for (name, table) in knowledge::all_tables() {
        let width = table.columns().len();
        assert!(table.columns().contains(&"source"), "{name} has no source");
        for row in table.rows() {
            assert!(row.width() <= width, "{name}: {row:?}");
        }
    }
    for note in settings().notes() {
        assert!(Verdict::of(note.verdict).is_some(), "{note:?}");
        assert!(!note.source.is_empty(), "{note:?}");
    }
    for row in settings().opposites() {
        assert!(settings().intent(row.intent).is_some(), "{row:?}");
    }
}

#[test]
fn hostile_markdown_ends() {
    let nest = "[".repeat(60_000);
    let quotes = "> ".repeat(20_000);
    let ticks = (1..300)
        .map(|count| "`".repeat(count))
        .collect::<Vec<_>>()
        .join(" x ");
    let yaml = (0..3_000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth % 200)))
        .collect::<String>();
    let pipes = "kubectl get pods | ".repeat(5_000);
    let braces = format!("istio_requests_total{}", "{a=\"b\",".repeat(20_000));
    for (name, text) in [
        ("a.md", nest),
        ("a.md", quotes),
        ("a.md", ticks),
        ("a.yaml", yaml),
        ("a.sh", pipes),
        ("a.md", braces),
        ("a.sh", "cat <<A\n".repeat(2_000)),
        ("a.sh", "$(".repeat(3_000)),
        ("a.txt", "`".repeat(100_000)),
    ] {
        let items = advice::lint(name, text.as_bytes(), &Wanted::default());
        assert!(items.len() <= advice::MAX_ITEMS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_input_makes_it_panic(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("```yaml\n".to_owned()), Just("```\n".to_owned()), Just("kubectl get ".to_owned()),
                Just("istio_requests_total{".to_owned()), Just("apiVersion: v1\nkind: ConfigMap\n".to_owned()),
                Just("  mesh: |\n".to_owned()), Just("`".to_owned()), Just("默认 ".to_owned()), Just("\t- ".to_owned()),
                Just("<<EOF\n".to_owned()), Just("| grep '".to_owned()), Just("fields @timestamp | filter ".to_owned()),
                Just("%RESPONSE_".to_owned()), Just("-o jsonpath={.".to_owned()), Just("stable-window: ".to_owned()), "\\PC{0,12}", "[ -~\n]{0,20}",
            ],
            0..24,
        ),
        ending in prop_oneof![Just("md"), Just("sh"), Just("yaml"), Just("txt")],
    ) {
        let text: String = parts.concat();
        let items = advice::lint(&format!("a.{ending}"), text.as_bytes(), &Wanted::default());
        let lines = text.lines().count().max(1);
        for item in items {
            prop_assert!(item.line >= 1 && item.line as usize <= lines + 1 && item.column >= 1);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = advice::lint("a.md", &bytes, &Wanted::default());
        let _ = analysis::explain::explain(&String::from_utf8_lossy(&bytes), &Options::default());
    }
}
