//! Draining: one side announces the end, the other finishes what it holds and lets go.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

/// Announces a drain and waits for all [`Watch`]es to be dropped.
#[derive(Debug)]
pub struct Drain {
    signal: watch::Sender<bool>,
    done: mpsc::Receiver<()>,
}

/// Held by everything that must finish before the process may end.
#[derive(Debug, Clone)]
pub struct Watch {
    signal: watch::Receiver<bool>,
    _held: Arc<mpsc::Sender<()>>,
}

/// A connected pair.
#[must_use]
pub fn channel() -> (Drain, Watch) {
    let (signal, watch) = watch::channel(false);
    let (held, done) = mpsc::channel(1);
    (
        Drain { signal, done },
        Watch {
            signal: watch,
            _held: Arc::new(held),
        },
    )
}

impl Drain {
    /// Tells every watch to finish. Idempotent.
    pub fn start(&self) {
        self.signal.send_replace(true);
    }

    /// Completes when the last watch is dropped.
    pub async fn finished(&mut self) {
        while self.done.recv().await.is_some() {}
    }
}

impl Watch {
    /// Completes when the drain has started, or its owner is gone.
    pub async fn signaled(&mut self) {
        let _ = self.signal.wait_for(|draining| *draining).await;
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.signal.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finishes_when_the_last_watch_is_dropped() {
        let (mut drain, watch) = channel();
        let mut other = watch.clone();
        let holder = tokio::spawn(async move {
            other.signaled().await;
            assert!(other.is_draining());
        });
        drop(watch);
        drain.start();
        drain.finished().await;
        holder.await.unwrap();
    }
}
