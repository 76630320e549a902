//! Which clusters and listeners are complete, and how long the others wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::applier::Applier;
use super::table::Entry;
use crate::config::cluster::Discovery;
use crate::config::hcm::RouteSource;
use crate::config::tls::SdsRef;
use crate::config::{ClusterInfo, Listener};

impl Applier {
    pub(super) fn activate_clusters(&mut self, now: Instant) {
        let ready: Vec<Arc<str>> = self
            .clusters
            .slots
            .iter()
            .filter(|(_, slot)| {
                slot.warming
                    .as_ref()
                    .is_some_and(|entry| self.cluster_ready(entry, now))
            })
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in ready {
            if let Some(slot) = self.clusters.slots.get_mut(&name) {
                slot.active = slot.warming.take();
            }
        }
    }

    pub(super) fn activate_listeners(&mut self, now: Instant) {
        let ready: Vec<Arc<str>> = self
            .listeners
            .slots
            .iter()
            .filter(|(_, slot)| {
                slot.warming
                    .as_ref()
                    .is_some_and(|entry| self.listener_ready(entry, now))
            })
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in ready {
            if let Some(slot) = self.listeners.slots.get_mut(&name) {
                slot.active = slot.warming.take();
            }
        }
    }

    fn cluster_ready(&self, entry: &Entry<ClusterInfo>, now: Instant) -> bool {
        let info = &entry.value;
        let endpoints = match &info.discovery {
            Discovery::Eds {
                service_name,
                fetch_timeout,
            } => {
                !info.wait_for_warm_on_init && self.clusters.active(&info.name).is_none()
                    || self.endpoints.active(service_name).is_some()
                    || is_over(entry.since, *fetch_timeout, now)
            }
            _ => true,
        };
        endpoints
            && info
                .sds()
                .all(|sds| self.secret_ready(sds, entry.since, now))
    }

    fn listener_ready(&self, entry: &Entry<Listener>, now: Instant) -> bool {
        let listener = &entry.value;
        let routes = listener.connection_managers().all(|hcm| match &hcm.routes {
            RouteSource::Inline(_) => true,
            RouteSource::Rds {
                name,
                fetch_timeout,
                ..
            } => self.routes.active(name).is_some() || is_over(entry.since, *fetch_timeout, now),
        });
        routes
            && listener
                .sds()
                .all(|sds| self.secret_ready(sds, entry.since, now))
    }

    fn secret_ready(&self, sds: &SdsRef, since: Instant, now: Instant) -> bool {
        self.secrets.active(&sds.name).is_some() || is_over(since, sds.fetch_timeout, now)
    }

    pub(super) fn cluster_deadline(&self, entry: &Entry<ClusterInfo>) -> Option<Instant> {
        let eds = match &entry.value.discovery {
            Discovery::Eds {
                service_name,
                fetch_timeout,
            } if self.endpoints.active(service_name).is_none() => *fetch_timeout,
            _ => None,
        };
        let secrets = self.missing_secrets(entry.value.sds());
        eds.into_iter()
            .chain(secrets)
            .map(|timeout| entry.since + timeout)
            .min()
    }

    pub(super) fn listener_deadline(&self, entry: &Entry<Listener>) -> Option<Instant> {
        let routes = entry
            .value
            .connection_managers()
            .filter_map(|hcm| match &hcm.routes {
                RouteSource::Rds {
                    name,
                    fetch_timeout,
                    ..
                } if self.routes.active(name).is_none() => *fetch_timeout,
                _ => None,
            });
        let secrets = self.missing_secrets(entry.value.sds());
        routes
            .chain(secrets)
            .map(|timeout| entry.since + timeout)
            .min()
    }

    fn missing_secrets<'a>(
        &'a self,
        sds: impl Iterator<Item = &'a SdsRef> + 'a,
    ) -> impl Iterator<Item = Duration> + 'a {
        sds.filter(|sds| self.secrets.active(&sds.name).is_none())
            .filter_map(|sds| sds.fetch_timeout)
    }
}

fn is_over(since: Instant, timeout: Option<Duration>, now: Instant) -> bool {
    timeout.is_some_and(|timeout| now.saturating_duration_since(since) >= timeout)
}
