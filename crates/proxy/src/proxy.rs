//! The running proxy: worker threads, listening sockets, publication of configuration, drain and end.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net::socket::{Sharing, listen};
use tokio::sync::mpsc;

use crate::config::listener::ListenAddress;
use crate::config::{Config, Ids, Listener};
use crate::downstream::Listeners;
use crate::downstream::drain::Phase;
use crate::ejector;
use crate::observe::{self, Observe};
use crate::shared::Shared;
use crate::worker::Worker;

/// How a proxy runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Worker threads; at least one.
    pub workers: usize,
    /// The names known to the configuration's compiler.
    pub ids: Arc<Ids>,
    /// How long connections of changed or removed listeners may finish.
    pub drain_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            workers,
            ids: Arc::default(),
            drain_time: Duration::from_secs(45),
        }
    }
}

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("listener {listener}: cannot listen on {address}: {source}")]
pub struct ListenError {
    pub listener: Arc<str>,
    pub address: SocketAddr,
    #[source]
    pub source: io::Error,
}

enum Command {
    Set {
        listener: Arc<Listener>,
        sockets: Vec<std::net::TcpListener>,
    },
    Remove(Arc<str>),
    Advance(Phase),
    StopAccepting,
}

#[derive(Debug)]
struct WorkerThread {
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Bound {
    listeners: BTreeMap<Arc<str>, Arc<Listener>>,
    addresses: HashMap<Arc<str>, Vec<SocketAddr>>,
}

/// Starts proxies.
#[derive(Debug)]
pub struct Proxy;

/// A running proxy. Dropping it ends its threads.
#[derive(Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    workers: Vec<WorkerThread>,
    ejector: Option<std::thread::JoinHandle<()>>,
    bound: Mutex<Bound>,
    connections: Vec<Arc<AtomicUsize>>,
}

impl Proxy {
    /// Starts the worker threads. Nothing listens until a configuration is published.
    pub fn start(options: &Options) -> io::Result<Handle> {
        let (shared, triggers) = Shared::new(
            Arc::clone(&options.ids),
            Observe::new(options.workers.max(1)),
        );
        let mut workers = Vec::new();
        let mut connections = Vec::new();
        for index in 0..options.workers.max(1) {
            let (sender, receiver) = mpsc::unbounded_channel();
            let count = Arc::new(AtomicUsize::new(0));
            let run = WorkerRun {
                index,
                shared: Arc::clone(&shared),
                commands: receiver,
                drain_time: options.drain_time,
                connections: Arc::clone(&count),
            };
            let thread = std::thread::Builder::new()
                .name(format!("wrk:worker_{index}"))
                .spawn(move || run.run())?;
            workers.push(WorkerThread {
                commands: sender,
                thread: Some(thread),
            });
            connections.push(count);
        }
        let weak = Arc::downgrade(&shared);
        let ejector = std::thread::Builder::new()
            .name("ejector".into())
            .spawn(move || ejector::run(&weak, triggers))?;
        Ok(Handle {
            shared,
            workers,
            ejector: Some(ejector),
            bound: Mutex::default(),
            connections,
        })
    }
}

impl Handle {
    /// Makes a configuration current: routes and clusters at once, then listeners. Sockets of unchanged addresses stay
    /// open, so no connection is lost. Listeners that cannot be opened are returned; the others are live.
    pub fn publish(&self, config: &Arc<Config>) -> Vec<ListenError> {
        self.shared.publish(Arc::clone(config));
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Arc<str>> = bound
            .listeners
            .keys()
            .filter(|name| !config.listeners.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            bound.listeners.remove(&name);
            bound.addresses.remove(&name);
            self.command(|| Command::Remove(Arc::clone(&name)));
        }
        let mut errors = Vec::new();
        for (name, listener) in &config.listeners {
            if bound
                .listeners
                .get(name)
                .is_some_and(|old| old.version == listener.version)
            {
                continue;
            }
            match self.open(&mut bound, listener) {
                Ok(()) => {
                    bound
                        .listeners
                        .insert(Arc::clone(name), Arc::clone(listener));
                }
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    fn open(&self, bound: &mut Bound, listener: &Arc<Listener>) -> Result<(), ListenError> {
        let old = bound.listeners.get(&listener.name);
        let same = old.is_some_and(|old| {
            old.addresses == listener.addresses && old.bind_to_port == listener.bind_to_port
        });
        let mut sockets: Vec<Vec<std::net::TcpListener>> =
            self.workers.iter().map(|_| Vec::new()).collect();
        if !same && listener.bind_to_port {
            let mut addresses = Vec::new();
            for address in &listener.addresses {
                let ListenAddress::Tcp(wanted) = address else {
                    continue;
                };
                let error = |source| ListenError {
                    listener: Arc::clone(&listener.name),
                    address: *wanted,
                    source,
                };
                let mut actual = *wanted;
                for own in &mut sockets {
                    let backlog = i32::try_from(listener.backlog).unwrap_or(i32::MAX).max(1);
                    let socket = listen(actual, Sharing::PerWorker, backlog).map_err(error)?;
                    actual = socket.local_addr().map_err(error)?;
                    own.push(socket);
                }
                addresses.push(actual);
            }
            if old.is_some() {
                self.command(|| Command::Remove(Arc::clone(&listener.name)));
            }
            bound
                .addresses
                .insert(Arc::clone(&listener.name), addresses);
        }
        for (worker, sockets) in self.workers.iter().zip(sockets) {
            // A worker that is gone has no connections to serve.
            let _ = worker.commands.send(Command::Set {
                listener: Arc::clone(listener),
                sockets,
            });
        }
        Ok(())
    }

    fn command(&self, make: impl Fn() -> Command) {
        for worker in &self.workers {
            let _ = worker.commands.send(make());
        }
    }

    /// The addresses that a listener really has: port 0 was replaced by a free port.
    #[must_use]
    pub fn addresses(&self, listener: &str) -> Vec<SocketAddr> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        bound.addresses.get(listener).cloned().unwrap_or_default()
    }

    /// What the workers share.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Begins to drain: responses end their connections, HTTP/2 clients get GOAWAY. Connections are still accepted.
    pub fn drain(&self) {
        self.command(|| Command::Advance(Phase::Draining));
    }

    /// Closes the listening sockets; what was accepted is served.
    pub fn stop_accepting(&self) {
        self.command(|| Command::StopAccepting);
    }

    /// Closes connections without a request.
    pub fn close_idle(&self) {
        self.command(|| Command::Advance(Phase::Ending));
    }

    /// Open downstream connections, at most a few hundred milliseconds old.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    /// Ends the proxy: everything open is closed.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let threads: Vec<_> = self
            .workers
            .drain(..)
            .filter_map(|mut worker| worker.thread.take())
            .collect();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
        drop(self.ejector.take());
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

struct WorkerRun {
    index: usize,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    drain_time: Duration,
    connections: Arc<AtomicUsize>,
}

impl WorkerRun {
    fn run(self) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .event_interval(61)
            .build_local(tokio::runtime::LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                runtime.block_on(self.serve());
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(%error, "cannot start a worker's runtime"),
        }
    }

    async fn serve(mut self) {
        self.shared.observe.enter(self.index);
        let worker = Worker::new(self.index, self.shared);
        let listeners = Rc::new(Listeners::default());
        tokio::task::spawn_local(Rc::clone(&worker).keep_house());
        let mut count = tokio::time::interval(Duration::from_millis(250));
        loop {
            let command = tokio::select! {
                command = self.commands.recv() => command,
                _ = count.tick() => {
                    self.connections.store(listeners.connections(), Ordering::Relaxed);
                    continue;
                }
            };
            match command {
                None => break,
                Some(Command::Set { listener, sockets }) => {
                    listeners.set(&worker, &listener, sockets, self.drain_time);
                }
                Some(Command::Remove(name)) => listeners.remove(&name, self.drain_time),
                Some(Command::Advance(phase)) => listeners.advance_all(phase),
                Some(Command::StopAccepting) => listeners.stop_accepting(),
            }
            self.connections
                .store(listeners.connections(), Ordering::Relaxed);
        }
        worker.close_pools();
        observe::flush();
    }
}
