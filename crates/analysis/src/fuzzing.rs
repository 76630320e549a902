//! Fuzz targets: bytes in, nothing out; see `fuzz/`. A violation of what is stated here is a panic.

use crate::advice;
use crate::render::{Color, Detail, Format};
use crate::{Input, Mesh, Options, analyze, fix};

/// YAML documents: read, judged, rendered in every format, and mended.
pub fn analysis(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut input = Input::new("default");
    input.add_text("fuzz.yaml", text);
    let facts = input.into_facts(Mesh::default());
    let findings = analyze(&facts, &Options::default());
    for format in Format::ALL {
        let _ = format.render(&findings, Detail::Full, Color::Off);
    }
    let fixed = fix::apply(text, &fix::edits(&findings, "fuzz.yaml"));
    let _ = fix::diff("fuzz.yaml", text, &fixed.text);
}

/// Markdown in any encoding: every item stands on a line of the document. Its first lines are explained too.
pub fn advice(data: &[u8]) {
    let items = advice::lint("fuzz.md", data, &advice::Wanted::default());
    for item in &items {
        assert!(item.line >= 1 && item.column >= 1, "{item:?}");
    }
    let _ = advice::report::json(&items).expect("items are JSON");
    let _ = advice::report::text(&items, advice::Lang::En);
    if let Ok(text) = std::str::from_utf8(data) {
        let options = advice::Options::default();
        for query in text.lines().take(4) {
            let _ = crate::explain::explain(query, &options);
        }
    }
}
