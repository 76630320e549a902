//! Small ids for the header names that the data plane itself looks at; every other name is compared as text.

macro_rules! header_ids {
    ($($variant:ident => $text:literal),+ $(,)?) => {
        /// A header name that the data plane knows. [`HeaderId::Other`] stands for all the rest.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum HeaderId {
            $($variant),+,
            Other,
        }

        const NAMES: &[&str] = &[$($text),+];
        const IDS: &[HeaderId] = &[$(HeaderId::$variant),+];
    };
}

header_ids! {
    Host => "host",
    Connection => "connection",
    ContentLength => "content-length",
    TransferEncoding => "transfer-encoding",
    Te => "te",
    Trailer => "trailer",
    Upgrade => "upgrade",
    KeepAlive => "keep-alive",
    ProxyConnection => "proxy-connection",
    ProxyAuthenticate => "proxy-authenticate",
    Http2Settings => "http2-settings",
    Expect => "expect",
    Date => "date",
    Server => "server",
    Via => "via",
    UserAgent => "user-agent",
    Accept => "accept",
    AcceptEncoding => "accept-encoding",
    ContentType => "content-type",
    Cookie => "cookie",
    SetCookie => "set-cookie",
    Location => "location",
    Origin => "origin",
    Referer => "referer",
    Authorization => "authorization",
    CacheControl => "cache-control",
    Etag => "etag",
    LastModified => "last-modified",
    GrpcStatus => "grpc-status",
    GrpcMessage => "grpc-message",
    GrpcTimeout => "grpc-timeout",
    GrpcEncoding => "grpc-encoding",
    GrpcAcceptEncoding => "grpc-accept-encoding",
    Traceparent => "traceparent",
    Tracestate => "tracestate",
    XRequestId => "x-request-id",
    XForwardedFor => "x-forwarded-for",
    XForwardedProto => "x-forwarded-proto",
    XForwardedHost => "x-forwarded-host",
    XForwardedPort => "x-forwarded-port",
    XForwardedClientCert => "x-forwarded-client-cert",
    XB3Traceid => "x-b3-traceid",
    XB3Spanid => "x-b3-spanid",
    XB3Sampled => "x-b3-sampled",
    XEnvoyAttemptCount => "x-envoy-attempt-count",
    XEnvoyDecoratorOperation => "x-envoy-decorator-operation",
    XEnvoyDownstreamServiceCluster => "x-envoy-downstream-service-cluster",
    XEnvoyDownstreamServiceNode => "x-envoy-downstream-service-node",
    XEnvoyExpectedRqTimeoutMs => "x-envoy-expected-rq-timeout-ms",
    XEnvoyExternalAddress => "x-envoy-external-address",
    XEnvoyForceTrace => "x-envoy-force-trace",
    XEnvoyHedgeOnPerTryTimeout => "x-envoy-hedge-on-per-try-timeout",
    XEnvoyImmediateHealthCheckFail => "x-envoy-immediate-health-check-fail",
    XEnvoyInternal => "x-envoy-internal",
    XEnvoyIpTags => "x-envoy-ip-tags",
    XEnvoyMaxRetries => "x-envoy-max-retries",
    XEnvoyOriginalPath => "x-envoy-original-path",
    XEnvoyOriginalHost => "x-envoy-original-host",
    XEnvoyOverloaded => "x-envoy-overloaded",
    XEnvoyPeerMetadata => "x-envoy-peer-metadata",
    XEnvoyPeerMetadataId => "x-envoy-peer-metadata-id",
    XEnvoyRateLimited => "x-envoy-ratelimited",
    XEnvoyRetriableHeaderNames => "x-envoy-retriable-header-names",
    XEnvoyRetriableStatusCodes => "x-envoy-retriable-status-codes",
    XEnvoyRetryGrpcOn => "x-envoy-retry-grpc-on",
    XEnvoyRetryOn => "x-envoy-retry-on",
    XEnvoyUpstreamAltStatName => "x-envoy-upstream-alt-stat-name",
    XEnvoyUpstreamCanary => "x-envoy-upstream-canary",
    XEnvoyUpstreamRqPerTryTimeoutMs => "x-envoy-upstream-rq-per-try-timeout-ms",
    XEnvoyUpstreamRqTimeoutAltResponse => "x-envoy-upstream-rq-timeout-alt-response",
    XEnvoyUpstreamRqTimeoutMs => "x-envoy-upstream-rq-timeout-ms",
    XEnvoyUpstreamStreamDurationMs => "x-envoy-upstream-stream-duration-ms",
    XEnvoyUpstreamServiceTime => "x-envoy-upstream-service-time",
    XEnvoyUpstreamHealthcheckedCluster => "x-envoy-upstream-healthchecked-cluster",
    XEnvoyDegraded => "x-envoy-degraded",
    XEnvoyOriginalDstHost => "x-envoy-original-dst-host",
    XEnvoyOriginalMethod => "x-envoy-original-method",
    XEnvoyIsTimeoutRetry => "x-envoy-is-timeout-retry",
}

const SLOTS: usize = 512;
const EMPTY: u8 = u8::MAX;

const fn slot(name: &[u8]) -> usize {
    let n = name.len();
    let mix = n * 31
        + name[0] as usize * 7
        + name[n - 1] as usize * 61
        + name[n / 2] as usize * 131
        + name[n * 3 / 4] as usize * 17;
    mix % SLOTS
}

const TABLE: [u8; SLOTS] = {
    let mut table = [EMPTY; SLOTS];
    let mut index = 0;
    while index < NAMES.len() {
        let mut at = slot(NAMES[index].as_bytes());
        while table[at] != EMPTY {
            at = (at + 1) % SLOTS;
        }
        table[at] = index as u8;
        index += 1;
    }
    table
};

impl HeaderId {
    /// The id of a name in lower case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        if name.is_empty() {
            return Self::Other;
        }
        let mut at = slot(name);
        loop {
            let index = TABLE[at];
            if index == EMPTY {
                return Self::Other;
            }
            if NAMES[usize::from(index)].as_bytes() == name {
                return IDS[usize::from(index)];
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// All known names, in the order of their numbers.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        IDS.iter().copied()
    }

    /// The name; empty for [`HeaderId::Other`].
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(self as usize).copied().unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_finds_its_own_id() {
        for (name, id) in NAMES.iter().zip(IDS) {
            assert_eq!(HeaderId::of(name.as_bytes()), *id, "{name}");
            assert_eq!(id.name(), *name);
        }
        assert_eq!(HeaderId::of(b"x-none-of-these"), HeaderId::Other);
        assert_eq!(HeaderId::of(b""), HeaderId::Other);
    }
}
