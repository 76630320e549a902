//! What proxies get for what the mesh says.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    unreachable_pub,
    reason = "a test fails by panicking, and its helpers are nobody's interface"
)]

mod clusters;
mod envoy;
mod gateway;
mod planner;
mod properties;
mod pushes;
mod routes;
mod sidecar;
mod support;
