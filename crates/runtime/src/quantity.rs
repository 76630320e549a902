//! Kubernetes quantities (`500m`, `1.5Gi`) as thousandths.

/// Thousandths of the unit, rounded up; `None` when the text is no quantity.
pub(crate) fn parse_milli(text: &str) -> Option<i128> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-' && c != '+')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (numerator, denominator) = decimal(number)?;
    let (scale, divisor): (i128, i128) = match suffix {
        "" => (1_000, 1),
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000_000, 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000 << 40, 1),
        "Pi" => (1_000 << 50, 1),
        "Ei" => (1_000 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 {
                (1_000, factor)
            } else {
                (factor.checked_mul(1_000)?, 1)
            }
        }
    };
    let divisor = denominator.checked_mul(divisor)?;
    let value = numerator.checked_mul(scale)?;
    Some(value.div_euclid(divisor) + i128::from(value.rem_euclid(divisor) != 0))
}

fn decimal(text: &str) -> Option<(i128, i128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 18 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let denominator = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let digits = format!("{whole}{fraction}");
    Some((digits.parse().ok()?, denominator))
}

/// Whole units, rounded up; bytes for memory.
pub(crate) fn parse_units(text: &str) -> Option<u64> {
    let milli = parse_milli(text)?;
    u64::try_from(milli.div_euclid(1_000) + i128::from(milli.rem_euclid(1_000) != 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kubernetes_quantities() {
        for (text, milli) in [
            ("1", 1_000),
            ("500m", 500),
            ("1.5", 1_500),
            ("1Ki", 1_024_000),
            ("2e3", 2_000_000),
            ("1u", 1),
        ] {
            assert_eq!(parse_milli(text), Some(milli), "{text}");
        }
        assert_eq!(parse_units("128Mi"), Some(128 << 20));
        assert_eq!(parse_milli("lots"), None);
    }
}
