//! Strategic merge patch: lists merge by key, and directives (`$patch`, `$retainKeys`,
//! `$setElementOrder/…`, `$deleteFromPrimitiveList/…`) say what a merge cannot.

use serde_json::{Map, Value};

use super::keys::{self, ListRule, Shape};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Why a patch cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StrategicError {
    #[error("map: {element} does not contain declared merge key: {key}")]
    MissingKey { key: String, element: String },
    #[error("unknown patch type found: {0}")]
    Directive(String),
    #[error("invalid value of {0}: must be a list")]
    NotAList(String),
    #[error("{key} in patch is not in the $retainKeys list")]
    NotRetained { key: String },
}

type Outcome<T> = Result<T, StrategicError>;

/// Applies `patch` to an object of the built-in `kind`.
pub(crate) fn apply(kind: &str, current: &Value, patch: &Value) -> Outcome<Value> {
    let empty = Map::new();
    let original = current.as_object().unwrap_or(&empty);
    let Some(patch) = patch.as_object() else {
        return Ok(patch.clone());
    };
    merge_map(keys::root(kind), original.clone(), patch).map(Value::Object)
}

fn merge_map(
    shape: Shape,
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Outcome<Map<String, Value>> {
    match patch.get(DIRECTIVE).map(|d| d.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => return Ok(without_directives(patch)),
        Some("delete") => return Ok(Map::new()),
        Some(other) => return Err(StrategicError::Directive(other.into())),
    }
    if let Some(retain) = patch.get(RETAIN) {
        retain_keys(&mut original, patch, retain)?;
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(DELETE) {
            let doomed = value
                .as_array()
                .ok_or_else(|| StrategicError::NotAList(key.clone()))?;
            if let Some(Value::Array(list)) = original.get_mut(field) {
                list.retain(|v| !doomed.contains(v));
            }
        }
    }
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let order = patch.get(&format!("{ORDER}{key}"));
        merge_field(shape, &mut original, key, value, order)?;
    }
    // An order without a change of the list itself.
    for (key, order) in patch {
        if let Some(field) = key.strip_prefix(ORDER)
            && !patch.contains_key(field)
            && let Some(Value::Array(list)) = original.get(field)
        {
            let ordered = set_order(keys::list(shape, field), list.clone(), list, order)?;
            original.insert(field.into(), Value::Array(ordered));
        }
    }
    Ok(original)
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    retain: &Value,
) -> Outcome<()> {
    let keys = retain
        .as_array()
        .ok_or_else(|| StrategicError::NotAList(RETAIN.into()))?;
    let kept = |key: &str| keys.iter().any(|k| k == key);
    let stray = patch
        .iter()
        .find(|(key, value)| !key.starts_with('$') && !value.is_null() && !kept(key));
    if let Some((key, _)) = stray {
        return Err(StrategicError::NotRetained { key: key.clone() });
    }
    original.retain(|key, _| kept(key));
    Ok(())
}

fn merge_field(
    shape: Shape,
    original: &mut Map<String, Value>,
    key: &str,
    value: &Value,
    order: Option<&Value>,
) -> Outcome<()> {
    let merged = match value {
        Value::Null => {
            original.remove(key);
            return Ok(());
        }
        Value::Object(patch) => {
            let before = match original.get(key) {
                Some(Value::Object(map)) => map.clone(),
                _ => Map::new(),
            };
            Value::Object(merge_map(keys::field(shape, key), before, patch)?)
        }
        Value::Array(patch) => {
            let before = match original.get(key) {
                Some(Value::Array(list)) => list.as_slice(),
                _ => &[],
            };
            Value::Array(merge_list(keys::list(shape, key), before, patch, order)?)
        }
        other => other.clone(),
    };
    original.insert(key.into(), merged);
    Ok(())
}

fn key_of<'a>(element: &'a Value, key: &str) -> Outcome<&'a Value> {
    element.get(key).ok_or_else(|| StrategicError::MissingKey {
        key: key.into(),
        element: short(element),
    })
}

fn short(element: &Value) -> String {
    element.to_string().chars().take(120).collect()
}

fn merge_list(
    rule: ListRule,
    before: &[Value],
    patch: &[Value],
    order: Option<&Value>,
) -> Outcome<Vec<Value>> {
    let merged = match rule {
        ListRule::Replace => return patch.iter().map(|v| plain(v.clone())).collect(),
        ListRule::Union => {
            let mut all = before.to_vec();
            for value in patch {
                if !all.contains(value) {
                    all.push(value.clone());
                }
            }
            all
        }
        ListRule::Merge { key, element } => {
            let replaces = patch
                .iter()
                .any(|item| item.get(DIRECTIVE).is_some_and(|d| d == "replace"));
            if replaces {
                return patch
                    .iter()
                    .filter(|item| {
                        item.as_object()
                            .is_some_and(|map| map.keys().any(|k| k != DIRECTIVE))
                    })
                    .map(|item| plain(item.clone()))
                    .collect();
            }
            merge_elements(key, element, before.to_vec(), patch)?
        }
    };
    match order {
        Some(order) => set_order(rule, merged, before, order),
        None => Ok(merged),
    }
}

/// A new value: merged with nothing, so that its directives take effect and disappear.
fn plain(value: Value) -> Outcome<Value> {
    match value {
        Value::Object(map) => merge_map(Shape::Plain, Map::new(), &map).map(Value::Object),
        other => Ok(other),
    }
}

fn merge_elements(
    key: &str,
    shape: Shape,
    mut list: Vec<Value>,
    patch: &[Value],
) -> Outcome<Vec<Value>> {
    for item in patch {
        let Some(map) = item.as_object() else {
            return Err(StrategicError::MissingKey {
                key: key.into(),
                element: short(item),
            });
        };
        let wanted = key_of(item, key)?;
        let position = list
            .iter()
            .position(|existing| existing.get(key) == Some(wanted));
        match map.get(DIRECTIVE).map(|d| d.as_str().unwrap_or_default()) {
            Some("delete") => list.retain(|existing| existing.get(key) != Some(wanted)),
            None | Some("merge") => {
                let before = position
                    .and_then(|i| list[i].as_object().cloned())
                    .unwrap_or_default();
                let mut patch = map.clone();
                patch.remove(DIRECTIVE);
                let merged = Value::Object(merge_map(shape, before, &patch)?);
                match position {
                    Some(i) => list[i] = merged,
                    None => list.push(merged),
                }
            }
            Some(other) => return Err(StrategicError::Directive(other.into())),
        }
    }
    Ok(list)
}

/// Orders `list` as the patch says; elements that the patch does not know stay where they stood among
/// the elements of `before`.
fn set_order(
    rule: ListRule,
    list: Vec<Value>,
    before: &[Value],
    order: &Value,
) -> Outcome<Vec<Value>> {
    let order = order
        .as_array()
        .ok_or_else(|| StrategicError::NotAList(ORDER.trim_end_matches('/').into()))?;
    let identity = |value: &Value| match rule {
        ListRule::Merge { key, .. } => value.get(key).cloned().unwrap_or(Value::Null),
        _ => value.clone(),
    };
    let wanted: Vec<Value> = order.iter().map(&identity).collect();
    let server: Vec<Value> = before.iter().map(&identity).collect();
    let place = |among: &[Value], value: &Value| among.iter().position(|v| *v == identity(value));
    let (mut listed, mut others): (Vec<Value>, Vec<Value>) =
        list.into_iter().partition(|v| place(&wanted, v).is_some());
    listed.sort_by_key(|v| place(&wanted, v));
    others.sort_by_key(|v| place(&server, v));
    let mut merged = Vec::with_capacity(listed.len() + others.len());
    let (mut left, mut right) = (listed.into_iter().peekable(), others.into_iter().peekable());
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let before_other =
            matches!((place(&server, l), place(&server, r)), (Some(l), Some(r)) if l < r);
        merged.extend(if before_other {
            left.next()
        } else {
            right.next()
        });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

#[cfg(test)]
mod tests;
