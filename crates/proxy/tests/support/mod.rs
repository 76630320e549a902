//! A proxy with a static configuration, backends that do what a test says, and raw clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use proxy::balance::HostSets;
use proxy::config::{Cluster, Config, Ids, compile};
use proxy::resilience::breaker::Breaker;
use proxy::{Handle, Options, Proxy};
use serde_json::{Value, json};

/// A running proxy under test.
pub struct Mesh {
    pub handle: Handle,
    pub ids: Arc<Ids>,
    pool: xds::json::Pool,
    config: Config,
}

impl Mesh {
    pub fn start() -> Self {
        let ids = Arc::new(Ids::default());
        let options = Options {
            workers: 1,
            ids: Arc::clone(&ids),
            drain_time: Duration::from_millis(300),
        };
        let handle = Proxy::start(&options).unwrap();
        Self {
            handle,
            ids,
            pool: xds::json::Pool::pruned(),
            config: Config::default(),
        }
    }

    pub fn cluster(mut self, cluster: Value) -> Self {
        self.set_cluster(cluster);
        self
    }

    pub fn set_cluster(&mut self, cluster: Value) {
        let name = cluster["name"].as_str().unwrap().to_owned();
        let body = self
            .pool
            .from_json("envoy.config.cluster.v3.Cluster", cluster)
            .unwrap();
        let info = Arc::new(compile::cluster(&self.ids, &name, &body).unwrap());
        let id = self.ids.cluster(&name);
        let hosts = ArcSwap::from_pointee(HostSets::build(&info, &info.assignment, None));
        let breakers = info
            .limits
            .each_ref()
            .map(|limits| Arc::new(Breaker::new(limits)));
        self.config.put_cluster(
            id,
            Some(Arc::new(Cluster {
                id,
                info,
                hosts,
                breakers,
            })),
        );
    }

    pub fn listener(mut self, listener: Value) -> Self {
        self.set_listener(listener);
        self
    }

    pub fn set_listener(&mut self, listener: Value) {
        let name = listener["name"].as_str().unwrap().to_owned();
        let body = self
            .pool
            .from_json("envoy.config.listener.v3.Listener", listener)
            .unwrap();
        let listener = Arc::new(compile::listener(&self.ids, &name, &body).unwrap());
        self.config.listeners.insert(name.into(), listener);
    }

    pub fn remove_listener(&mut self, name: &str) {
        self.config.listeners.remove(name);
    }

    pub fn secret(mut self, secret: Value) -> Self {
        self.set_secret(secret);
        self
    }

    pub fn set_secret(&mut self, secret: Value) {
        let name = secret["name"].as_str().unwrap().to_owned();
        let body = self
            .pool
            .from_json("envoy.extensions.transport_sockets.tls.v3.Secret", secret)
            .unwrap();
        self.config
            .secrets
            .insert(name.as_str().into(), compile::secret(&name, &body).unwrap());
    }

    pub fn publish(&mut self) {
        self.config.generation += 1;
        let errors = self.handle.publish(&Arc::new(self.config.clone()));
        assert!(errors.is_empty(), "{errors:?}");
    }

    pub fn live(mut self) -> Self {
        self.publish();
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.addresses("test")[0]
    }

    /// One request on a connection of its own; the whole answer as text.
    pub fn ask(&self, request: &str) -> String {
        let mut client = Client::connect(self.address());
        client.send(request);
        client.response()
    }
}

/// A static cluster.
pub fn cluster(name: &str, addresses: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|a| json!({"endpoint": {"address": address(*a)}}))
        .collect();
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    })
}

pub fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

/// Every path to cluster `up`.
pub fn to_up() -> Value {
    json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}])
}

/// An HTTP connection manager with these routes; `extra` fields are laid over it.
pub fn hcm(routes: Value, extra: Value) -> Value {
    let mut hcm = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {
            "name": "routes", "validate_clusters": false,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        },
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}},
        ],
    });
    overlay(&mut hcm, extra);
    json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": hcm})
}

fn overlay(base: &mut Value, extra: Value) {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (key, value) in extra {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, extra) => *base = extra,
    }
}

/// A listener on a free port with one filter chain.
pub fn listener(filter: Value) -> Value {
    json!({
        "name": "test",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [filter]}],
    })
}

/// An HTTP proxy in front of one backend.
pub fn http_to(backend: SocketAddr) -> Mesh {
    Mesh::start()
        .cluster(cluster("up", &[backend]))
        .listener(listener(hcm(to_up(), json!({}))))
        .live()
}

/// A server whose connections are each handled by `serve`, in a thread of their own.
pub struct Backend {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    pub fn raw(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (serve, count) = (Arc::new(serve), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let index = count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(index, stream));
            }
        });
        Self {
            address,
            connections,
            requests: Arc::default(),
        }
    }

    /// Answers each request by `answer(request)`; requests are kept.
    pub fn http(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&requests);
        let mut backend = Self::raw(move |_, stream| {
            let mut client = Client::from(stream);
            while let Some(request) = client.request() {
                let response = answer(&request);
                kept.lock().unwrap().push(request);
                if client.stream.write_all(response.as_bytes()).is_err() {
                    return;
                }
            }
        });
        backend.requests = requests;
        backend
    }

    /// Answers 200 with its name.
    pub fn named(name: &'static str) -> Self {
        Self::http(move |_| ok(name))
    }

    pub fn last_request(&self) -> String {
        self.requests
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or_default()
    }

    pub fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An address where nobody listens.
pub fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A raw HTTP/1 peer.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl From<TcpStream> for Client {
    fn from(stream: TcpStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        TcpStream::connect(address).unwrap().into()
    }

    pub fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 8192];
        match self.stream.read(&mut chunk) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
        }
    }

    fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect::<Vec<u8>>();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn body(&mut self, head: &str) -> String {
        let lower = head.to_lowercase();
        let mut body = Vec::new();
        if lower.contains("transfer-encoding: chunked") {
            loop {
                let line = self.line();
                body.extend_from_slice(line.as_bytes());
                let size =
                    usize::from_str_radix(line.trim().split(';').next().unwrap(), 16).unwrap_or(0);
                if size == 0 {
                    loop {
                        let line = self.line();
                        body.extend_from_slice(line.as_bytes());
                        if line == "\r\n" || line.is_empty() {
                            return String::from_utf8_lossy(&body).into_owned();
                        }
                    }
                }
                body.extend(self.take(size + 2));
            }
        }
        let length = lower
            .lines()
            .find_map(|line| {
                line.strip_prefix("content-length:")
                    .and_then(|n| n.trim().parse().ok())
            })
            .unwrap_or(0);
        String::from_utf8_lossy(&self.take(length)).into_owned()
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n && self.more() {}
        let n = n.min(self.buffer.len());
        self.buffer.drain(..n).collect()
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            if !self.more() {
                return String::new();
            }
        }
    }

    pub fn request(&mut self) -> Option<String> {
        let head = self.head()?;
        let body = self.body(&head);
        Some(head + &body)
    }

    /// One response; `""` when the connection ended.
    pub fn response(&mut self) -> String {
        let Some(head) = self.head() else {
            return String::new();
        };
        let body = self.body(&head);
        head + &body
    }

    /// All bytes up to the end of the connection.
    pub fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")
}

pub fn status(response: &str) -> u16 {
    response
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(0)
}
