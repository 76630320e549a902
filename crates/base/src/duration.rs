//! Durations as Kubernetes, Go and protobuf JSON write them (`1h5m`, `250ms`, `0.5s`).

use std::time::Duration;

/// Why a duration string was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("empty duration; write a number and a unit, as in \"5s\"")]
    Empty,
    #[error("duration {0:?} lacks a unit; did you mean \"{0}s\"?")]
    MissingUnit(String),
    #[error("unknown unit {unit:?} in duration {text:?}; use ns, us, ms, s, m or h")]
    UnknownUnit { text: String, unit: String },
    #[error("{0:?} is not a duration; write it as in \"1h5m\", \"250ms\" or \"0.5s\"")]
    Malformed(String),
    #[error("negative duration {0:?}")]
    Negative(String),
}

/// Parses a non-negative duration in the syntax of Go's `time.ParseDuration`, of which protobuf's
/// JSON form (`1.5s`) is a subset. `0` needs no unit.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let body = match text.strip_prefix('-') {
        Some(_) => return Err(DurationError::Negative(text.into())),
        None => text.strip_prefix('+').unwrap_or(text),
    };
    if body.is_empty() {
        return Err(DurationError::Empty);
    }
    if body == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u128 = 0;
    let mut rest = body;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| DurationError::MissingUnit(text.into()))?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        total = total
            .checked_add(nanos(text, number, unit)?)
            .ok_or_else(|| DurationError::Malformed(text.into()))?;
        rest = tail;
    }
    u64::try_from(total)
        .map(Duration::from_nanos)
        .map_err(|_| DurationError::Malformed(text.into()))
}

fn nanos(text: &str, number: &str, unit: &str) -> Result<u128, DurationError> {
    let malformed = || DurationError::Malformed(text.into());
    let scale: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => {
            return Err(DurationError::UnknownUnit {
                text: text.into(),
                unit: unit.into(),
            });
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(malformed());
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| malformed())?
    };
    let mut total = whole.checked_mul(scale).ok_or_else(malformed)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return Err(malformed());
        }
        place /= 10;
        total += u128::from(digit - b'0') * place;
    }
    Ok(total)
}

/// Writes a duration as protobuf's JSON mapping does: seconds with up to nine decimals and an `s`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let (secs, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if nanos == 0 {
        return format!("{secs}s");
    }
    let fraction = format!("{nanos:09}");
    format!("{secs}.{}s", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_and_protobuf_forms() {
        for (text, millis) in [
            ("0", 0),
            ("5s", 5_000),
            ("1h5m", 3_900_000),
            ("250ms", 250),
            ("0.5s", 500),
            (".25s", 250),
            ("1m0.5s", 60_500),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(parse_duration(""), Err(DurationError::Empty));
        assert_eq!(
            parse_duration("5"),
            Err(DurationError::MissingUnit("5".into()))
        );
        assert!(matches!(
            parse_duration("5d"),
            Err(DurationError::UnknownUnit { .. })
        ));
        assert!(matches!(
            parse_duration("-1s"),
            Err(DurationError::Negative(_))
        ));
        assert!(matches!(
            parse_duration("1.2.3s"),
            Err(DurationError::Malformed(_))
        ));
        assert!(matches!(
            parse_duration("9999999999h"),
            Err(DurationError::Malformed(_))
        ));
    }

    #[test]
    fn writes_protobuf_json() {
        assert_eq!(format_duration(Duration::from_millis(1_500)), "1.5s");
        assert_eq!(format_duration(Duration::from_secs(3)), "3s");
        assert_eq!(format_duration(Duration::from_nanos(1)), "0.000000001s");
    }
}
