//! Asks the host's resolvers for names outside the cluster, one after the other, many questions at a time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

/// How long one resolver may take. Stub resolvers in pods ask again after five seconds; they must have heard
/// from us by then, whatever number of resolvers there is (resolv.conf(5) reads three).
const PATIENCE: Duration = Duration::from_millis(1500);
/// The largest datagram that is taken from a resolver.
const LARGEST: usize = 4096;

/// Resolvers outside, in the order in which they are asked.
pub(crate) struct Upstream {
    resolvers: Vec<Resolver>,
    /// What the log said last.
    silent: AtomicBool,
}

impl Upstream {
    /// Takes UDP sockets that are connected to resolvers. Called on a runtime.
    pub(crate) fn new(sockets: Vec<std::net::UdpSocket>) -> std::io::Result<Self> {
        if sockets.is_empty() {
            tracing::info!(
                "there is no resolver outside: names that are not the cluster's get SERVFAIL"
            );
        }
        let resolvers = sockets.into_iter().map(Resolver::new);
        Ok(Self {
            resolvers: resolvers.collect::<std::io::Result<_>>()?,
            silent: AtomicBool::new(false),
        })
    }

    /// No resolver outside.
    pub(super) const fn none() -> Self {
        Self {
            resolvers: Vec::new(),
            silent: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.resolvers.is_empty()
    }

    /// The first answer of a resolver, with the id of the question. `None` when there is none.
    pub(super) async fn ask(&self, request: &Message, raw: &[u8]) -> Option<Vec<u8>> {
        let mut reasons = Vec::new();
        for resolver in &self.resolvers {
            match resolver.ask(request, raw).await {
                Ok(answer) => {
                    if self.silent.swap(false, Ordering::Relaxed) {
                        tracing::info!(resolver = %resolver.address, "a resolver outside answers again");
                    }
                    return Some(answer);
                }
                Err(reason) => reasons.push(format!("{}: {reason}", resolver.address)),
            }
        }
        // Once, not for each question of a storm.
        if !self.resolvers.is_empty() && !self.silent.swap(true, Ordering::Relaxed) {
            let name = request.queries.first().map(|query| query.name().to_ascii());
            tracing::warn!(
                question = name.unwrap_or_default(), resolvers = %reasons.join("; "),
                "no resolver outside answers: names that are not the cluster's get SERVFAIL"
            );
        }
        None
    }
}

struct Waiting {
    question: Message,
    answer: oneshot::Sender<Result<Vec<u8>, &'static str>>,
}

type Table = Arc<Mutex<HashMap<u16, Waiting>>>;

fn lock(table: &Table) -> MutexGuard<'_, HashMap<u16, Waiting>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Resolver {
    address: SocketAddr,
    socket: Arc<UdpSocket>,
    waiting: Table,
    next: AtomicU16,
    receiver: tokio::task::JoinHandle<()>,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.receiver.abort();
    }
}

impl Resolver {
    fn new(socket: std::net::UdpSocket) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.peer_addr()?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let waiting = Table::default();
        let receiver = tokio::spawn(receive(socket.clone(), waiting.clone()));
        Ok(Self {
            address,
            socket,
            waiting,
            // Unguessable from outside: the clock and the address of a fresh allocation.
            next: AtomicU16::new(seed()),
            receiver,
        })
    }

    async fn ask(&self, request: &Message, raw: &[u8]) -> Result<Vec<u8>, &'static str> {
        let (sender, answer) = oneshot::channel();
        let id = self.enter(request, sender).ok_or("too many questions")?;
        let leave = Leave(id, &self.waiting);
        let mut question = raw.to_vec();
        let place = question.get_mut(..2).ok_or("no question")?;
        place.copy_from_slice(&id.to_be_bytes());
        if self.socket.send(&question).await.is_err() {
            return Err("cannot be reached");
        }
        let heard = tokio::time::timeout(PATIENCE, answer).await;
        drop(leave);
        let mut answer = heard
            .map_err(|_| "no answer in time")?
            .map_err(|_| "given up")??;
        answer[..2].copy_from_slice(&request.metadata.id.to_be_bytes());
        Ok(answer)
    }

    /// An id of its own for each question in flight, on which the answer is found.
    fn enter(
        &self,
        request: &Message,
        answer: oneshot::Sender<Result<Vec<u8>, &'static str>>,
    ) -> Option<u16> {
        let mut waiting = lock(&self.waiting);
        let id = (0..=u16::MAX)
            // Odd, so that every id comes once before any comes again.
            .map(|_| self.next.fetch_add(40_503, Ordering::Relaxed))
            .find(|id| !waiting.contains_key(id))?;
        let question = request.clone();
        waiting.insert(id, Waiting { question, answer });
        Some(id)
    }
}

fn seed() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u16
}

/// A question that is no longer asked, also when its asker went away.
struct Leave<'a>(u16, &'a Table);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        lock(self.1).remove(&self.0);
    }
}

async fn receive(socket: Arc<UdpSocket>, waiting: Table) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let read = match socket.recv(&mut buffer).await {
            Ok(read) => read,
            // A port that nobody listens on: all that was asked is lost.
            Err(_) => {
                for (_, waiting) in lock(&waiting).drain() {
                    let _ = waiting.answer.send(Err("nobody listens there"));
                }
                continue;
            }
        };
        let Ok(answer) = Message::from_vec(&buffer[..read]) else {
            continue;
        };
        let mut waiting = lock(&waiting);
        let id = answer.metadata.id;
        // An answer to something else, late or forged.
        if waiting
            .get(&id)
            .is_none_or(|asked| asked.question.queries != answer.queries)
        {
            continue;
        }
        if let Some(asked) = waiting.remove(&id) {
            let _ = asked.answer.send(Ok(buffer[..read].to_vec()));
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{MessageType, OpCode, Query, ResponseCode};
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use super::*;

    fn connected(to: SocketAddr) -> std::net::UdpSocket {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(to).unwrap();
        socket
    }

    fn question(id: u16, name: &str) -> (Message, Vec<u8>) {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        let raw = message.to_vec().unwrap();
        (message, raw)
    }

    /// Answers with an address whose last number is the length of the name, in the reverse order of the
    /// questions, `batch` at a time.
    async fn resolver(batch: usize) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            let mut buffer = [0; 512];
            loop {
                let (read, peer) = socket.recv_from(&mut buffer).await.unwrap();
                held.push((Message::from_vec(&buffer[..read]).unwrap(), peer));
                if held.len() < batch {
                    continue;
                }
                while let Some((asked, peer)) = held.pop() {
                    let name = asked.queries[0].name().clone();
                    let mut answer = Message::response(asked.metadata.id, OpCode::Query);
                    answer.add_query(asked.queries[0].clone());
                    let last = name.to_ascii().len() as u8;
                    let data = RData::A(A::new(192, 0, 2, last));
                    answer.add_answer(Record::from_rdata(name, 60, data));
                    let _ = socket.send_to(&answer.to_vec().unwrap(), peer).await;
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn many_questions_with_one_id_get_each_its_own_answer() {
        let upstream = Upstream::new(vec![connected(resolver(2).await)]).unwrap();
        let (short, long) = (question(7, "a.example."), question(7, "longer.example."));
        let (first, second) = tokio::join!(
            upstream.ask(&short.0, &short.1),
            upstream.ask(&long.0, &long.1)
        );
        for (asked, answer) in [(short.0, first), (long.0, second)] {
            let answer = Message::from_vec(&answer.unwrap()).unwrap();
            assert_eq!(answer.metadata.id, 7);
            assert_eq!(answer.queries, asked.queries);
            let last = asked.queries[0].name().to_ascii().len() as u8;
            assert_eq!(answer.answers[0].data, RData::A(A::new(192, 0, 2, last)));
        }
    }

    #[tokio::test]
    async fn the_next_resolver_is_asked_when_one_is_not_there() {
        let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = dead.local_addr().unwrap();
        drop(dead);
        let sockets = vec![connected(nobody), connected(resolver(1).await)];
        let upstream = Upstream::new(sockets).unwrap();
        let (message, raw) = question(9, "a.example.");
        let answer = upstream.ask(&message, &raw).await.unwrap();
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_resolver_is_given_up_and_nothing_of_it_is_kept() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let upstream = Upstream::new(vec![connected(silent.local_addr().unwrap())]).unwrap();
        let (message, raw) = question(9, "a.example.");
        assert_eq!(upstream.ask(&message, &raw).await, None);
        assert!(lock(&upstream.resolvers[0].waiting).is_empty());
    }
}
