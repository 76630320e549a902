//! Listeners: capture and service listeners of sidecars, and the ports of gateways.

pub(crate) mod access_log;
pub(crate) mod chains;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod inbound;
pub(crate) mod inspectors;
pub(crate) mod istio_filters;
pub(crate) mod outbound;
pub(crate) mod tcp;
