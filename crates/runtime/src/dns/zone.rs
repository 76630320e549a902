//! Answers for the cluster's domain, a pure function of its services and endpoints (the Kubernetes
//! DNS-based service discovery specification, 1.1).

use std::net::Ipv4Addr;

use base::ObjectKey;
use hickory_proto::rr::rdata::{A, CNAME, PTR, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::cluster::{Cluster, Endpoint, Port, Service};

const TTL: u32 = 5;

/// What a question gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Answers, and what comes with them.
    Found(Vec<Record>, Vec<Record>),
    /// The name exists without records of this type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Not ours: `ExternalName` and names outside are for the resolver beyond.
    Outside,
}

/// The zone of one cluster.
pub(super) struct Zone<'a> {
    pub(super) cluster: &'a Cluster,
    /// `cluster.local`
    pub(super) domain: &'a str,
    pub(super) dns_ip: Ipv4Addr,
    /// Networks whose reverse zone is ours.
    pub(super) networks: [(Ipv4Addr, u8); 2],
}

impl Zone<'_> {
    pub(super) fn answer(&self, name: &Name, kind: RecordType) -> Answer {
        let text = name.to_ascii().to_ascii_lowercase();
        let text = text.trim_end_matches('.');
        if let Some(reverse) = text.strip_suffix(".in-addr.arpa") {
            return self.reverse(name, reverse, kind);
        }
        if text == self.domain {
            return Answer::NoData;
        }
        let Some(below) = text
            .strip_suffix(self.domain)
            .and_then(|head| head.strip_suffix('.'))
        else {
            return Answer::Outside;
        };
        let labels: Vec<_> = below.split('.').rev().collect();
        match labels.as_slice() {
            ["svc"] | ["pod"] => Answer::NoData,
            ["svc", namespace] => self.namespace(namespace),
            ["svc", namespace, service] => self.service(name, namespace, service, kind),
            ["svc", namespace, service, host] => self.host(name, namespace, service, host, kind),
            ["svc", namespace, service, protocol, port] => {
                self.port(name, namespace, service, (protocol, port), kind)
            }
            ["pod", _, address] => pod(name, address, kind),
            _ => Answer::NxDomain,
        }
    }

    /// The record that says who answers for the zone, for negative answers.
    pub(super) fn soa(&self) -> Option<Record> {
        let zone = Name::from_ascii(format!("{}.", self.domain)).ok()?;
        let server = Name::from_ascii(format!("ns.dns.{}.", self.domain)).ok()?;
        let mailbox = Name::from_ascii(format!("hostmaster.{}.", self.domain)).ok()?;
        let soa = SOA::new(server, mailbox, 1, 7200, 1800, 86400, TTL);
        Some(Record::from_rdata(zone, TTL, RData::SOA(soa)))
    }

    fn namespace(&self, namespace: &str) -> Answer {
        let known = self
            .cluster
            .services
            .keys()
            .any(|key| &*key.namespace == namespace);
        if known {
            Answer::NoData
        } else {
            Answer::NxDomain
        }
    }

    fn find(&self, namespace: &str, service: &str) -> Option<(ObjectKey, &Service)> {
        let key = ObjectKey::new(namespace, service);
        let service = self.cluster.services.get(&key)?;
        Some((key, service))
    }

    /// The endpoints that a headless service publishes.
    fn endpoints<'s>(
        &'s self,
        key: &'s ObjectKey,
        service: &'s Service,
    ) -> impl Iterator<Item = (&'s Endpoint, &'s [Port])> {
        self.cluster.slices_of(key).flat_map(move |slice| {
            let published = slice
                .endpoints
                .iter()
                .filter(|e| e.ready || service.publish_not_ready);
            published.map(move |endpoint| (endpoint, slice.ports.as_slice()))
        })
    }

    fn service(&self, name: &Name, namespace: &str, service: &str, kind: RecordType) -> Answer {
        let Some((key, found)) = self.find(namespace, service) else {
            return Answer::NxDomain;
        };
        if let Some(external) = &found.external_name {
            let Ok(target) = Name::from_ascii(format!("{}.", external.trim_end_matches('.')))
            else {
                return Answer::NoData;
            };
            let alias = Record::from_rdata(name.clone(), TTL, RData::CNAME(CNAME(target.clone())));
            let mut records = vec![alias];
            if kind != RecordType::CNAME
                && let Answer::Found(more, _) = self.answer(&target, kind)
            {
                records.extend(more);
            }
            return Answer::Found(records, Vec::new());
        }
        if let Some(ip) = found.cluster_ip {
            return addresses(name, kind, [ip]);
        }
        let mut ips: Vec<_> = self
            .endpoints(&key, found)
            .map(|(endpoint, _)| endpoint.address)
            .collect();
        ips.sort_unstable();
        ips.dedup();
        addresses(name, kind, ips)
    }

    fn host(
        &self,
        name: &Name,
        namespace: &str,
        service: &str,
        host: &str,
        kind: RecordType,
    ) -> Answer {
        let Some((key, found)) = self
            .find(namespace, service)
            .filter(|(_, found)| found.headless)
        else {
            return Answer::NxDomain;
        };
        if host.starts_with('_') {
            return Answer::NoData;
        }
        let named = self
            .endpoints(&key, found)
            .filter(|(endpoint, _)| label(endpoint) == host);
        let mut ips: Vec<_> = named.map(|(endpoint, _)| endpoint.address).collect();
        ips.dedup();
        if ips.is_empty() {
            Answer::NxDomain
        } else {
            addresses(name, kind, ips)
        }
    }

    fn port(
        &self,
        name: &Name,
        namespace: &str,
        service: &str,
        (protocol, port): (&str, &str),
        kind: RecordType,
    ) -> Answer {
        let number = match protocol {
            "_tcp" => net::nft::TCP,
            "_udp" => net::nft::UDP,
            _ => return Answer::NxDomain,
        };
        let (Some((key, found)), Some(port)) =
            (self.find(namespace, service), port.strip_prefix('_'))
        else {
            return Answer::NxDomain;
        };
        let base = format!("{service}.{namespace}.svc.{}.", self.domain);
        let is = |p: &&Port| p.name == port && p.protocol == number;
        let mut records = Vec::new();
        let mut glue = Vec::new();
        let mut push = |target: String, ip: Ipv4Addr, port: u16| {
            let Ok(target) = Name::from_ascii(target) else {
                return;
            };
            let srv = SRV::new(0, 100, port, target.clone());
            records.push(Record::from_rdata(name.clone(), TTL, RData::SRV(srv)));
            glue.push(Record::from_rdata(target, TTL, RData::A(A(ip))));
        };
        if let (Some(ip), Some(port)) = (found.cluster_ip, found.ports.iter().find(is)) {
            push(base, ip, port.port);
        } else if found.headless {
            for (endpoint, ports) in self.endpoints(&key, found) {
                if let Some(port) = ports.iter().find(is) {
                    push(
                        format!("{}.{base}", label(endpoint)),
                        endpoint.address,
                        port.port,
                    );
                }
            }
        }
        match (records.is_empty(), kind) {
            (true, _) => Answer::NxDomain,
            (false, RecordType::SRV | RecordType::ANY) => Answer::Found(records, glue),
            (false, _) => Answer::NoData,
        }
    }

    fn reverse(&self, name: &Name, reverse: &str, kind: RecordType) -> Answer {
        let octets: Vec<u8> = reverse
            .split('.')
            .rev()
            .filter_map(|part| part.parse().ok())
            .collect();
        let Ok(octets) = <[u8; 4]>::try_from(octets) else {
            return Answer::Outside;
        };
        let ip = Ipv4Addr::from(octets);
        let ours = |(network, prefix): &(Ipv4Addr, u8)| {
            let shift = 32 - u32::from(*prefix);
            ip.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        };
        if !self.networks.iter().any(ours) {
            return Answer::Outside;
        }
        let mut names = Vec::new();
        for (key, service) in &self.cluster.services {
            let base = format!("{}.{}.svc.{}.", key.name, key.namespace, self.domain);
            if service.cluster_ip == Some(ip) {
                names.push(base);
            } else if service.headless {
                let own = self
                    .endpoints(key, service)
                    .filter(|(endpoint, _)| endpoint.address == ip);
                names.extend(own.map(|(endpoint, _)| format!("{}.{base}", label(endpoint))));
            }
        }
        if ip == self.dns_ip && names.is_empty() {
            names.push(format!("kube-dns.kube-system.svc.{}.", self.domain));
        }
        names.dedup();
        let records = names
            .into_iter()
            .filter_map(|target| Name::from_ascii(target).ok());
        let records: Vec<_> = records
            .map(|to| Record::from_rdata(name.clone(), TTL, RData::PTR(PTR(to))))
            .collect();
        match (records.is_empty(), kind) {
            (true, _) => Answer::NxDomain,
            (false, RecordType::PTR | RecordType::ANY) => Answer::Found(records, Vec::new()),
            (false, _) => Answer::NoData,
        }
    }
}

/// An endpoint's name below its service: its host name or its address with dashes.
fn label(endpoint: &Endpoint) -> String {
    endpoint
        .hostname
        .clone()
        .unwrap_or_else(|| endpoint.address.to_string().replace('.', "-"))
}

fn addresses(name: &Name, kind: RecordType, ips: impl IntoIterator<Item = Ipv4Addr>) -> Answer {
    if !matches!(kind, RecordType::A | RecordType::ANY) {
        return Answer::NoData;
    }
    let records = ips
        .into_iter()
        .map(|ip| Record::from_rdata(name.clone(), TTL, RData::A(A(ip))));
    let records: Vec<_> = records.collect();
    if records.is_empty() {
        Answer::NoData
    } else {
        Answer::Found(records, Vec::new())
    }
}

fn pod(name: &Name, address: &str, kind: RecordType) -> Answer {
    match address.replace('-', ".").parse() {
        Ok(ip) => addresses(name, kind, [ip]),
        Err(_) => Answer::NxDomain,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn cluster() -> Cluster {
        let mut cluster = Cluster::default();
        for object in [
            json!({ "metadata": { "name": "web", "namespace": "shop" },
                "spec": { "clusterIP": "10.96.1.1", "ports": [{ "name": "http", "port": 80 }] } }),
            json!({ "metadata": { "name": "db", "namespace": "shop" },
                "spec": { "clusterIP": "None", "ports": [{ "name": "sql", "port": 5432 }] } }),
            json!({ "metadata": { "name": "out", "namespace": "shop" },
                "spec": { "type": "ExternalName", "externalName": "web.shop.svc.cluster.local" } }),
        ] {
            let (key, value) = crate::cluster::service(&object).unwrap();
            cluster.services.insert(key, Arc::new(value));
        }
        let (key, slice) = crate::cluster::slice(&json!({
            "metadata": { "name": "db-1", "namespace": "shop", "labels": { "kubernetes.io/service-name": "db" } },
            "ports": [{ "name": "sql", "port": 5433, "protocol": "TCP" }],
            "endpoints": [
                { "addresses": ["10.244.0.7"], "hostname": "db-0", "conditions": { "ready": true } },
                { "addresses": ["10.244.0.8"], "conditions": { "ready": false } },
            ],
        }))
        .unwrap();
        cluster.slices.insert(key, Arc::new(slice));
        cluster
    }

    fn ask(name: &str, kind: RecordType) -> String {
        let cluster = cluster();
        let zone = Zone {
            cluster: &cluster,
            domain: "cluster.local",
            dns_ip: [10, 96, 0, 10].into(),
            networks: [([10, 244, 0, 0].into(), 16), ([10, 96, 0, 0].into(), 16)],
        };
        match zone.answer(&Name::from_ascii(name).unwrap(), kind) {
            Answer::Found(records, _) => records
                .iter()
                .map(|record| record.data.to_string())
                .collect::<Vec<_>>()
                .join(" | "),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn answers_follow_the_kubernetes_specification() {
        for (name, kind, expected) in [
            ("web.shop.svc.cluster.local.", RecordType::A, "10.96.1.1"),
            ("WEB.shop.svc.Cluster.local.", RecordType::A, "10.96.1.1"),
            ("web.shop.svc.cluster.local.", RecordType::AAAA, "NoData"),
            ("db.shop.svc.cluster.local.", RecordType::A, "10.244.0.7"),
            (
                "db-0.db.shop.svc.cluster.local.",
                RecordType::A,
                "10.244.0.7",
            ),
            ("db-1.db.shop.svc.cluster.local.", RecordType::A, "NxDomain"),
            (
                "_http._tcp.web.shop.svc.cluster.local.",
                RecordType::SRV,
                "0 100 80 web.shop.svc.cluster.local.",
            ),
            (
                "_sql._tcp.db.shop.svc.cluster.local.",
                RecordType::SRV,
                "0 100 5433 db-0.db.shop.svc.cluster.local.",
            ),
            (
                "out.shop.svc.cluster.local.",
                RecordType::A,
                "web.shop.svc.cluster.local. | 10.96.1.1",
            ),
            ("nothing.shop.svc.cluster.local.", RecordType::A, "NxDomain"),
            ("shop.svc.cluster.local.", RecordType::A, "NoData"),
            ("web.cluster.local.", RecordType::A, "NxDomain"),
            ("example.com.", RecordType::A, "Outside"),
            (
                "web.shop.svc.cluster.local.shop.svc.cluster.local.",
                RecordType::A,
                "NxDomain",
            ),
            (
                "1.1.96.10.in-addr.arpa.",
                RecordType::PTR,
                "web.shop.svc.cluster.local.",
            ),
            (
                "7.0.244.10.in-addr.arpa.",
                RecordType::PTR,
                "db-0.db.shop.svc.cluster.local.",
            ),
            ("9.0.244.10.in-addr.arpa.", RecordType::PTR, "NxDomain"),
            ("8.8.8.8.in-addr.arpa.", RecordType::PTR, "Outside"),
        ] {
            assert_eq!(ask(name, kind), expected, "{name} {kind}");
        }
    }
}
