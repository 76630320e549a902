//! The texts that are named, and the edits that are made in them.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use analysis::Finding;
use anyhow::Context;

const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// Deepest directory that is read.
const DEPTH: usize = 64;

/// Names and texts, in the order that istioctl reads them: directories with those below them.
pub(super) fn gather(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            texts.push(("-".to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
        } else if fs::metadata(path)
            .with_context(|| path.display().to_string())?
            .is_dir()
        {
            // A file of `./k8s` is called `k8s/…`, as istioctl calls it.
            directory(&path.components().collect::<PathBuf>(), DEPTH, &mut texts)?;
        } else {
            file(path, &mut texts)?;
        }
    }
    Ok(texts)
}

fn directory(path: &Path, depth: usize, texts: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let mut entries = fs::read_dir(path)
        .with_context(|| path.display().to_string())?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // Links are not followed, so no directory is read twice.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if depth > 0 {
                directory(&path.join(entry.file_name()), depth - 1, texts)?;
            }
        } else {
            file(&plain(&path.join(entry.file_name())), texts)?;
        }
    }
    Ok(())
}

/// Without a leading `./`.
fn plain(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}

fn file(path: &Path, texts: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    if !extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
        eprintln!(
            "Skipping file {}, recognized file extensions are: [.json .yaml .yml]",
            path.display()
        );
        return Ok(());
    }
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    texts.push((
        path.display().to_string(),
        String::from_utf8_lossy(&bytes).into_owned(),
    ));
    Ok(())
}

/// Shows the edits, or makes them.
pub(super) fn fix(
    texts: &[(String, String)],
    findings: &[Finding],
    write: bool,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut made = 0;
    for (name, text) in texts {
        let edits = analysis::fix::edits(findings, name);
        if edits.is_empty() {
            continue;
        }
        let fixed = analysis::fix::apply(text, &edits);
        for skipped in &fixed.skipped {
            eprintln!("{name}: not changed: {skipped}");
        }
        if fixed.made == 0 {
            continue;
        }
        made += fixed.made;
        if !write {
            write!(out, "{}", analysis::fix::diff(name, text, &fixed.text))?;
        } else if name == "-" {
            write!(out, "{}", fixed.text)?;
        } else {
            replace(Path::new(name), &fixed.text)?;
            eprintln!("{name}: {} changed", fixed.made);
        }
    }
    if made == 0 {
        eprintln!("Nothing that could be edited.");
    }
    Ok(())
}

/// Replaces a file at once, so that a crash leaves the old or the new one.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".ferromesh-fix");
    let beside = path.with_file_name(name);
    let permissions = fs::metadata(path)?.permissions();
    fs::write(&beside, text).with_context(|| beside.display().to_string())?;
    fs::set_permissions(&beside, permissions)?;
    fs::rename(&beside, path).with_context(|| path.display().to_string())
}
