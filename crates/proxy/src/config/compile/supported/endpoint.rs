//! Endpoints.

use super::{Message, e, h, m, ms};

pub(super) const MESSAGES: &[Message] = &[
    Message {
        name: "envoy.config.endpoint.v3.ClusterLoadAssignment",
        fields: &[
            h(
                1,
                "cluster_name",
                "the resource name says whose endpoints they are",
            ),
            ms(
                2,
                "endpoints",
                "envoy.config.endpoint.v3.LocalityLbEndpoints",
            ),
            m(
                4,
                "policy",
                "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
            ),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
        fields: &[
            ms(
                2,
                "drop_overloads",
                "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
            ),
            e(3, "overprovisioning_factor"),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
        fields: &[
            e(1, "category"),
            m(2, "drop_percentage", "envoy.type.v3.FractionalPercent"),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.Endpoint",
        fields: &[
            m(1, "address", "envoy.config.core.v3.Address"),
            h(
                2,
                "health_check_config",
                "there is no active health checking: health_checks are refused",
            ),
            e(3, "hostname"),
            h(
                5,
                "observability_name",
                "statistics and logs name the address",
            ),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.LbEndpoint",
        fields: &[
            m(1, "endpoint", "envoy.config.endpoint.v3.Endpoint"),
            e(2, "health_status"),
            m(3, "metadata", "envoy.config.core.v3.Metadata"),
            e(4, "load_balancing_weight"),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.LocalityLbEndpoints",
        fields: &[
            m(1, "locality", "envoy.config.core.v3.Locality"),
            ms(2, "lb_endpoints", "envoy.config.endpoint.v3.LbEndpoint"),
            e(3, "load_balancing_weight"),
            e(5, "priority"),
            h(6, "proximity", "a hint that Envoy does not read, either"),
            m(
                7,
                "load_balancer_endpoints",
                "envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList",
            ),
            h(
                9,
                "metadata",
                "of localities only subset balancing reads it, which is refused",
            ),
        ],
    },
    Message {
        name: "envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList",
        fields: &[ms(1, "lb_endpoints", "envoy.config.endpoint.v3.LbEndpoint")],
    },
];
