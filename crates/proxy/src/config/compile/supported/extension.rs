//! Header formatters and retry predicates.

use super::{Message, e, h};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
        fields: &[
            h(
                1,
                "forward_reason_phrase",
                "reason phrases carry no meaning (RFC 9112 §4)",
            ),
            e(2, "formatter_type_on_envoy_headers"),
        ],
    },
    Message {
        name: "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        fields: &[],
    },
];
