//! Addresses and node ports of Services: explicit ones are honoured, missing ones chosen, doubles refused.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::api::Api;
use crate::error::{ApiError, ApiResult, Cause};
use crate::objects::call::Call;
use crate::storage::ResourceId;

/// What has been chosen but is not yet stored.
#[derive(Debug, Default)]
struct Pending {
    addresses: HashSet<IpAddr>,
    ports: HashSet<u16>,
}

/// The ranges, and choices under way.
#[derive(Debug)]
pub(crate) struct Addresses {
    cidr: IpNet,
    ports: (u16, u16),
    pending: Arc<Mutex<Pending>>,
}

/// Keeps a choice from being made twice; dropped once the Service is stored or refused.
#[derive(Debug)]
pub(crate) struct Reservation {
    pending: Arc<Mutex<Pending>>,
    address: Option<IpAddr>,
    ports: Vec<u16>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = self.address {
            pending.addresses.remove(&address);
        }
        for port in &self.ports {
            pending.ports.remove(port);
        }
    }
}

/// Addresses below this offset are left to explicit requests, as on Kubernetes: the well-known ones.
const STATIC_BAND: usize = 256;

impl Addresses {
    pub(crate) fn new(cidr: IpNet, ports: (u16, u16)) -> Self {
        Self {
            cidr,
            ports,
            pending: Arc::default(),
        }
    }

    fn reservable(&self, ip: IpAddr) -> bool {
        self.cidr.contains(&ip) && ip != self.cidr.network() && ip != self.cidr.broadcast()
    }
}

fn used(api: &Api, except: &Call) -> (HashSet<IpAddr>, HashSet<u16>) {
    let (mut addresses, mut ports) = (HashSet::new(), HashSet::new());
    for ((namespace, name), object) in api
        .storage
        .snapshot(&ResourceId::new("", "services"))
        .range(None, None)
    {
        if **namespace == *except.namespace && **name == *except.name {
            continue;
        }
        let spec = &object.value["spec"];
        addresses.extend(
            spec["clusterIP"]
                .as_str()
                .and_then(|ip| ip.parse::<IpAddr>().ok()),
        );
        for port in spec["ports"].as_array().into_iter().flatten() {
            ports.extend(
                port["nodePort"]
                    .as_u64()
                    .and_then(|p| u16::try_from(p).ok()),
            );
        }
    }
    (addresses, ports)
}

/// A replacement that does not name the addresses keeps them, as on Kubernetes.
pub(crate) fn carry_addresses(call: &Call, old: &Value, new: &mut Value) {
    let needs = |service: &Value| service["spec"]["type"] != "ExternalName";
    if !call.resource.is("", "services") || !new["spec"].is_object() || !needs(old) || !needs(new) {
        return;
    }
    if new["spec"]["clusterIP"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
        && new["spec"]["clusterIPs"].is_null()
    {
        for field in ["clusterIP", "clusterIPs"] {
            new["spec"][field] = old["spec"][field].clone();
        }
    }
}

impl Api {
    /// Gives a Service its addresses and node ports. The reservation holds them until it is stored.
    pub(crate) fn allocate(
        &self,
        call: &Call,
        object: &mut Value,
        old: Option<&Value>,
    ) -> ApiResult<Option<Reservation>> {
        if !call.resource.is("", "services") || !call.subresource.is_empty() {
            return Ok(None);
        }
        let pending = self.addresses.pending.clone();
        let mut reservation = Reservation {
            pending: pending.clone(),
            address: None,
            ports: Vec::new(),
        };
        let mut guard = pending.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut addresses, mut ports) = used(self, call);
        addresses.extend(&guard.addresses);
        ports.extend(&guard.ports);
        let result = self.choose(call, object, old, &addresses, &mut ports, &mut reservation);
        guard.addresses.extend(reservation.address);
        guard.ports.extend(&reservation.ports);
        // The reservation's own drop takes the lock.
        drop(guard);
        result.map(|()| Some(reservation))
    }

    fn choose(
        &self,
        call: &Call,
        object: &mut Value,
        old: Option<&Value>,
        addresses: &HashSet<IpAddr>,
        ports: &mut HashSet<u16>,
        reservation: &mut Reservation,
    ) -> ApiResult<()> {
        let invalid = |cause: Cause| ApiError::invalid("", "Service", &call.name, &[cause]);
        let spec = &mut object["spec"];
        let kind = spec["type"].as_str().unwrap_or("ClusterIP").to_owned();
        if kind == "ExternalName" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if let Some(map) = spec.as_object_mut() {
                    map.remove(field);
                }
            }
            return Ok(());
        }
        let given = spec["clusterIP"]
            .as_str()
            .or_else(|| spec["clusterIPs"][0].as_str())
            .unwrap_or_default()
            .to_owned();
        let kept = old.is_some_and(|old| old["spec"]["clusterIP"] == *given);
        let chosen = match given.as_str() {
            "None" => "None".to_owned(),
            explicit if !explicit.is_empty() && kept => explicit.to_owned(),
            wanted => {
                let ip = self.choose_address(wanted, addresses).map_err(invalid)?;
                reservation.address = Some(ip);
                ip.to_string()
            }
        };
        let family = if chosen.contains(':') || matches!(self.addresses.cidr, IpNet::V6(_)) {
            "IPv6"
        } else {
            "IPv4"
        };
        spec["clusterIP"] = chosen.as_str().into();
        spec["clusterIPs"] = json!([chosen]);
        if spec["ipFamilies"].is_null() {
            spec["ipFamilies"] = json!([family]);
        }
        self.choose_ports(spec, &kind, old, ports, reservation)
            .map_err(invalid)
    }

    /// The wanted address, or any free one when none is named.
    fn choose_address(&self, wanted: &str, used: &HashSet<IpAddr>) -> Result<IpAddr, Cause> {
        let refuse = |why: &str| {
            let detail = format!("failed to allocate IP {wanted}: {why}");
            Cause::invalid("spec.clusterIPs", &json!([wanted]), detail)
        };
        if wanted.is_empty() {
            return self
                .free_address(used)
                .ok_or_else(|| refuse("range is full"));
        }
        let ip: IpAddr = wanted
            .parse()
            .map_err(|_| refuse("not a valid IP address"))?;
        if !self.addresses.reservable(ip) {
            return Err(refuse(&format!(
                "the provided IP ({ip}) is not in the valid range. The range of valid IPs is {}",
                self.addresses.cidr
            )));
        }
        if used.contains(&ip) {
            return Err(refuse("provided IP is already allocated"));
        }
        Ok(ip)
    }

    fn choose_ports(
        &self,
        spec: &mut Value,
        kind: &str,
        old: Option<&Value>,
        used: &mut HashSet<u16>,
        reservation: &mut Reservation,
    ) -> Result<(), Cause> {
        let wanted = kind == "NodePort"
            || (kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false);
        let before: Vec<Value> = old
            .and_then(|old| old["spec"]["ports"].as_array().cloned())
            .unwrap_or_default();
        let same = |a: &Value, b: &Value| a["port"] == b["port"] && a["protocol"] == b["protocol"];
        let mut own = BTreeSet::new();
        for (i, port) in spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let field = format!("spec.ports[{i}].nodePort");
            if !wanted && kind == "ClusterIP" {
                let kept = before
                    .iter()
                    .any(|b| same(b, port) && b["nodePort"] == port["nodePort"]);
                if port["nodePort"].as_u64().unwrap_or(0) != 0 && !kept {
                    return Err(Cause::forbidden(
                        field,
                        "may not be used when `type` is 'ClusterIP'",
                    ));
                }
                if let Some(map) = port.as_object_mut() {
                    map.remove("nodePort");
                }
                continue;
            }
            let carried = before
                .iter()
                .find(|b| same(b, port))
                .and_then(|b| b["nodePort"].as_u64());
            let given = port["nodePort"].as_u64().filter(|n| *n != 0).or(carried);
            if given.is_none() && !wanted {
                continue;
            }
            let number =
                self.choose_port(given, &field, |p| used.contains(&p) || own.contains(&p))?;
            own.insert(number);
            port["nodePort"] = number.into();
        }
        used.extend(&own);
        reservation.ports.extend(own);
        Ok(())
    }

    fn choose_port(
        &self,
        given: Option<u64>,
        field: &str,
        taken: impl Fn(u16) -> bool,
    ) -> Result<u16, Cause> {
        let (first, last) = self.addresses.ports;
        let Some(given) = given else {
            let free = (first..=last).find(|port| !taken(*port));
            return free.ok_or_else(|| Cause::invalid(field, &Value::Null, "no node port is free"));
        };
        match u16::try_from(given)
            .ok()
            .filter(|port| (first..=last).contains(port))
        {
            Some(port) if taken(port) => Err(Cause::invalid(
                field,
                &given.into(),
                "provided port is already allocated",
            )),
            Some(port) => Ok(port),
            None => {
                let detail = format!(
                    "provided port is not in the valid range. The range of valid ports is {first}-{last}"
                );
                Err(Cause::invalid(field, &given.into(), detail))
            }
        }
    }

    fn free_address(&self, used: &HashSet<IpAddr>) -> Option<IpAddr> {
        let hosts = || self.addresses.cidr.hosts();
        let free = |ip: &IpAddr| self.addresses.reservable(*ip) && !used.contains(ip);
        hosts()
            .skip(STATIC_BAND)
            .find(free)
            .or_else(|| hosts().find(free))
    }
}
