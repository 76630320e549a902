//! Ranges, percentages and matchers.

use super::{Message, e, h, m};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.type.matcher.v3.RegexMatchAndSubstitute",
        fields: &[
            m(1, "pattern", "envoy.type.matcher.v3.RegexMatcher"),
            e(2, "substitution"),
        ],
    },
    Message {
        name: "envoy.type.matcher.v3.RegexMatcher",
        fields: &[
            h(
                1,
                "google_re2",
                "one engine, linear in the input, as RE2 is",
            ),
            e(2, "regex"),
        ],
    },
    Message {
        name: "envoy.type.matcher.v3.StringMatcher",
        fields: &[
            e(1, "exact"),
            e(2, "prefix"),
            e(3, "suffix"),
            m(5, "safe_regex", "envoy.type.matcher.v3.RegexMatcher"),
            e(6, "ignore_case"),
            e(7, "contains"),
        ],
    },
    Message {
        name: "envoy.type.v3.FractionalPercent",
        fields: &[e(1, "numerator"), e(2, "denominator")],
    },
    Message {
        name: "envoy.type.v3.Int32Range",
        fields: &[e(1, "start"), e(2, "end")],
    },
    Message {
        name: "envoy.type.v3.Int64Range",
        fields: &[e(1, "start"), e(2, "end")],
    },
    Message {
        name: "envoy.type.v3.Percent",
        fields: &[e(1, "value")],
    },
    Message {
        name: "envoy.type.v3.SemanticVersion",
        fields: &[e(1, "major_number"), e(2, "minor_number"), e(3, "patch")],
    },
];
