//! What the `type` column of the tables accepts: `bool`, `int:0..`, `float:>1`, `duration:6s..1h`, `enum:a|b`,
//! `quantity`, `map:a|b`, `kvmap`, `json`, `path`, `port-or:word`, `duration-or:word`, `string`.

use base::parse_duration;

/// Whether a value is accepted; the error says what is wanted. What the table does not know is accepted.
pub(crate) fn accepts(kind: &str, value: &str) -> Result<(), String> {
    let (name, rest) = kind.split_once(':').unwrap_or((kind, ""));
    let value = value.trim();
    match name {
        "bool" => flag(value),
        "int" => number(value, rest, true),
        "float" => number(value, rest, false),
        "duration" => duration(value, rest),
        "enum" if rest.split('|').any(|word| word == value || word == "*") => Ok(()),
        "enum" => Err(format!(
            "one of {}",
            rest.split('|').collect::<Vec<_>>().join(", ")
        )),
        "duration-or" if value == rest => Ok(()),
        "duration-or" => duration(value, ""),
        "int-or" if value == rest => Ok(()),
        "int-or" => number(value, "", true),
        "port-or" if value == rest || value.parse::<u16>().is_ok() => Ok(()),
        "port-or" => Err(format!("a port number or {rest}")),
        "json" => serde_json::from_str::<serde_json::Value>(value)
            .map(drop)
            .map_err(|_| "JSON".to_owned()),
        "map" | "kvmap" => pairs(value),
        "path" if value.starts_with('/') => Ok(()),
        "path" => Err("a path that begins with /".to_owned()),
        _ => Ok(()),
    }
}

fn flag(value: &str) -> Result<(), String> {
    let words = ["true", "false", "1", "0", "t", "f"];
    if words.contains(&value.to_ascii_lowercase().as_str()) {
        Ok(())
    } else {
        Err("true or false".to_owned())
    }
}

fn pairs(value: &str) -> Result<(), String> {
    let bad = value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .find(|part| !part.contains('='));
    match bad {
        Some(part) => Err(format!("key=value pairs with commas; {part:?} has no =")),
        None => Ok(()),
    }
}

fn number(value: &str, range: &str, whole: bool) -> Result<(), String> {
    let parsed = value
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() && (!whole || value.parse::<i64>().is_ok()));
    let kind = if whole { "an integer" } else { "a number" };
    let bound = |text: &str| text.parse::<f64>().ok();
    within(parsed, range, kind, bound)
}

fn duration(value: &str, range: &str) -> Result<(), String> {
    let seconds = |text: &str| {
        parse_duration(text)
            .ok()
            .map(|duration| duration.as_secs_f64())
    };
    within(seconds(value), range, "a duration such as 30s", seconds)
}

fn within(
    value: Option<f64>,
    range: &str,
    kind: &str,
    bound: impl Fn(&str) -> Option<f64>,
) -> Result<(), String> {
    let wanted = if range.is_empty() {
        kind.to_owned()
    } else if let Some(least) = range.strip_prefix('>') {
        format!("{kind} above {least}")
    } else if let Some(least) = range.strip_suffix("..") {
        format!("{kind} of at least {least}")
    } else {
        format!("{kind} from {}", range.replace("..", " to "))
    };
    let Some(value) = value else {
        return Err(wanted);
    };
    let good = if let Some(least) = range.strip_prefix('>') {
        bound(least).is_none_or(|least| value > least)
    } else if let Some((least, most)) = range.split_once("..") {
        bound(least).is_none_or(|least| value >= least)
            && bound(most).is_none_or(|most| value <= most)
    } else {
        true
    };
    if good { Ok(()) } else { Err(wanted) }
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn values_are_judged_by_their_type() {
        for (kind, value, good) in [
            ("int:0..", "3", true),
            ("int:0..", "-1", false),
            ("int:0..", "3.5", false),
            ("float:1..100", "70", true),
            ("float:1..100", "0.5", false),
            ("float:>1", "1", false),
            ("duration:6s..1h", "5s", false),
            ("duration:6s..1h", "1m30s", true),
            ("enum:a|b", "c", false),
            ("enum:a|*", "c", true),
            ("map:x|y", "a=b,c=d", true),
            ("map:x|y", "a:b", false),
            ("bool", "yes", false),
            ("string", "", true),
        ] {
            assert_eq!(accepts(kind, value).is_ok(), good, "{kind} {value:?}");
        }
    }
}
