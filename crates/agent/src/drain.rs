//! The end of a sidecar: stop taking work, let connections finish, then go.

use std::time::Duration;

use http::Method;

use crate::admin::Admin;

const POLL: Duration = Duration::from_millis(200);

/// How the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every connection was finished.
    Empty,
    /// Time ran out with this many connections open.
    Cut { open: u64 },
}

/// Tells the proxy to drain and waits until no downstream connection is open, for at most `limit`.
pub async fn drain(admin: &Admin, limit: Duration) -> Drained {
    if let Err(error) = admin
        .call(Method::POST, "/drain_listeners?graceful&skip_exit")
        .await
    {
        tracing::warn!(%error, "the proxy could not be told to drain");
    }
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match admin.active_connections().await {
            Ok(0) => return Drained::Empty,
            Ok(open) if tokio::time::Instant::now() >= deadline => return Drained::Cut { open },
            // An admin that no longer answers has nothing left to wait for.
            Err(_) => return Drained::Empty,
            Ok(_) => tokio::time::sleep(POLL).await,
        }
    }
}
