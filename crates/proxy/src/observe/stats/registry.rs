//! All scopes of a process: made when first counted in, kept as long as the process, so that a cluster
//! that comes back counts on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{
    Cell, ClusterGroup, Group, Histogram, HttpGroup, Kind, ListenerGroup, OutlierGroup, Sample,
    Summary, TcpGroup, TlsGroup, Value,
};

/// Counts by exact status code; made when the first response comes.
#[derive(Debug, Default)]
pub struct Codes(OnceLock<Box<[Cell]>>);

impl Codes {
    /// Counts a status between 100 and 599.
    pub fn count(&self, status: u16) {
        let cells = self
            .0
            .get_or_init(|| (0..500).map(|_| Cell::default()).collect());
        if let Some(cell) = usize::from(status)
            .checked_sub(100)
            .and_then(|at| cells.get(at))
        {
            cell.inc();
        }
    }

    fn get(&self, index: usize) -> u64 {
        self.0.get().map_or(0, |cells| cells[index].get())
    }
}

/// One worker's part of a scope.
#[derive(Debug, Default)]
pub struct Slot<G> {
    pub group: G,
    pub codes: Codes,
    /// Responses that were followed by another attempt.
    pub retried: Codes,
    pub time: Histogram,
}

/// The stats of one cluster, listener or connection manager.
#[derive(Debug)]
pub struct Scope<G> {
    pub name: Arc<str>,
    slots: Box<[Slot<G>]>,
}

impl<G: Group> Scope<G> {
    fn new(name: &str, workers: usize) -> Arc<Self> {
        let slots = (0..workers.max(1)).map(|_| Slot::default()).collect();
        Arc::new(Self {
            name: name.into(),
            slots,
        })
    }

    /// The slot of a worker. Threads that are no workers share slot 0.
    #[must_use]
    pub fn slot(&self, worker: usize) -> &Slot<G> {
        &self.slots[worker % self.slots.len()]
    }

    fn visit(&self, shape: &Shape, out: &mut Vec<Sample>) {
        let sample = |stat: String, value| Sample {
            domain: shape.domain,
            tag: shape.tag,
            instance: self.name.clone(),
            stat,
            value,
        };
        for (index, (stat, kind)) in G::STATS.iter().enumerate() {
            let sum = self
                .slots
                .iter()
                .fold(0_u64, |sum, slot| sum.wrapping_add(slot.group.get(index)));
            let value = match kind {
                Kind::Counter => Value::Counter(sum),
                Kind::Gauge => Value::Gauge(sum),
            };
            out.push(sample(format!("{}{stat}", shape.prefix), value));
        }
        if let Some(stem) = shape.codes {
            let retry = format!("retry.{stem}");
            let total = |of: fn(&Slot<G>) -> &Codes, code| -> u64 {
                self.slots.iter().map(|slot| of(slot).get(code)).sum()
            };
            let mut classes = [0_u64; 5];
            for code in 0..500 {
                classes[code / 100] += total(|slot| &slot.retried, code);
            }
            let completed: u64 = classes.iter().sum();
            if completed > 0 {
                let stat = format!("{retry}completed");
                out.push(sample(stat, Value::Counter(completed)));
            }
            for (class, sum) in (1..).zip(classes).filter(|(_, sum)| *sum > 0) {
                out.push(sample(format!("{retry}{class}xx"), Value::Counter(sum)));
            }
            for code in 0..500 {
                let kinds: [(&str, fn(&Slot<G>) -> &Codes); 2] =
                    [(stem, |slot| &slot.codes), (&retry, |slot| &slot.retried)];
                for (stem, of) in kinds {
                    let sum = total(of, code);
                    if sum > 0 {
                        out.push(sample(format!("{stem}{}", code + 100), Value::Counter(sum)));
                    }
                }
            }
        }
        if let Some(stat) = shape.time {
            let summary = Summary::of(self.slots.iter().map(|slot| &slot.time));
            out.push(sample(stat.to_owned(), Value::Histogram(summary)));
        }
    }
}

/// How a scope's stats are named.
struct Shape {
    domain: &'static str,
    /// The Prometheus label of the instance.
    tag: &'static str,
    /// Before the names of the group's stats.
    prefix: &'static str,
    codes: Option<&'static str>,
    time: Option<&'static str>,
}

const CLUSTER: Shape = Shape {
    domain: "cluster",
    tag: "envoy_cluster_name",
    prefix: "",
    codes: Some("upstream_rq_"),
    time: Some("upstream_rq_time"),
};
const OUTLIER: Shape = Shape {
    domain: "cluster",
    tag: "envoy_cluster_name",
    prefix: "outlier_detection.",
    codes: None,
    time: None,
};
const HTTP: Shape = Shape {
    domain: "http",
    tag: "envoy_http_conn_manager_prefix",
    prefix: "",
    codes: None,
    time: Some("downstream_rq_time"),
};
const LISTENER: Shape = Shape {
    domain: "listener",
    tag: "envoy_listener_address",
    prefix: "",
    codes: None,
    time: None,
};
const TCP: Shape = Shape {
    domain: "tcp",
    tag: "envoy_tcp_prefix",
    prefix: "",
    codes: None,
    time: None,
};

const CLUSTER_TLS: Shape = Shape {
    domain: "cluster",
    tag: "envoy_cluster_name",
    prefix: "ssl.",
    codes: None,
    time: None,
};
const LISTENER_TLS: Shape = Shape {
    domain: "listener",
    tag: "envoy_listener_address",
    prefix: "ssl.",
    codes: None,
    time: None,
};

pub type ClusterScope = Scope<ClusterGroup>;
pub type OutlierScope = Scope<OutlierGroup>;
pub type HttpScope = Scope<HttpGroup>;
pub type ListenerScope = Scope<ListenerGroup>;
pub type TcpScope = Scope<TcpGroup>;
pub type TlsScope = Scope<TlsGroup>;

type Scopes<G> = Mutex<BTreeMap<Arc<str>, Arc<Scope<G>>>>;

/// All stats of one proxy.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    clusters: Scopes<ClusterGroup>,
    outliers: Scopes<OutlierGroup>,
    http: Scopes<HttpGroup>,
    listeners: Scopes<ListenerGroup>,
    tcp: Scopes<TcpGroup>,
    cluster_tls: Scopes<TlsGroup>,
    listener_tls: Scopes<TlsGroup>,
    /// Numbers of the process that are counted seldom: by full name.
    others: Mutex<BTreeMap<String, (Kind, u64)>>,
}

fn scope<G: Group>(scopes: &Scopes<G>, name: &str, workers: usize) -> Arc<Scope<G>> {
    let mut scopes = scopes.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(scope) = scopes.get(name) {
        return scope.clone();
    }
    let scope = Scope::new(name, workers);
    scopes.insert(scope.name.clone(), scope.clone());
    scope
}

fn visit<G: Group>(scopes: &Scopes<G>, shape: &Shape, out: &mut Vec<Sample>) {
    let scopes = scopes.lock().unwrap_or_else(PoisonError::into_inner);
    scopes.values().for_each(|scope| scope.visit(shape, out));
}

impl Registry {
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            clusters: Scopes::default(),
            outliers: Scopes::default(),
            http: Scopes::default(),
            listeners: Scopes::default(),
            tcp: Scopes::default(),
            cluster_tls: Scopes::default(),
            listener_tls: Scopes::default(),
            others: Mutex::default(),
        }
    }

    #[must_use]
    pub fn cluster(&self, name: &str) -> Arc<ClusterScope> {
        scope(&self.clusters, name, self.workers)
    }

    /// Outlier detection of a cluster: one slot, as it has one owner.
    #[must_use]
    pub fn outlier(&self, cluster: &str) -> Arc<OutlierScope> {
        scope(&self.outliers, cluster, 1)
    }

    #[must_use]
    pub fn http(&self, prefix: &str) -> Arc<HttpScope> {
        scope(&self.http, prefix, self.workers)
    }

    #[must_use]
    pub fn listener(&self, name: &str) -> Arc<ListenerScope> {
        scope(&self.listeners, name, self.workers)
    }

    #[must_use]
    pub fn tcp(&self, prefix: &str) -> Arc<TcpScope> {
        scope(&self.tcp, prefix, self.workers)
    }

    /// TLS with the endpoints of a cluster.
    #[must_use]
    pub fn cluster_tls(&self, name: &str) -> Arc<TlsScope> {
        scope(&self.cluster_tls, name, self.workers)
    }

    /// TLS with the clients of a listener.
    #[must_use]
    pub fn listener_tls(&self, name: &str) -> Arc<TlsScope> {
        scope(&self.listener_tls, name, self.workers)
    }

    /// Adds to a counter of the process. Takes a lock: not for requests.
    pub fn add(&self, name: &str, n: u64) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        match others.get_mut(name) {
            Some((_, value)) => *value += n,
            None => _ = others.insert(name.to_owned(), (Kind::Counter, n)),
        }
    }

    /// Sets a gauge of the process.
    pub fn set(&self, name: &str, value: u64) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.insert(name.to_owned(), (Kind::Gauge, value));
    }

    /// Everything, added up, in the order of names within each kind of scope.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut out = Vec::new();
        visit(&self.clusters, &CLUSTER, &mut out);
        visit(&self.outliers, &OUTLIER, &mut out);
        visit(&self.http, &HTTP, &mut out);
        visit(&self.listeners, &LISTENER, &mut out);
        visit(&self.tcp, &TCP, &mut out);
        visit(&self.cluster_tls, &CLUSTER_TLS, &mut out);
        visit(&self.listener_tls, &LISTENER_TLS, &mut out);
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, (kind, value)) in others.iter() {
            out.push(Sample {
                domain: "",
                tag: "",
                instance: "".into(),
                stat: name.clone(),
                value: match kind {
                    Kind::Counter => Value::Counter(*value),
                    Kind::Gauge => Value::Gauge(*value),
                },
            });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up_and_gauges_may_move_between_them() {
        let registry = Registry::new(2);
        let scope = registry.cluster("a");
        scope.slot(0).group.upstream_cx_active.inc();
        scope.slot(1).group.upstream_cx_active.inc();
        scope.slot(1).group.upstream_cx_active.dec();
        scope.slot(0).codes.count(200);
        scope.slot(1).codes.count(200);
        let samples = registry.samples();
        let value = |stat: &str| {
            samples
                .iter()
                .find(|s| s.stat == stat)
                .unwrap()
                .value
                .clone()
        };
        assert_eq!(value("upstream_cx_active"), Value::Gauge(1));
        assert_eq!(value("upstream_rq_200"), Value::Counter(2));
        assert!(Arc::ptr_eq(&scope, &registry.cluster("a")));
    }
}
