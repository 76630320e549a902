//! Earliest deadline first: weighted round robin in the order in which Envoy's scheduler gives it.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A schedule of entries; the next deadline of an entry lies 1/weight after its last.
#[derive(Debug, Clone)]
pub(crate) struct Edf<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    now: f64,
    order: u64,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    deadline: f64,
    order: u64,
    value: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.deadline
            .total_cmp(&other.deadline)
            .then(self.order.cmp(&other.order))
    }
}

impl<T: Copy> Edf<T> {
    /// Schedules `values` with their weights; all weights are positive.
    pub(crate) fn new(values: impl IntoIterator<Item = (T, f64)>) -> Self {
        let mut edf = Self {
            heap: BinaryHeap::new(),
            now: 0.0,
            order: 0,
        };
        for (value, weight) in values {
            edf.add(value, weight);
        }
        edf
    }

    fn add(&mut self, value: T, weight: f64) {
        let deadline = self.now + 1.0 / weight;
        self.order += 1;
        self.heap.push(Reverse(Entry {
            deadline,
            order: self.order,
            value,
        }));
    }

    /// Takes the entry that is due and schedules it anew with its weight of this moment.
    pub(crate) fn next(&mut self, weight: impl FnOnce(T) -> f64) -> Option<T> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.deadline;
        self.add(entry.value, weight(entry.value));
        Some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_proportion_and_interleaved() {
        let weights = [("a", 2.0), ("b", 1.0)];
        let weight = |name| if name == "a" { 2.0 } else { 1.0 };
        let mut edf = Edf::new(weights);
        let order: String = (0..6).map(|_| edf.next(weight).unwrap()).collect();
        assert_eq!(order, "abaaba");
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(Edf::<u32>::new([]).next(|_| 1.0), None);
    }
}
