//! Dependencies point strictly down: ARCHITECTURE.md's table, checked against `cargo metadata`.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// Layer of each crate. A crate may use crates of lower layers only.
const LAYERS: &[(&str, u8)] = &[
    ("base", 0),
    ("api", 1),
    ("istio-proto", 1),
    ("net", 1),
    ("xds", 1),
    ("agent", 2),
    ("analysis", 2),
    ("apiserver", 2),
    ("ca", 2),
    ("control", 2),
    ("controllers", 2),
    ("proxy", 2),
    ("runtime", 2),
    ("source", 2),
    ("bookinfo", 3),
    ("cli", 4),
];

/// Used in tests, built from layers 0 and 1.
const DEV: &[&str] = &["bench", "testkit", "xtask"];

/// Libraries that only these crates may name, so that what they stand for stays in one place.
const OWNED: &[(&str, &[&str])] = &[
    ("kube", &["source"]),
    ("redb", &["apiserver"]),
    ("hickory-proto", &["runtime"]),
];

/// What cargo knows of the workspace's packages.
pub(crate) fn metadata() -> anyhow::Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()
        .context("cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = metadata()?;
    let wrong = violations(&metadata);
    if wrong.is_empty() {
        println!("layers: dependencies point down");
        return Ok(());
    }
    bail!("layers:\n  {}", wrong.join("\n  "))
}

fn violations(metadata: &Value) -> Vec<String> {
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let dev = DEV.contains(&name);
        let layer = layers.get(name).copied();
        if layer.is_none() && !dev {
            wrong.push(format!(
                "crate {name} has no layer; add it to xtask/src/layers.rs and ARCHITECTURE.md"
            ));
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let in_tests = dependency["kind"] == "dev";
            if let Some((_, owners)) = OWNED.iter().find(|(library, _)| *library == used)
                && !in_tests
                && !owners.contains(&name)
            {
                wrong.push(format!(
                    "{name} uses {used}, which belongs to {}",
                    owners.join(", ")
                ));
            }
            if DEV.contains(&used) {
                if !in_tests && !dev {
                    wrong.push(format!("{name} uses {used} outside its tests"));
                }
                continue;
            }
            let Some(lower) = layers.get(used) else {
                continue;
            };
            match layer {
                Some(layer) if *lower >= layer && !in_tests => {
                    wrong.push(format!(
                        "{name} (L{layer}) uses {used} (L{lower}); only lower layers may be used"
                    ));
                }
                None if dev && *lower > 1 => {
                    wrong.push(format!("{name} uses {used} (L{lower}); L0 and L1 only"))
                }
                _ => {}
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, uses: &str, kind: Option<&str>) -> Value {
        json!({"packages": [{"name": name, "dependencies": [{"name": uses, "kind": kind}]}]})
    }

    #[test]
    fn upward_and_sideways_dependencies_are_found() {
        assert!(violations(&package("proxy", "base", None)).is_empty());
        assert_eq!(violations(&package("base", "proxy", None)).len(), 1);
        assert_eq!(violations(&package("proxy", "control", None)).len(), 1);
        assert!(violations(&package("proxy", "control", Some("dev"))).is_empty());
        assert_eq!(violations(&package("control", "kube", None)).len(), 1);
        assert_eq!(violations(&package("control", "testkit", None)).len(), 1);
        assert_eq!(violations(&package("unknown", "base", None)).len(), 1);
    }
}
