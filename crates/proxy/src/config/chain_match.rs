//! Filter chain selection in Envoy's order: destination port, destination address, server name, transport protocol,
//! application protocols, direct source address, source type, source address, source port.

use std::net::IpAddr;

/// CIDR ranges.
pub mod cidr {
    use std::net::IpAddr;

    /// An address range.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Prefix {
        pub address: IpAddr,
        pub length: u8,
    }

    impl Prefix {
        /// `None` if the length does not fit the address. Host bits are cut.
        #[must_use]
        pub fn new(address: IpAddr, length: u8) -> Option<Self> {
            let address = match address {
                IpAddr::V4(v4) if length <= 32 => {
                    IpAddr::V4((u32::from(v4) & mask(length, 32) as u32).into())
                }
                IpAddr::V6(v6) if length <= 128 => {
                    IpAddr::V6((u128::from(v6) & mask(length, 128)).into())
                }
                _ => return None,
            };
            Some(Self { address, length })
        }

        /// Whether the address is in the range. IPv4-mapped IPv6 addresses count as IPv4.
        #[must_use]
        pub fn contains(&self, address: IpAddr) -> bool {
            Self::new(address.to_canonical(), self.length)
                .is_some_and(|range| range.address == self.address)
        }
    }

    fn mask(length: u8, width: u32) -> u128 {
        match u32::from(length) {
            0 => 0,
            length => u128::MAX << (width - length),
        }
    }
}

use cidr::Prefix;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SourceType {
    #[default]
    Any,
    SameIpOrLoopback,
    External,
}

/// The conditions of one chain; an empty list admits everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChainMatch {
    pub destination_port: Option<u16>,
    pub prefix_ranges: Vec<Prefix>,
    /// Lower case; `*.example.com` matches any depth.
    pub server_names: Vec<Box<str>>,
    /// `tls`, `raw_buffer` or empty.
    pub transport_protocol: Box<str>,
    pub application_protocols: Vec<Box<str>>,
    pub direct_source_prefix_ranges: Vec<Prefix>,
    pub source_type: SourceType,
    pub source_prefix_ranges: Vec<Prefix>,
    pub source_ports: Vec<u16>,
}

/// What is known of a connection when its chain is chosen.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFacts<'a> {
    pub destination: (IpAddr, u16),
    /// The source after PROXY protocol or original source; equal to `direct_source` otherwise.
    pub source: (IpAddr, u16),
    pub direct_source: IpAddr,
    /// Server name in lower case.
    pub server_name: Option<&'a str>,
    /// `tls` or `raw_buffer`; empty when nothing looked.
    pub transport_protocol: &'a str,
    /// ALPN of the client, or `http/1.0`, `http/1.1`, `h2c` by the HTTP inspector.
    pub application_protocols: &'a [&'a [u8]],
}

/// One combination of a chain's conditions: every list has been taken apart.
#[derive(Debug, Clone)]
struct Rule {
    chain: usize,
    port: Option<u16>,
    destination: Option<Prefix>,
    /// Exact name, `.suffix`, or none.
    server_name: NameRule,
    transport: Box<str>,
    application: Option<Box<str>>,
    direct_source: Option<Prefix>,
    source_type: SourceType,
    source: Option<Prefix>,
    source_port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum NameRule {
    Any,
    Exact(Box<str>),
    /// With its leading dot.
    Suffix(Box<str>),
}

/// All rules of a listener. Each condition narrows the set to its most specific matches before the next is looked at,
/// so a chain that fails a later condition is not replaced by a less specific one: that is how Envoy's nested maps
/// behave.
#[derive(Debug, Clone, Default)]
pub struct ChainIndex {
    rules: Vec<Rule>,
}

/// The most combinations one listener may have.
const MAX_RULES: usize = 100_000;

impl ChainIndex {
    /// Indexes chains in their order.
    pub fn build<'a>(matches: impl IntoIterator<Item = &'a ChainMatch>) -> Result<Self, String> {
        let mut index = Self::default();
        for (chain, matcher) in matches.into_iter().enumerate() {
            index.add(chain, matcher)?;
        }
        Ok(index)
    }

    fn add(&mut self, chain: usize, matcher: &ChainMatch) -> Result<(), String> {
        let names: Vec<NameRule> = matcher
            .server_names
            .iter()
            .map(|name| name_rule(name))
            .collect();
        for destination in options(&matcher.prefix_ranges) {
            for name in if names.is_empty() {
                vec![NameRule::Any]
            } else {
                names.clone()
            } {
                for application in options(&matcher.application_protocols) {
                    for direct_source in options(&matcher.direct_source_prefix_ranges) {
                        for source in options(&matcher.source_prefix_ranges) {
                            for source_port in options(&matcher.source_ports) {
                                if self.rules.len() >= MAX_RULES {
                                    return Err(format!(
                                        "more than {MAX_RULES} filter chain conditions"
                                    ));
                                }
                                self.rules.push(Rule {
                                    chain,
                                    port: matcher.destination_port,
                                    destination: destination.copied(),
                                    server_name: name.clone(),
                                    transport: matcher.transport_protocol.clone(),
                                    application: application.cloned(),
                                    direct_source: direct_source.copied(),
                                    source_type: matcher.source_type,
                                    source: source.copied(),
                                    source_port: source_port.copied(),
                                });
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Two chains with one equal condition set: Envoy refuses the listener.
    #[must_use]
    pub fn duplicate(&self) -> Option<(usize, usize)> {
        let mut seen = std::collections::HashMap::new();
        for rule in &self.rules {
            let key = (
                (
                    rule.port,
                    rule.destination,
                    &rule.server_name,
                    &rule.transport,
                    &rule.application,
                ),
                (
                    rule.direct_source,
                    rule.source_type,
                    rule.source,
                    rule.source_port,
                ),
            );
            if let Some(first) = seen.insert(key, rule.chain)
                && first != rule.chain
            {
                return Some((first, rule.chain));
            }
        }
        None
    }

    /// The chain for a connection; `None` means the default chain, or else a closed connection.
    #[must_use]
    pub fn select(&self, facts: &ConnectionFacts<'_>) -> Option<usize> {
        let mut set: smallvec::SmallVec<[&Rule; 16]> = self.rules.iter().collect();
        let (destination, port) = facts.destination;
        narrow(&mut set, |rule| match rule.port {
            None => Some(0),
            Some(wanted) => (wanted == port).then_some(1),
        });
        narrow(&mut set, |rule| specificity(rule.destination, destination));
        narrow(&mut set, |rule| rule.server_name.score(facts.server_name));
        narrow(&mut set, |rule| match &*rule.transport {
            "" => Some(0),
            wanted => (wanted == facts.transport_protocol).then_some(1),
        });
        narrow(&mut set, |rule| match &rule.application {
            None => Some(0),
            // The client's order decides: its first protocol that any chain names.
            Some(wanted) => {
                let at = facts
                    .application_protocols
                    .iter()
                    .position(|have| *have == wanted.as_bytes())?;
                Some(facts.application_protocols.len() - at)
            }
        });
        narrow(&mut set, |rule| {
            specificity(rule.direct_source, facts.direct_source)
        });
        let local = facts.source.0.to_canonical() == destination.to_canonical()
            || facts.source.0.to_canonical().is_loopback();
        narrow(&mut set, |rule| match rule.source_type {
            SourceType::Any => Some(0),
            SourceType::SameIpOrLoopback => local.then_some(1),
            SourceType::External => (!local).then_some(1),
        });
        narrow(&mut set, |rule| specificity(rule.source, facts.source.0));
        narrow(&mut set, |rule| match rule.source_port {
            None => Some(0),
            Some(wanted) => (wanted == facts.source.1).then_some(1),
        });
        set.first().map(|rule| rule.chain)
    }
}

/// `[None]` for an empty list.
fn options<T>(list: &[T]) -> Vec<Option<&T>> {
    if list.is_empty() {
        vec![None]
    } else {
        list.iter().map(Some).collect()
    }
}

fn name_rule(name: &str) -> NameRule {
    match name {
        "" | "*" => NameRule::Any,
        name => match name.strip_prefix('*') {
            Some(suffix) => NameRule::Suffix(suffix.to_ascii_lowercase().into()),
            None => NameRule::Exact(name.to_ascii_lowercase().into()),
        },
    }
}

impl NameRule {
    fn score(&self, name: Option<&str>) -> Option<usize> {
        match self {
            Self::Any => Some(0),
            Self::Exact(wanted) => (name == Some(wanted)).then_some(usize::MAX),
            Self::Suffix(suffix) => name?.ends_with(&**suffix).then_some(suffix.len()),
        }
    }
}

/// Keeps the rules with the best score; those without a score fail the condition.
fn narrow(set: &mut smallvec::SmallVec<[&Rule; 16]>, score: impl Fn(&Rule) -> Option<usize>) {
    let Some(best) = set.iter().filter_map(|rule| score(rule)).max() else {
        set.clear();
        return;
    };
    set.retain(|rule| score(rule) == Some(best));
}

fn specificity(range: Option<Prefix>, address: IpAddr) -> Option<usize> {
    match range {
        None => Some(0),
        Some(range) => range
            .contains(address)
            .then_some(usize::from(range.length) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(port: u16, alpn: &'a [&'a [u8]]) -> ConnectionFacts<'a> {
        ConnectionFacts {
            destination: ([10, 1, 2, 3].into(), port),
            source: ([10, 9, 9, 9].into(), 4000),
            direct_source: [10, 9, 9, 9].into(),
            server_name: None,
            transport_protocol: "raw_buffer",
            application_protocols: alpn,
        }
    }

    fn select(chains: &[ChainMatch], facts: &ConnectionFacts<'_>) -> Option<usize> {
        ChainIndex::build(chains).unwrap().select(facts)
    }

    fn prefix(address: [u8; 4], length: u8) -> Prefix {
        Prefix::new(address.into(), length).unwrap()
    }

    #[test]
    fn the_port_decides_first_and_there_is_no_way_back() {
        let chains = [
            ChainMatch {
                destination_port: Some(80),
                transport_protocol: "tls".into(),
                ..ChainMatch::default()
            },
            ChainMatch::default(),
        ];
        assert_eq!(select(&chains, &facts(81, &[])), Some(1));
        // Port 80 has a chain of its own; that it wants TLS does not lead back to the other.
        assert_eq!(select(&chains, &facts(80, &[])), None);
        assert_eq!(
            select(
                &chains,
                &ConnectionFacts {
                    transport_protocol: "tls",
                    ..facts(80, &[])
                }
            ),
            Some(0)
        );
    }

    #[test]
    fn the_longest_range_wins() {
        let range = |length| ChainMatch {
            prefix_ranges: vec![prefix([10, 1, 2, 3], length)],
            ..ChainMatch::default()
        };
        assert_eq!(
            select(&[range(8), range(32), range(16)], &facts(1, &[])),
            Some(1)
        );
        let elsewhere = ChainMatch {
            prefix_ranges: vec![prefix([11, 0, 0, 0], 8)],
            ..ChainMatch::default()
        };
        assert_eq!(select(&[elsewhere, range(8)], &facts(1, &[])), Some(1));
    }

    #[test]
    fn server_names_match_exactly_then_by_the_longest_suffix() {
        let named = |name: &str| ChainMatch {
            server_names: vec![name.into()],
            ..ChainMatch::default()
        };
        let chains = [
            named("*.com"),
            named("*.example.com"),
            named("a.example.com"),
            ChainMatch::default(),
        ];
        for (name, want) in [
            ("a.example.com", 2),
            ("b.example.com", 1),
            ("x.y.example.com", 1),
            ("z.com", 0),
            ("z.org", 3),
        ] {
            let facts = ConnectionFacts {
                server_name: Some(name),
                ..facts(1, &[])
            };
            assert_eq!(select(&chains, &facts), Some(want), "{name}");
        }
        assert_eq!(select(&chains, &facts(1, &[])), Some(3));
    }

    #[test]
    fn the_clients_first_protocol_that_is_named_wins() {
        let alpn = |name: &str| ChainMatch {
            application_protocols: vec![name.into()],
            ..ChainMatch::default()
        };
        let chains = [alpn("h2"), alpn("http/1.1"), ChainMatch::default()];
        assert_eq!(select(&chains, &facts(1, &[b"http/1.1", b"h2"])), Some(1));
        assert_eq!(select(&chains, &facts(1, &[b"x", b"h2"])), Some(0));
        assert_eq!(select(&chains, &facts(1, &[b"x"])), Some(2));
    }

    #[test]
    fn sources_are_told_apart() {
        let chains = [
            ChainMatch {
                source_type: SourceType::SameIpOrLoopback,
                ..ChainMatch::default()
            },
            ChainMatch {
                source_type: SourceType::External,
                source_ports: vec![4000],
                ..ChainMatch::default()
            },
            ChainMatch {
                source_type: SourceType::External,
                ..ChainMatch::default()
            },
        ];
        assert_eq!(select(&chains, &facts(1, &[])), Some(1));
        let same = ConnectionFacts {
            source: ([10, 1, 2, 3].into(), 4000),
            ..facts(1, &[])
        };
        assert_eq!(select(&chains, &same), Some(0));
        let other = ConnectionFacts {
            source: ([10, 9, 9, 9].into(), 4001),
            ..facts(1, &[])
        };
        assert_eq!(select(&chains, &other), Some(2));
    }

    #[test]
    fn two_chains_with_one_condition_are_found() {
        let named = |names: &[&str]| ChainMatch {
            server_names: names.iter().map(|name| (*name).into()).collect(),
            ..ChainMatch::default()
        };
        let index = ChainIndex::build(&[named(&["a", "b"]), named(&["c", "b"])]).unwrap();
        assert_eq!(index.duplicate(), Some((0, 1)));
        assert_eq!(
            ChainIndex::build(&[named(&["a"]), named(&["b"])])
                .unwrap()
                .duplicate(),
            None
        );
    }

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        assert!(prefix([10, 0, 0, 0], 8).contains(mapped));
        assert!(Prefix::new("10.0.0.0".parse().unwrap(), 33).is_none());
    }

    proptest::proptest! {
        #[test]
        fn ranges_hold_exactly_the_addresses_that_share_their_bits(a: u32, b: u32, length in 0u8..=32) {
            let range = Prefix::new(IpAddr::V4(a.into()), length).unwrap();
            let same = length == 0 || (a ^ b) >> (32 - length) == 0;
            proptest::prop_assert_eq!(range.contains(IpAddr::V4(b.into())), same);
        }
    }
}
