//! Circuit breakers: limits on what one cluster may have in flight, for the whole process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

/// The limits of one priority. Envoy's defaults are 1024 and 3 retries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub max_connections: u32,
    pub max_pending_requests: u32,
    pub max_requests: u32,
    pub max_retries: u32,
    /// If set, it replaces `max_retries`.
    pub retry_budget: Option<RetryBudget>,
}

/// Retries in flight as a share of requests in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// 20 by default.
    pub budget_percent: f64,
    /// 3 by default.
    pub min_concurrency: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: None,
        }
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Connections,
    Pending,
    Requests,
    Retries,
}

/// A count on its own cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Count(AtomicU32);

impl Count {
    #[must_use]
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The breaker of one cluster and priority. Limits may change; counts stay.
#[derive(Debug, Default)]
pub struct Breaker {
    counts: [Count; 4],
    limits: [AtomicU32; 4],
    budget: RwLock<Option<RetryBudget>>,
}

/// One resource in use; dropped, it is free again.
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Breaker>,
    resource: Resource,
}

impl Breaker {
    /// A breaker with nothing in use.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let breaker = Self::default();
        breaker.set_limits(limits);
        breaker
    }

    /// Takes new limits; what is in use stays in use.
    pub fn set_limits(&self, limits: &Limits) {
        let values = [
            limits.max_connections,
            limits.max_pending_requests,
            limits.max_requests,
            limits.max_retries,
        ];
        for (slot, value) in self.limits.iter().zip(values) {
            slot.store(value, Ordering::Relaxed);
        }
        *self
            .budget
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = limits.retry_budget;
    }

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self, resource: Resource) -> u32 {
        self.counts[resource as usize].get()
    }

    /// How many may be in use now.
    #[must_use]
    pub fn limit(&self, resource: Resource) -> u32 {
        if resource == Resource::Retries {
            let budget = *self
                .budget
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(budget) = budget {
                // Envoy: the share is of active plus pending requests.
                let flight = self.in_use(Resource::Requests) + self.in_use(Resource::Pending);
                let share = (f64::from(flight) * budget.budget_percent / 100.0) as u32;
                return share.max(budget.min_concurrency);
            }
        }
        self.limits[resource as usize].load(Ordering::Relaxed)
    }

    /// Whether no more may be taken.
    #[must_use]
    pub fn is_open(&self, resource: Resource) -> bool {
        self.in_use(resource) >= self.limit(resource)
    }

    /// Takes one, or `None` when the limit is reached. Exact under concurrency.
    #[must_use]
    pub fn try_take(self: &Arc<Self>, resource: Resource) -> Option<Permit> {
        let count = &self.counts[resource as usize].0;
        let limit = self.limit(resource);
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Permit {
            breaker: Arc::clone(self),
            resource,
        })
    }

    /// Takes one beyond any limit (Envoy gives each worker one connection even so).
    #[must_use]
    pub fn take(self: &Arc<Self>, resource: Resource) -> Permit {
        self.counts[resource as usize]
            .0
            .fetch_add(1, Ordering::Relaxed);
        Permit {
            breaker: Arc::clone(self),
            resource,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker.counts[self.resource as usize]
            .0
            .fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_dropped_permits_are_free_again() {
        let breaker = Arc::new(Breaker::new(&Limits {
            max_requests: 2,
            ..Limits::default()
        }));
        let first = breaker.try_take(Resource::Requests);
        let second = breaker.try_take(Resource::Requests);
        assert!(first.is_some() && second.is_some());
        assert!(breaker.try_take(Resource::Requests).is_none());
        assert!(breaker.is_open(Resource::Requests));
        assert!(
            breaker.try_take(Resource::Pending).is_some(),
            "resources are apart"
        );
        drop(first);
        assert!(breaker.try_take(Resource::Requests).is_some());
    }

    #[test]
    fn lowered_limits_bind_at_once_and_counts_stay() {
        let breaker = Arc::new(Breaker::new(&Limits::default()));
        let _held = [
            breaker.take(Resource::Connections),
            breaker.take(Resource::Connections),
        ];
        breaker.set_limits(&Limits {
            max_connections: 1,
            ..Limits::default()
        });
        assert_eq!(breaker.in_use(Resource::Connections), 2);
        assert!(breaker.try_take(Resource::Connections).is_none());
    }

    #[test]
    fn a_retry_budget_is_a_share_of_requests_in_flight_with_a_floor() {
        let budget = RetryBudget {
            budget_percent: 20.0,
            min_concurrency: 3,
        };
        let breaker = Arc::new(Breaker::new(&Limits {
            retry_budget: Some(budget),
            max_retries: 0,
            ..Limits::default()
        }));
        assert_eq!(breaker.limit(Resource::Retries), 3);
        let _flight: Vec<_> = (0..50).map(|_| breaker.take(Resource::Requests)).collect();
        assert_eq!(breaker.limit(Resource::Retries), 10);
    }
}
