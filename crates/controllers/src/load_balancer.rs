//! Gives Services of type LoadBalancer the address where the gateway is reached.

use std::net::IpAddr;

use api::kinds::SERVICE;
use api::store::ResourceType;
use base::ObjectKey;
use serde_json::{Value, json};

use crate::action::Action;
use crate::cache::Cache;
use crate::hub::{Controller, Plan};
use crate::object::{deleting, key};

/// The controller; all load balancers have the same address.
pub(crate) struct LoadBalancers {
    pub(crate) address: IpAddr,
}

impl Controller for LoadBalancers {
    fn name(&self) -> &'static str {
        "service-lb-controller"
    }

    fn kinds(&self) -> &'static [ResourceType] {
        &[SERVICE]
    }

    fn affected(
        &self,
        _ty: &ResourceType,
        _old: Option<&Value>,
        new: Option<&Value>,
        _cache: &Cache,
    ) -> Vec<ObjectKey> {
        new.map(key).into_iter().collect()
    }

    fn plan(&self, key: &ObjectKey, cache: &Cache, _now: i64) -> Plan {
        let Some(service) = cache.get(&SERVICE, key).filter(|s| !deleting(s)) else {
            return Plan::default();
        };
        // Other load balancer classes are other controllers' business.
        let ours = service["spec"]["type"] == "LoadBalancer"
            && service["spec"]["loadBalancerClass"].as_str().is_none();
        let wanted = if ours {
            json!([{ "ip": self.address.to_string(), "ipMode": "VIP" }])
        } else {
            Value::Null
        };
        let has = &service["status"]["loadBalancer"]["ingress"];
        let stale = !ours && service["spec"]["type"] == "LoadBalancer";
        if *has == wanted || stale || (wanted.is_null() && has.as_array().is_none_or(Vec::is_empty))
        {
            return Plan::default();
        }
        let patch = json!({ "status": { "loadBalancer": { "ingress": wanted } } });
        vec![Action::PatchStatus(SERVICE, key.clone(), patch)].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Harness;

    #[test]
    fn a_load_balancer_gets_the_address_and_loses_it_with_its_type() {
        let mut world = Harness::new();
        let address = "127.0.0.1".parse().unwrap();
        let controller = LoadBalancers { address };
        let service = json!({
            "metadata": { "namespace": "ns", "name": "gw" },
            "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
        });
        world.create(&SERVICE, service);
        world.settle(&controller);
        let ingress = |world: &Harness| {
            world.get(&SERVICE, "ns", "gw")["status"]["loadBalancer"]["ingress"].clone()
        };
        assert_eq!(ingress(&world)[0]["ip"], "127.0.0.1");
        world.patch(
            &SERVICE,
            "ns",
            "gw",
            json!({ "spec": { "type": "ClusterIP" } }),
        );
        world.settle(&controller);
        assert!(ingress(&world).is_null());
    }
}
