//! Tables as Go's tabwriter aligns them, and resources in protobuf's JSON mapping or as YAML.

use anyhow::Context;
use serde_json::Value;
use xds::json::{FieldNames, Pool, Print, Secrets};

use super::Output;

/// How the answer is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) output: Output,
}

impl Form {
    pub(super) fn new(output: Output) -> Self {
        Self { output }
    }

    pub(super) fn is_table(self) -> bool {
        self.output == Output::Short
    }

    /// Messages of one type, each as protobuf's JSON mapping names its fields.
    pub(super) fn messages(self, message: &str, found: &[&Value]) -> anyhow::Result<String> {
        let pool = Pool::full();
        self.value(
            &found
                .iter()
                .map(|value| mapped(&pool, message, value))
                .collect(),
        )
    }

    /// One message.
    pub(super) fn message(self, message: &str, found: &Value) -> anyhow::Result<String> {
        self.value(&mapped(&Pool::full(), message, found))
    }

    pub(super) fn value(self, value: &Value) -> anyhow::Result<String> {
        if self.output == Output::Yaml {
            return serde_saphyr::to_string(value).context("as YAML");
        }
        let mut out = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut printer = serde_json::Serializer::with_formatter(&mut out, indent);
        serde::Serialize::serialize(value, &mut printer)?;
        out.push(b'\n');
        Ok(String::from_utf8(out)?)
    }
}

/// The admin interface prints field names of the proto files, istioctl prints lowerCamelCase. A message that
/// holds a type which Envoy's API does not have stays as it was printed.
fn mapped(pool: &Pool, message: &str, value: &Value) -> Value {
    let mut bare = value.clone();
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("@type");
    }
    let print = Print {
        names: FieldNames::LowerCamel,
        defaults: false,
        secrets: Secrets::Show,
    };
    let read = pool.from_json(message, bare);
    read.and_then(|encoded| pool.to_json(message, &encoded, print))
        .unwrap_or_else(|_| value.clone())
}

/// Rows under a header, each column as wide as its widest cell and `gap` blanks.
pub(super) fn table(header: &[&str], rows: &[Vec<String>], gap: usize) -> String {
    let header: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
    let columns = header.len();
    let lines = || std::iter::once(&header).chain(rows);
    let width = |column: usize| {
        let cells = lines().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + gap
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines() {
        for (column, cell) in line.iter().enumerate() {
            if column + 1 == columns {
                out.push_str(cell);
            } else {
                out.push_str(&format!("{cell:width$}", width = widths[column]));
            }
        }
        out.push('\n');
    }
    out
}
