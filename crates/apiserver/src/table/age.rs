//! Ages, as short as kubectl prints them.

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::clock;

pub(super) const UNKNOWN: &str = "<unknown>";

/// Age of an object.
pub(super) fn of(object: &Value) -> String {
    object["metadata"]["creationTimestamp"]
        .as_str()
        .map_or(UNKNOWN.into(), since)
}

/// Time since a timestamp.
pub(super) fn since(timestamp: &str) -> String {
    clock::parse(timestamp).map_or(UNKNOWN.into(), |at| human(OffsetDateTime::now_utc() - at))
}

/// `5s`, `2m30s`, `14m`, `3h5m`, `9h`, `2d3h`, `12d`, `2y30d`, `9y`.
pub(super) fn human(duration: Duration) -> String {
    let seconds = duration.whole_seconds();
    if seconds < -1 {
        return "<invalid>".into();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let pair = |big: i64, big_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{big}{big_unit}")
        } else {
            format!("{big}{big_unit}{small}{small_unit}")
        }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => pair(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 8 * 365 => pair(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_as_coarse_as_kubectl_s() {
        let cases = [
            (5, "5s"),
            (119, "119s"),
            (150, "2m30s"),
            (600, "10m"),
            (10_800, "3h"),
            (11_100, "3h5m"),
            (40_000, "11h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human(Duration::seconds(seconds)), text);
        }
    }
}
