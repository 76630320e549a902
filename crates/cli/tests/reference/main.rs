//! `docs/reference` is what the code says. With FERROMESH_WRITE_REFERENCE the pages are written instead of compared.

#![allow(clippy::unwrap_used)]

mod cli;
mod istio;
mod proxy;
mod xds;

use std::path::Path;

/// Says on each page where it comes from.
fn page(title: &str, introduction: &str, body: &str) -> String {
    format!(
        "# {title}\n\n<!-- Made from the code by `cargo xtask docs`. Do not edit. -->\n\n{introduction}\n\n{}\n",
        body.trim_end()
    )
}

/// A table in Markdown.
fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let mut text = line(&heads);
    text.push_str(&line(&vec!["---".to_owned(); heads.len()]));
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
            .collect();
        text.push_str(&line(&cells));
    }
    text
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn the_reference_is_what_the_code_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let write = std::env::var_os("FERROMESH_WRITE_REFERENCE").is_some();
    let mut stale = Vec::new();
    for (name, text) in [
        ("cli.md", cli::commands()),
        ("ports.md", cli::ports()),
        ("xds.md", xds::fields()),
        ("istio.md", istio::fields()),
        ("flags-and-causes.md", proxy::flags_and_causes()),
        ("admin.md", proxy::admin()),
    ] {
        let file = directory.join(name);
        if write {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&file, text).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != text {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "not current: {}; run `cargo xtask docs`",
        stale.join(", ")
    );
}
