//! Names outside the cluster, asked by a pod and answered by a resolver of another network namespace.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::UdpSocket;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use net::netns::{Link, Namespace};
use support::{cluster, pod, shell};

/// A namespace with a resolver that knows `outside.example`, and a socket there that is connected to it.
struct Outside {
    resolver: UdpSocket,
    client: UdpSocket,
}

impl Outside {
    fn new() -> Self {
        let namespace = Namespace::create().unwrap();
        namespace
            .run(|| {
                Link::named("lo").up()?;
                let resolver = UdpSocket::bind("127.0.0.1:0")?;
                let client = UdpSocket::bind("127.0.0.1:0")?;
                client.connect(resolver.local_addr()?)?;
                Ok(Self { resolver, client })
            })
            .unwrap()
    }
}

/// Answers until the socket is closed by `questions` reaching zero.
fn answer(resolver: &UdpSocket, questions: usize) {
    let mut buffer = [0; 1024];
    for _ in 0..questions {
        let (read, peer) = resolver.recv_from(&mut buffer).unwrap();
        let asked = Message::from_vec(&buffer[..read]).unwrap();
        let query = asked.queries[0].clone();
        let mut answer = Message::response(asked.metadata.id, OpCode::Query);
        if query.name().to_ascii() == "outside.example." {
            if query.query_type() == RecordType::A {
                let data = RData::A(A::new(192, 0, 2, 7));
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
        } else {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer.add_query(query);
        resolver.send_to(&answer.to_vec().unwrap(), peer).unwrap();
    }
}

const ASK: &str = "getent ahostsv4 outside.example. | head -1; getent ahostsv4 nowhere.example.; echo code=$?; sleep 100";

#[test]
fn a_pod_resolves_names_that_the_hosts_resolver_knows() {
    cluster(|mut cluster| async move {
        let Outside { resolver, client } = Outside::new();
        cluster.crash();
        cluster.resolvers = vec![client];
        cluster.start().await;
        // One question for each of the two names.
        let answering = std::thread::spawn(move || answer(&resolver, 2));
        let asker = cluster.create(pod("asker", shell(ASK))).await;
        let log = cluster.logged(&asker, "main", "code=").await;
        assert!(log.starts_with("192.0.2.7 "), "{log}");
        assert!(log.ends_with("code=2\n"), "{log}");
        answering.join().unwrap();
    });
}

#[test]
fn without_a_resolver_that_answers_a_pod_hears_so() {
    cluster(|mut cluster| async move {
        let Outside { resolver, client } = Outside::new();
        drop(resolver);
        cluster.crash();
        cluster.resolvers = vec![client];
        cluster.start().await;
        // EAI_AGAIN: the server failed. With a silent server Python would wait for ten seconds and say the same.
        let script = "timeout 4 python3 -c 'import socket\ntry: socket.getaddrinfo(\"outside.example.\", 80, socket.AF_INET)\nexcept socket.gaierror as error: print(\"failed\", error.errno)'; echo code=$?; sleep 100";
        let asker = cluster.create(pod("asker", shell(script))).await;
        let log = cluster.logged(&asker, "main", "code=").await;
        assert_eq!(log, "failed -3\ncode=0\n");
    });
}
