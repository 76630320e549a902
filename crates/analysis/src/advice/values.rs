//! Whether a value fits: the small language of types in the tables, and the shapes of fields.

use api::parse::{Kind, Node};

use crate::knowledge::{Scalar, nearest};

/// Why a value does not fit, in English and Chinese, and the right form if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub why: (String, String),
    pub fix: Option<String>,
}

fn misfit(en: impl Into<String>, zh: impl Into<String>) -> Option<Misfit> {
    Some(Misfit {
        why: (en.into(), zh.into()),
        fix: None,
    })
}

fn none_of(value: &str, choices: &[&str]) -> Option<Misfit> {
    let list = choices.join(", ");
    Some(Misfit {
        why: (
            format!("{value:?} is none of {list}"),
            format!("{value:?} 不是 {list} 之一"),
        ),
        fix: nearest(value, choices.iter().copied()).map(str::to_owned),
    })
}

/// Whether a text is a stand-in for a value: `<name>`, `${VAR}`, `{{ … }}`, `…`.
pub(crate) fn is_placeholder(text: &str) -> bool {
    text.contains(['<', '$', '…'])
        || text.contains("{{")
        || text.contains("...")
        || text.contains("xxx")
        || text.contains("XXX")
        || text.starts_with("YOUR")
        || text.starts_with("your-")
}

/// What is wrong with a text as a value of a type of the tables.
pub(crate) fn check(ty: &str, value: &str) -> Option<Misfit> {
    let value = value.trim();
    if is_placeholder(value) {
        return None;
    }
    let (name, bounds) = ty.split_once(':').unwrap_or((ty, ""));
    match name {
        "bool" => boolean(value),
        "int" => integer(value, bounds),
        "float" => float(value, bounds),
        "duration" => duration_in(value, bounds),
        "duration-or" | "int-or" | "port-or" if value == bounds => None,
        "duration-or" => duration_in(value, "0s.."),
        "int-or" => integer(value, "0.."),
        "port-or" => integer(value, "1..65535"),
        "quantity" => quantity(value),
        "name" => name_within(value, bounds),
        "enum" => choice(value, bounds),
        "class" => class(value, bounds),
        "ports" | "ports-star" => ports(value, name == "ports-star"),
        "cidrs" | "cidrs-only" => cidrs(value, name == "cidrs"),
        "map" => attributes(value, bounds),
        "kvmap" if !value.is_empty() && !value.contains('=') => misfit(
            format!("{value:?} is no list of key=value"),
            format!("{value:?} 不是 key=value 列表"),
        ),
        "path" if !value.starts_with('/') => misfit(
            format!("{value:?} does not begin with /"),
            format!("{value:?} 没有以 / 开头"),
        ),
        "json" if serde_json::from_str::<serde_json::Value>(value).is_err() => misfit(
            format!("{value:?} is not JSON"),
            format!("{value:?} 不是 JSON"),
        ),
        _ => None,
    }
}

fn boolean(value: &str) -> Option<Misfit> {
    const TRUE: &[&str] = &[
        "true", "false", "True", "False", "TRUE", "FALSE", "1", "0", "t", "f", "T", "F",
    ];
    if TRUE.contains(&value) {
        return None;
    }
    none_of(value, &["true", "false"])
}

fn name_within(value: &str, most: &str) -> Option<Misfit> {
    let most: usize = most.parse().ok()?;
    let length = value.chars().count();
    if length <= most {
        return None;
    }
    misfit(
        format!("{value:?} has {length} characters; at most {most} are taken"),
        format!("{value:?} 有 {length} 个字符，最多 {most} 个"),
    )
}

fn bounds_of<T: std::str::FromStr>(bounds: &str) -> (Option<T>, Option<T>, bool) {
    if let Some(above) = bounds.strip_prefix('>') {
        return (above.parse().ok(), None, true);
    }
    let (low, high) = bounds.split_once("..").unwrap_or_default();
    (low.parse().ok(), high.parse().ok(), false)
}

fn integer(value: &str, bounds: &str) -> Option<Misfit> {
    let Ok(number) = value.parse::<i64>() else {
        if bounds
            .split('|')
            .skip(1)
            .any(|word| word == value || (word == "empty" && value.is_empty()))
        {
            return None;
        }
        return misfit(
            format!("{value:?} is no integer"),
            format!("{value:?} 不是整数"),
        );
    };
    let (low, high, _) = bounds_of::<i64>(bounds.split('|').next().unwrap_or_default());
    let inside = low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high);
    if inside {
        return None;
    }
    out_of_range(value, bounds)
}

fn out_of_range(value: &str, bounds: &str) -> Option<Misfit> {
    let range = match bounds.split_once("..") {
        _ if bounds.starts_with('>') => format!("more than {}", &bounds[1..]),
        Some((low, "")) => format!("at least {low}"),
        Some((low, high)) => format!("from {low} to {high}"),
        None => bounds.to_owned(),
    };
    let chinese = match bounds.split_once("..") {
        _ if bounds.starts_with('>') => format!("大于 {}", &bounds[1..]),
        Some((low, "")) => format!("至少 {low}"),
        Some((low, high)) => format!("在 {low} 与 {high} 之间"),
        None => bounds.to_owned(),
    };
    misfit(
        format!("{value} is out of range: it must be {range}"),
        format!("{value} 超出范围：必须{chinese}"),
    )
}

fn float(value: &str, bounds: &str) -> Option<Misfit> {
    let Ok(number) = value.parse::<f64>() else {
        return misfit(
            format!("{value:?} is no number"),
            format!("{value:?} 不是数字"),
        );
    };
    let (low, high, open) = bounds_of::<f64>(bounds);
    let above = low.is_none_or(|low| if open { number > low } else { number >= low });
    if above && high.is_none_or(|high| number <= high) {
        return None;
    }
    out_of_range(value, bounds)
}

/// Seconds of a Go duration such as `1h5m` or `250ms`.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    if rest == "0" {
        return Some(0.0);
    }
    let (mut total, mut any) = (0.0, false);
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|digits| *digits > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, scale) = [
            ("ns", 1e-9),
            ("us", 1e-6),
            ("µs", 1e-6),
            ("ms", 1e-3),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
        ]
        .into_iter()
        .find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total += number * scale;
        any = true;
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    any.then_some(total * sign)
}

fn duration_in(value: &str, bounds: &str) -> Option<Misfit> {
    let Some(number) = seconds(value) else {
        let fix = value.parse::<u64>().ok().map(|number| format!("{number}s"));
        return Some(Misfit {
            why: (
                format!("{value:?} is no duration such as 30s or 5m"),
                format!("{value:?} 不是 30s、5m 这样的时长"),
            ),
            fix,
        });
    };
    let open = bounds.starts_with('>');
    let (low, high) = match bounds.strip_prefix('>') {
        Some(above) => (seconds(above), None),
        None => {
            let (low, high) = bounds.split_once("..").unwrap_or_default();
            (seconds(low), seconds(high))
        }
    };
    let above = low.is_none_or(|low| if open { number > low } else { number >= low });
    if above && high.is_none_or(|high| number <= high) {
        return None;
    }
    out_of_range(value, bounds)
}

fn quantity(value: &str) -> Option<Misfit> {
    let end = value
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'))
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    const UNITS: &[&str] = &[
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let fits =
        number.parse::<f64>().is_ok() && (UNITS.contains(&unit) || unit.starts_with(['e', 'E']));
    if fits {
        return None;
    }
    misfit(
        format!("{value:?} is no quantity such as 500m or 128Mi"),
        format!("{value:?} 不是 500m、128Mi 这样的数量"),
    )
}

fn choice(value: &str, bounds: &str) -> Option<Misfit> {
    let choices: Vec<&str> = bounds.split('|').collect();
    if choices.contains(&value) || (choices.contains(&"*") && choices.len() > 1) {
        return None;
    }
    none_of(value, &choices)
}

/// Autoscaler classes: any name, but those of knative.dev are two.
fn class(value: &str, bounds: &str) -> Option<Misfit> {
    if !value.ends_with(".knative.dev") && value.contains('.') {
        return None;
    }
    choice(value, bounds)
}

fn ports(value: &str, star: bool) -> Option<Misfit> {
    if value.is_empty() || (star && value == "*") {
        return None;
    }
    let wrong = value.split(',').map(str::trim).find(|port| {
        !port
            .parse::<u32>()
            .is_ok_and(|port| (1..=65535).contains(&port))
    })?;
    misfit(
        format!("{wrong:?} is no port: write numbers separated by commas"),
        format!("{wrong:?} 不是端口：请写以逗号分隔的数字"),
    )
}

fn cidrs(value: &str, star: bool) -> Option<Misfit> {
    if value.is_empty() || (star && value == "*") {
        return None;
    }
    let wrong = value
        .split(',')
        .map(str::trim)
        .find(|range| range.parse::<ipnet::IpNet>().is_err())?;
    misfit(
        format!("{wrong:?} is no range such as 10.0.0.0/8"),
        format!("{wrong:?} 不是 10.0.0.0/8 这样的网段"),
    )
}

fn attributes(value: &str, known: &str) -> Option<Misfit> {
    let known: Vec<&str> = known.split('|').collect();
    for pair in value
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let Some((name, _)) = pair.split_once('=') else {
            return misfit(
                format!("{pair:?} is no key=value"),
                format!("{pair:?} 不是 key=value"),
            );
        };
        if !known.contains(&name.trim()) && !known.contains(&"*") {
            let fix = if name.contains("idle_timeout") {
                Some("service.beta.kubernetes.io/aws-load-balancer-listener-attributes.TCP-443: tcp.idle_timeout.seconds=600".into())
            } else {
                nearest(name, known.iter().copied()).map(str::to_owned)
            };
            return Some(Misfit {
                why: (
                    format!(
                        "this load balancer has no attribute {name}; the controller’s call is refused"
                    ),
                    format!("该负载均衡器没有属性 {name}，控制器的调用会被拒绝"),
                ),
                fix,
            });
        }
    }
    None
}

/// Whether a value of a table's row (`=x`, `any`, `block`, empty) fits a text.
pub(crate) fn row_fits(row: &str, value: Option<&str>) -> bool {
    match (row, value) {
        ("" | "any" | "block", _) => true,
        (row, Some(value)) => match row.split_once(':') {
            Some(("above", bound)) => against(bound, value).is_some_and(|(b, v)| v > b),
            Some(("below", bound)) => against(bound, value).is_some_and(|(b, v)| v < b),
            Some(("begins", beginning)) => value.starts_with(beginning),
            _ => row
                .strip_prefix('=')
                .is_some_and(|wanted| same(wanted, value)),
        },
        _ => false,
    }
}

/// A bound and a value as numbers; of a duration the seconds.
fn against(bound: &str, value: &str) -> Option<(f64, f64)> {
    let value = value.parse().ok().or_else(|| seconds(value))?;
    Some((bound.parse().ok()?, value))
}

fn same(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (seconds(a), seconds(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.parse::<f64>().is_ok_and(|a| b.parse::<f64>() == Ok(a)),
    }
}

/// The text of a scalar as it was written.
pub(crate) fn text_of(node: &Node) -> Option<String> {
    Some(match &node.kind {
        Kind::String(text) => text.clone(),
        _ if node.source.is_some() => node.source.as_deref()?.to_owned(),
        Kind::Null => String::new(),
        Kind::Bool(value) => value.to_string(),
        Kind::Int(value) => value.to_string(),
        Kind::Float(value) => value.to_string(),
        Kind::Map(entries) if entries.is_empty() => "{}".into(),
        _ => return None,
    })
}

/// What is wrong with a node as a scalar of a shape.
pub(crate) fn fits(scalar: &Scalar, node: &Node) -> Option<Misfit> {
    let text = match &node.kind {
        Kind::Null => return None,
        Kind::Map(_) => {
            return misfit(
                "a single value is wanted, not a mapping",
                "需要单个值，而不是映射",
            );
        }
        Kind::List(_) => {
            return misfit(
                "a single value is wanted, not a list",
                "需要单个值，而不是列表",
            );
        }
        _ => text_of(node)?,
    };
    if is_placeholder(&text) {
        return None;
    }
    let string = matches!(node.kind, Kind::String(_));
    match scalar {
        Scalar::String | Scalar::Time if !string && !matches!(node.kind, Kind::Map(_)) => misfit(
            format!("a string is wanted: write \"{text}\" in quotes"),
            format!("需要字符串：请加引号写成 \"{text}\""),
        ),
        Scalar::Bool if !matches!(node.kind, Kind::Bool(_)) => misfit(
            format!("{text:?} is neither true nor false"),
            format!("{text:?} 既不是 true 也不是 false"),
        ),
        Scalar::Int(low, high) => match node.kind {
            Kind::Int(number) if (*low..=*high).contains(&number) => None,
            Kind::Int(_) => out_of_range(&text, &format!("{low}..{high}")),
            _ => misfit(
                format!("{text:?} is no integer"),
                format!("{text:?} 不是整数"),
            ),
        },
        Scalar::Number if string => misfit(
            format!("{text:?} is no number"),
            format!("{text:?} 不是数字"),
        ),
        Scalar::Duration if seconds(&text).is_none() => duration_in(&text, ""),
        Scalar::Quantity => quantity(&text),
        Scalar::Choice(choices) if !choices.contains(&text) => {
            let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
            none_of(&text, &choices)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_their_types() {
        for (ty, good, bad) in [
            ("bool", "true", "yes"),
            ("int:0..10", "7", "11"),
            ("float:>1", "1.5", "1"),
            ("duration:6s..1h", "60s", "2h"),
            ("duration:>0s", "30s", "0s"),
            ("enum:a|b", "b", "c"),
            ("ports", "80,443", "http"),
            ("cidrs-only", "10.0.0.0/8", "*"),
            ("map:x.y|z", "x.y=1,z=2", "q=1"),
            ("quantity", "128Mi", "128MB"),
            ("path", "/healthz", "healthz"),
        ] {
            assert_eq!(check(ty, good), None, "{ty} {good}");
            assert!(check(ty, bad).is_some(), "{ty} {bad}");
        }
    }
}
