//! Fuzz targets: bytes in, nothing out; see `fuzz/`. A violation of what is stated here is a panic.

use serde_json::Value;

use crate::parse::{self, Document, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS};
use crate::{mesh_config, unsupported, validate};

/// YAML or JSON documents: what is read without error has the same value when it is written as JSON and read again,
/// and its validation agrees with that of its text.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for document in parse::parse_file("fuzz.yaml", text) {
        assert!(document.diagnostics.len() <= 2 * MAX_PROBLEMS + 2);
        let lines = text.lines().count() + 1;
        for diagnostic in &document.diagnostics {
            assert!(diagnostic.line <= lines, "{diagnostic:?}");
        }
        let (depth, nodes) = size(&document.value);
        assert!(depth <= MAX_DEPTH && nodes <= MAX_NODES);
        again(&document);
    }
}

fn again(document: &Document) {
    let Some(ty) = document.ty else { return };
    let text = document.value.to_string();
    let documents = parse::parse_str(&text);
    let [read] = documents.as_slice() else {
        panic!("{} documents from {text}", documents.len());
    };
    assert_eq!(read.value, document.value);
    let _ = unsupported(ty, &document.value);
    if !document.is_bad() {
        assert!(!read.is_bad(), "{:?}", read.diagnostics);
        let found = validate(ty, &document.value);
        assert!(!found.iter().any(crate::Diagnostic::is_error), "{found:?}");
    }
}

/// The mesh's configuration.
pub fn mesh(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = mesh_config(text);
    }
}

/// Depth and number of values.
fn size(value: &Value) -> (usize, usize) {
    let inner: Vec<(usize, usize)> = match value {
        Value::Array(list) => list.iter().map(size).collect(),
        Value::Object(map) => map.values().map(size).collect(),
        _ => return (0, 1),
    };
    let depth = inner.iter().map(|(depth, _)| depth + 1).max().unwrap_or(0);
    (
        depth,
        1 + inner.iter().map(|(_, nodes)| nodes).sum::<usize>(),
    )
}
