//! No request fails while the mesh changes: 1,000 requests a second through a gateway of each engine, on one
//! control plane whose routes, subsets, endpoints and certificates change every 100 ms, in every order.
//!
//! Ours must fail none. What stock Envoy fails is printed beside it.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod backends;
mod gateways;
mod load;
mod mesh;
mod script;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use backends::Backends;
use gateways::{Gateway, control_plane};
use load::{Outcome, Target};
use mesh::Mesh;
use script::{Ports, Script};

const RATE: u32 = 1_000;
const CHANGE: Duration = Duration::from_millis(100);

/// 10 s, or a minute where there is time (`cargo xtask test --long`).
fn seconds() -> usize {
    let long = std::env::var_os("FERROMESH_LONG").is_some_and(|value| value == "1");
    if long { 60 } else { 10 }
}

fn ports(name: &'static str) -> Ports {
    Ports {
        name,
        plain: testkit::free_port(),
        secure: testkit::free_port(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_everything_changes() {
    net::tls::install_provider();
    let directory = tempfile::tempdir().unwrap();
    let envoy = testkit::peer("envoy");
    let (mesh, snapshots) = Mesh::new();
    let answers = control_plane(snapshots, directory.path());
    let (publish, material) = watch::channel(None);
    let all = [ports("ours"), ports("envoy")];
    let mut script = Script::begin(mesh, Backends::new(), &all, publish).await;
    let mut gateways = vec![Arc::new(Gateway::ours(directory.path(), material.clone()))];
    if let Some(program) = &envoy {
        gateways.push(Arc::new(Gateway::envoy(
            program,
            directory.path(),
            material,
        )));
    }
    let mut outcomes = Vec::new();
    for (ports, _) in all.iter().zip(&gateways) {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let target = Target {
            plain: address(ports.plain),
            secure: address(ports.secure),
            roots: script.edge_roots(),
        };
        serves(&target, directory.path()).await;
        let outcome = under_change(&mut script, &gateways, &target).await;
        outcome.print(ports.name);
        outcomes.push(outcome);
    }
    let renewed = script.client_certificates();
    let served = script.served();
    println!("{served} requests served; workload certificates seen by servers: {renewed}");
    script.end().await;
    for gateway in gateways {
        Arc::into_inner(gateway).unwrap().stop();
    }
    {
        let answers = answers.lock().unwrap();
        println!("acknowledged: {:?}", answers.accepted);
        assert!(
            answers.refused.is_empty(),
            "refused: {:#?}",
            answers.refused
        );
    }
    let ours = &outcomes[0];
    assert_eq!(ours.requests, seconds() * RATE as usize);
    assert_eq!(ours.failed, 0, "{:#?}", ours.failures);
    // That the changes arrived while it ran.
    assert!(ours.steps.len() >= seconds(), "{:?}", ours.steps);
    assert!(ours.certificates.len() >= 2, "{:?}", ours.certificates);
    assert_eq!(ours.versions.len(), 3, "{:?}", ours.versions);
    assert!(renewed >= 2, "{renewed} workload certificates");
}

/// Waits until the gateway serves both listeners.
async fn serves(target: &Target, directory: &Path) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let outcome = load::run(target, 100, 4).await;
        if outcome.failed == 0 {
            return;
        }
        let log = directory.join("envoy.log");
        assert!(
            tokio::time::Instant::now() < deadline,
            "{:#?}\n{}",
            outcome.failures,
            std::fs::read_to_string(log).unwrap_or_default()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn under_change(script: &mut Script, gateways: &[Arc<Gateway>], target: &Target) -> Outcome {
    let target = target.clone();
    // A task of its own: making changes must not hold up the clock of the requests.
    let mut load =
        tokio::spawn(async move { load::run(&target, RATE, seconds() * RATE as usize).await });
    let mut clock = tokio::time::interval(CHANGE);
    loop {
        tokio::select! {
            outcome = &mut load => return outcome.unwrap(),
            _ = clock.tick() => script.next(gateways).await,
        }
    }
}
