//! The listeners of one worker: their sockets, their current configuration and the drains of earlier ones.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::ContentHash;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::accept;
use super::drain::{DrainState, Phase};
use crate::config::Listener;
use crate::config::listener::ListenAddress;
use crate::worker::Worker;

/// One listener on one worker.
#[derive(Debug)]
pub(crate) struct Active {
    listener: RefCell<Arc<Listener>>,
    /// Connections whose chain is not chosen yet.
    early: Rc<DrainState>,
    /// Connections by the content of their filter chain.
    chains: RefCell<HashMap<ContentHash, Rc<DrainState>>>,
    stopped: Cell<bool>,
    stop: Notify,
}

impl Active {
    fn new(listener: Arc<Listener>) -> Rc<Self> {
        Rc::new(Self {
            listener: RefCell::new(listener),
            early: Rc::default(),
            chains: RefCell::default(),
            stopped: Cell::new(false),
            stop: Notify::new(),
        })
    }

    pub(crate) fn listener(&self) -> Arc<Listener> {
        Arc::clone(&self.listener.borrow())
    }

    /// For connections that were just accepted.
    pub(crate) fn early(&self) -> &Rc<DrainState> {
        &self.early
    }

    /// For connections that this chain serves.
    pub(crate) fn of_chain(&self, version: ContentHash) -> Rc<DrainState> {
        let drain = Rc::clone(self.chains.borrow_mut().entry(version).or_default());
        drain.advance(self.early.phase());
        drain
    }

    fn drains(&self) -> Vec<Rc<DrainState>> {
        let chains = self.chains.borrow();
        std::iter::once(&self.early)
            .chain(chains.values())
            .cloned()
            .collect()
    }

    /// The drains of chains that `listener` no longer has.
    fn outdated(&self, listener: &Listener) -> Vec<Rc<DrainState>> {
        let current = |version: &ContentHash| {
            let chains = listener.chains.iter().chain(&listener.default_chain);
            chains.into_iter().any(|chain| chain.version == *version)
        };
        let mut chains = self.chains.borrow_mut();
        let gone: Vec<ContentHash> = chains
            .keys()
            .filter(|version| !current(version))
            .copied()
            .collect();
        gone.iter()
            .filter_map(|version| chains.remove(version))
            .collect()
    }
}

/// All listeners of a worker.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    by_name: RefCell<HashMap<Arc<str>, Rc<Active>>>,
    by_address: RefCell<HashMap<SocketAddr, Rc<Active>>>,
    /// Drains of listeners that were changed or removed, until their connections are gone.
    leaving: RefCell<Vec<Rc<DrainState>>>,
}

impl Listeners {
    /// The listener for an original destination: its exact address, or else its port on every address.
    pub(crate) fn for_destination(&self, destination: SocketAddr) -> Option<Rc<Active>> {
        let by_address = self.by_address.borrow();
        let any_v4 = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), destination.port());
        let any_v6 = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), destination.port());
        let wildcard = if destination.is_ipv4() {
            any_v4
        } else {
            any_v6
        };
        by_address
            .get(&destination)
            .or_else(|| by_address.get(&wildcard))
            .or_else(|| by_address.get(&any_v6))
            .cloned()
    }

    /// Adds or changes a listener. New connections get the new configuration at once; those of chains that changed drain.
    /// `sockets` are new sockets to accept from.
    pub(crate) fn set(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        listener: &Arc<Listener>,
        sockets: Vec<std::net::TcpListener>,
        drain_time: Duration,
    ) {
        let known = self.by_name.borrow().get(&listener.name).cloned();
        let active = match known {
            Some(active) => {
                self.forget_addresses(&active);
                *active.listener.borrow_mut() = Arc::clone(listener);
                for drain in active.outdated(listener) {
                    self.leave(drain, drain_time);
                }
                active
            }
            None => Active::new(Arc::clone(listener)),
        };
        self.by_name
            .borrow_mut()
            .insert(Arc::clone(&listener.name), Rc::clone(&active));
        for address in &listener.addresses {
            if let ListenAddress::Tcp(address) = address {
                self.by_address
                    .borrow_mut()
                    .insert(*address, Rc::clone(&active));
            }
        }
        for socket in sockets {
            match TcpListener::from_std(socket) {
                Ok(socket) => {
                    let task = accept_all(
                        Rc::clone(worker),
                        Rc::clone(self),
                        Rc::clone(&active),
                        socket,
                    );
                    tokio::task::spawn_local(task);
                }
                Err(error) => {
                    tracing::error!(%error, listener = %listener.name, "cannot use a listening socket");
                }
            }
        }
    }

    /// Stops accepting and drains what was accepted.
    pub(crate) fn remove(&self, name: &str, drain_time: Duration) {
        let Some(active) = self.by_name.borrow_mut().remove(name) else {
            return;
        };
        self.forget_addresses(&active);
        active.stopped.set(true);
        active.stop.notify_waiters();
        for drain in active.drains() {
            self.leave(drain, drain_time);
        }
    }

    fn forget_addresses(&self, active: &Rc<Active>) {
        self.by_address
            .borrow_mut()
            .retain(|_, other| !Rc::ptr_eq(other, active));
    }

    fn leave(&self, drain: Rc<DrainState>, drain_time: Duration) {
        drain.advance(Phase::Draining);
        self.leaving.borrow_mut().push(Rc::clone(&drain));
        tokio::task::spawn_local(async move {
            tokio::time::sleep(drain_time).await;
            drain.advance(Phase::Ending);
            tokio::time::sleep(drain_time).await;
            drain.advance(Phase::Ended);
        });
    }

    /// Stops accepting everywhere.
    pub(crate) fn stop_accepting(&self) {
        for active in self.by_name.borrow().values() {
            active.stopped.set(true);
            active.stop.notify_waiters();
        }
    }

    /// Brings all connections to this phase.
    pub(crate) fn advance_all(&self, phase: Phase) {
        let all: Vec<Rc<DrainState>> = self.drains();
        all.iter().for_each(|drain| drain.advance(phase));
    }

    fn drains(&self) -> Vec<Rc<DrainState>> {
        self.leaving
            .borrow_mut()
            .retain(|drain| drain.connections() > 0);
        let leaving = self.leaving.borrow();
        self.by_name
            .borrow()
            .values()
            .flat_map(|active| active.drains())
            .chain(leaving.iter().cloned())
            .collect()
    }

    /// Open connections.
    pub(crate) fn connections(&self) -> usize {
        self.drains().iter().map(|drain| drain.connections()).sum()
    }
}

/// Accepts until the listener is removed; what the kernel had accepted by then is still served.
async fn accept_all(
    worker: Rc<Worker>,
    listeners: Rc<Listeners>,
    active: Rc<Active>,
    socket: TcpListener,
) {
    let mut failing_since: Option<Instant> = None;
    loop {
        let stopped = active.stop.notified();
        if active.stopped.get() {
            break;
        }
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stopped => break,
        };
        match accepted {
            Ok((tcp, remote)) => {
                failing_since = None;
                spawn(&worker, &listeners, &active, tcp, remote);
            }
            Err(error) => {
                // Out of descriptors, most likely: waiting lets others end.
                if failing_since.is_none() {
                    tracing::warn!(%error, "cannot accept connections");
                }
                failing_since.get_or_insert_with(Instant::now);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    while let Some(Ok((tcp, remote))) = futures::FutureExt::now_or_never(socket.accept()) {
        spawn(&worker, &listeners, &active, tcp, remote);
    }
}

fn spawn(
    worker: &Rc<Worker>,
    listeners: &Rc<Listeners>,
    active: &Rc<Active>,
    tcp: tokio::net::TcpStream,
    remote: SocketAddr,
) {
    let serve = accept::serve(
        Rc::clone(worker),
        Rc::clone(listeners),
        Rc::clone(active),
        tcp,
        remote,
    );
    tokio::task::spawn_local(serve);
}
