//! Counts TLS handshakes as Envoy's TLS statistics do.

use super::counted::listener_name;
use super::local::with;
use super::record::TlsFacts;
use super::stats::TlsGroup;
use crate::config::{ClusterInfo, Listener};

/// A client's handshake ended: what was settled, or why it failed.
pub(crate) fn downstream(listener: &Listener, result: Result<&TlsFacts, &str>) {
    with(|local| {
        let scope = local.observe.stats.listener_tls(&listener_name(listener));
        count(&scope.slot(local.worker).group, result);
    });
}

/// A handshake with an endpoint ended.
pub(crate) fn upstream(cluster: &ClusterInfo, result: Result<&TlsFacts, &str>) {
    with(|local| {
        let scope = local.observe.stats.cluster_tls(&cluster.stat_name);
        count(&scope.slot(local.worker).group, result);
    });
}

/// What the verification of a certificate refuses is no error of the connection (Envoy: `SslSocket::drainErrorQueue`).
fn count(group: &TlsGroup, result: Result<&TlsFacts, &str>) {
    match result {
        Ok(facts) => {
            group.handshake.inc();
            if facts.resumed {
                group.session_reused.inc();
            }
            if facts.peer.is_none() {
                group.no_certificate.inc();
            }
        }
        Err(why) if why.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") => {
            group.fail_verify_no_cert.inc();
        }
        Err(why) if why.contains("CERTIFICATE_VERIFY_FAILED") => {
            if why.contains(" SAN") {
                group.fail_verify_san.inc();
            } else {
                group.fail_verify_error.inc();
            }
        }
        // The peer went away before it said anything wrong.
        Err(why) if why.contains("peer closed the connection") => {}
        Err(_) => group.connection_error.inc(),
    }
}
