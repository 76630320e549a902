//! What the agent does for a proxy of either engine, seen from outside: it waits for connections at the end,
//! and lets nothing listen before there is a certificate.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent::admin::Admin;
use agent::drain::{Drained, drain};
use net::netns::{Link, Namespace};
use serde_json::json;

const FERROMESH: &str = env!("CARGO_BIN_EXE_ferromesh");
const PROXY: &str = env!("CARGO_BIN_EXE_ferromesh-proxy");

/// Ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn engines() -> Vec<(&'static str, Vec<PathBuf>)> {
    let mut engines = vec![("ferromesh", vec![PathBuf::from(PROXY), "-c".into()])];
    if let Some(envoy) = testkit::peer("envoy") {
        // As the agent starts it: else Envoy closes connections little by little over its drain time.
        let arguments = [
            "--disable-hot-restart",
            "--drain-strategy",
            "immediate",
            "-c",
        ];
        let mut command = vec![envoy];
        command.extend(arguments.map(PathBuf::from));
        engines.push(("envoy", command));
    }
    engines
}

/// A proxy with one listener in front of `upstream`; its admin port and the listener's.
fn start(command: &[PathBuf], directory: &Path, upstream: SocketAddr) -> (Program, u16, u16) {
    let (admin, listen) = (testkit::free_port(), testkit::free_port());
    let address =
        |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let bootstrap = json!({
        "admin": {"address": address(admin)},
        "static_resources": {
            "clusters": [{
                "name": "slow", "type": "STATIC", "connect_timeout": "1s",
                "load_assignment": {"cluster_name": "slow", "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": address(upstream.port())}}]}]},
            }],
            "listeners": [{
                "name": "edge", "address": address(listen),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "edge",
                        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
                            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "slow", "timeout": "0s"}}]}]},
                        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
                    },
                }]}],
            }],
        },
    });
    let file = directory.join("bootstrap.json");
    std::fs::write(&file, bootstrap.to_string()).unwrap();
    let child = Command::new(&command[0])
        .args(&command[1..])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(directory.join("log")).unwrap())
        .spawn()
        .unwrap();
    (Program(child), admin, listen)
}

fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A request that has reached the upstream and is not answered yet.
fn in_flight(listen: u16, upstream: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = eventually("the proxy listens", || {
        TcpStream::connect(("127.0.0.1", listen)).ok()
    });
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let (mut server, _) = upstream.accept().unwrap();
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    while !seen.ends_with(b"\r\n\r\n") {
        let read = server.read(&mut chunk).unwrap();
        assert!(read > 0, "the proxy left");
        seen.extend_from_slice(&chunk[..read]);
    }
    (client, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_waits_for_the_request_under_way_and_no_longer() {
    for (engine, command) in engines() {
        let directory = tempfile::tempdir().unwrap();
        let upstream = testkit::listener();
        let address = upstream.local_addr().unwrap();
        let (_proxy, port, listen) = start(&command, directory.path(), address);
        let (mut client, mut server) = in_flight(listen, &upstream);
        let admin = Admin::local(port);
        // What the drain begins with; a second time changes nothing.
        let begin = "/drain_listeners?graceful&skip_exit";
        admin.call(http::Method::POST, begin).await.unwrap();
        let draining = tokio::spawn({
            let admin = admin.clone();
            async move { drain(&admin, Duration::from_secs(60)).await }
        });
        assert_eq!(admin.active_connections().await, Ok(1), "{engine}");
        assert!(!draining.is_finished(), "{engine}");
        server
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .unwrap();
        let mut answer = String::new();
        // To the end: the proxy closes, as it is draining.
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{engine}: {answer}");
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{engine}: {answer}"
        );
        assert_eq!(draining.await.unwrap(), Drained::Empty, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_ends_with_its_time_and_says_what_is_cut() {
    for (engine, command) in engines() {
        let directory = tempfile::tempdir().unwrap();
        let upstream = testkit::listener();
        let address = upstream.local_addr().unwrap();
        let (_proxy, port, listen) = start(&command, directory.path(), address);
        let (_client, _server) = in_flight(listen, &upstream);
        let drained = drain(&Admin::local(port), Duration::from_millis(500)).await;
        assert_eq!(drained, Drained::Cut { open: 1 }, "{engine}");
    }
}

/// With a CA that cannot be reached: the agent says so on its own port, and neither the admin interface nor
/// any listener of the engine is open.
#[test]
fn nothing_listens_before_there_is_a_certificate() {
    if !nix::unistd::geteuid().is_root() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "root is needed in CI"
        );
        testkit::skipped("needs root");
        return;
    }
    let Some(envoy) = testkit::peer("envoy") else {
        return;
    };
    for engine in ["ferromesh", "envoy"] {
        let namespace = Namespace::create().unwrap();
        namespace.run(|| Ok(Link::named("lo").up()?)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let authority = testkit::pki::Authority::root("mesh");
        let (root, token) = (
            directory.path().join("root.pem"),
            directory.path().join("token"),
        );
        std::fs::write(&root, &authority.pem).unwrap();
        std::fs::write(&token, "token").unwrap();
        let mut command = Command::new(FERROMESH);
        command
            .args(["agent", "sidecar", "--engine", engine, "--config-dir"])
            .arg(directory.path())
            .arg("--state-dir")
            .arg(directory.path())
            .arg("--root-cert")
            .arg(&root)
            .arg("--token")
            .arg(&token)
            .envs([
                ("POD_NAME", "a-1"),
                ("POD_NAMESPACE", "shop"),
                ("INSTANCE_IP", "127.0.0.1"),
            ])
            .env("CA_ADDR", "127.0.0.1:15012")
            .env("FERROMESH_ENVOY", &envoy)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let _agent = Program(namespace.run(|| command.spawn()).unwrap());
        let curl = |url: &str| {
            let output = namespace
                .run(|| {
                    Command::new("curl")
                        .args(["-s", "-m", "5", "-w", "\n%{http_code}", url])
                        .output()
                })
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let said = eventually("the agent says why it is not ready", || {
            let said = curl("http://127.0.0.1:15020/healthz/ready");
            said.ends_with("503").then_some(said)
        });
        assert!(said.contains("no certificate"), "{engine}: {said}");
        for port in [15000, 15001, 15006, 15021, 15090] {
            let said = curl(&format!("http://127.0.0.1:{port}/"));
            assert!(
                said.ends_with("000"),
                "{engine}: port {port} is open: {said}"
            );
        }
        let modes = ["SDS", "XDS"].map(|name| {
            use std::os::unix::fs::PermissionsExt;
            let file = std::fs::metadata(directory.path().join(name)).unwrap();
            file.permissions().mode() & 0o777
        });
        assert_eq!(modes, [0o600, 0o600], "{engine}");
    }
}
