//! `ferromesh lint-advice`: what the commands, manifests and names in a document would really do.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use analysis::advice::{self, Item, Lang, Verdict, Wanted, report};
use analysis::knowledge::Version;
use anyhow::Context;

use crate::exit::{Code, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or directories: Markdown, text, shell, YAML; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The Istio version that the advice is for, e.g. 1.28; else the one that a file names, or the latest.
    #[arg(long, value_name = "VERSION")]
    istio: Option<Version>,
    /// The Knative Serving version that the advice is for, e.g. 1.18; else the one that a file names, or the latest.
    #[arg(long, value_name = "VERSION")]
    knative: Option<Version>,
    /// Format: text, json (every item, right ones included) or sarif.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Language of the messages.
    #[arg(long, value_enum, default_value_t = Language::En)]
    lang: Language,
    /// End with exit code 79 if anything is wrong, for CI.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    En,
    Zh,
}

impl From<Language> for Lang {
    fn from(language: Language) -> Self {
        match language {
            Language::En => Self::En,
            Language::Zh => Self::Zh,
        }
    }
}

/// Endings of the files that are read below a directory.
const ENDINGS: &[&str] = &[
    "md", "markdown", "mdx", "txt", "rst", "adoc", "sh", "bash", "yaml", "yml", "json",
];

/// Most files that are read below directories.
const MAX_FILES: usize = 20_000;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let wanted = Wanted {
        istio: args.istio,
        knative: args.knative,
        lang: args.lang.into(),
    };
    let mut items: Vec<Item> = Vec::new();
    for file in &args.files {
        for file in files_of(file)? {
            let (name, bytes) = read(&file)?;
            items.extend(advice::lint(&name, &bytes, &wanted));
        }
    }
    let text = match args.output {
        Output::Text => report::text(&items, wanted.lang),
        Output::Json => report::json(&items)? + "\n",
        Output::Sarif => {
            serde_json::to_string_pretty(&report::sarif(&items, env!("CARGO_PKG_VERSION")))? + "\n"
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let wrong = items
        .iter()
        .filter(|item| item.verdict != Verdict::Works)
        .count();
    if args.strict && wrong > 0 {
        let message = format!(
            "{wrong} of {} items would not do what the advice says",
            items.len()
        );
        return Err(Failure::new(Code::FoundIssues, message).into());
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let limit = advice::MAX_BYTES as u64;
    if file.as_os_str() == "-" {
        std::io::stdin()
            .take(limit)
            .read_to_end(&mut bytes)
            .context("standard input")?;
        return Ok(("-".into(), bytes));
    }
    std::fs::File::open(file)
        .and_then(|open| open.take(limit).read_to_end(&mut bytes))
        .with_context(|| file.display().to_string())?;
    Ok((file.display().to_string(), bytes))
}

/// The file itself, or the documents below a directory in the order of their names.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.as_os_str() == "-" || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut found, mut open) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry.with_context(|| folder.display().to_string())?;
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let kind = entry.file_type()?;
            if kind.is_dir() && !hidden {
                open.push(path);
            } else if kind.is_file() && has_ending(&path) && found.len() < MAX_FILES {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn has_ending(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}
