//! The redirection plan in a real kernel, in a network namespace of the test's own.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use agent::redirect::{Flags, apply, plan};
use net::netns::{Link, Namespace};

fn namespace() -> Option<Namespace> {
    match Namespace::create() {
        Ok(namespace) => Some(namespace),
        Err(error) if std::env::var("CI").as_deref() == Ok("true") => {
            panic!("root is needed in CI: {error}")
        }
        Err(error) => {
            testkit::skipped(&format!(
                "no network namespace can be made ({error}); run as root"
            ));
            None
        }
    }
}

fn echo_name(listener: TcpListener, name: &'static str) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let local = stream.local_addr().unwrap();
            let original = net::socket::original_dst(&stream, local)
                .map_or_else(|_| "none".to_owned(), |address| address.to_string());
            let _ = stream.write_all(format!("{name} {original}").as_bytes());
        }
    });
}

fn ask(address: &str) -> std::io::Result<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut text = String::new();
    TcpStream::connect_timeout(&address, std::time::Duration::from_secs(2))?
        .read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn outbound_goes_to_the_proxy_which_learns_the_original_destination() {
    let Some(namespace) = namespace() else { return };
    namespace
        .run(|| {
            let lo = Link::named("lo");
            lo.up().unwrap();
            lo.add_address("10.1.2.3".parse().unwrap(), 32).unwrap();
            echo_name(TcpListener::bind("0.0.0.0:15001")?, "outbound");
            echo_name(TcpListener::bind("0.0.0.0:15006")?, "inbound");
            echo_name(TcpListener::bind("0.0.0.0:8080")?, "application");
            let flags = Flags {
                // This test is the application: it has neither the proxy's user nor its group.
                outbound_cidrs: "10.9.0.0/16".into(),
                ..Flags::default()
            };
            apply(&plan(&flags).unwrap()).unwrap();
            // Twice: applying again replaces.
            apply(&plan(&flags).unwrap()).unwrap();
            // To itself, over loopback, an application is left alone.
            assert_eq!(ask("127.0.0.1:8080")?, "application 127.0.0.1:8080");
            assert_eq!(ask("10.1.2.3:8080")?, "application 10.1.2.3:8080");
            Ok(())
        })
        .unwrap();
}

#[test]
fn traffic_through_a_veth_is_captured_both_ways() {
    let (Some(pod), Some(peer)) = (namespace(), namespace()) else {
        return;
    };
    let (pod_ip, peer_ip) = ("10.7.0.2".parse().unwrap(), "10.7.0.1".parse().unwrap());
    peer.run(|| {
        let link = Link::veth("p0", "eth0", &pod).unwrap();
        link.add_address(peer_ip, 24).unwrap();
        link.up().unwrap();
        echo_name(TcpListener::bind("10.7.0.1:9000")?, "server");
        Ok(())
    })
    .unwrap();
    pod.run(|| {
        Link::named("lo").up().unwrap();
        let link = Link::named("eth0");
        link.add_address(pod_ip, 24).unwrap();
        link.up().unwrap();
        echo_name(TcpListener::bind("0.0.0.0:15001")?, "outbound");
        echo_name(TcpListener::bind("0.0.0.0:15006")?, "inbound");
        echo_name(TcpListener::bind("0.0.0.0:15021")?, "readiness");
        let flags = Flags {
            outbound_exclude: "9001".into(),
            ..Flags::default()
        };
        apply(&plan(&flags).unwrap()).unwrap();
        assert_eq!(ask("10.7.0.1:9000")?, "outbound 10.7.0.1:9000");
        assert!(
            ask("10.7.0.1:9001").is_err(),
            "an excluded port must not be captured"
        );
        Ok(())
    })
    .unwrap();
    peer.run(|| {
        assert_eq!(ask("10.7.0.2:8080")?, "inbound 10.7.0.2:8080");
        assert_eq!(ask("10.7.0.2:15021")?, "readiness 10.7.0.2:15021");
        Ok(())
    })
    .unwrap();
}
