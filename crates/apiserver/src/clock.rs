//! Time as Kubernetes writes it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// `metav1.Time`: seconds, UTC.
pub(crate) fn rfc3339(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.format(&format).expect("every UTC time has this form")
}

pub(crate) fn now() -> String {
    rfc3339(OffsetDateTime::now_utc())
}

/// Seconds since the epoch.
pub(crate) fn unix() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
