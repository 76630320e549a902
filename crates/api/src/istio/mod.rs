//! Istio's resources as Rust types: the `spec` of each kind, named as in Istio's API with snake_case
//! fields. The members of a one-of group are `Option`s side by side; [`crate::validate`] sees to it that
//! only one is set.

mod common;
pub mod destination_rule;
pub mod extension_provider;
pub mod gateway;
mod grpc_status;
pub(crate) mod macros;
pub mod mesh_config;
pub mod mesh_proxy_config;
pub mod peer_authentication;
pub mod proxy_config;
pub mod service_entry;
pub mod telemetry;
pub mod virtual_service;
pub mod workload_entry;
pub mod workload_group;

pub use common::*;
pub use destination_rule::*;
pub use gateway::*;
pub use grpc_status::grpc_status_code;
pub use mesh_config::MeshConfig;
pub use mesh_proxy_config::ProxyConfig as MeshProxyConfig;
pub use peer_authentication::*;
pub use proxy_config::*;
pub use service_entry::*;
pub use telemetry::*;
pub use virtual_service::*;
pub use workload_entry::*;
