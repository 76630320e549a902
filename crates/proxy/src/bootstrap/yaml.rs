//! YAML to JSON values, as far as a bootstrap needs it: aliases, tags and several documents are refused.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// Containers may be nested this deep.
const DEPTH: usize = 200;

enum Open {
    List(Vec<Value>),
    Object(Map<String, Value>, Option<String>),
}

/// Reads one document; an empty one is an empty object.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let at = |what: &str| format!("{what} at line {}", span.start.line());
        let done = match event {
            Event::Scalar(text, style, _, tag) => {
                if tag.is_some() {
                    return Err(at("a tag"));
                }
                Some(scalar(&text, style))
            }
            Event::Alias(_) => return Err(at("an alias")),
            Event::SequenceStart(..) => push(&mut stack, Open::List(Vec::new()))?,
            Event::MappingStart(..) => push(&mut stack, Open::Object(Map::new(), None))?,
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(items)) => Some(Value::Array(items)),
                Some(Open::Object(map, _)) => Some(Value::Object(map)),
                None => return Err(at("an end without a beginning")),
            },
            Event::DocumentStart(_) if root.is_some() => return Err(at("a second document")),
            _ => None,
        };
        let Some(value) = done else { continue };
        match stack.last_mut() {
            None => root = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object(map, key)) => match key.take() {
                Some(key) => {
                    if map.insert(key.clone(), value).is_some() {
                        return Err(at(&format!("key {key:?} a second time")));
                    }
                }
                None => *key = Some(key_text(value).ok_or_else(|| at("a key that is no scalar"))?),
            },
        }
    }
    Ok(root
        .filter(|value| !value.is_null())
        .unwrap_or_else(|| Value::Object(Map::new())))
}

fn push(stack: &mut Vec<Open>, open: Open) -> Result<Option<Value>, String> {
    if stack.len() >= DEPTH {
        return Err(format!("nested more than {DEPTH} deep"));
    }
    stack.push(open);
    Ok(None)
}

fn key_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if !matches!(style, ScalarStyle::Plain) {
        return Value::String(text.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            if let Ok(integer) = text.parse::<i64>() {
                return Value::Number(integer.into());
            }
            let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
            let float = text
                .parse::<f64>()
                .ok()
                .filter(|_| numeric)
                .and_then(Number::from_f64);
            float.map_or_else(|| Value::String(text.into()), Value::Number)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn scalars_get_their_types_and_quotes_keep_text() {
        let value = parse("a: 1\nb: 1.5\nc: true\nd: '1'\ne: 1s\nf: [x, ~]\n\"@type\": t").unwrap();
        assert_eq!(
            value,
            json!({"a": 1, "b": 1.5, "c": true, "d": "1", "e": "1s", "f": ["x", null], "@type": "t"})
        );
        assert_eq!(parse("").unwrap(), json!({}));
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for text in [
            "a: 1\na: 2",
            "a: &x 1\nb: *x",
            "a: 1\n---\nb: 2",
            "a: !!int 1",
            "[a",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
