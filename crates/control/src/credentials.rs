//! Credentials that DestinationRules name: a gateway gets them from its own namespace (`pilot/pkg/xds/sds.go`).

use std::collections::BTreeMap;

use api::istio::ClientTlsMode;
use base::{ObjectRef, Protocol};

use crate::scope::{Scope, Warning};
use crate::secret::{self, Served};

/// A credential as clusters ask for it: its name, and whether the gateway presents it (`MUTUAL`) or verifies by it alone.
type Wanted = BTreeMap<(String, bool), ObjectRef>;

fn wanted(scope: &Scope<'_>) -> Wanted {
    let mut wanted = Wanted::new();
    for service in scope.services() {
        let node = (&*scope.node.namespace, &scope.node.labels);
        let Some(rule) = scope.view.destination_rule(service, node) else {
            continue;
        };
        let Some(source) = rule.sources.first() else {
            continue;
        };
        let ports = service
            .ports
            .iter()
            .filter(|port| port.protocol != Protocol::Udp);
        for port in ports {
            for subset in std::iter::once(None).chain(rule.subsets.iter().map(Some)) {
                let Some(tls) = rule.policy_of(port.number, subset).tls else {
                    continue;
                };
                let mutual = match tls.mode {
                    ClientTlsMode::Simple => false,
                    ClientTlsMode::Mutual => true,
                    _ => continue,
                };
                if !tls.credential_name.is_empty() {
                    wanted
                        .entry((tls.credential_name, mutual))
                        .or_insert_with(|| source.clone());
                }
            }
        }
    }
    wanted
}

/// The secrets of a gateway's clusters with what named them, and why others cannot be served.
pub(crate) fn of_clusters(scope: &Scope<'_>, verified: bool) -> (Vec<Served>, Vec<Warning>) {
    let namespace = &scope.node.namespace;
    let (mut served, mut warnings) = (Vec::new(), Vec::new());
    for ((name, mutual), source) in wanted(scope) {
        let found = if verified {
            secret::of_client(scope.view, namespace, &name, mutual)
        } else {
            Err(secret::unproved(scope.node))
        };
        match found {
            Ok(secrets) => served.extend(secrets.into_iter().map(|mut secret| {
                secret.provenance.push(source.clone());
                secret
            })),
            Err(message) => warnings.push(Warning {
                object: source,
                reason: "CredentialUnavailable",
                message,
            }),
        }
    }
    (served, warnings)
}
