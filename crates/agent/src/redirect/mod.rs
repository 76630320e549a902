//! Redirection of a pod's TCP traffic to its proxy. The plan is pure; applying it is the thin rest.
//!
//! The rules are those of Istio's `istio-iptables` in REDIRECT mode, as nftables.

mod apply;
mod plan;

pub use apply::apply;
pub use plan::{BadFlag, Chain, Flags, Match, Plan, Rule, Verdict, plan};
