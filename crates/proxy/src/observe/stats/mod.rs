//! Counters, gauges and histograms under Envoy's names. Each worker writes its own slots, without
//! contention; readers add them up.

mod cell;
mod groups;
mod histogram;
mod registry;
mod text;

pub use cell::{Cell, Group, Kind};
pub use groups::{ClusterGroup, HttpGroup, ListenerGroup, OutlierGroup, TcpGroup, TlsGroup};
pub use histogram::{Histogram, Summary};
pub use registry::{
    ClusterScope, Codes, HttpScope, ListenerScope, OutlierScope, Registry, Scope, Slot, TcpScope,
    TlsScope,
};
pub use text::{Sample, Value, prometheus, text};
