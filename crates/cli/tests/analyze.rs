//! `ferromesh analyze` as a program: exit codes, standard input, istioctl's objects, edits in files.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const BROKEN: &str = "# mine\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n  http:\n    - route: [{destination: {host: nope}}]\n      timout: 3s # short\n";

fn analyze(args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ferromesh"))
        .args(["analyze", "--use-kube=false"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(stdin.as_bytes()).expect("it reads");
    drop(input);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_error_ends_with_79_in_the_log_and_with_0_in_json_as_with_istioctl() {
    let log = analyze(&["-"], BROKEN);
    assert_eq!(log.status.code(), Some(79), "{}", text(&log.stderr));
    let line = "Error [IST0101] (VirtualService default/a -:8) Referenced host not found: \"nope\"";
    assert!(text(&log.stdout).contains(line), "{}", text(&log.stdout));

    let json = analyze(&["-o", "json", "-"], BROKEN);
    assert_eq!(json.status.code(), Some(0));
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(found[0]["code"], "IST0101");
    assert_eq!(found[0]["level"], "Error");
    assert_eq!(found[0]["origin"], "VirtualService default/a");
    assert_eq!(found[0]["reference"], "-:8");
}

#[test]
fn thresholds_namespaces_and_suppressions_narrow_what_counts() {
    let code = |args: &[&str]| analyze(args, BROKEN).status.code();
    assert_eq!(
        code(&["--suppress", "IST0101=VirtualService default/*", "-"]),
        Some(0)
    );
    assert_eq!(
        code(&[
            "--suppress",
            "IST0101=*",
            "--failure-threshold",
            "Warning",
            "-"
        ]),
        Some(79)
    );
    let elsewhere = BROKEN.replace("{name: a}", "{name: a, namespace: far}");
    assert_eq!(analyze(&["-"], &elsewhere).status.code(), Some(0));
    assert_eq!(analyze(&["-A", "-"], &elsewhere).status.code(), Some(79));
    assert_eq!(
        analyze(&["-n", "far", "-"], &elsewhere).status.code(),
        Some(79)
    );
}

#[test]
fn texts_that_cannot_be_read_end_with_65_and_others_are_passed_over() {
    let broken = analyze(&["-"], "a: [\n");
    assert_eq!(broken.status.code(), Some(65), "{}", text(&broken.stderr));
    assert_eq!(
        analyze(&["--ignore-unknown", "-"], "a: [\n").status.code(),
        Some(0)
    );
    let values = analyze(&["-"], "replicas: 2\n");
    assert_eq!(values.status.code(), Some(0), "{}", text(&values.stderr));
    assert!(
        text(&values.stderr).contains("passed over"),
        "{}",
        text(&values.stderr)
    );
}

#[test]
fn a_fix_changes_the_field_and_leaves_the_rest() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a.yaml");
    std::fs::write(&file, BROKEN).expect("a file");
    let name = file.to_str().expect("UTF-8");
    let shown = analyze(&["--diff", name], "");
    assert!(
        text(&shown.stdout).contains("+      timeout: 3s # short"),
        "{}",
        text(&shown.stdout)
    );
    assert_eq!(read(&file), BROKEN);
    analyze(&["--fix", name], "");
    assert_eq!(read(&file), BROKEN.replace("timout", "timeout"));
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a file")
}

#[test]
fn directories_are_read_whole_and_files_of_other_kinds_are_named_as_istioctl_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let deep = directory.path().join("a/b");
    std::fs::create_dir_all(&deep).expect("a directory");
    std::fs::write(deep.join("c.yaml"), BROKEN).expect("a file");
    std::fs::write(directory.path().join("README.md"), "# x\n").expect("a file");
    let root = directory.path().to_str().expect("UTF-8");
    for args in [&[root][..], &["-R", root]] {
        let out = analyze(args, "");
        assert_eq!(out.status.code(), Some(79), "{}", text(&out.stderr));
        let line = format!("{root}/a/b/c.yaml:8) Referenced host not found");
        assert!(text(&out.stdout).contains(&line), "{}", text(&out.stdout));
        let skipped = format!(
            "Skipping file {root}/README.md, recognized file extensions are: [.json .yaml .yml]"
        );
        assert!(
            text(&out.stderr).contains(&skipped),
            "{}",
            text(&out.stderr)
        );
    }
}

#[test]
fn analyzers_that_are_named_run_alone() {
    let only = |name: &str| analyze(&["--analyzer", name, "-o", "json", "-"], BROKEN);
    let found = text(&only("virtualservice.DestinationHostAnalyzer").stdout);
    assert!(
        found.contains("IST0101") && !found.contains("FM0001"),
        "{found}"
    );
    let found = text(&only("schema.ValidationAnalyzer").stdout);
    assert!(
        !found.contains("IST0101") && found.contains("FM0001"),
        "{found}"
    );
    assert_eq!(only("no.such.Analyzer").status.code(), Some(1));
}
