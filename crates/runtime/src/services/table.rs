//! The nftables table behind service addresses. One chain per frontend and endpoint set; a change
//! touches only what differs, in one transaction.

use std::net::Ipv4Addr;

use net::nft::{
    Attach, Batch, ChainKind, Cmp, DSTNAT, Data, Element, Expr, Family, Hook, KeyType, Lookup,
    Meta, NftError, Register, Reject, SRCNAT, SetKind, SetRef, TCP, Table, Verdict, phrase,
};

use super::{Frontend, Routes};

/// Addresses that the table depends on.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) node_ip: Ipv4Addr,
    pub(crate) service_cidr: (Ipv4Addr, u8),
    pub(crate) dns_ip: Ipv4Addr,
}

const SERVICES: &str = "services";
const HAIRPIN: &str = "hairpin";

fn table() -> Table {
    Table {
        family: Family::Ip,
        name: "ferromesh-services".into(),
    }
}

/// Makes the table anew with these routes. What an earlier node left works until that moment.
pub(crate) fn install(network: &Network, routes: &Routes) -> Result<(), NftError> {
    let table = table();
    let mut batch = Batch::new();
    batch.renew_table(&table);
    base(&mut batch, &table, network);
    change(&mut batch, &table, &Routes::new(), routes);
    batch.commit()
}

fn base(batch: &mut Batch, table: &Table, network: &Network) {
    let key = vec![KeyType::Protocol, KeyType::Ipv4, KeyType::Port];
    batch.add_set(table, SERVICES, &SetKind::VerdictMap(key));
    batch.add_set(
        table,
        HAIRPIN,
        &SetKind::Set(vec![KeyType::Ipv4, KeyType::Ipv4]),
    );
    for (name, hook) in [("prerouting", Hook::Prerouting), ("output", Hook::Output)] {
        batch.add_chain(
            table,
            name,
            Some(Attach {
                kind: ChainKind::Nat,
                hook,
                priority: DSTNAT,
            }),
        );
        batch.add_rule(table, name, &dispatch());
    }
    postrouting(batch, table, network);
    // After translation: what still goes to a service address has no endpoint.
    let guards = [
        ("guard-prerouting", Hook::Prerouting),
        ("guard-output", Hook::Output),
    ];
    for (name, hook) in guards {
        batch.add_chain(
            table,
            name,
            Some(Attach {
                kind: ChainKind::Filter,
                hook,
                priority: DSTNAT + 10,
            }),
        );
        let (address, prefix) = network.service_cidr;
        let to_service = || {
            let mut matched = phrase::destination(Cmp::Eq, address, prefix);
            matched.extend(phrase::destination(Cmp::Ne, network.dns_ip, 32));
            matched
        };
        let reset = [
            phrase::l4proto(TCP),
            to_service(),
            vec![Expr::Reject(Reject::TcpReset)],
        ]
        .concat();
        batch.add_rule(table, name, &reset);
        batch.add_rule(
            table,
            name,
            &[to_service(), vec![Expr::Reject(Reject::PortUnreachable)]].concat(),
        );
    }
}

/// `meta l4proto . ip daddr . th dport vmap @services`
fn dispatch() -> Vec<Expr> {
    vec![
        Expr::Meta {
            key: Meta::L4Proto,
            to: Register::R0,
        },
        phrase::load_destination(Register::R1),
        phrase::load_port(Register::R2),
        Expr::Lookup {
            set: SetRef::named(SERVICES),
            key: Register::R0,
            mode: Lookup::Verdict,
        },
    ]
}

/// A pod that reaches itself through a service must see another source than itself.
fn postrouting(batch: &mut Batch, table: &Table, network: &Network) {
    let attach = Attach {
        kind: ChainKind::Nat,
        hook: Hook::Postrouting,
        priority: SRCNAT,
    };
    batch.add_chain(table, "postrouting", Some(attach));
    let pair = vec![
        phrase::load_source(Register::R0),
        phrase::load_destination(Register::R1),
        Expr::Lookup {
            set: SetRef::named(HAIRPIN),
            key: Register::R0,
            mode: Lookup::In,
        },
    ];
    batch.add_rule(
        table,
        "postrouting",
        &[pair, phrase::snat(network.node_ip)].concat(),
    );
}

/// Brings the kernel from `old` to `new` at once.
pub(crate) fn update(old: &Routes, new: &Routes) -> Result<(), NftError> {
    let mut batch = Batch::new();
    change(&mut batch, &table(), old, new);
    batch.commit()
}

fn change(batch: &mut Batch, table: &Table, old: &Routes, new: &Routes) {
    let element = |frontend: &Frontend| {
        let Frontend {
            protocol,
            address,
            port,
        } = *frontend;
        let verdict = Verdict::Goto(chain(frontend));
        Element::map(
            Element::socket_key(protocol, address, port),
            Data::Verdict(verdict),
        )
    };
    let gone: Vec<_> = old
        .keys()
        .filter(|frontend| !new.contains_key(frontend))
        .collect();
    let removed: Vec<_> = gone
        .iter()
        .map(|frontend| Element::key(element(frontend).key))
        .collect();
    batch.delete_elements(table, SERVICES, &removed);
    for frontend in gone {
        batch
            .flush_chain(table, &chain(frontend))
            .delete_chain(table, &chain(frontend));
    }
    let mut added = Vec::new();
    for (frontend, backends) in new {
        match old.get(frontend) {
            Some(before) if before == backends => continue,
            Some(_) => _ = batch.flush_chain(table, &chain(frontend)),
            None => {
                batch.add_chain(table, &chain(frontend), None);
                added.push(element(frontend));
            }
        }
        balance(batch, table, frontend, backends);
    }
    batch.add_elements(table, SERVICES, &added);
    hairpins(batch, table, old, new);
}

/// `dnat to numgen random mod <n> map { … }`
fn balance(batch: &mut Batch, table: &Table, frontend: &Frontend, backends: &[(Ipv4Addr, u16)]) {
    let kind = SetKind::Map(vec![KeyType::Integer], vec![KeyType::Ipv4, KeyType::Port]);
    let elements: Vec<_> = (0_u32..)
        .zip(backends)
        .map(|(index, (address, port))| {
            let value = Data::Value(Element::address_port(*address, *port));
            Element::map(index.to_ne_bytes().to_vec(), value)
        })
        .collect();
    let modulus = u32::try_from(elements.len()).unwrap_or(u32::MAX);
    let map = batch.anonymous_set(table, &kind, &elements);
    let translate = vec![
        Expr::RandomNumber {
            to: Register::R0,
            modulus,
        },
        Expr::Lookup {
            set: map,
            key: Register::R0,
            mode: Lookup::Map(Register::R0),
        },
        Expr::Dnat {
            address: Register::R0,
            port: Some(Register::R1),
        },
    ];
    batch.add_rule(
        table,
        &chain(frontend),
        &[phrase::l4proto(frontend.protocol), translate].concat(),
    );
}

fn hairpins(batch: &mut Batch, table: &Table, old: &Routes, new: &Routes) {
    let pairs = |routes: &Routes| -> std::collections::BTreeSet<Ipv4Addr> {
        routes
            .values()
            .flatten()
            .map(|(address, _)| *address)
            .collect()
    };
    let element = |address: &Ipv4Addr| Element::key([address.octets(), address.octets()].concat());
    let (before, after) = (pairs(old), pairs(new));
    let removed: Vec<_> = before.difference(&after).map(element).collect();
    let added: Vec<_> = after.difference(&before).map(element).collect();
    batch
        .delete_elements(table, HAIRPIN, &removed)
        .add_elements(table, HAIRPIN, &added);
}

fn chain(frontend: &Frontend) -> String {
    let protocol = if frontend.protocol == TCP {
        "tcp"
    } else {
        "udp"
    };
    format!("{protocol}-{}-{}", frontend.address, frontend.port)
}
