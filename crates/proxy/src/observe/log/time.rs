//! Times as access logs print them. The default form is cached to the second.

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use crate::config::format::TimeFormat;

/// Appends `2026-11-21T14:00:00.000Z`.
pub(super) fn iso(time: SystemTime, out: &mut Vec<u8>) {
    thread_local! {
        static SECOND: RefCell<(u64, [u8; 20])> = const { RefCell::new((u64::MAX, [0; 20])) };
    }
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            let at = date(since);
            let mut cursor = text.as_mut_slice();
            let _ = write!(
                cursor,
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            );
        }
        out.extend_from_slice(text);
    });
    let millis = since.subsec_millis();
    out.extend_from_slice(&[
        b'0' + (millis / 100) as u8,
        b'0' + (millis / 10 % 10) as u8,
        b'0' + (millis % 10) as u8,
        b'Z',
    ]);
}

fn date(since: Duration) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(since.as_secs()).unwrap_or(0))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Appends a time in a configured format.
pub(super) fn formatted(time: SystemTime, format: &TimeFormat, out: &mut Vec<u8>) {
    match format {
        TimeFormat::Default => iso(time, out),
        TimeFormat::Strftime(text) => strftime(time, text, out),
    }
}

/// Envoy's `DateFormatter`: strftime with `%f`, `%Nf` (fractions) and `%s` (seconds since 1970).
fn strftime(time: SystemTime, format: &str, out: &mut Vec<u8>) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = date(since);
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            let mut buffer = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let Some(mut code) = rest.next() else { break };
        let mut digits = 9;
        if let Some(n) = code.to_digit(10)
            && (1..=9).contains(&n)
        {
            digits = n as usize;
            code = rest.next().unwrap_or('f');
        }
        conversion(code, digits, since, at, out);
    }
}

fn conversion(code: char, digits: usize, since: Duration, at: OffsetDateTime, out: &mut Vec<u8>) {
    const DAYS: [&str; 7] = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];
    let day = DAYS[usize::from(at.weekday().number_days_from_sunday())];
    let month = at.month().to_string();
    let _ = match code {
        'Y' => write!(out, "{:04}", at.year()),
        'y' => write!(out, "{:02}", at.year().rem_euclid(100)),
        'm' => write!(out, "{:02}", u8::from(at.month())),
        'd' => write!(out, "{:02}", at.day()),
        'e' => write!(out, "{:2}", at.day()),
        'H' => write!(out, "{:02}", at.hour()),
        'I' => write!(out, "{:02}", (at.hour() + 11) % 12 + 1),
        'p' => out.write_all(if at.hour() < 12 { b"AM" } else { b"PM" }),
        'M' => write!(out, "{:02}", at.minute()),
        'S' => write!(out, "{:02}", at.second()),
        'j' => write!(out, "{:03}", at.ordinal()),
        'F' => write!(
            out,
            "{:04}-{:02}-{:02}",
            at.year(),
            u8::from(at.month()),
            at.day()
        ),
        'T' => write!(
            out,
            "{:02}:{:02}:{:02}",
            at.hour(),
            at.minute(),
            at.second()
        ),
        'R' => write!(out, "{:02}:{:02}", at.hour(), at.minute()),
        'D' => write!(
            out,
            "{:02}/{:02}/{:02}",
            u8::from(at.month()),
            at.day(),
            at.year().rem_euclid(100)
        ),
        'A' => out.write_all(day.as_bytes()),
        'a' => out.write_all(&day.as_bytes()[..3]),
        'B' => out.write_all(month.as_bytes()),
        'b' | 'h' => out.write_all(&month.as_bytes()[..3]),
        'u' => write!(out, "{}", at.weekday().number_from_monday()),
        'w' => write!(out, "{}", at.weekday().number_days_from_sunday()),
        'z' => out.write_all(b"+0000"),
        'Z' => out.write_all(b"UTC"),
        's' => write!(out, "{}", since.as_secs()),
        'f' => out.write_all(&format!("{:09}", since.subsec_nanos()).as_bytes()[..digits]),
        'n' => out.write_all(b"\n"),
        't' => out.write_all(b"\t"),
        '%' => out.write_all(b"%"),
        other => write!(out, "%{other}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_795_269_600_123)
    }

    #[test]
    fn default_form_has_milliseconds() {
        let mut out = Vec::new();
        iso(at(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "2026-11-21T14:00:00.123Z");
    }

    #[test]
    fn strftime_knows_fractions() {
        let mut out = Vec::new();
        strftime(at(), "%Y/%m/%dT%H:%M:%S%z %3f %s %%", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "2026/11/21T14:00:00+0000 123 1795269600 %"
        );
    }
}
