//! One HTTP rule of a VirtualService as Envoy routes, for sidecars and gateways alike
//! (`pilot/pkg/networking/core/route/route.go`, `translateRoute`).

use std::time::Duration;

use api::istio::{
    Destination, HttpDirectResponse, HttpMatchRequest, HttpRedirect, HttpRetry, HttpRewrite,
    HttpRoute, Percent, RedirectPortSelection,
};

use super::{matching, policy, with_timeout};
use crate::generate::{Scope, Warning};
use crate::mesh_view::model::subset_of;
use crate::mesh_view::virtual_service::VirtualService;
use crate::names;
use crate::node::Engine;
use crate::pb::{
    any, bool_value, boolean, config_path, core_v3, fractional_percent, matcher_v3, metadata,
    regex, route_v3, string_value, structure, uint32,
};
use route_v3::redirect_action::{PathRewriteSpecifier, SchemeRewriteSpecifier};
use route_v3::route::Action;
use route_v3::route_action::{ClusterSpecifier, HostRewriteSpecifier, RequestMirrorPolicy};
use route_v3::weighted_cluster::ClusterWeight;

/// Where a VirtualService is being applied.
pub(crate) struct Place<'a> {
    pub(crate) scope: &'a Scope<'a>,
    /// The gateways that count here: `mesh`, or `namespace/name`.
    pub(crate) gateways: &'a [String],
    /// The port that requests arrive on: of the service, or of the gateway's server.
    pub(crate) port: u32,
    pub(crate) tls: bool,
}

/// The routes of a VirtualService at a place, in order, up to the first that takes everything.
pub(crate) fn routes(place: &Place<'_>, service: &VirtualService) -> Vec<route_v3::Route> {
    let mut routes = Vec::new();
    for rule in &service.spec.http {
        let matches: Vec<Option<&HttpMatchRequest>> = if rule.r#match.is_empty() {
            vec![None]
        } else {
            rule.r#match.iter().map(Some).collect()
        };
        for condition in matches {
            if !place.applies(condition) {
                continue;
            }
            let route = Translation {
                place,
                service,
                rule,
            }
            .route(condition);
            let last = route.r#match.as_ref().is_some_and(matching::is_everything);
            routes.push(route);
            if last {
                return routes;
            }
        }
    }
    routes
}

impl Place<'_> {
    /// The conditions that are decided here: port, gateways, source labels and namespace. Where a condition names
    /// gateways, the source is not asked (`sourceMatchHTTP`).
    fn applies(&self, condition: Option<&HttpMatchRequest>) -> bool {
        let Some(condition) = condition else {
            return true;
        };
        if condition.port != 0 && condition.port != self.port {
            return false;
        }
        if !condition.gateways.is_empty() {
            return condition
                .gateways
                .iter()
                .any(|name| self.gateways.contains(name));
        }
        let node = self.scope.node;
        subset_of(&condition.source_labels, &node.labels)
            && (condition.source_namespace.is_empty()
                || *condition.source_namespace == *node.namespace)
    }

    /// Name of the cluster of a destination. Without a port it is the service's only one, else the port that the
    /// request came in on. An unknown service still has a name: requests fail with 503 NC until it exists.
    pub(crate) fn cluster(&self, destination: &Destination) -> String {
        let host = destination.host.to_ascii_lowercase();
        let port = destination
            .port
            .as_ref()
            .map(|port| port.number)
            .or_else(|| {
                let service = self.scope.service(&host)?;
                match service.ports.as_slice() {
                    [only] => Some(only.number),
                    _ => None,
                }
            });
        names::outbound_cluster(port.unwrap_or(self.port), &destination.subset, &host)
    }
}

struct Translation<'a> {
    place: &'a Place<'a>,
    service: &'a VirtualService,
    rule: &'a HttpRoute,
}

impl Translation<'_> {
    fn route(&self, condition: Option<&HttpMatchRequest>) -> route_v3::Route {
        let changes = policy::header_changes(self.rule.headers.as_ref());
        let mut route = route_v3::Route {
            name: self.name(condition),
            r#match: Some(condition.map_or_else(matching::everything, matching::route_match)),
            request_headers_to_add: changes.request_add,
            request_headers_to_remove: changes.request_remove,
            response_headers_to_add: changes.response_add,
            response_headers_to_remove: changes.response_remove,
            stat_prefix: condition
                .map(|condition| condition.stat_prefix.clone())
                .unwrap_or_default(),
            ..Default::default()
        };
        let action = if let Some(redirect) = &self.rule.redirect {
            Action::Redirect(self.redirect(redirect))
        } else if let Some(response) = &self.rule.direct_response {
            Action::DirectResponse(direct_response(response))
        } else {
            Action::Route(self.action(&mut route, changes.authority))
        };
        route.decorator = Some(route_v3::Decorator {
            operation: self.operation(&route, &action),
            propagate: None,
        });
        route.action = Some(action);
        route.typed_per_filter_config = self.filter_configs();
        route.metadata = self.metadata();
        route
    }

    fn name(&self, condition: Option<&HttpMatchRequest>) -> String {
        let name = &self.rule.name;
        match condition
            .map(|condition| &condition.name)
            .filter(|name| !name.is_empty())
        {
            Some(matched) => format!("{name}.{matched}"),
            None => name.clone(),
        }
    }

    fn filter_configs(&self) -> std::collections::HashMap<String, crate::pb::Any> {
        let mut configs = Vec::new();
        if let Some(fault) = &self.rule.fault {
            configs.push((
                "envoy.filters.http.fault".to_owned(),
                any(&policy::fault(fault)),
            ));
        }
        if let Some(cors) = &self.rule.cors_policy {
            configs.push((
                "envoy.filters.http.cors".to_owned(),
                any(&policy::cors(cors)),
            ));
        }
        configs.into_iter().collect()
    }

    /// Where the route came from, for `istioctl describe`; and for our own proxy, that faults belong inside the retries.
    fn metadata(&self) -> Option<core_v3::Metadata> {
        let key = &self.service.origin.key;
        let path = config_path("virtual-service", &key.namespace, &key.name);
        let mut entries = vec![("istio", structure(vec![("config", string_value(path))]))];
        let retries = self
            .rule
            .retries
            .as_ref()
            .is_some_and(|retries| retries.attempts > 0);
        if self.rule.fault.is_some() && (retries || self.rule.timeout.is_some()) {
            if self.place.scope.node.engine == Engine::Ferromesh {
                entries.push((
                    "ferromesh",
                    structure(vec![("fault_in_retry", bool_value(true))]),
                ));
            } else {
                self.place.scope.warn(Warning {
                    object: self.service.origin.clone(),
                    reason: "FaultOutsideRetry",
                    message:
                        "an HTTP rule has a fault together with retries or a timeout; Envoy injects faults before the \
                              router, so that aborts are not retried and delays do not count against the timeout"
                            .to_owned(),
                });
            }
        }
        metadata(entries)
    }

    fn action(
        &self,
        route: &mut route_v3::Route,
        authority: Option<String>,
    ) -> route_v3::RouteAction {
        let rule = self.rule;
        // Istio has no time-out unless one is set (`setTimeout`); the gRPC header may only shorten it.
        let timeout = rule.timeout.map_or(Duration::ZERO, |timeout| timeout.0);
        let mesh_default = self.place.scope.settings().default_retries.as_ref();
        let action = route_v3::RouteAction {
            retry_policy: self.retries(mesh_default),
            request_mirror_policies: self.mirrors(),
            ..Default::default()
        };
        let mut action = with_timeout(action, timeout);
        let rewritten = rule
            .rewrite
            .as_ref()
            .and_then(|rewrite| rewrite_path(&mut action, rewrite));
        self.destinations(route, &mut action);
        if let Some(authority) = rewritten.or(authority) {
            action.host_rewrite_specifier =
                Some(HostRewriteSpecifier::HostRewriteLiteral(authority));
        }
        action
    }

    /// Our own proxy has no priorities to walk through on retries; that is said, not passed over.
    fn retries(&self, mesh_default: Option<&HttpRetry>) -> Option<route_v3::RetryPolicy> {
        let mut policy = policy::retries(self.rule.retries.as_ref().or(mesh_default))?;
        let scope = self.place.scope;
        if scope.node.engine == Engine::Ferromesh && policy.retry_priority.take().is_some() {
            scope.warn(Warning {
                object: self.service.origin.clone(),
                reason: "RetryRemoteLocalities",
                message: "retryRemoteLocalities has no effect on ferromesh proxies; they retry by locality priority as \
                          requests are balanced"
                    .to_owned(),
            });
        }
        Some(policy)
    }

    fn destinations(&self, route: &mut route_v3::Route, action: &mut route_v3::RouteAction) {
        if let [only] = self.rule.route.as_slice() {
            let changes = policy::header_changes(only.headers.as_ref());
            route.request_headers_to_add.extend(changes.request_add);
            route
                .request_headers_to_remove
                .extend(changes.request_remove);
            route.response_headers_to_add.extend(changes.response_add);
            route
                .response_headers_to_remove
                .extend(changes.response_remove);
            action.host_rewrite_specifier = changes
                .authority
                .map(HostRewriteSpecifier::HostRewriteLiteral);
            action.cluster_specifier = Some(ClusterSpecifier::Cluster(
                self.cluster(only.destination.as_ref()),
            ));
            return;
        }
        let clusters = self
            .rule
            .route
            .iter()
            // A destination of weight zero gets nothing; Envoy would still count it.
            .filter(|destination| destination.weight > 0)
            .map(|destination| {
                use route_v3::weighted_cluster::cluster_weight::HostRewriteSpecifier as Rewrite;
                let changes = policy::header_changes(destination.headers.as_ref());
                ClusterWeight {
                    name: self.cluster(destination.destination.as_ref()),
                    weight: uint32(u32::try_from(destination.weight).unwrap_or(0)),
                    request_headers_to_add: changes.request_add,
                    request_headers_to_remove: changes.request_remove,
                    response_headers_to_add: changes.response_add,
                    response_headers_to_remove: changes.response_remove,
                    host_rewrite_specifier: changes.authority.map(Rewrite::HostRewriteLiteral),
                    ..Default::default()
                }
            })
            .collect();
        action.cluster_specifier = Some(ClusterSpecifier::WeightedClusters(
            route_v3::WeightedCluster {
                clusters,
                ..Default::default()
            },
        ));
    }

    /// A destination without a host was refused by validation; its requests go nowhere.
    fn cluster(&self, destination: Option<&Destination>) -> String {
        destination.map_or_else(
            || names::BLACK_HOLE_CLUSTER.to_owned(),
            |destination| self.place.cluster(destination),
        )
    }

    fn mirrors(&self) -> Vec<RequestMirrorPolicy> {
        let rule = self.rule;
        let percent = rule
            .mirror_percentage
            .as_ref()
            .map(|p| p.value)
            .or(rule.mirror_percent.map(f64::from));
        let single = rule
            .mirror
            .as_ref()
            .map(|destination| (destination, percent));
        let listed = rule.mirrors.iter().filter_map(|mirror| {
            let percent = mirror.percentage.as_ref().map(|Percent { value }| *value);
            mirror
                .destination
                .as_ref()
                .map(|destination| (destination, percent))
        });
        single
            .into_iter()
            .chain(listed)
            .map(|(destination, percent)| (destination, percent.unwrap_or(100.0)))
            .filter(|(_, percent)| *percent > 0.0)
            .map(|(destination, percent)| RequestMirrorPolicy {
                cluster: self.place.cluster(destination),
                runtime_fraction: Some(core_v3::RuntimeFractionalPercent {
                    default_value: Some(fractional_percent(percent)),
                    ..Default::default()
                }),
                trace_sampled: boolean(false),
                ..Default::default()
            })
            .collect()
    }

    fn redirect(&self, rule: &HttpRedirect) -> route_v3::RedirectAction {
        use route_v3::redirect_action::RedirectResponseCode as Code;
        let scheme = Some(rule.scheme.clone()).filter(|scheme| !scheme.is_empty());
        let shown = scheme
            .as_deref()
            .unwrap_or(if self.place.tls { "https" } else { "http" });
        let port = match (rule.port, rule.derive_port) {
            (Some(port), _) => port,
            // Generated for one port, so that port is the request's.
            (None, Some(RedirectPortSelection::FromRequestPort)) => self.place.port,
            _ => 0,
        };
        let port = match (shown, port) {
            ("http", 80) | ("https", 443) => 0,
            (_, port) => port,
        };
        route_v3::RedirectAction {
            host_redirect: rule.authority.clone(),
            port_redirect: port,
            response_code: match rule.redirect_code {
                302 => Code::Found,
                303 => Code::SeeOther,
                307 => Code::TemporaryRedirect,
                308 => Code::PermanentRedirect,
                _ => Code::MovedPermanently,
            } as i32,
            scheme_rewrite_specifier: scheme.map(SchemeRewriteSpecifier::SchemeRedirect),
            path_rewrite_specifier: match (rule.uri.as_str(), rule.prefix_rewrite.as_str()) {
                ("", "") => None,
                ("", prefix) => Some(PathRewriteSpecifier::PrefixRewrite(prefix.to_owned())),
                (uri, _) => Some(PathRewriteSpecifier::PathRedirect(uri.to_owned())),
            },
            ..Default::default()
        }
    }

    /// What the route does, for traces: destination or VirtualService, and the path (`GetRouteOperation`).
    fn operation(&self, route: &route_v3::Route, action: &Action) -> String {
        use route_v3::route_match::PathSpecifier;
        let path = match route
            .r#match
            .as_ref()
            .and_then(|matcher| matcher.path_specifier.as_ref())
        {
            Some(PathSpecifier::Prefix(prefix)) => format!("{prefix}*"),
            Some(PathSpecifier::Path(path)) => path.clone(),
            Some(PathSpecifier::SafeRegex(expression)) => expression.regex.clone(),
            _ => "/*".to_owned(),
        };
        if let Action::Route(action) = action
            && let Some(ClusterSpecifier::Cluster(cluster)) = &action.cluster_specifier
            && let [_, port, _, host] = cluster.split('|').collect::<Vec<_>>()[..]
        {
            return format!("{host}:{port}{path}");
        }
        format!("{}:{}{path}", self.service.origin.key.name, self.place.port)
    }
}

/// Path rewriting; returns the rewritten authority.
fn rewrite_path(action: &mut route_v3::RouteAction, rewrite: &HttpRewrite) -> Option<String> {
    if let Some(substitution) = &rewrite.uri_regex_rewrite {
        action.regex_rewrite = Some(matcher_v3::RegexMatchAndSubstitute {
            pattern: Some(regex(&substitution.r#match)),
            substitution: substitution.rewrite.clone(),
        });
    } else {
        action.prefix_rewrite.clone_from(&rewrite.uri);
    }
    Some(rewrite.authority.clone()).filter(|authority| !authority.is_empty())
}

fn direct_response(rule: &HttpDirectResponse) -> route_v3::DirectResponseAction {
    use core_v3::data_source::Specifier;
    let body = rule.body.as_ref().and_then(|body| {
        let text = body.string.clone().map(Specifier::InlineString);
        text.or_else(|| {
            body.bytes
                .clone()
                .map(|bytes| Specifier::InlineBytes(bytes.0))
        })
    });
    route_v3::DirectResponseAction {
        status: rule.status,
        body: body.map(|specifier| core_v3::DataSource {
            specifier: Some(specifier),
            ..Default::default()
        }),
        ..Default::default()
    }
}
