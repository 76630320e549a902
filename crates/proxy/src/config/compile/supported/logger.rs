//! Where access logs go.

use super::{Message, e, m};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        fields: &[
            e(1, "path"),
            e(2, "format"),
            e(3, "json_format"),
            e(4, "typed_json_format"),
            m(
                5,
                "log_format",
                "envoy.config.core.v3.SubstitutionFormatString",
            ),
        ],
    },
    Message {
        name: "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
        fields: &[m(
            1,
            "log_format",
            "envoy.config.core.v3.SubstitutionFormatString",
        )],
    },
    Message {
        name: "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        fields: &[m(
            1,
            "log_format",
            "envoy.config.core.v3.SubstitutionFormatString",
        )],
    },
];
