//! The subset of kubectl's JSONPath that printer columns use: fields, indices, wildcards, quoted keys and
//! equality filters.

use serde_json::Value;

/// The first value that the path selects.
pub(crate) fn first<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = vec![value];
    for step in steps(path) {
        found = found
            .into_iter()
            .flat_map(|value| step.select(value))
            .collect();
    }
    found.into_iter().find(|value| !value.is_null())
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    /// `[?(@.field=="value")]`.
    Where {
        field: String,
        equals: String,
        not: bool,
    },
}

impl Step {
    fn select<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(map)) => map.get(name).into_iter().collect(),
            (Self::Index(i), Value::Array(list)) => {
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let i = if *i < 0 { length + i } else { *i };
                usize::try_from(i)
                    .ok()
                    .and_then(|i| list.get(i))
                    .into_iter()
                    .collect()
            }
            (Self::All, Value::Array(list)) => list.iter().collect(),
            (Self::All, Value::Object(map)) => map.values().collect(),
            (Self::Where { field, equals, not }, Value::Array(list)) => {
                let fits = |item: &&Value| {
                    let found = first(item, field);
                    let text =
                        found.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
                    (text.as_deref() == Some(equals)) != *not
                };
                list.iter().filter(fits).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn bracket(inner: &str) -> Option<Step> {
    let unquote = |text: &str| {
        text.trim()
            .trim_matches(|c| c == '"' || c == '\'')
            .to_owned()
    };
    if inner == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        let (left, right, not) = match filter.split_once("==") {
            Some((left, right)) => (left, right, false),
            None => filter
                .split_once("!=")
                .map(|(left, right)| (left, right, true))?,
        };
        return Some(Step::Where {
            field: left.trim().trim_start_matches('@').to_owned(),
            equals: unquote(right),
            not,
        });
    }
    if inner.starts_with(['"', '\'']) {
        return Some(Step::Field(unquote(inner)));
    }
    inner.parse().ok().map(Step::Index)
}

/// The steps of a path; what cannot be read selects nothing.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let path = path.trim().trim_start_matches('{').trim_end_matches('}');
    let mut rest = path.trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('[') {
            let Some(end) = closing(tail) else {
                return vec![Step::Index(i64::MAX)];
            };
            steps.push(bracket(&tail[..end]).unwrap_or(Step::Index(i64::MAX)));
            rest = &tail[end + 1..];
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let mut name = String::new();
        let mut chars = rest.char_indices();
        let mut end = rest.len();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
                '.' | '[' => {
                    end = i;
                    break;
                }
                other => name.push(other),
            }
        }
        rest = &rest[end..];
        match name.as_str() {
            "" => {
                // `..` and stray dots: nothing we support; go on without endless looping.
                if rest.starts_with('.') {
                    rest = &rest[1..];
                }
            }
            "*" => steps.push(Step::All),
            _ => steps.push(Step::Field(name)),
        }
    }
    steps
}

/// Position of the bracket's end, outside of quotes and nested brackets.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0usize, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(i),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selects_what_printer_columns_ask_for() {
        let value = json!({"spec": {"hosts": ["a", "b"], "a.b": 1}, "status": {"conditions": [
            {"type": "Other", "status": "False"}, {"type": "Live", "status": "True"}]}});
        assert_eq!(first(&value, ".spec.hosts[1]"), Some(&json!("b")));
        assert_eq!(first(&value, ".spec.hosts"), Some(&json!(["a", "b"])));
        assert_eq!(
            first(&value, ".status.conditions[?(@.type==\"Live\")].status"),
            Some(&json!("True"))
        );
        assert_eq!(first(&value, ".spec['a.b']"), Some(&json!(1)));
        assert_eq!(first(&value, ".spec.a\\.b"), Some(&json!(1)));
        assert_eq!(first(&value, ".spec.missing.deep"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_path_makes_it_panic(path in ".{0,60}") {
            first(&json!({"a": [{"b": 1}, {"c": {"d": "e"}}]}), &path);
        }
    }

    #[test]
    fn nonsense_selects_nothing_and_ends() {
        for path in ["[", "..", ".a[", "[?(x)]", "{", ".....", "[[[", "\\"] {
            assert_eq!(
                first(&json!({"a": 1}), path).filter(|v| !v.is_object()),
                None,
                "{path}"
            );
        }
    }
}
