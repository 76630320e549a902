//! What a case does with one proxy: requests through it, and what came back.

use std::net::Ipv4Addr;

use super::backend::{Backend, Script};
use super::http1::{Conn, Ending, Message};
use super::net::GATEWAY;

/// The host of requests that name no other.
pub(crate) const HOST: &str = "parity.test";

/// What a client received for one request.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Status lines and headers of 1xx responses.
    pub(crate) interim: Vec<Message>,
    /// `None`: the connection ended, or nothing came.
    pub(crate) response: Option<Message>,
    /// Index of the connection.
    pub(crate) conn: Option<usize>,
    /// Bytes outside HTTP, for TCP.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// A case at work on one proxy.
pub(crate) struct Session<'a> {
    pub(crate) proxy: Ipv4Addr,
    /// The client's address.
    pub(crate) from: Ipv4Addr,
    backends: &'a [Backend],
    pub(crate) answers: Vec<Answer>,
    conns: Vec<Option<Conn>>,
    /// Expectations of the case that did not hold.
    pub(crate) unmet: Vec<String>,
    pub(crate) logs: Option<usize>,
    pub(crate) upstreams: usize,
    pub(crate) unordered: bool,
    pub(crate) by_turn: bool,
}

/// A connection of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(usize);

impl<'a> Session<'a> {
    pub(crate) fn new(proxy: Ipv4Addr, from: Ipv4Addr, backends: &'a [Backend]) -> Self {
        Self {
            proxy,
            from,
            backends,
            answers: Vec::new(),
            conns: Vec::new(),
            unmet: Vec::new(),
            logs: None,
            upstreams: 0,
            unordered: false,
            by_turn: false,
        }
    }

    /// Tells workload `name` what to do with its next requests.
    pub(crate) fn upstream(&self, name: &str, scripts: impl IntoIterator<Item = Script>) {
        let found = self.backends.iter().find(|backend| backend.name == name);
        found
            .unwrap_or_else(|| panic!("no workload {name}"))
            .will(scripts);
    }

    /// The access log gets this many lines; without it, one for each answer.
    pub(crate) fn logs(&mut self, lines: usize) {
        self.logs = Some(lines);
    }

    /// At least so many requests arrive upstream, some perhaps after the client has its answer.
    pub(crate) fn arrive(&mut self, requests: usize) {
        self.upstreams = requests;
    }

    /// Requests arrive upstream, and log lines are written, in no particular order.
    pub(crate) fn in_any_order(&mut self) {
        self.unordered = true;
    }

    /// Which workload comes first is left to chance: they are compared as the first, the second and so on.
    pub(crate) fn by_turn(&mut self) {
        self.by_turn = true;
    }

    /// A connection to the gateway.
    pub(crate) fn connect(&mut self) -> Client {
        self.connect_to(GATEWAY)
    }

    /// A connection to another port of the proxy.
    pub(crate) fn connect_to(&mut self, port: u16) -> Client {
        let conn = Conn::connect(self.from, (self.proxy, port));
        if let Err(error) = &conn {
            self.unmet.push(format!("connect to port {port}: {error}"));
        }
        self.keep(conn.ok())
    }

    /// Takes in a connection that the case made itself.
    pub(crate) fn keep(&mut self, conn: Option<Conn>) -> Client {
        self.conns.push(conn);
        Client(self.conns.len() - 1)
    }

    /// The connection itself, for what has no method here.
    pub(crate) fn conn(&mut self, client: Client) -> &mut Conn {
        self.conns[client.0].as_mut().expect("an open connection")
    }

    /// Ends a connection with FIN.
    pub(crate) fn close(&mut self, client: Client) {
        self.conns[client.0] = None;
    }

    /// Ends a connection with RST.
    pub(crate) fn reset(&mut self, client: Client) {
        if let Some(conn) = self.conns[client.0].take() {
            conn.reset();
        }
    }

    pub(crate) fn send(&mut self, client: Client, bytes: &str) {
        if let Some(conn) = &mut self.conns[client.0] {
            conn.send(bytes.as_bytes());
        }
    }

    /// Reads the response to a request with this method.
    pub(crate) fn response(&mut self, client: Client, method: &str) -> Checked<'_, 'a> {
        let mut answer = Answer {
            conn: Some(client.0),
            ..Answer::default()
        };
        if let Some(conn) = &mut self.conns[client.0] {
            while let Some(mut message) = conn.head() {
                let status = message.status();
                if matches!(status, 100 | 102..=199) {
                    answer.interim.push(message);
                    continue;
                }
                if message.complete {
                    conn.response_body(&mut message, method);
                }
                answer.response = Some(message);
                break;
            }
        }
        self.answers.push(answer);
        Checked { session: self }
    }

    /// Everything up to the end of the connection, as bytes.
    pub(crate) fn rest(&mut self, client: Client) -> String {
        let bytes = self.conns[client.0].as_mut().map(Conn::rest);
        let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
        self.answers.push(Answer {
            conn: Some(client.0),
            bytes,
            ..Answer::default()
        });
        text
    }

    /// These bytes on a connection of their own, and the response.
    pub(crate) fn raw(&mut self, bytes: &str) -> Checked<'_, 'a> {
        let client = self.connect();
        self.send(client, bytes);
        let method = bytes.split(' ').next().unwrap_or_default().to_owned();
        self.response(client, &method)
    }

    pub(crate) fn get(&mut self, path: &str) -> Checked<'_, 'a> {
        self.request("GET", path).send()
    }

    pub(crate) fn request(&mut self, method: &str, path: &str) -> Request<'_, 'a> {
        Request {
            session: self,
            on: None,
            port: GATEWAY,
            method: method.to_owned(),
            path: path.to_owned(),
            host: HOST.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Holds of this proxy, or the case fails.
    pub(crate) fn expect(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.unmet.push(what.into());
        }
    }

    /// How each connection stands.
    pub(crate) fn endings(&mut self) -> Vec<Option<Ending>> {
        self.conns
            .iter_mut()
            .map(|conn| conn.as_mut().map(Conn::ending))
            .collect()
    }

    pub(crate) fn close_all(&mut self) {
        self.conns.clear();
    }
}

/// A request in the making.
pub(crate) struct Request<'s, 'a> {
    session: &'s mut Session<'a>,
    on: Option<Client>,
    port: u16,
    method: String,
    path: String,
    host: String,
    headers: Vec<String>,
    body: Option<String>,
}

impl<'s, 'a> Request<'s, 'a> {
    /// On this connection instead of a new one.
    pub(crate) fn on(mut self, client: Client) -> Self {
        self.on = Some(client);
        self
    }

    /// To this port of the proxy instead of the gateway's.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// A line `name: value`.
    pub(crate) fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// Sent with its length.
    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    pub(crate) fn send(self) -> Checked<'s, 'a> {
        let Self {
            session,
            on,
            port,
            method,
            path,
            host,
            mut headers,
            body,
        } = self;
        if let Some(body) = &body {
            headers.push(format!("content-length: {}", body.len()));
        }
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for line in headers {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.push_str(body.as_deref().unwrap_or_default());
        let client = on.unwrap_or_else(|| session.connect_to(port));
        session.send(client, &text);
        session.response(client, &method)
    }
}

/// The newest answer, to say what the case is about.
pub(crate) struct Checked<'s, 'a> {
    session: &'s mut Session<'a>,
}

impl Checked<'_, '_> {
    fn last(&self) -> Option<&Message> {
        self.session.answers.last()?.response.as_ref()
    }

    fn expect(self, holds: bool, wanted: &str) -> Self {
        if !holds {
            let found = match self.last() {
                None => "no response".to_owned(),
                Some(response) => format!(
                    "{} {:?} {:?}",
                    response.start,
                    response.headers,
                    String::from_utf8_lossy(&response.body)
                ),
            };
            self.session
                .unmet
                .push(format!("expected {wanted}, found {found}"));
        }
        self
    }

    pub(crate) fn is(self, status: u16) -> Self {
        let holds = self
            .last()
            .is_some_and(|response| response.status() == status);
        self.expect(holds, &format!("status {status}"))
    }

    /// Answered by this workload.
    pub(crate) fn from(self, workload: &str) -> Self {
        self.body(workload)
    }

    pub(crate) fn body(self, body: &str) -> Self {
        let holds = self
            .last()
            .is_some_and(|response| response.body == body.as_bytes());
        self.expect(holds, &format!("body {body:?}"))
    }

    pub(crate) fn has(self, name: &str, value: &str) -> Self {
        let holds = self
            .last()
            .is_some_and(|response| response.header(name) == Some(value));
        self.expect(holds, &format!("header {name}: {value}"))
    }

    pub(crate) fn lacks(self, name: &str) -> Self {
        let holds = self
            .last()
            .is_some_and(|response| response.header(name).is_none());
        self.expect(holds, &format!("no header {name}"))
    }
}
