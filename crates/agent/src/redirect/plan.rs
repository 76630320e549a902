//! Flags → rules.

use std::fmt;
use std::net::Ipv4Addr;

use crate::inject::parse_cidr;

/// What `istio-init` was told; names and defaults are `istio-iptables`'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    pub outbound_port: u16,
    pub inbound_port: u16,
    pub proxy_uid: u32,
    pub proxy_gid: u32,
    /// `*` or a list; empty captures nothing.
    pub inbound_ports: String,
    pub inbound_exclude: String,
    /// `*` or a list; empty captures nothing.
    pub outbound_cidrs: String,
    pub outbound_cidrs_exclude: String,
    /// Captured whatever their address.
    pub outbound_ports: String,
    pub outbound_exclude: String,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            outbound_port: 15001,
            inbound_port: 15006,
            proxy_uid: 1337,
            proxy_gid: 1337,
            inbound_ports: "*".into(),
            inbound_exclude: "15090,15021,15020".into(),
            outbound_cidrs: "*".into(),
            outbound_cidrs_exclude: String::new(),
            outbound_ports: String::new(),
            outbound_exclude: String::new(),
        }
    }
}

/// A flag that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--{flag}: {value:?} is not {expected}")]
pub struct BadFlag {
    pub flag: &'static str,
    pub value: String,
    pub expected: &'static str,
}

/// Which hook a rule belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// `prerouting`: what arrives at the pod.
    Inbound,
    /// `output`: what the pod sends.
    Outbound,
}

/// One condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Loopback,
    Uid(u32),
    NotUid(u32),
    Gid(u32),
    NotGid(u32),
    Source(Ipv4Addr, u8),
    Destination(Ipv4Addr, u8),
    NotDestination(Ipv4Addr, u8),
    Port(u16),
    NotPort(u16),
}

/// What happens to a packet that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Left alone; no later rule is asked.
    Return,
    Redirect(u16),
}

/// One rule; it speaks of TCP only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub chain: Chain,
    pub matches: Vec<Match>,
    pub verdict: Verdict,
}

/// Rules in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub rules: Vec<Rule>,
}

const LOCALHOST: Match = Match::Destination(Ipv4Addr::LOCALHOST, 32);
/// The proxy's own source address towards the application (Istio `InboundPassthroughBindIpv4`).
const PASSTHROUGH: Match = Match::Source(Ipv4Addr::new(127, 0, 0, 6), 32);
const HBONE: u16 = 15008;

/// Makes the plan.
pub fn plan(flags: &Flags) -> Result<Plan, BadFlag> {
    let mut rules = Vec::new();
    let mut add = |chain, matches: &[Match], verdict| {
        rules.push(Rule {
            chain,
            matches: matches.to_vec(),
            verdict,
        });
    };
    inbound(flags, &mut add)?;
    outbound(flags, &mut add)?;
    Ok(Plan { rules })
}

fn inbound(flags: &Flags, add: &mut dyn FnMut(Chain, &[Match], Verdict)) -> Result<(), BadFlag> {
    let redirect = Verdict::Redirect(flags.inbound_port);
    add(Chain::Inbound, &[Match::Port(HBONE)], Verdict::Return);
    if flags.inbound_ports == "*" {
        for port in ports("istio-local-exclude-ports", &flags.inbound_exclude)? {
            add(Chain::Inbound, &[Match::Port(port)], Verdict::Return);
        }
        add(Chain::Inbound, &[], redirect);
    } else {
        for port in ports("istio-inbound-ports", &flags.inbound_ports)? {
            add(Chain::Inbound, &[Match::Port(port)], redirect);
        }
    }
    Ok(())
}

fn outbound(flags: &Flags, add: &mut dyn FnMut(Chain, &[Match], Verdict)) -> Result<(), BadFlag> {
    let redirect = Verdict::Redirect(flags.outbound_port);
    let (uid, gid) = (flags.proxy_uid, flags.proxy_gid);
    let not_local = Match::NotDestination(Ipv4Addr::LOCALHOST, 32);
    add(
        Chain::Outbound,
        &[Match::Loopback, PASSTHROUGH],
        Verdict::Return,
    );
    // The application calling itself by its service address comes back as the proxy's own connection
    // to the pod's address: it enters by the inbound listener, like anybody's call.
    for (is, is_not) in [
        (Match::Uid(uid), Match::NotUid(uid)),
        (Match::Gid(gid), Match::NotGid(gid)),
    ] {
        add(
            Chain::Outbound,
            &[Match::Loopback, not_local, Match::NotPort(HBONE), is],
            Verdict::Redirect(flags.inbound_port),
        );
        add(Chain::Outbound, &[Match::Loopback, is_not], Verdict::Return);
        add(Chain::Outbound, &[is], Verdict::Return);
    }
    add(Chain::Outbound, &[LOCALHOST], Verdict::Return);
    for port in ports(
        "istio-local-outbound-ports-exclude",
        &flags.outbound_exclude,
    )? {
        add(Chain::Outbound, &[Match::Port(port)], Verdict::Return);
    }
    for (ip, prefix) in cidrs("istio-service-exclude-cidr", &flags.outbound_cidrs_exclude)? {
        add(
            Chain::Outbound,
            &[Match::Destination(ip, prefix)],
            Verdict::Return,
        );
    }
    for port in ports("istio-outbound-ports", &flags.outbound_ports)? {
        add(Chain::Outbound, &[Match::Port(port)], redirect);
    }
    if flags.outbound_cidrs == "*" {
        add(Chain::Outbound, &[], redirect);
    } else {
        for (ip, prefix) in cidrs("istio-service-cidr", &flags.outbound_cidrs)? {
            add(Chain::Outbound, &[Match::Destination(ip, prefix)], redirect);
        }
    }
    Ok(())
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn ports(flag: &'static str, list: &str) -> Result<Vec<u16>, BadFlag> {
    items(list)
        .map(|item| {
            item.parse::<u16>()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| BadFlag {
                    flag,
                    value: item.into(),
                    expected: "a port (1-65535)",
                })
        })
        .collect()
}

fn cidrs(flag: &'static str, list: &str) -> Result<Vec<(Ipv4Addr, u8)>, BadFlag> {
    items(list)
        .map(|item| {
            parse_cidr(item).ok_or_else(|| BadFlag {
                flag,
                value: item.into(),
                expected: "an IPv4 block such as 10.0.0.0/8",
            })
        })
        .collect()
}

/// The plan in nft's own syntax, for people and golden tests.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table ip ferromesh {{")?;
        for (chain, hook, priority) in [
            (Chain::Inbound, "prerouting", "dstnat"),
            (Chain::Outbound, "output", "-100"),
        ] {
            writeln!(f, "\tchain {hook} {{")?;
            writeln!(
                f,
                "\t\ttype nat hook {hook} priority {priority}; policy accept;"
            )?;
            for rule in self.rules.iter().filter(|rule| rule.chain == chain) {
                writeln!(f, "\t\t{rule}")?;
            }
            writeln!(f, "\t}}")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("meta l4proto tcp")?;
        for condition in &self.matches {
            match condition {
                Match::Loopback => write!(f, " oifname \"lo\"")?,
                Match::Uid(uid) => write!(f, " meta skuid {uid}")?,
                Match::NotUid(uid) => write!(f, " meta skuid != {uid}")?,
                Match::Gid(gid) => write!(f, " meta skgid {gid}")?,
                Match::NotGid(gid) => write!(f, " meta skgid != {gid}")?,
                Match::Source(ip, prefix) => write!(f, " ip saddr {ip}/{prefix}")?,
                Match::Destination(ip, prefix) => write!(f, " ip daddr {ip}/{prefix}")?,
                Match::NotDestination(ip, prefix) => write!(f, " ip daddr != {ip}/{prefix}")?,
                Match::Port(port) => write!(f, " tcp dport {port}")?,
                Match::NotPort(port) => write!(f, " tcp dport != {port}")?,
            }
        }
        match self.verdict {
            Verdict::Return => f.write_str(" return"),
            Verdict::Redirect(port) => write!(f, " redirect to :{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_plan_is_istios() {
        insta::assert_snapshot!(plan(&Flags::default()).unwrap());
    }

    #[test]
    fn lists_narrow_what_is_captured() {
        let flags = Flags {
            inbound_ports: "8080,9090".into(),
            outbound_cidrs: "10.0.0.0/8".into(),
            outbound_cidrs_exclude: "10.1.0.0/16".into(),
            outbound_exclude: "3306".into(),
            outbound_ports: "443".into(),
            ..Flags::default()
        };
        insta::assert_snapshot!(plan(&flags).unwrap());
    }

    #[test]
    fn a_bad_flag_is_named() {
        let flags = Flags {
            outbound_exclude: "1,seventy".into(),
            ..Flags::default()
        };
        let error = plan(&flags).unwrap_err();
        assert_eq!(error.flag, "istio-local-outbound-ports-exclude");
        assert_eq!(error.value, "seventy");
    }
}
