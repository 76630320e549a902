//! Envoy's response flags.

/// A set of response flags that remembers the order in which they came, which is the one in which Envoy prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ResponseFlags {
    set: u32,
    /// The numbers of the first [`ORDERED`] flags, five bits each, the oldest lowest.
    order: u64,
}

/// So many flags keep their order; no request gets as many.
const ORDERED: u32 = 12;

macro_rules! flags {
    ($($name:ident = $bit:literal, $short:literal, $long:literal;)*) => {
        impl ResponseFlags {
            $(#[doc = concat!("`", $short, "`: ", $long)] pub const $name: Self = Self { set: 1 << $bit, order: $bit };)*

            /// Flag, short name, long name, by number.
            pub const ALL: &'static [(Self, &'static str, &'static str)] = &[$((Self::$name, $short, $long),)*];
        }
    };
}

flags! {
    FAILED_LOCAL_HEALTH_CHECK = 0, "LH", "FailedLocalHealthCheck";
    NO_HEALTHY_UPSTREAM = 1, "UH", "NoHealthyUpstream";
    UPSTREAM_REQUEST_TIMEOUT = 2, "UT", "UpstreamRequestTimeout";
    LOCAL_RESET = 3, "LR", "LocalReset";
    UPSTREAM_REMOTE_RESET = 4, "UR", "UpstreamRemoteReset";
    UPSTREAM_CONNECTION_FAILURE = 5, "UF", "UpstreamConnectionFailure";
    UPSTREAM_CONNECTION_TERMINATION = 6, "UC", "UpstreamConnectionTermination";
    UPSTREAM_OVERFLOW = 7, "UO", "UpstreamOverflow";
    NO_ROUTE_FOUND = 8, "NR", "NoRouteFound";
    DELAY_INJECTED = 9, "DI", "DelayInjected";
    FAULT_INJECTED = 10, "FI", "FaultInjected";
    RATE_LIMITED = 11, "RL", "RateLimited";
    UNAUTHORIZED_EXTERNAL_SERVICE = 12, "UAEX", "UnauthorizedExternalService";
    RATELIMIT_SERVICE_ERROR = 13, "RLSE", "RateLimitServiceError";
    DOWNSTREAM_CONNECTION_TERMINATION = 14, "DC", "DownstreamConnectionTermination";
    UPSTREAM_RETRY_LIMIT_EXCEEDED = 15, "URX", "UpstreamRetryLimitExceeded";
    STREAM_IDLE_TIMEOUT = 16, "SI", "StreamIdleTimeout";
    INVALID_ENVOY_REQUEST_HEADERS = 17, "IH", "InvalidEnvoyRequestHeaders";
    DOWNSTREAM_PROTOCOL_ERROR = 18, "DPE", "DownstreamProtocolError";
    UPSTREAM_MAX_STREAM_DURATION_REACHED = 19, "UMSDR", "UpstreamMaxStreamDurationReached";
    RESPONSE_FROM_CACHE_FILTER = 20, "RFCF", "ResponseFromCacheFilter";
    NO_FILTER_CONFIG_FOUND = 21, "NFCF", "NoFilterConfigFound";
    DURATION_TIMEOUT = 22, "DT", "DurationTimeout";
    UPSTREAM_PROTOCOL_ERROR = 23, "UPE", "UpstreamProtocolError";
    NO_CLUSTER_FOUND = 24, "NC", "NoClusterFound";
    OVERLOAD_MANAGER = 25, "OM", "OverloadManagerTerminated";
    DNS_RESOLUTION_FAILED = 26, "DF", "DnsResolutionFailed";
    DROP_OVERLOAD = 27, "DO", "DropOverload";
    DOWNSTREAM_REMOTE_RESET = 28, "DR", "DownstreamRemoteReset";
    UNCONDITIONAL_DROP_OVERLOAD = 29, "UDO", "UnconditionalDropOverload";
}

impl ResponseFlags {
    /// Adds what is not there yet, behind what is.
    pub fn insert(&mut self, other: Self) {
        for number in other.numbers() {
            if self.set & (1 << number) == 0 {
                let count = self.set.count_ones();
                if count < ORDERED {
                    self.order |= u64::from(number) << (5 * count);
                }
                self.set |= 1 << number;
            }
        }
    }

    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.set & other.set == other.set
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.set == 0
    }

    fn numbers(self) -> impl Iterator<Item = u32> {
        let count = self.set.count_ones().min(ORDERED);
        (0..count).map(move |at| ((self.order >> (5 * at)) & 31) as u32)
    }

    /// The flags in the set, short and long name, in the order in which they came.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.numbers()
            .filter_map(|number| Self::ALL.get(number as usize))
            .map(|(_, short, long)| (*short, *long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_listed_once_and_as_they_came() {
        let mut flags = ResponseFlags::default();
        flags.insert(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
        flags.insert(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        flags.insert(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
        let names: Vec<_> = flags.iter().map(|(short, _)| short).collect();
        assert_eq!(names, ["URX", "UF"]);
        assert!(flags.contains(ResponseFlags::UPSTREAM_CONNECTION_FAILURE));
    }

    #[test]
    fn more_flags_than_have_an_order_are_still_in_the_set() {
        let mut flags = ResponseFlags::default();
        for (flag, ..) in ResponseFlags::ALL {
            flags.insert(*flag);
        }
        assert!(
            ResponseFlags::ALL
                .iter()
                .all(|(flag, ..)| flags.contains(*flag))
        );
        assert_eq!(flags.iter().count(), ORDERED as usize);
    }
}
