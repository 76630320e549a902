//! Gateway: servers with their ports, hosts and TLS settings.

use base::Protocol;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Rules;
use super::fields;
use super::report::Report;
use crate::istio::{Gateway, Port, Server, ServerTlsMode, ServerTlsSettings, TlsProtocol};
use crate::path::Path;

/// TLS 1.2 suites that Envoy's BoringSSL knows.
const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

impl Rules for Gateway {
    fn check(&self, report: &mut Report, metadata: &ObjectMeta, spec: Path<'_>) {
        let Self { servers, selector } = self;
        if let Some(name) = &metadata.name {
            let metadata = Path::Root.key("metadata");
            report.dns_label(&metadata.key("name"), "gateway name", name);
        }
        if servers.is_empty() {
            report.fix(
                &spec,
                "the Gateway serves nothing",
                "write at least one server",
            );
        }
        let list = spec.key("servers");
        for (index, server) in servers.iter().enumerate() {
            let at = list.index(index);
            check_server(report, &at, server);
            let name = |server: &Server| {
                server
                    .port
                    .as_ref()
                    .map(|port| port.name.clone())
                    .unwrap_or_default()
            };
            let this = name(server);
            if !this.is_empty() && servers[..index].iter().any(|other| name(other) == this) {
                report.fix(
                    &at.key("port").key("name"),
                    format!("port name {this:?} stands here twice"),
                    "give each server's port its own name",
                );
            }
        }
        for key in selector.keys().filter(|key| key.is_empty()) {
            report.error(
                &spec.key("selector").key(key),
                "a selector's label cannot be empty",
            );
        }
    }
}

fn check_server(report: &mut Report, at: &Path<'_>, server: &Server) {
    let Server {
        port,
        bind,
        hosts,
        tls,
        default_endpoint: _,
        name: _,
    } = server;
    if hosts.is_empty() {
        report.fix(
            &at.key("hosts"),
            "the server has no hosts",
            "write hosts: [\"*\"] for all",
        );
    }
    let list = at.key("hosts");
    for (index, host) in hosts.iter().enumerate() {
        check_host(report, &list.index(index), host);
    }
    match port {
        Some(port) => check_port(report, &at.key("port"), port, bind),
        None => report.fix(
            at,
            "the server has no port",
            "write port with number, name and protocol",
        ),
    }
    match bind.strip_prefix("unix://") {
        Some(path) => report.check(&at.key("bind"), fields::unix_socket(path)),
        None if !bind.is_empty() && !fields::is_ip(bind) => {
            report.error(&at.key("bind"), format!("{bind:?} is not an IP address"));
        }
        None => {}
    }
    if let Some(settings) = tls {
        check_tls(report, &at.key("tls"), settings);
    }
    if let Some(protocol) = port
        .as_ref()
        .and_then(|port| Protocol::from_name(&port.protocol))
    {
        tls_fits(report, at, protocol, tls.as_ref());
    }
}

/// `host`, `namespace/host`, `./host` or `*/host`.
fn check_host(report: &mut Report, at: &Path<'_>, host: &str) {
    let (namespace, name) = host.split_once('/').unwrap_or(("*", host));
    if !matches!(namespace, "*" | ".") && !fields::is_dns_label(namespace) {
        report.error(
            at,
            format!("{namespace:?} is neither \".\" (this namespace), \"*\" (all) nor a namespace"),
        );
    }
    if fields::is_ip(name) {
        return;
    }
    let checked = fields::wildcard_domain(name);
    if checked.is_ok() && name != "*" && !name.contains('.') {
        report.fix(
            at,
            format!("{name:?} is a short name; hosts of a gateway are full names"),
            "write the name that clients use, or \"*\" for all",
        );
    }
    report.check(at, checked);
}

fn check_port(report: &mut Report, at: &Path<'_>, port: &Port, bind: &str) {
    let Port {
        number,
        protocol,
        name,
        target_port,
    } = port;
    if Protocol::from_name(protocol).is_none_or(|protocol| protocol == Protocol::Udp) {
        let message = format!("{protocol:?} is no protocol of a gateway");
        report.fix(
            &at.key("protocol"),
            message,
            "write HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS",
        );
    }
    if bind.starts_with("unix://") {
        if *number != 0 {
            report.error(&at.key("number"), "a UNIX socket has no port number");
        }
    } else {
        report.port(&at.key("number"), *number);
    }
    if *target_port > 0 {
        report.error(
            &at.key("targetPort"),
            "targetPort has no effect on a Gateway",
        );
    }
    if name.is_empty() {
        report.error(&at.key("name"), "the port has no name");
    }
}

fn tls_fits(
    report: &mut Report,
    at: &Path<'_>,
    protocol: Protocol,
    tls: Option<&ServerTlsSettings>,
) {
    let field = at.key("tls");
    match tls {
        None if protocol.is_tls() => report.fix(
            &field,
            "an HTTPS or TLS server needs TLS settings",
            "write tls with mode and credentialName",
        ),
        Some(settings) if protocol.is_http() => {
            let redirect_only = matches!(
                settings.mode,
                ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough
            ) && settings.server_certificate.is_empty()
                && settings.private_key.is_empty()
                && settings.ca_certificates.is_empty();
            if !redirect_only {
                report.fix(
                    &field,
                    "a plain HTTP server has no TLS settings beside httpsRedirect",
                    "write protocol: HTTPS, or remove them",
                );
            }
        }
        Some(settings) if !protocol.is_tls() => {
            report.error(&field, "only HTTPS and TLS servers have TLS settings");
            if settings.https_redirect {
                report.warning(
                    &field.key("httpsRedirect"),
                    "httpsRedirect works on HTTP servers only",
                );
            }
        }
        Some(settings) if settings.https_redirect => {
            report.warning(
                &field.key("httpsRedirect"),
                "httpsRedirect works on HTTP servers only",
            );
        }
        _ => {}
    }
}

fn check_tls(report: &mut Report, at: &Path<'_>, tls: &ServerTlsSettings) {
    ciphers(report, at, tls);
    let files = [
        ("serverCertificate", &tls.server_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
        ("credentialName", &tls.credential_name),
    ];
    let lists = [
        ("tlsCertificates", tls.tls_certificates.len()),
        ("credentialNames", tls.credential_names.len()),
    ];
    let given = files
        .iter()
        .map(|(field, value)| (*field, !value.is_empty()))
        .chain(lists.map(|(field, count)| (field, count > 0)))
        .filter(|(_, set)| *set);
    match tls.mode {
        ServerTlsMode::IstioMutual => {
            for (field, _) in given {
                report.fix(
                    &at.key(field),
                    format!("ISTIO_MUTUAL uses the mesh's certificates; {field} has no place"),
                    "remove it",
                );
            }
            return;
        }
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough => {
            for (field, _) in given {
                report.warning(
                    &at.key(field),
                    format!("{} ends no TLS here: {field} is ignored", tls.mode.as_str()),
                );
            }
        }
        _ => {}
    }
    for (field, count) in lists.iter().filter(|(_, count)| *count > 2) {
        report.error(
            &at.key(field),
            format!("{count} certificates; two can be held, RSA and ECDSA"),
        );
    }
    certificates(report, at, tls);
}

/// Certificates have one source, and it is complete.
fn certificates(report: &mut Report, at: &Path<'_>, tls: &ServerTlsSettings) {
    report.one_of(
        at,
        &[
            (
                "serverCertificate",
                !tls.server_certificate.is_empty() && !tls.private_key.is_empty(),
            ),
            ("credentialName", !tls.credential_name.is_empty()),
            ("credentialNames", !tls.credential_names.is_empty()),
            ("tlsCertificates", !tls.tls_certificates.is_empty()),
        ],
    );
    let by_name = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    let mutual = matches!(
        tls.mode,
        ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual
    );
    let ends = mutual || tls.mode == ServerTlsMode::Simple;
    if !tls.ca_crl.is_empty() && by_name {
        report.warning(
            &at.key("caCrl"),
            "with credentialName the revocation list is the secret's ca.crl; this one is ignored",
        );
    } else if !tls.ca_crl.is_empty() && tls.mode == ServerTlsMode::Simple {
        report.error(
            &at.key("caCrl"),
            "SIMPLE verifies no client: a revocation list has no place",
        );
    }
    if by_name || !ends {
        return;
    }
    let mode = tls.mode.as_str();
    if mutual {
        needs(
            report,
            at,
            mode,
            &[("caCertificates", &tls.ca_certificates)],
        );
    }
    if tls.tls_certificates.is_empty() {
        let files = [
            ("serverCertificate", &tls.server_certificate),
            ("privateKey", &tls.private_key),
        ];
        needs(report, at, mode, &files);
    }
    let list = at.key("tlsCertificates");
    for (index, pair) in tls.tls_certificates.iter().enumerate() {
        let files = [
            ("serverCertificate", &pair.server_certificate),
            ("privateKey", &pair.private_key),
        ];
        needs(report, &list.index(index), mode, &files);
    }
}

fn needs(report: &mut Report, at: &Path<'_>, mode: &str, files: &[(&str, &String)]) {
    for (field, _) in files.iter().filter(|(_, value)| value.is_empty()) {
        report.fix(
            at,
            format!("{mode} needs {field}"),
            "write credentialName: the name of a TLS secret in the gateway's namespace",
        );
    }
}

fn ciphers(report: &mut Report, at: &Path<'_>, tls: &ServerTlsSettings) {
    let old = matches!(
        tls.min_protocol_version,
        TlsProtocol::V1_0 | TlsProtocol::V1_1
    );
    if old && tls.cipher_suites.is_empty() {
        report.warning(
            &at.key("minProtocolVersion"),
            "TLS below 1.2 needs cipherSuites: the default ones are newer",
        );
    }
    let list = at.key("cipherSuites");
    for (index, suite) in tls.cipher_suites.iter().enumerate() {
        // Operators of BoringSSL's lists, such as `-`, are not looked into.
        let operator = !suite.starts_with(char::is_alphanumeric);
        let known = CIPHER_SUITES.contains(&suite.as_str()) || suite == "ALL" || operator;
        if !known {
            report.warning(
                &list.index(index),
                format!("cipher suite {suite:?} is not known and ignored"),
            );
        } else if tls.cipher_suites[..index].contains(suite) {
            report.warning(
                &list.index(index),
                format!("cipher suite {suite:?} stands here twice"),
            );
        }
    }
}
