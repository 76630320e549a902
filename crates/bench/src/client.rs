//! The load client: many connections, one exchange at a time on each; closed loop or open loop.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::{Credentials, Protocol, Scenario};
use crate::poll::Poll;
use crate::transport::Transport;
use crate::{http1, http2};

/// How requests are made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Each connection sends its next request when it has its answer.
    Closed,
    /// Requests are due at random times (Poisson), whatever the answers do; requests a second.
    Open { rate: f64 },
}

/// What one measurement saw.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) elapsed: Duration,
    /// From the intended send to the last byte of the answer.
    pub(crate) latencies: Vec<Duration>,
}

enum Codec {
    Http1,
    Http2(http2::Connection),
}

struct Connection {
    transport: Transport,
    codec: Codec,
    buffer: Vec<u8>,
    intended: Option<Instant>,
}

pub(crate) struct Client {
    poll: Poll,
    connections: Vec<Connection>,
}

impl Client {
    pub(crate) fn connect(
        address: SocketAddr,
        scenario: Scenario,
        credentials: &Credentials,
        count: usize,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let tls = credentials.client(scenario);
        let mut connections = Vec::new();
        for token in 0..count {
            let transport = Transport::connect(address, tls.as_ref())?;
            poll.add(&transport.stream, token)?;
            let codec = match scenario.protocol {
                Protocol::Http1 => Codec::Http1,
                Protocol::Http2 => Codec::Http2(http2::Connection::default()),
            };
            connections.push(Connection {
                transport,
                codec,
                buffer: Vec::with_capacity(4096),
                intended: None,
            });
        }
        Ok(Self { poll, connections })
    }

    /// Makes requests for this long, then waits for the answers that are due.
    pub(crate) fn run(&mut self, load: Load, length: Duration) -> anyhow::Result<Outcome> {
        let mut run = Run {
            outcome: Outcome::default(),
            load,
            start: Instant::now(),
            length,
            idle: (0..self.connections.len()).collect(),
            next_due: Instant::now(),
            due: VecDeque::new(),
        };
        let mut ready = Vec::new();
        loop {
            let patience = run.dispatch(&mut self.connections)?;
            if run.finished(self.connections.len()) {
                break;
            }
            self.poll.wait(patience, &mut ready)?;
            for token in ready.drain(..) {
                run.readable(token, &mut self.connections[token])?;
            }
        }
        run.outcome.elapsed = run.start.elapsed();
        Ok(run.outcome)
    }
}

struct Run {
    outcome: Outcome,
    load: Load,
    start: Instant,
    length: Duration,
    idle: Vec<usize>,
    next_due: Instant,
    /// Requests that are due and found no idle connection.
    due: VecDeque<Instant>,
}

impl Run {
    fn over(&self) -> bool {
        self.start.elapsed() >= self.length
    }

    fn finished(&self, connections: usize) -> bool {
        self.over() && self.idle.len() == connections && self.due.is_empty()
    }

    /// Sends what is due; how long nothing else will be.
    fn dispatch(&mut self, connections: &mut [Connection]) -> anyhow::Result<Duration> {
        let now = Instant::now();
        let over = self.over();
        match self.load {
            Load::Closed => {
                while let Some(index) = self.idle.pop_if(|_| !over) {
                    connections[index].send(Instant::now())?;
                }
                Ok(Duration::from_millis(100))
            }
            Load::Open { rate } => {
                while !over && self.next_due <= now {
                    self.due.push_back(self.next_due);
                    let gap = -(1.0 - fastrand::f64()).ln() / rate;
                    self.next_due += Duration::from_secs_f64(gap);
                }
                while !self.due.is_empty() {
                    let Some(index) = self.idle.pop() else { break };
                    if let Some(intended) = self.due.pop_front() {
                        connections[index].send(intended)?;
                    }
                }
                let wait = self.next_due.saturating_duration_since(Instant::now());
                Ok(if over {
                    Duration::from_millis(100)
                } else {
                    wait
                })
            }
        }
    }

    fn readable(&mut self, token: usize, connection: &mut Connection) -> anyhow::Result<()> {
        let Some(good) = connection.receive()? else {
            return Ok(());
        };
        if let Some(intended) = connection.intended.take() {
            self.outcome.requests += 1;
            self.outcome.failed += u64::from(!good);
            self.outcome.latencies.push(intended.elapsed());
            // The connection that waited longest is next, so that all are in use.
            self.idle.insert(0, token);
        }
        Ok(())
    }
}

impl Connection {
    fn send(&mut self, intended: Instant) -> anyhow::Result<()> {
        self.intended = Some(intended);
        match &mut self.codec {
            Codec::Http1 => self.transport.send(http1::REQUEST),
            Codec::Http2(codec) => {
                let sent = self.transport.send(codec.request());
                codec.out.clear();
                sent
            }
        }
    }

    fn receive(&mut self) -> anyhow::Result<Option<bool>> {
        self.transport.receive(&mut self.buffer)?;
        match &mut self.codec {
            Codec::Http1 => http1::response(&mut self.buffer),
            Codec::Http2(codec) => codec.response(&mut self.buffer),
        }
    }
}
