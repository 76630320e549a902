//! A number that one worker writes and anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or gauge slot. Only its worker writes it, so writing is a plain load and store.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    pub fn inc(&self) {
        self.add(1);
    }

    /// For gauges; slots of one gauge may go below zero and only their sum counts.
    pub fn dec(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// A fixed set of numbers that belong together, such as those of a cluster.
pub trait Group: Default + Send + Sync + 'static {
    /// Name and kind, in the order of [`Group::get`].
    const STATS: &'static [(&'static str, Kind)];

    fn get(&self, index: usize) -> u64;
}

/// Declares a [`Group`]: a field a stat, named as Envoy names it, or as the text behind the field says.
macro_rules! group {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $own:literal) => { $own };
    ($(#[$meta:meta])* $name:ident { $($field:ident $(($own:literal))?: $kind:ident,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct $name {
            $(pub $field: crate::observe::stats::Cell,)*
        }

        impl crate::observe::stats::Group for $name {
            const STATS: &'static [(&'static str, crate::observe::stats::Kind)] =
                &[$((crate::observe::stats::cell::group!(@name $field $($own)?), crate::observe::stats::Kind::$kind),)*];

            fn get(&self, index: usize) -> u64 {
                let cells = [$(&self.$field,)*];
                cells.get(index).map_or(0, |cell| cell.get())
            }
        }
    };
}

pub(super) use group;
