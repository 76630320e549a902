//! What a worker thread counts and logs into: its own slots and buffers, found without a lock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::log::{Sinks, Writer};
use super::recorder::Recorder;
use super::stats::{ClusterScope, HttpScope, ListenerScope, Registry, TcpScope};
use crate::config::{AccessLog, ClusterInfo, LogSink};

/// Lines gather until this size, or until the worker's next tick.
const BUFFER: usize = 16 << 10;

/// Everything that one proxy tells of itself.
#[derive(Debug)]
pub struct Observe {
    pub stats: Registry,
    pub sinks: Sinks,
    pub recorder: Recorder,
    pub hostname: String,
    pub started: std::time::Instant,
}

impl Observe {
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            stats: Registry::new(workers),
            sinks: Sinks::default(),
            recorder: Recorder::default(),
            hostname: std::fs::read_to_string("/proc/sys/kernel/hostname")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            started: std::time::Instant::now(),
        })
    }

    /// Makes the calling thread worker number `worker` of this proxy.
    pub fn enter(self: &Arc<Self>, worker: usize) {
        LOCAL.set(Some(Local {
            observe: self.clone(),
            worker,
            clusters: Vec::new(),
            http: None,
            tcp: None,
            listeners: HashMap::new(),
            logs: Vec::new(),
            scratch: Vec::new(),
        }));
    }
}

/// One worker's view.
pub(super) struct Local {
    pub(super) observe: Arc<Observe>,
    pub(super) worker: usize,
    clusters: Vec<Option<Arc<ClusterScope>>>,
    /// The last one used: a worker's requests mostly share their connection manager.
    http: Option<(Arc<str>, Arc<HttpScope>)>,
    tcp: Option<(Arc<str>, Arc<TcpScope>)>,
    listeners: HashMap<Arc<str>, Arc<ListenerScope>>,
    /// Few: a search is cheaper than to hash a path.
    logs: Vec<(LogSink, Writer, Vec<u8>)>,
    pub(super) scratch: Vec<u8>,
}

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

/// Runs `work` with the thread's view; does nothing on threads that are no workers.
pub(super) fn with(work: impl FnOnce(&mut Local)) {
    LOCAL.with_borrow_mut(|local| {
        if let Some(local) = local {
            work(local);
        }
    });
}

impl Local {
    pub(super) fn cluster(&mut self, info: &ClusterInfo) -> &ClusterScope {
        let index = info.id.index();
        if index >= self.clusters.len() {
            self.clusters.resize(index + 1, None);
        }
        let stats = &self.observe.stats;
        self.clusters[index].get_or_insert_with(|| stats.cluster(&info.stat_name))
    }

    pub(super) fn cluster_arc(&mut self, info: &ClusterInfo) -> Arc<ClusterScope> {
        self.cluster(info);
        self.clusters[info.id.index()]
            .clone()
            .unwrap_or_else(|| self.observe.stats.cluster(&info.stat_name))
    }

    pub(super) fn http(&mut self, prefix: &Arc<str>) -> &HttpScope {
        let known = self
            .http
            .as_ref()
            .is_some_and(|(name, _)| Arc::ptr_eq(name, prefix) || name == prefix);
        if !known {
            self.http = None;
        }
        let stats = &self.observe.stats;
        &self
            .http
            .get_or_insert_with(|| (prefix.clone(), stats.http(prefix)))
            .1
    }

    pub(super) fn http_arc(&mut self, prefix: &Arc<str>) -> Arc<HttpScope> {
        self.http(prefix);
        match &self.http {
            Some((_, scope)) => scope.clone(),
            None => self.observe.stats.http(prefix),
        }
    }

    pub(super) fn tcp(&mut self, prefix: &Arc<str>) -> &TcpScope {
        if self.tcp.as_ref().is_some_and(|(name, _)| name != prefix) {
            self.tcp = None;
        }
        let stats = &self.observe.stats;
        &self
            .tcp
            .get_or_insert_with(|| (prefix.clone(), stats.tcp(prefix)))
            .1
    }

    pub(super) fn listener(&mut self, name: &Arc<str>) -> &Arc<ListenerScope> {
        let stats = &self.observe.stats;
        self.listeners
            .entry(name.clone())
            .or_insert_with(|| stats.listener(name))
    }

    /// Appends one line to a log's buffer.
    pub(super) fn line(
        &mut self,
        log: &AccessLog,
        render: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>),
    ) {
        let known = self.logs.iter().position(|(sink, ..)| sink.is(&log.sink));
        let at = known.unwrap_or_else(|| {
            let writer = self.observe.sinks.writer(&log.sink);
            self.logs.push((log.sink.clone(), writer, Vec::new()));
            self.logs.len() - 1
        });
        let (_, writer, buffer) = &mut self.logs[at];
        if buffer.capacity() == 0 {
            buffer.reserve(BUFFER + 1024);
        }
        render(buffer, &mut self.scratch);
        if buffer.len() >= BUFFER {
            writer.send(buffer);
        }
    }

    fn flush(&mut self) {
        for (_, writer, buffer) in &mut self.logs {
            writer.send(buffer);
        }
    }
}

/// Hands the worker's buffered log lines over; called at each tick and before the worker ends.
pub fn flush() {
    with(Local::flush);
}
