//! `ferromesh up` as a person runs it, looked at from outside with kubectl, curl, h2load and tcpdump.
//! One file a theme; the checks of a theme share one mesh.

#![allow(clippy::unwrap_used)]

mod bookinfo;
mod faults;
mod harness;
mod lifecycle;
mod samples;
mod traffic;
