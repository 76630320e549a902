//! Wall-clock time as Kubernetes writes it.

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

pub(crate) use crate::shim::now_millis as now;

/// Unix milliseconds of an RFC 3339 time.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

/// RFC 3339 with whole seconds, as `metav1.Time`.
pub(crate) fn format(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// RFC 3339 with microseconds, as `metav1.MicroTime`.
pub(crate) fn format_micro(millis: i64) -> String {
    let seconds = format(millis);
    format!(
        "{}.{:06}Z",
        seconds.trim_end_matches('Z'),
        millis.rem_euclid(1000) * 1000
    )
}
