//! Which listener filters a listener needs, and on which ports they stay off.
//!
//! `pilot/pkg/networking/core/listener_inbound.go`, `populateListenerFilters`: inspectors follow from the filter
//! chain matches; they are switched off on ports whose chains ask nothing of them, so that a server-first protocol on a
//! declared TCP port does not wait for the detection time-out.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::extensions::filters::listener::{
    http_inspector::v3::HttpInspector, original_dst::v3::OriginalDst,
    tls_inspector::v3::TlsInspector,
};

use crate::pb::{listener_filter, listener_v3, type_v3};
use listener_v3::listener_filter_chain_match_predicate::{MatchSet, Rule};

/// Recovers the address that a redirected connection was going to.
pub(crate) fn original_dst() -> listener_v3::ListenerFilter {
    listener_filter("envoy.filters.listener.original_dst", &OriginalDst {})
}

#[derive(Default, Clone, Copy)]
struct Needs {
    tls: bool,
    http: bool,
}

/// The inspectors for a listener's chains; the TLS inspector first, as the HTTP inspector does not look into what is TLS.
pub(crate) fn for_chains(chains: &[listener_v3::FilterChain]) -> Vec<listener_v3::ListenerFilter> {
    let ports = needs_by_port(chains);
    let mut filters = Vec::new();
    if ports.values().any(|needs| needs.tls) {
        let mut filter = listener_filter(
            "envoy.filters.listener.tls_inspector",
            &TlsInspector::default(),
        );
        filter.filter_disabled = disabled(&ports, |needs| needs.tls);
        filters.push(filter);
    }
    if ports.values().any(|needs| needs.http) {
        let mut filter = listener_filter(
            "envoy.filters.listener.http_inspector",
            &HttpInspector::default(),
        );
        filter.filter_disabled = disabled(&ports, |needs| needs.http);
        filters.push(filter);
    }
    filters
}

fn needs_by_port(chains: &[listener_v3::FilterChain]) -> BTreeMap<u32, Needs> {
    let mut ports: BTreeMap<u32, Needs> = BTreeMap::new();
    for chain in chains {
        let Some(matcher) = &chain.filter_chain_match else {
            ports.entry(0).or_default();
            continue;
        };
        let port = matcher.destination_port.map_or(0, |port| port.value);
        let needs = ports.entry(port).or_default();
        needs.tls |= matcher.transport_protocol == "tls" || !matcher.server_names.is_empty();
        needs.http |= matcher
            .application_protocols
            .iter()
            .any(|alpn| alpn == "http/1.1" || alpn == "h2c");
    }
    ports
}

/// Port 0 stands for every port that no chain names. When it needs the filter, ports that do not are excluded; else
/// only the ports that do are included.
fn disabled(
    ports: &BTreeMap<u32, Needs>,
    wanted: impl Fn(&Needs) -> bool,
) -> Option<listener_v3::ListenerFilterChainMatchPredicate> {
    let by_default = ports.get(&0).is_some_and(&wanted);
    let named: Vec<u32> = ports
        .iter()
        .filter(|(port, needs)| **port != 0 && wanted(needs) != by_default)
        .map(|(port, _)| *port)
        .collect();
    match (by_default, named.is_empty()) {
        (true, true) => None,
        (true, false) => Some(any_of(&named)),
        (false, _) if !ports.contains_key(&0) && ports.values().all(&wanted) => None,
        (false, true) => None,
        (false, false) => Some(listener_v3::ListenerFilterChainMatchPredicate {
            rule: Some(Rule::NotMatch(Box::new(any_of(&named)))),
        }),
    }
}

fn any_of(ports: &[u32]) -> listener_v3::ListenerFilterChainMatchPredicate {
    let mut rules: Vec<_> = ports
        .iter()
        .map(|port| {
            let start = i32::try_from(*port).unwrap_or(i32::MAX - 1);
            listener_v3::ListenerFilterChainMatchPredicate {
                rule: Some(Rule::DestinationPortRange(type_v3::Int32Range {
                    start,
                    end: start + 1,
                })),
            }
        })
        .collect();
    match rules.len() {
        1 => rules.remove(0),
        _ => listener_v3::ListenerFilterChainMatchPredicate {
            rule: Some(Rule::OrMatch(MatchSet { rules })),
        },
    }
}
