//! Loopback ports.

use std::net::{Ipv4Addr, TcpListener};

/// A listener on a free loopback port. Prefer it to [`free_port`]: nobody can take the port in between.
///
/// # Panics
/// When loopback has no free port.
#[must_use]
pub fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port")
}

/// A loopback port that was free a moment ago, for programs which can only be told a number.
///
/// # Panics
/// When loopback has no free port.
#[must_use]
pub fn free_port() -> u16 {
    listener().local_addr().expect("a bound listener").port()
}
