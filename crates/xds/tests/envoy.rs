//! A conversation with stock Envoy, in both forms: it accepts all that is sent, and exactly what changed is sent.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::TcpListenerStream;
use xds::json::Pool;
use xds::server::{AdsOptions, ConnId, ConnInfo, Event, Form, Planner, ads_service};
use xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET};
use xds::{Resource, View};

/// No step of the conversation takes longer on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Serves the newest view to whoever connects, and reports what happens.
struct OneView {
    views: Mutex<watch::Sender<Arc<View>>>,
    events: mpsc::UnboundedSender<Event>,
}

#[async_trait]
impl Planner for OneView {
    async fn connect(&self, conn: ConnInfo) -> Result<watch::Receiver<Arc<View>>, tonic::Status> {
        assert_eq!(conn.node.id, "test-node");
        Ok(self.views.lock().unwrap().subscribe())
    }

    fn event(&self, _: ConnId, event: Event) {
        let _ = self.events.send(event);
    }

    fn closed(&self, _: ConnId) {}
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Conversation {
    form: Form,
    planner: Arc<OneView>,
    events: mpsc::UnboundedReceiver<Event>,
    admin: String,
    pool: Pool,
    _envoy: Killed,
    _dir: tempfile::TempDir,
}

impl Conversation {
    async fn start(envoy: &PathBuf, form: Form) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let planner = Arc::new(OneView {
            views: Mutex::new(watch::channel(Arc::default()).0),
            events: sender,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = ads_service(
            Arc::clone(&planner) as Arc<dyn Planner>,
            AdsOptions::default(),
        );
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

        let dir = tempfile::tempdir().unwrap();
        let address_file = dir.path().join("admin");
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(envoy)
            .args([
                "--config-yaml",
                &bootstrap(form, port).to_string(),
                "--concurrency",
                "1",
            ])
            .args([
                "--disable-hot-restart",
                "--log-level",
                "warning",
                "--admin-address-path",
            ])
            .arg(&address_file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let envoy = Killed(child);
        let admin = eventually("the admin address", async || {
            std::fs::read_to_string(&address_file).ok()
        })
        .await;
        Self {
            form,
            planner,
            events,
            admin,
            pool: Pool::pruned(),
            _envoy: envoy,
            _dir: dir,
        }
    }

    fn show(&self, view: &Arc<View>) {
        self.planner
            .views
            .lock()
            .unwrap()
            .send_replace(Arc::clone(view));
    }

    /// Ends the stream; Envoy connects again.
    fn cut(&self) {
        let mut views = self.planner.views.lock().unwrap();
        let view = Arc::clone(&views.borrow());
        *views = watch::channel(view).0;
    }

    /// Waits until exactly these responses were sent, in this order, and all of them acknowledged.
    async fn exchange(&mut self, sotw: &[&str], delta: &[&str]) {
        let expected = if self.form == Form::Delta {
            delta
        } else {
            sotw
        };
        let mut sent = Vec::new();
        let mut open: Vec<String> = Vec::new();
        while sent.len() < expected.len() || !open.is_empty() {
            let event = tokio::time::timeout(LIMIT, self.events.recv()).await;
            let Ok(Some(event)) = event else {
                panic!(
                    "{:?}: expected {expected:?}, sent {sent:?}, not acknowledged {open:?}",
                    self.form
                );
            };
            match event {
                Event::Sent {
                    type_url,
                    nonce,
                    resources,
                    removed,
                } => {
                    let mut line = short(&type_url).to_owned();
                    resources
                        .iter()
                        .for_each(|resource| line.extend([" ", &*resource.name]));
                    removed.iter().for_each(|name| line.extend([" -", &**name]));
                    sent.push(line);
                    open.push(nonce);
                }
                Event::Ack { nonce, .. } => {
                    open.retain(|other| *other != nonce);
                }
                Event::Nack {
                    type_url, message, ..
                } => panic!("{:?}: NACK of {type_url}: {message}", self.form),
                Event::Subscribed { .. } => {}
            }
            assert!(
                expected.starts_with(&sent.iter().map(String::as_str).collect::<Vec<_>>()),
                "{:?}: {sent:?} is no beginning of {expected:?}",
                self.form
            );
        }
    }

    async fn get(&self, path: &str) -> String {
        curl(&format!("http://{}{path}", self.admin)).await
    }

    /// The port that the kernel gave to a listener, once it is active.
    async fn port_of(&self, name: &str) -> u64 {
        eventually(name, async || {
            let listeners: Value =
                serde_json::from_str(&self.get("/listeners?format=json").await).ok()?;
            let found = listeners["listener_statuses"]
                .as_array()?
                .iter()
                .find(|one| one["name"] == name)?;
            found["local_address"]["socket_address"]["port_value"]
                .as_u64()
                .filter(|port| *port != 0)
        })
        .await
    }

    async fn expect(&self, port: u64, path: &str, body: &str) {
        let url = format!("http://127.0.0.1:{port}{path}");
        eventually(&format!("{body:?} from {url}"), async || {
            curl(&url).await.contains(body).then_some(())
        })
        .await;
    }

    async fn nothing_was_rejected(&self) {
        let stats = self.get("/stats?filter=update_rejected&usedonly").await;
        let rejected: Vec<_> = stats
            .lines()
            .filter(|line| !line.ends_with(": 0"))
            .collect();
        assert!(rejected.is_empty(), "{:?}: {rejected:?}", self.form);
    }

    fn resource(&self, type_url: &'static str, name: &str, json: Value) -> Resource {
        let body = self.pool.from_json(type_url, json).unwrap();
        Resource::from_encoded(name, type_url, body.into(), [])
    }

    fn cluster(&self, name: &str, timeout: &str) -> Resource {
        let ads = json!({"ads": {}, "resource_api_version": "V3"});
        let json = json!({
            "name": name, "type": "EDS", "connect_timeout": timeout,
            "eds_cluster_config": {"eds_config": ads, "service_name": name}
        });
        self.resource(CLUSTER, name, json)
    }

    fn endpoints(&self, name: &str, port: u16) -> Resource {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        let endpoint = json!({"endpoint": {"address": address}});
        let json = json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]});
        self.resource(ENDPOINT, name, json)
    }

    fn listener(&self, name: &str, route: &str, transport_socket: Option<Value>) -> Resource {
        let ads = json!({"ads": {}, "resource_api_version": "V3"});
        let router = json!({"@type": xds::type_url::ROUTER});
        let manager = json!({
            "@type": xds::type_url::HTTP_CONNECTION_MANAGER,
            "stat_prefix": name,
            "rds": {"route_config_name": route, "config_source": ads},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}]
        });
        let mut chain = json!({"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]});
        if let Some(socket) = transport_socket {
            chain["transport_socket"] = socket;
        }
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
        self.resource(
            LISTENER,
            name,
            json!({"name": name, "address": address, "filter_chains": [chain]}),
        )
    }

    fn certificate(&self) -> Resource {
        let issued = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
        let certificate = json!({
            "certificate_chain": {"inline_string": issued.cert.pem()},
            "private_key": {"inline_string": issued.signing_key.serialize_pem()}
        });
        self.resource(
            SECRET,
            "cert",
            json!({"name": "cert", "tls_certificate": certificate}),
        )
    }

    fn route(&self, name: &str, cluster: &str) -> Resource {
        let route = json!({"match": {"prefix": "/"}, "route": {"cluster": cluster}});
        let host = json!({"name": "all", "domains": ["*"], "routes": [route]});
        self.resource(
            ROUTE,
            name,
            json!({"name": name, "virtual_hosts": [host], "validate_clusters": false}),
        )
    }
}

fn short(type_url: &str) -> &str {
    match type_url {
        CLUSTER => "CDS",
        ENDPOINT => "EDS",
        LISTENER => "LDS",
        ROUTE => "RDS",
        SECRET => "SDS",
        other => other,
    }
}

fn bootstrap(form: Form, port: u16) -> Value {
    let api_type = match form {
        Form::StateOfTheWorld => "GRPC",
        Form::Delta => "DELTA_GRPC",
    };
    let address =
        |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let ads = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"});
    json!({
        "node": {"id": "test-node", "cluster": "test"},
        "admin": {"address": address(0)},
        "dynamic_resources": {
            "lds_config": ads, "cds_config": ads,
            "ads_config": {
                "api_type": api_type, "transport_api_version": "V3", "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]
            }
        },
        "static_resources": {"clusters": [{
            "name": "xds", "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": xds::type_url::HTTP_PROTOCOL_OPTIONS,
                "explicit_http_config": {"http2_protocol_options": {}}
            }},
            "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]}
        }]}
    })
}

fn tls_by_sds() -> Value {
    let ads = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"});
    let context = json!({
        "@type": xds::type_url::DOWNSTREAM_TLS,
        "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "cert", "sds_config": ads}]}
    });
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}

/// Answers every request with its name.
async fn upstream(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let response = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}",
                        name.len()
                    );
                    if socket.write_all(response.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

async fn curl(url: &str) -> String {
    let url = url.to_owned();
    let run = move || {
        Command::new("curl")
            .args(["-sk", "-m", "5", "-w", " %{http_code}", &url])
            .output()
    };
    let output = tokio::task::spawn_blocking(run)
        .await
        .unwrap()
        .expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.strip_suffix(" 200") {
        Some(body) => body.to_owned(),
        None => text,
    }
}

/// Polls what has no event to wait for.
async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(found) = poll().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("{what} did not come"))
}

async fn converse(form: Form) {
    let Some(envoy) = testkit::peer("envoy") else {
        return;
    };
    let (one, two) = (upstream("one").await, upstream("two").await);
    let mut talk = Conversation::start(&envoy, form).await;

    // From nothing.
    talk.exchange(&["CDS", "LDS"], &["CDS", "LDS"]).await;
    let (a, ea) = (talk.cluster("a", "1s"), talk.endpoints("a", one));
    let (l, r) = (talk.listener("l", "r", None), talk.route("r", "a"));
    talk.show(&support::view([
        a.clone(),
        ea.clone(),
        l.clone(),
        r.clone(),
    ]));
    let all = ["CDS a", "EDS a", "LDS l", "RDS r"];
    talk.exchange(&all, &all).await;
    let port = talk.port_of("l").await;
    talk.expect(port, "/", "one").await;

    // Endpoints alone.
    let ea = talk.endpoints("a", two);
    talk.show(&support::view([a, ea.clone(), l.clone(), r.clone()]));
    talk.exchange(&["EDS a"], &["EDS a"]).await;
    talk.expect(port, "/", "two").await;

    // A changed cluster warms again, and Envoy acknowledges it only when it is warm.
    let a = talk.cluster("a", "2s");
    talk.show(&support::view([
        a.clone(),
        ea.clone(),
        l.clone(),
        r.clone(),
    ]));
    talk.exchange(&["CDS a", "EDS a"], &["CDS a", "EDS a"])
        .await;
    talk.expect(port, "/", "two").await;

    // A new cluster before the route that needs it; the old one goes after.
    let (b, eb, r) = (
        talk.cluster("b", "1s"),
        talk.endpoints("b", one),
        talk.route("r", "b"),
    );
    talk.show(&support::view([
        b.clone(),
        eb.clone(),
        l.clone(),
        r.clone(),
    ]));
    talk.exchange(
        &["CDS a b", "EDS b", "RDS r", "CDS b"],
        &["CDS b", "EDS b", "RDS r", "CDS -a"],
    )
    .await;
    talk.expect(port, "/", "one").await;

    // A listener whose routes do not exist becomes active nevertheless.
    let m = talk.listener("m", "missing", None);
    talk.show(&support::view([
        b.clone(),
        eb.clone(),
        l.clone(),
        m,
        r.clone(),
    ]));
    talk.exchange(&["LDS l m", "RDS missing"], &["LDS m", "RDS missing"])
        .await;
    let other = talk.port_of("m").await;
    talk.expect(other, "/", "404").await;

    // The listener goes.
    talk.show(&support::view([
        b.clone(),
        eb.clone(),
        l.clone(),
        r.clone(),
    ]));
    talk.exchange(&["LDS l"], &["LDS -m"]).await;

    // The stream breaks: a delta client says what it holds. Draining listeners still want their routes.
    talk.cut();
    talk.exchange(
        &["CDS b", "EDS b", "LDS l", "RDS missing r"],
        &["CDS", "EDS", "LDS", "RDS"],
    )
    .await;
    talk.expect(port, "/", "one").await;
    let eb = talk.endpoints("b", two);
    talk.show(&support::view([
        b.clone(),
        eb.clone(),
        l.clone(),
        r.clone(),
    ]));
    talk.exchange(&["EDS b"], &["EDS b"]).await;
    talk.expect(port, "/", "two").await;

    // A listener whose certificate comes late, and changes.
    let tls = talk.listener("tls", "r", Some(tls_by_sds()));
    let mut view = View::clone(&support::view([b, eb, l, tls, r]));
    talk.show(&Arc::new(view.clone()));
    talk.exchange(&["LDS l tls", "SDS"], &["LDS tls", "SDS -cert"])
        .await;
    for _ in 0..2 {
        view.insert(talk.certificate());
        talk.show(&Arc::new(view.clone()));
        talk.exchange(&["SDS cert"], &["SDS cert"]).await;
        let secure = talk.port_of("tls").await;
        let answer = async || {
            curl(&format!("https://127.0.0.1:{secure}/"))
                .await
                .contains("two")
                .then_some(())
        };
        eventually("an answer over TLS", answer).await;
    }
    view.remove(LISTENER, "tls");
    view.remove(SECRET, "cert");
    talk.show(&Arc::new(view));
    talk.exchange(&["LDS l"], &["LDS -tls", "SDS -cert"]).await;

    talk.nothing_was_rejected().await;
    let dump: Value = serde_json::from_str(&talk.get("/config_dump").await).unwrap();
    assert!(
        !dump.to_string().contains("dynamic_warming_clusters"),
        "a cluster is still warming"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_of_the_world() {
    converse(Form::StateOfTheWorld).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delta() {
    converse(Form::Delta).await;
}
