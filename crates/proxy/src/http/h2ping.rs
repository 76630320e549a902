//! HTTP/2 PING keepalive: finds peers that are gone without a word.

use std::time::Duration;

use h2::{Ping, PingPong};

use crate::config::hcm::H2Keepalive;

/// Pings at the configured interval; completes when an answer is overdue or the connection is over.
pub(crate) async fn watch(mut peer: PingPong, settings: H2Keepalive) {
    let Some(interval) = settings.interval.filter(|interval| !interval.is_zero()) else {
        return std::future::pending().await;
    };
    loop {
        let jitter = settings.interval_jitter.clamp(0.0, 100.0) / 100.0 * fastrand::f64();
        tokio::time::sleep(interval.mul_f64(1.0 + jitter)).await;
        let timeout = settings.timeout.max(Duration::from_millis(1));
        match tokio::time::timeout(timeout, peer.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
