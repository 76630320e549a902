//! The page of each code, from the rules' own text.

use std::collections::BTreeMap;

use crate::coverage::{Coverage, IST};
use crate::rules::{Code, RULES};

/// A page: its file's name and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `CODE.md`, or `index.md`.
    pub file: String,
    /// Markdown.
    pub text: String,
}

/// All pages of `docs/codes`, the index last.
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut codes: BTreeMap<&str, (&Code, Vec<&str>)> = BTreeMap::new();
    for rule in RULES {
        for code in rule.codes {
            codes
                .entry(code.id)
                .or_insert_with(|| (code, Vec::new()))
                .1
                .push(rule.name);
        }
    }
    let mut pages: Vec<Page> = codes
        .values()
        .map(|(code, rules)| Page {
            file: format!("{}.md", code.id),
            text: page(code, rules),
        })
        .collect();
    pages.push(Page {
        file: "index.md".to_owned(),
        text: index(codes.values().map(|(code, _)| *code)),
    });
    pages
}

fn page(code: &Code, rules: &[&str]) -> String {
    let Code {
        id,
        level,
        name,
        meaning,
        remedy,
        verify,
    } = code;
    let rules: Vec<String> = rules
        .iter()
        .map(|rule| format!("[{rule}](../../crates/analysis/src/rules/{rule}.yaml)"))
        .collect();
    format!(
        "# {id}: {name}\n\nLevel: {level}\n\n## What it means\n\n{meaning}\n\n## What to do\n\n{remedy}\n\n## How to check\n\n\
         ```sh\n{verify}\n```\n\n## Not wanted here?\n\n\
         Annotate the object with `galley.istio.io/analyze-suppress: {id}`, or run\n\
         `ferromesh analyze --suppress \"{id}=KIND NAMESPACE/NAME\"`.\n\n\
         Examples that fire and near misses that do not: {}.\n",
        rules.join(", ")
    )
}

fn index<'a>(codes: impl Iterator<Item = &'a Code>) -> String {
    let mut text = "# Codes of `ferromesh analyze`\n\n\
                    `IST` codes mean what they mean to `istioctl analyze`; `FM` codes are ours.\n\n\
                    | code | level | name |\n|---|---|---|\n"
        .to_owned();
    for code in codes {
        text.push_str(&format!(
            "| [{0}]({0}.md) | {1} | {2} |\n",
            code.id, code.level, code.name
        ));
    }
    text.push_str("\n## Codes of istioctl that no rule reports\n\n| code | why |\n|---|---|\n");
    for row in IST {
        match row.coverage {
            Coverage::Rule => {}
            Coverage::Lacks(fact) => {
                text.push_str(&format!(
                    "| {} | not observable in resources: {fact} |\n",
                    row.code
                ));
            }
            Coverage::Retired(why) => text.push_str(&format!("| {} | {why} |\n", row.code)),
        }
    }
    text
}
