//! What Istio accepts and this control plane does not honour yet: one table, so that such an object is
//! refused by name and never accepted and ignored.

use serde_json::Value;

use super::is;
use crate::Diagnostic;
use crate::kinds;
use crate::path::Path;
use crate::store::ResourceType;

/// When a field is refused.
pub(super) enum When {
    /// Whenever it says something: not null, false, empty or absent.
    Set,
    /// When its value is one of these, whatever the case.
    Is(&'static [&'static str]),
    /// When a key of this map begins so.
    Key(&'static str),
    /// When its text begins so.
    Begins(&'static str),
}

/// A path (`[]` for every item, `*` for every entry), when it is refused, why, and what to do instead.
pub(super) struct Refusal(
    pub(super) &'static str,
    pub(super) When,
    pub(super) &'static str,
    pub(super) &'static str,
);

use When::{Begins, Is, Key, Set};

pub(super) const VIRTUAL_SERVICE: &[Refusal] = &[
    Refusal(
        "spec.tls",
        Set,
        "routing of TLS by SNI without ending it is not served yet",
        "end TLS at the gateway (mode SIMPLE) and use http",
    ),
    Refusal(
        "spec.http[].delegate",
        Set,
        "delegation is not served yet",
        "write the delegate's routes here",
    ),
    Refusal(
        "spec.http[].match[].headers",
        Key("@"),
        "matching claims of a token is not served yet",
        "match a header",
    ),
    Refusal(
        "spec.http[].match[].withoutHeaders",
        Key("@"),
        "matching claims of a token is not served yet",
        "match a header",
    ),
    Refusal(
        "spec.tcp[].match[].sourceSubnet",
        Set,
        "nothing reads this field, in Istio neither",
        "use sourceLabels",
    ),
];

/// Below `trafficPolicy` of a rule or a subset.
pub(super) const TRAFFIC_POLICY: &[Refusal] = &[
    Refusal("tunnel", Set, "tunnels are not served yet", "remove it"),
    Refusal(
        "proxyProtocol",
        Set,
        "the PROXY protocol is not sent yet",
        "remove it",
    ),
    Refusal(
        "retryBudget",
        Set,
        "retry budgets are not served yet",
        "use connectionPool.http.maxRetries",
    ),
];

/// Below `trafficPolicy` and each of its `portLevelSettings`.
pub(super) const PORT_POLICY: &[Refusal] = &[
    Refusal(
        "loadBalancer.consistentHash",
        Set,
        "consistent hashing is not served yet",
        "use simple: LEAST_REQUEST",
    ),
    Refusal(
        "loadBalancer.localityLbSetting",
        Set,
        "weights and failover by locality are not served yet",
        "remove it",
    ),
    Refusal(
        "loadBalancer.zoneAwareLbSetting",
        Set,
        "zone awareness is not served yet",
        "remove it",
    ),
    Refusal(
        "loadBalancer.warmupDurationSecs",
        Set,
        "slow start is not served yet",
        "remove it",
    ),
    Refusal(
        "loadBalancer.warmup",
        Set,
        "slow start is not served yet",
        "remove it",
    ),
    Refusal(
        "outlierDetection.outlierDetectionHttpErrorCodes",
        Set,
        "own lists of error codes are not served yet",
        "use consecutive5xxErrors or consecutiveGatewayErrors",
    ),
    Refusal(
        "tls.caCrl",
        Set,
        "revocation lists are not read yet",
        "remove it",
    ),
];

pub(super) const GATEWAY: &[Refusal] = &[
    Refusal(
        "spec.servers[].port.protocol",
        Is(&["MONGO", "REDIS", "MYSQL"]),
        "this protocol is not spoken yet",
        "write TCP",
    ),
    Refusal(
        "spec.servers[].tls.mode",
        Is(&["AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"]),
        "this TLS mode is not served yet",
        "use SIMPLE or MUTUAL",
    ),
    Refusal(
        "spec.servers[].tls.serverCertificate",
        Set,
        "certificates from files are not served",
        "use credentialName",
    ),
    Refusal(
        "spec.servers[].tls.privateKey",
        Set,
        "keys from files are not served",
        "use credentialName",
    ),
    Refusal(
        "spec.servers[].tls.caCertificates",
        Set,
        "certificates from files are not served",
        "put ca.crt into the secret that credentialName names",
    ),
    Refusal(
        "spec.servers[].tls.tlsCertificates",
        Set,
        "certificates from files are not served",
        "use credentialName",
    ),
    Refusal(
        "spec.servers[].tls.credentialNames",
        Set,
        "several certificates for one server are not served yet",
        "use credentialName",
    ),
    Refusal(
        "spec.servers[].tls.caCertCredentialName",
        Set,
        "a secret of its own for the CA is not served yet",
        "put ca.crt into the secret that credentialName names",
    ),
    Refusal(
        "spec.servers[].tls.caCrl",
        Set,
        "revocation lists are not read yet",
        "remove it",
    ),
    Refusal(
        "spec.servers[].tls.verifyCertificateSpki",
        Set,
        "pinned keys are not verified yet",
        "use subjectAltNames",
    ),
    Refusal(
        "spec.servers[].tls.verifyCertificateHash",
        Set,
        "pinned certificates are not verified yet",
        "use subjectAltNames",
    ),
    Refusal(
        "spec.servers[].tls.insecureSkipVerify",
        Set,
        "skipping verification of clients is not served yet",
        "use mode SIMPLE",
    ),
    Refusal(
        "spec.servers[].defaultEndpoint",
        Set,
        "nothing reads this field, in Istio neither",
        "use a VirtualService",
    ),
    Refusal(
        "spec.servers[].bind",
        Begins("unix://"),
        "UNIX sockets are not served yet",
        "bind an IP address or remove it",
    ),
];

pub(super) const SERVICE_ENTRY: &[Refusal] = &[
    Refusal(
        "spec.resolution",
        Is(&["DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]),
        "resolution by the proxy is not served yet",
        "use STATIC with endpoints, or NONE",
    ),
    Refusal(
        "spec.endpoints[].network",
        Set,
        "there is one network only",
        "remove it",
    ),
    Refusal(
        "spec.endpoints[].address",
        Begins("unix://"),
        "UNIX sockets are not served yet",
        "write an IP address",
    ),
];

pub(super) const TELEMETRY: &[Refusal] = &[
    Refusal("spec.tracing", Set, "traces are not made yet", "remove it"),
    Refusal(
        "spec.metrics",
        Set,
        "metrics cannot be changed yet",
        "remove it",
    ),
    Refusal(
        "spec.accessLogging[].filter",
        Set,
        "filters of access logs are not served yet",
        "remove it",
    ),
    Refusal(
        "spec.targetRef",
        Set,
        "attachment by reference is not served yet",
        "use selector",
    ),
    Refusal(
        "spec.targetRefs",
        Set,
        "attachment by reference is not served yet",
        "use selector",
    ),
];

pub(super) const PROXY_CONFIG: &[Refusal] = &[Refusal(
    "spec.image",
    Set,
    "there is one image of the proxy",
    "remove it",
)];

/// Fields of MeshConfig that the control plane reads.
pub(super) const MESH_SERVED: &[&str] = &[
    "accessLogEncoding",
    "accessLogFile",
    "accessLogFormat",
    "connectTimeout",
    "defaultConfig",
    "defaultDestinationRuleExportTo",
    "defaultHttpRetryPolicy",
    "defaultProviders",
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "enableAutoMtls",
    "extensionProviders",
    "h2UpgradePolicy",
    "inboundTrafficPolicy",
    "localityLbSetting",
    "outboundTrafficPolicy",
    "pathNormalization",
    "protocolDetectionTimeout",
    "rootNamespace",
    "tcpKeepalive",
    "trustDomain",
    "trustDomainAliases",
];

/// Fields of MeshConfig that can change nothing here, and why.
pub(super) const MESH_HARMLESS: &[(&str, &str)] = &[
    ("dnsRefreshRate", "proxies resolve no names"),
    ("hboneIdleTimeout", "nothing speaks HBONE"),
    (
        "ingressClass",
        "Ingress resources are not served, and the API server refuses them",
    ),
    ("ingressService", "as ingressClass"),
    ("ingressSelector", "as ingressClass"),
    ("ingressControllerMode", "as ingressClass"),
    (
        "enablePrometheusMerge",
        "the agent serves the proxy's statistics in any case",
    ),
];

/// Fields of `defaultConfig` that injection and the control plane read.
pub(super) const PROXY_SERVED: &[&str] = &[
    "concurrency",
    "discoveryAddress",
    "drainDuration",
    "gatewayTopology",
    "holdApplicationUntilProxyStarts",
    "proxyMetadata",
    "terminationDrainDuration",
];

/// What is refused within them.
pub(super) const PROXY: &[Refusal] = &[
    Refusal(
        "gatewayTopology.forwardClientCertDetails",
        Set,
        "client certificates are forwarded as Istio does by default",
        "remove it",
    ),
    Refusal(
        "gatewayTopology.proxyProtocol",
        Set,
        "the PROXY protocol is not read yet",
        "remove it",
    ),
];

/// What is refused within the served fields of MeshConfig.
pub(super) const MESH_CONFIG: &[Refusal] = &[
    Refusal(
        "outboundTrafficPolicy.mode",
        Is(&["ALLOW_ANY_DYNAMIC_DNS"]),
        "resolution by the proxy is not served yet",
        "use ALLOW_ANY",
    ),
    Refusal(
        "outboundTrafficPolicy.tls",
        Set,
        "TLS for unknown hosts is not originated yet",
        "remove it",
    ),
    Refusal(
        "inboundTrafficPolicy.mode",
        Is(&["LOCALHOST"]),
        "this mode is not served yet",
        "use PASSTHROUGH",
    ),
    Refusal(
        "localityLbSetting.distribute",
        Set,
        "weights by locality are not served yet",
        "remove it",
    ),
    Refusal(
        "localityLbSetting.failover",
        Set,
        "failover by locality is not served yet",
        "remove it",
    ),
    Refusal(
        "localityLbSetting.failoverPriority",
        Set,
        "failover by locality is not served yet",
        "remove it",
    ),
    Refusal(
        "defaultProviders.tracing",
        Set,
        "traces are not made yet",
        "remove it",
    ),
];

/// The fields (or the whole kind) of a valid object that this control plane does not honour yet. The
/// admission webhook refuses the object for them, and [`crate::Snapshot`] quarantines one that got past it.
///
/// Served: HTTP and TCP routes of VirtualService, DestinationRule but for hashing, localities and slow
/// start, Gateway servers of HTTP, TCP and ended TLS (SIMPLE and MUTUAL by `credentialName`), ServiceEntry
/// with resolution STATIC and NONE, PeerAuthentication, access logging of Telemetry, and ProxyConfig. Not
/// served: TLS that is passed through by SNI (`tls` routes, mode PASSTHROUGH), and the kinds of
/// [`kinds::ISTIO_REFUSED`].
#[must_use]
pub fn unsupported(ty: &ResourceType, object: &Value) -> Vec<Diagnostic> {
    if kinds::ISTIO_REFUSED.iter().any(|refused| is(refused, ty)) {
        let message = format!(
            "{} is not served yet; an object of this kind would have no effect",
            ty.kind
        );
        return vec![Diagnostic::error("kind", message).suggest("remove the object")];
    }
    let mut found = Vec::new();
    let table = match ty {
        _ if is(ty, &kinds::VIRTUAL_SERVICE) => VIRTUAL_SERVICE,
        _ if is(ty, &kinds::GATEWAY) => GATEWAY,
        _ if is(ty, &kinds::SERVICE_ENTRY) => SERVICE_ENTRY,
        _ if is(ty, &kinds::TELEMETRY) => TELEMETRY,
        _ if is(ty, &kinds::PROXY_CONFIG) => PROXY_CONFIG,
        _ if is(ty, &kinds::DESTINATION_RULE) => {
            for policy in ["spec.trafficPolicy", "spec.subsets[].trafficPolicy"] {
                search(object, policy, TRAFFIC_POLICY, &mut found);
                search(object, policy, PORT_POLICY, &mut found);
                search(
                    object,
                    &format!("{policy}.portLevelSettings[]"),
                    PORT_POLICY,
                    &mut found,
                );
            }
            return found;
        }
        _ => return found,
    };
    search(object, "", table, &mut found);
    if is(ty, &kinds::GATEWAY) {
        passthrough(object, &mut found);
    }
    found
}

/// The same for the mesh's configuration: what is neither read nor harmless. [`crate::mesh_config`] refuses
/// the whole configuration for it.
#[must_use]
pub fn unsupported_mesh(config: &Value) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let harmless = |field: &str| MESH_HARMLESS.iter().any(|(name, _)| *name == field);
    unread(
        config,
        "",
        &|field| MESH_SERVED.contains(&field) || harmless(field),
        &mut found,
    );
    if let Some(proxy) = config.get("defaultConfig") {
        proxy_fields(config, proxy, "defaultConfig", &mut found);
    }
    search(config, "", MESH_CONFIG, &mut found);
    found
}

/// The same for the settings of one proxy, as an annotation has them.
#[must_use]
pub(super) fn unsupported_proxy(config: &Value) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    proxy_fields(config, config, "", &mut found);
    found
}

fn proxy_fields(whole: &Value, proxy: &Value, prefix: &str, found: &mut Vec<Diagnostic>) {
    let dot = if prefix.is_empty() { "" } else { "." };
    let served = |field: &str| PROXY_SERVED.contains(&field);
    unread(proxy, &format!("{prefix}{dot}"), &served, found);
    search(whole, prefix, PROXY, found);
}

fn unread(config: &Value, prefix: &str, known: &dyn Fn(&str) -> bool, found: &mut Vec<Diagnostic>) {
    for (field, value) in config.as_object().into_iter().flatten() {
        if !known(field) && applies(&Set, value) {
            let message = format!("{field} is not served yet");
            found.push(Diagnostic::error(format!("{prefix}{field}"), message).suggest("remove it"));
        }
    }
}

/// PASSTHROUGH is the default mode; beside it only `httpsRedirect` of a plain HTTP server means something.
fn passthrough(object: &Value, found: &mut Vec<Diagnostic>) {
    let servers = object
        .pointer("/spec/servers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for (index, server) in servers.enumerate() {
        let protocol = server
            .pointer("/port/protocol")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let ends_tls =
            protocol.eq_ignore_ascii_case("HTTPS") || protocol.eq_ignore_ascii_case("TLS");
        let mode = server.pointer("/tls/mode").and_then(Value::as_str);
        if ends_tls && server.get("tls").is_some() && matches!(mode, None | Some("PASSTHROUGH")) {
            let path = format!("spec.servers[{index}].tls.mode");
            let message = "passing TLS through by SNI is not served yet (PASSTHROUGH is the mode when none is written)";
            found.push(
                Diagnostic::error(path, message)
                    .suggest("use SIMPLE or MUTUAL with credentialName"),
            );
        }
    }
}

fn search(object: &Value, prefix: &str, table: &[Refusal], found: &mut Vec<Diagnostic>) {
    for Refusal(path, when, why, instead) in table {
        let full = if prefix.is_empty() {
            (*path).to_owned()
        } else {
            format!("{prefix}.{path}")
        };
        walk(object, &full, Path::Root, &mut |value, at| {
            if applies(when, value) {
                found.push(Diagnostic::error(at.to_string(), *why).suggest(*instead));
            }
        });
    }
}

fn walk(value: &Value, path: &str, at: Path<'_>, visit: &mut dyn FnMut(&Value, &Path<'_>)) {
    if path.is_empty() {
        visit(value, &at);
        return;
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, list) = step
        .strip_suffix("[]")
        .map_or((step, false), |name| (name, true));
    let Some(field) = value.get(name) else { return };
    let below = at.key(name);
    if !list {
        walk(field, rest, below, visit);
        return;
    }
    for (index, item) in field.as_array().into_iter().flatten().enumerate() {
        walk(item, rest, below.index(index), visit);
    }
}

fn applies(when: &When, value: &Value) -> bool {
    match when {
        Set => match value {
            Value::Null | Value::Bool(false) => false,
            Value::Bool(true) => true,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            // An empty message is set; `ca: {}` says as much as `warmup: {}`.
            Value::Object(_) => true,
        },
        Is(values) => value
            .as_str()
            .is_some_and(|text| values.iter().any(|known| known.eq_ignore_ascii_case(text))),
        Key(prefix) => value
            .as_object()
            .is_some_and(|map| map.keys().any(|key| key.starts_with(prefix))),
        Begins(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
    }
}
