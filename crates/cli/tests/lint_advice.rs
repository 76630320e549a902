//! `ferromesh lint-advice` as a program: what it reads, what it says, how it ends.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const RUNBOOK: &str = "\
# Pods restart

Look at the ejections first:

```sh
kubectl get outlierdetection -n shop
kubectl get destinationrule -n shop
```

```yaml
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  trafficPolicy:
    connectionPool:
      http:
        maxPendingRequests: 10
```
";

fn lint(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ferromesh"))
        .arg("lint-advice")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    // A program that reads no input may end before it is written.
    let _unread = input.write_all(stdin);
    drop(input);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The items of a text on standard input.
fn items(args: &[&str], stdin: &[u8]) -> Vec<Value> {
    let out = lint(&[args, &["-o", "json", "-"]].concat(), stdin);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("a list in JSON")
}

fn on_line<'a>(items: &'a [Value], line: u64, kind: &str) -> &'a Value {
    items
        .iter()
        .find(|item| item["line"] == line && item["kind"] == kind)
        .unwrap_or_else(|| panic!("no {kind} on line {line} of {items:#?}"))
}

fn write(directory: &Path, name: &str, text: &[u8]) -> String {
    let path = directory.join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).expect("a directory");
    }
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn json_has_an_entry_for_every_item_with_place_verdict_reason_fix_and_source() {
    let items = items(&[], RUNBOOK.as_bytes());
    let keys = [
        "file", "line", "column", "kind", "text", "verdict", "reason", "fix", "source",
    ];
    for item in &items {
        for key in keys {
            assert!(item.get(key).is_some(), "{key} of {item}");
        }
        assert!(
            item["line"].as_u64() >= Some(1) && item["column"].as_u64() >= Some(1),
            "{item}"
        );
    }
    let wrong = on_line(&items, 6, "command");
    assert_eq!(wrong["verdict"], "unknown");
    assert_eq!(wrong["text"], "kubectl get outlierdetection -n shop");
    assert_eq!(wrong["file"], "-");
    assert_eq!(on_line(&items, 7, "command")["verdict"], "works");
    let field = on_line(&items, 19, "field");
    assert_eq!(field["verdict"], "unknown");
    assert_eq!(field["fix"], "http1MaxPendingRequests");
    assert_eq!(field["column"], 9);
}

#[test]
fn text_says_place_verdict_and_fix_of_what_is_wrong_alone() {
    let out = lint(&["-"], RUNBOOK.as_bytes());
    let said = text(&out.stdout);
    assert!(said.contains("-:6:1"), "{said}");
    assert!(
        said.contains("unknown") && said.contains("http1MaxPendingRequests"),
        "{said}"
    );
    assert!(
        !said.contains("kubectl get destinationrule -n shop"),
        "{said}"
    );
}

#[test]
fn sarif_names_file_line_and_rule_of_what_is_wrong() {
    let out = lint(&["-o", "sarif", "-"], RUNBOOK.as_bytes());
    let log: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let lines: Vec<u64> = results
        .iter()
        .filter_map(|result| {
            result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64()
        })
        .collect();
    assert!(lines.contains(&6) && lines.contains(&19), "{lines:?}");
    assert!(!lines.contains(&7), "{lines:?}");
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules");
    for result in results {
        let id = &result["ruleId"];
        assert!(
            rules.iter().any(|rule| rule["id"] == *id),
            "{id} is not declared"
        );
    }
}

#[test]
fn the_exit_code_is_0_unless_strict_finds_something_or_a_file_is_missing() {
    let code = |args: &[&str], stdin: &str| lint(args, stdin.as_bytes()).status.code();
    assert_eq!(code(&["-"], RUNBOOK), Some(0));
    assert_eq!(code(&["--strict", "-"], RUNBOOK), Some(79));
    assert_eq!(code(&["--strict", "-o", "json", "-"], RUNBOOK), Some(79));
    assert_eq!(code(&["--strict", "-"], "`kubectl get vs`\n"), Some(0));
    assert_eq!(code(&["--strict", "-"], ""), Some(0));
    let missing = lint(&["no-such-file.md"], b"");
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        text(&missing.stderr).contains("no-such-file.md"),
        "{}",
        text(&missing.stderr)
    );
    assert_eq!(code(&["-o", "xml", "-"], ""), Some(2));
    assert_eq!(code(&["--istio", "one", "-"], ""), Some(2));
}

#[test]
fn a_directory_is_read_whole_save_hidden_folders_and_what_is_no_document() {
    let directory = tempfile::tempdir().expect("a directory");
    let bad = b"`kubectl get outlierdetection`\n";
    write(directory.path(), "b.md", bad);
    write(directory.path(), "a/deep/c.txt", bad);
    write(
        directory.path(),
        "run.sh",
        b"kubectl get outlierdetection\n",
    );
    write(
        directory.path(),
        "image.png",
        b"kubectl get outlierdetection\n",
    );
    write(directory.path(), ".git/d.md", bad);
    let root = directory.path().to_str().expect("UTF-8");
    let out = lint(&["-o", "json", root], b"");
    let items: Vec<Value> = serde_json::from_slice(&out.stdout).expect("JSON");
    let files: Vec<&str> = items
        .iter()
        .filter(|item| item["verdict"] == "unknown")
        .filter_map(|item| item["file"].as_str()?.strip_prefix(root))
        .collect();
    assert_eq!(files, ["/a/deep/c.txt", "/b.md", "/run.sh"]);
}

#[test]
fn reasons_are_chinese_where_asked_for() {
    let has_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let chinese = items(&["--lang", "zh"], RUNBOOK.as_bytes());
    let reason = on_line(&chinese, 6, "command")["reason"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(has_chinese(&reason), "{reason}");
    let english = items(&[], RUNBOOK.as_bytes());
    let reason = on_line(&english, 6, "command")["reason"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(!has_chinese(&reason), "{reason}");
    let verdict = |items: &[Value]| on_line(items, 6, "command")["verdict"].clone();
    assert_eq!(verdict(&chinese), verdict(&english));
}

#[test]
fn the_versions_decide() {
    let metric = b"`revision_request_count`\n";
    let verdict = |args: &[&str]| {
        let items = items(args, metric);
        items[0]["verdict"].as_str().expect("a verdict").to_owned()
    };
    assert_eq!(verdict(&["--knative", "1.15"]), "works");
    assert_eq!(verdict(&["--knative", "1.20"]), "unknown");
    let command =
        b"```sh\nistioctl authn tls-check web.shop\nistioctl kube-inject -f a.yaml\n```\n";
    let of = |istio: &str| items(&["--istio", istio], command);
    assert_eq!(on_line(&of("1.28"), 2, "command")["verdict"], "unknown");
    assert_eq!(on_line(&of("1.3"), 2, "command")["verdict"], "works");
}

#[test]
fn a_text_that_was_read_as_windows_1252_is_mended_and_said() {
    let right =
        "# 熔断\n\n不要用 `kubectl get outlierdetection` —— 用 `kubectl get destinationrule`。\n";
    // What an editor makes of UTF-8 that it takes for Windows-1252, saved as UTF-8 again.
    let (garbled, _, _) = encoding_rs::WINDOWS_1252.decode(right.as_bytes());
    assert_ne!(garbled, right);
    let items = items(&[], garbled.as_bytes());
    let encoding = items
        .iter()
        .find(|item| item["kind"] == "encoding")
        .expect("it says so");
    assert!(
        encoding["reason"]
            .as_str()
            .is_some_and(|reason| reason.to_lowercase().contains("1252")),
        "{encoding}"
    );
    let commands: Vec<&str> = items
        .iter()
        .filter(|item| item["kind"] == "command")
        .filter_map(|item| item["text"].as_str())
        .collect();
    assert!(
        commands.contains(&"kubectl get destinationrule"),
        "{commands:?}"
    );
}

#[test]
fn bytes_that_are_no_text_end_well() {
    let out = lint(
        &["-o", "json", "-"],
        &[0xff, 0xfe, 0x00, 0x9d, b'`', 0xc3, 0x28, 0x00, b'\n', 0xf0],
    );
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(serde_json::from_slice::<Vec<Value>>(&out.stdout).is_ok());
}

#[test]
fn secrets_never_come_out() {
    let advice = "\
```sh
curl -H 'Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.hunter2hunter2.sig' -u admin:hunter2 localhost:15000/nope
kubectl create secret generic db --from-literal=password=hunter2 --frm-literal=token=hunter2
helm upgrade istiod istio/istiod --set global.password=hunter2 --bogus
```

```yaml
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: hunter2, typo: hunter2}
dataa: {token: aHVudGVyMg==}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
spec:
  template:
    spec:
      containers: [{image: a, env: [{name: DB_PASSWORD, value: hunter2}]}]
```
";
    for format in ["text", "json", "sarif"] {
        let out = lint(&["-o", format, "-"], advice.as_bytes());
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        let said = text(&out.stdout) + &text(&out.stderr);
        assert!(said.contains("nope") || said.contains("bogus"), "{said}");
        for secret in ["hunter2", "aHVudGVyMg"] {
            assert!(!said.contains(secret), "{format}: {secret} in {said}");
        }
    }
}
