//! What proxies get for what the mesh says.

mod clusters;
mod envoy;
mod gateway;
mod planner;
mod properties;
mod pushes;
mod routes;
mod sidecar;
mod support;
