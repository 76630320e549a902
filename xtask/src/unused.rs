//! Dependencies that a crate declares and nothing in it names.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::layers;

/// Used without being named in the source: for their features alone.
const FOR_FEATURES: &[(&str, &str)] = &[];

pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = layers::metadata()?;
    let mut unused = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = package["manifest_path"].as_str().context("a manifest")?;
        let directory = Path::new(manifest).parent().context("its directory")?;
        let mut source = String::new();
        collect(directory, &mut source)?;
        let words = words(&source);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = identifier(dependency);
            let known = |(crate_, library): &(&str, &str)| *crate_ == name && *library == used;
            if !words.contains(used.as_str()) && !FOR_FEATURES.iter().any(known) {
                unused.push(format!("{name}: {used}"));
            }
        }
    }
    if unused.is_empty() {
        println!("unused: every dependency is named somewhere");
        return Ok(());
    }
    bail!(
        "dependencies that nothing names:\n  {}",
        unused.join("\n  ")
    )
}

/// What the dependency is called in source.
fn identifier(dependency: &Value) -> String {
    let name = dependency["rename"]
        .as_str()
        .or_else(|| dependency["name"].as_str());
    name.unwrap_or_default().replace('-', "_")
}

fn words(source: &str) -> std::collections::HashSet<&str> {
    source
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .collect()
}

/// The Rust source below a directory, comments left out.
fn collect(directory: &Path, source: &mut String) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, source)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            code.for_each(|line| {
                source.push_str(line);
                source.push('\n');
            });
        }
    }
    Ok(())
}
