//! Workloads that do what a case says: each request takes the next script, and without one is answered 200 with the
//! workload's name.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http1::{Conn, Message, Wire};
use super::net::WORKLOAD;

/// Workloads of the service with this name speak first.
const GREETER: &str = "greeter-";
const GREETING: &[u8] = b"220 ready\r\n";

/// A step of a script; it begins once a request's head has been read.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Reads the request's body; what the workload received is noted after it when it comes first, else after the head.
    Body,
    Send(Vec<u8>),
    Wait(Duration),
    /// Answers nothing and stays until the proxy ends the connection.
    Hang,
    /// Reads until the proxy sends no more.
    Rest,
    /// Sends no more; the connection goes on.
    Finish,
    /// Ends the connection with FIN.
    Close,
    /// Ends the connection with RST.
    Reset,
}

pub(crate) type Script = Vec<Act>;

/// Reads the request and answers with these very bytes.
pub(crate) fn raw(response: &str) -> Script {
    vec![Act::Body, Act::Send(response.as_bytes().to_vec())]
}

/// Reads the request and answers; header lines as they go out.
pub(crate) fn answer(status: u16, headers: &[&str], body: &str) -> Script {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    raw(&text)
}

/// Reads the request and ends the connection without an answer.
pub(crate) fn reset() -> Script {
    vec![Act::Body, Act::Reset]
}

/// Reads the request and closes without an answer.
pub(crate) fn close() -> Script {
    vec![Act::Body, Act::Close]
}

/// Reads the request and never answers.
pub(crate) fn hang() -> Script {
    vec![Act::Body, Act::Hang]
}

/// A request as a workload received it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) workload: String,
    pub(crate) message: Message,
}

/// What all workloads of a class received, in order of arrival.
pub(crate) type Journal = Arc<Mutex<Vec<Received>>>;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running workload.
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) ip: Ipv4Addr,
    scripts: Arc<Mutex<VecDeque<Script>>>,
}

impl Backend {
    /// With `tls` it takes nothing but TLS.
    pub(crate) fn start(
        name: &str,
        ip: Ipv4Addr,
        tls: Option<&Arc<ServerConfig>>,
        journal: &Journal,
    ) -> Self {
        let listener =
            TcpListener::bind((ip, WORKLOAD)).expect("an address of the claimed network");
        let scripts: Arc<Mutex<VecDeque<Script>>> = Arc::default();
        let server = Server {
            name: name.to_owned(),
            scripts: Arc::clone(&scripts),
            journal: Arc::clone(journal),
        };
        let tls = tls.cloned();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (server, tls) = (server.clone(), tls.clone());
                std::thread::spawn(move || {
                    let Ok(wire) = socket.try_clone() else { return };
                    let wire: Box<dyn Wire> = match tls {
                        None => Box::new(wire),
                        Some(tls) => match ServerConnection::new(tls) {
                            Ok(tls) => Box::new(StreamOwned::new(tls, wire)),
                            Err(_) => return,
                        },
                    };
                    server.serve(Conn::over(socket, wire));
                });
            }
        });
        Self {
            name: name.to_owned(),
            ip,
            scripts,
        }
    }

    /// What the next requests get, in this order.
    pub(crate) fn will(&self, scripts: impl IntoIterator<Item = Script>) {
        lock(&self.scripts).extend(scripts);
    }

    /// Scripts that no request took; they are forgotten.
    pub(crate) fn left_over(&self) -> usize {
        std::mem::take(&mut *lock(&self.scripts)).len()
    }
}

#[derive(Clone)]
struct Server {
    name: String,
    scripts: Arc<Mutex<VecDeque<Script>>>,
    journal: Journal,
}

impl Server {
    fn serve(&self, mut conn: Conn) {
        if self.name.starts_with(GREETER) {
            conn.send(GREETING);
        }
        while let Some(head) = conn.head() {
            let script = lock(&self.scripts).pop_front();
            let script = script.unwrap_or_else(|| answer(200, &[], &self.name));
            match self.play(conn, head, &script) {
                Some(open) => conn = open,
                None => return,
            }
        }
    }

    /// Returns the connection if it goes on.
    fn play(&self, mut conn: Conn, mut message: Message, script: &[Act]) -> Option<Conn> {
        let mut acts = script.iter().peekable();
        if acts.next_if(|act| matches!(act, Act::Body)).is_some() {
            conn.request_body(&mut message);
        }
        lock(&self.journal).push(Received {
            workload: self.name.clone(),
            message: message.clone(),
        });
        for act in acts {
            match act {
                Act::Body => conn.request_body(&mut message),
                Act::Send(bytes) => conn.send(bytes),
                Act::Wait(time) => std::thread::sleep(*time),
                Act::Hang => {
                    conn.rest();
                    return None;
                }
                Act::Rest => {
                    conn.rest();
                }
                Act::Finish => conn.finish(),
                Act::Close => return None,
                Act::Reset => {
                    conn.reset();
                    return None;
                }
            }
        }
        Some(conn)
    }
}
