//! What a plain YAML scalar means to kubectl: YAML 1.1 as go-yaml v2 reads it, so that `no` and `off` are
//! booleans and `0755` is octal.

use super::node::{Kind, number};

/// Resolves a plain scalar without a tag. Timestamps stay strings; so do base-60 numbers.
#[must_use]
pub fn resolve(text: &str) -> Kind {
    let word = match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Kind::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(Kind::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(Kind::Bool(false))
        }
        ".nan" | ".NaN" | ".NAN" => Some(Kind::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(Kind::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Some(Kind::Float(f64::NEG_INFINITY)),
        _ => None,
    };
    word.or_else(|| numeric(text))
        .unwrap_or_else(|| Kind::String(text.to_owned()))
}

/// Numbers begin with a digit, a sign or a dot.
fn numeric(text: &str) -> Option<Kind> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(int) = integer(&plain) {
        return Some(Kind::Int(int));
    }
    if is_float(&plain) {
        plain.parse().ok().map(number)
    } else {
        None
    }
}

/// Go's `ParseInt` with base 0, within what 64 bits hold.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefix = |radix: &str| {
        digits
            .get(..2)
            .filter(|start| start.eq_ignore_ascii_case(radix))
            .map(|_| &digits[2..])
    };
    let (radix, digits) = if let Some(hex) = prefix("0x") {
        (16, hex)
    } else if let Some(binary) = prefix("0b") {
        (2, binary)
    } else if let Some(octal) = prefix("0o") {
        (8, octal)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    (i128::from(i64::MIN)..=i128::from(u64::MAX))
        .contains(&value)
        .then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits =
        |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(rest);
    let rest = &rest[whole..];
    let rest = match rest.strip_prefix('.') {
        Some(fraction) if whole > 0 || digits(fraction) > 0 => &fraction[digits(fraction)..],
        None if whole > 0 => rest,
        _ => return false,
    };
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else {
        return rest.is_empty();
    };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_strings_are_told_apart_as_kubectl_does() {
        let string = |text: &str| Kind::String(text.into());
        for (text, kind) in [
            ("yes", Kind::Bool(true)),
            ("off", Kind::Bool(false)),
            ("y", Kind::Bool(true)),
            ("oN", string("oN")),
            ("~", Kind::Null),
            ("0755", Kind::Int(493)),
            ("0o17", Kind::Int(15)),
            ("0x1F", Kind::Int(31)),
            ("-0b11", Kind::Int(-3)),
            ("1_000", Kind::Int(1000)),
            ("08", Kind::Int(8)),
            ("18446744073709551615", Kind::Int(u64::MAX.into())),
            ("1e3", Kind::Int(1000)),
            ("1.5", Kind::Float(1.5)),
            (".5", Kind::Float(0.5)),
            ("1.", Kind::Int(1)),
            ("1:30", string("1:30")),
            ("2001-01-01", string("2001-01-01")),
            ("1.2.3", string("1.2.3")),
            ("-", string("-")),
            ("5s", string("5s")),
        ] {
            assert_eq!(resolve(text), kind, "{text}");
        }
    }
}
