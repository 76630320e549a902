//! A plan → the kernel, in the calling thread's network namespace.

use net::nft::{
    Attach, Batch, ChainKind, Cmp, DSTNAT, Expr, Family, Hook, Meta, NftError, Register, TCP,
    Table, Verdict as NftVerdict, phrase,
};

use super::plan::{Chain, Match, Plan, Rule, Verdict};

const TABLE: &str = "ferromesh";

fn table() -> Table {
    Table {
        family: Family::Ip,
        name: TABLE.into(),
    }
}

/// Puts the plan in force, replacing an earlier one, atomically.
pub fn apply(plan: &Plan) -> Result<(), NftError> {
    let table = table();
    let mut batch = Batch::new();
    batch.renew_table(&table);
    for (chain, hook) in [
        (Chain::Inbound, Hook::Prerouting),
        (Chain::Outbound, Hook::Output),
    ] {
        let attach = Attach {
            kind: ChainKind::Nat,
            hook,
            priority: DSTNAT,
        };
        batch.add_chain(&table, chain_name(chain), Some(attach));
    }
    for rule in &plan.rules {
        batch.add_rule(&table, chain_name(rule.chain), &expressions(rule));
    }
    batch.commit()
}

fn chain_name(chain: Chain) -> &'static str {
    match chain {
        Chain::Inbound => "prerouting",
        Chain::Outbound => "output",
    }
}

fn expressions(rule: &Rule) -> Vec<Expr> {
    let mut list = phrase::l4proto(TCP);
    for condition in &rule.matches {
        list.extend(match *condition {
            Match::Loopback => phrase::interface(Meta::OutputInterface, Cmp::Eq, "lo"),
            Match::Uid(uid) => phrase::socket_uid(Cmp::Eq, uid),
            Match::NotUid(uid) => phrase::socket_uid(Cmp::Ne, uid),
            Match::Gid(gid) => phrase::socket_gid(Cmp::Eq, gid),
            Match::NotGid(gid) => phrase::socket_gid(Cmp::Ne, gid),
            Match::Source(ip, prefix) => source(ip, prefix),
            Match::Destination(ip, prefix) => phrase::destination(Cmp::Eq, ip, prefix),
            Match::NotDestination(ip, prefix) => phrase::destination(Cmp::Ne, ip, prefix),
            Match::Port(port) => phrase::port(Cmp::Eq, port),
            Match::NotPort(port) => phrase::port(Cmp::Ne, port),
        });
    }
    match rule.verdict {
        Verdict::Return => list.push(Expr::Verdict(NftVerdict::Return)),
        Verdict::Redirect(port) => list.extend(phrase::redirect(port)),
    }
    list
}

fn source(ip: std::net::Ipv4Addr, prefix: u8) -> Vec<Expr> {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let register = Register::R0;
    vec![
        phrase::load_source(register),
        Expr::Bitwise {
            from: register,
            to: register,
            mask: mask.to_be_bytes().to_vec(),
            xor: vec![0; 4],
        },
        Expr::Compare {
            from: register,
            op: Cmp::Eq,
            value: (u32::from(ip) & mask).to_be_bytes().to_vec(),
        },
    ]
}
