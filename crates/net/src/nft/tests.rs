use std::process::Command;

use super::*;
use crate::netns::{Link, Namespace};

fn listed(ns: &Namespace) -> String {
    ns.run(|| {
        let output = Command::new("nft").args(["list", "ruleset"]).output()?;
        assert!(output.status.success(), "{output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    })
    .unwrap()
}

fn namespace() -> Option<Namespace> {
    let root = nix::unistd::geteuid().is_root();
    let nft = Command::new("nft").arg("-v").output().is_ok();
    if !root || !nft {
        eprintln!("skipped: needs root and the nft program");
        return None;
    }
    Some(Namespace::create().unwrap())
}

fn commit(ns: &Namespace, batch: Batch) {
    ns.run(|| batch.commit().map_err(io::Error::other)).unwrap();
}

fn nat(hook: Hook, priority: i32) -> Option<Attach> {
    Some(Attach {
        kind: ChainKind::Nat,
        hook,
        priority,
    })
}

#[test]
fn nft_reads_back_a_sidecar_redirection() {
    let Some(ns) = namespace() else { return };
    let table = Table {
        family: Family::Inet,
        name: "mesh".into(),
    };
    let mut batch = Batch::new();
    batch.renew_table(&table);
    batch.add_chain(&table, "output", nat(Hook::Output, DSTNAT));
    batch.add_set(&table, "inbound-except", &SetKind::Set(vec![KeyType::Port]));
    batch.add_elements(
        &table,
        "inbound-except",
        &[Element::key(15020_u16.to_be_bytes().to_vec())],
    );
    for matched in [
        phrase::socket_uid(Cmp::Eq, 1337),
        phrase::socket_gid(Cmp::Eq, 1337),
        phrase::interface(Meta::OutputInterface, Cmp::Eq, "lo"),
    ] {
        let rule = [matched, vec![Expr::Verdict(Verdict::Return)]].concat();
        batch.add_rule(&table, "output", &rule);
    }
    let rule = [
        phrase::l4proto(TCP),
        vec![Expr::Counter],
        phrase::redirect(15001),
    ]
    .concat();
    batch.add_rule(&table, "output", &rule);
    batch.add_chain(&table, "prerouting", nat(Hook::Prerouting, DSTNAT));
    let except = Expr::Lookup {
        set: SetRef::named("inbound-except"),
        key: Register::R0,
        mode: Lookup::NotIn,
    };
    let rule = [
        phrase::l4proto(TCP),
        vec![phrase::load_port(Register::R0), except],
        phrase::redirect(15006),
    ]
    .concat();
    batch.add_rule(&table, "prerouting", &rule);
    commit(&ns, batch);
    let text = listed(&ns);
    for expected in [
        "table inet mesh",
        "meta skuid 1337 return",
        "meta skgid 1337 return",
        "oifname \"lo\" return",
        "meta l4proto tcp counter packets 0 bytes 0 redirect to :15001",
        "tcp dport != @inbound-except redirect to :15006",
        "elements = { 15020 }",
        "type nat hook output priority -100; policy accept;",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn nft_reads_back_service_maps_and_filters() {
    let Some(ns) = namespace() else { return };
    let table = Table {
        family: Family::Ip,
        name: "svc".into(),
    };
    let mut batch = Batch::new();
    batch.renew_table(&table);
    batch.add_chain(&table, "web", None);
    let key = vec![KeyType::Protocol, KeyType::Ipv4, KeyType::Port];
    batch.add_set(&table, "services", &SetKind::VerdictMap(key));
    let goto = Data::Verdict(Verdict::Goto("web".into()));
    let element = Element::map(Element::socket_key(TCP, [10, 96, 0, 1].into(), 443), goto);
    batch.add_elements(&table, "services", &[element]);
    let kind = SetKind::Map(vec![KeyType::Integer], vec![KeyType::Ipv4, KeyType::Port]);
    let value = |last| Data::Value(Element::address_port([10, 244, 0, last].into(), 6443));
    let element = |index: u32, last| Element::map(index.to_ne_bytes().to_vec(), value(last));
    let map = batch.anonymous_set(&table, &kind, &[element(0, 1), element(1, 2)]);
    let lookup = Expr::Lookup {
        set: map,
        key: Register::R0,
        mode: Lookup::Map(Register::R0),
    };
    let number = Expr::RandomNumber {
        to: Register::R0,
        modulus: 2,
    };
    let dnat = Expr::Dnat {
        address: Register::R0,
        port: Some(Register::R1),
    };
    batch.add_rule(
        &table,
        "web",
        &[phrase::l4proto(TCP), vec![number, lookup, dnat]].concat(),
    );
    batch.add_chain(&table, "post", nat(Hook::Postrouting, SRCNAT));
    batch.add_rule(&table, "post", &phrase::snat([10, 244, 0, 1].into()));
    let filter = Attach {
        kind: ChainKind::Filter,
        hook: Hook::Forward,
        priority: 0,
    };
    batch.add_chain(&table, "guard", Some(filter));
    let accept = vec![Expr::Verdict(Verdict::Accept)];
    batch.add_rule(
        &table,
        "guard",
        &[phrase::state(ct_state::ESTABLISHED), accept].concat(),
    );
    let network = phrase::destination(Cmp::Eq, [10, 96, 0, 0].into(), 16);
    let reset = vec![Expr::Reject(Reject::TcpReset)];
    batch.add_rule(
        &table,
        "guard",
        &[phrase::l4proto(TCP), network, reset].concat(),
    );
    commit(&ns, batch);
    let text = listed(&ns);
    for expected in [
        "tcp . 10.96.0.1 . 443 : goto web",
        "dnat ip to numgen random mod 2 map { 0 : 10.244.0.1 . 6443, 1 : 10.244.0.2 . 6443 }",
        "snat to 10.244.0.1",
        "ct state established accept",
        "ip daddr 10.96.0.0/16 reject with tcp reset",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn a_batch_with_a_refused_command_changes_nothing_and_names_it() {
    let Some(ns) = namespace() else { return };
    let table = Table {
        family: Family::Ip,
        name: "t".into(),
    };
    let mut batch = Batch::new();
    batch
        .add_table(&table)
        .add_chain(&table, "c", None)
        .flush_chain(&table, "missing");
    let error = ns
        .run(|| Ok(batch.commit().unwrap_err().to_string()))
        .unwrap();
    assert!(error.contains("flush chain t missing"), "{error}");
    assert_eq!(listed(&ns), "");
}

#[test]
fn namespaces_are_joined_by_point_to_point_links() {
    let Some(here) = namespace() else { return };
    let there = Namespace::create().unwrap();
    here.run(|| {
        Link::named("lo").up()?;
        Link::named("lo").add_address([10, 244, 0, 1].into(), 32)?;
        let veth = Link::veth("v1", "eth0", &there)?;
        veth.up()?;
        Ok(())
    })
    .unwrap();
    there
        .run(|| {
            let eth0 = Link::named("eth0");
            eth0.add_address([10, 244, 0, 2].into(), 32)?;
            eth0.up()?;
            eth0.add_default_route([10, 244, 0, 1].into())?;
            Ok(())
        })
        .unwrap();
    here.run(|| {
        Ok(
            Link::named("v1").add_route(
                [10, 244, 0, 2].into(),
                32,
                Some([10, 244, 0, 1].into()),
            )?,
        )
    })
    .unwrap();
    let server = here
        .run(|| std::net::TcpListener::bind("10.244.0.1:0"))
        .unwrap();
    let address = server.local_addr().unwrap();
    let client = there.run(|| std::net::TcpStream::connect(address)).unwrap();
    let (_, peer) = server.accept().unwrap();
    assert_eq!(peer.ip().to_string(), "10.244.0.2");
    drop(client);
    here.run(|| Ok(Link::named("v1").delete()?)).unwrap();
    assert!(there.run(|| Ok(Link::named("eth0").up()?)).is_err());
}
