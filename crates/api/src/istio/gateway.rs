//! Gateway: which ports and hosts a gateway proxy serves.

use std::collections::BTreeMap;

use super::macros::choice;
use super::macros::message;

message! {
    /// `Gateway`.
    pub struct Gateway {
        /// TODO-DOC Gateway.servers
        pub servers: Vec<Server>,
        /// TODO-DOC Gateway.selector
        pub selector: BTreeMap<String, String>,
    }
}

message! {
    /// `Server`.
    pub struct Server {
        /// TODO-DOC Server.port
        pub port: Option<Port>,
        /// TODO-DOC Server.bind
        pub bind: String,
        /// TODO-DOC Server.hosts
        pub hosts: Vec<String>,
        /// TODO-DOC Server.tls
        pub tls: Option<ServerTlsSettings>,
        /// TODO-DOC Server.default_endpoint
        pub default_endpoint: String,
        /// TODO-DOC Server.name
        pub name: String,
    }
}

message! {
    /// `Port`.
    pub struct Port {
        /// TODO-DOC Port.number
        pub number: u32,
        /// TODO-DOC Port.protocol
        pub protocol: String,
        /// TODO-DOC Port.name
        pub name: String,
        /// TODO-DOC Port.target_port
        pub target_port: u32,
    }
}

message! {
    /// `ServerTLSSettings`.
    pub struct ServerTlsSettings {
        /// TODO-DOC ServerTLSSettings.https_redirect
        pub https_redirect: bool,
        /// TODO-DOC ServerTLSSettings.mode
        pub mode: ServerTlsMode,
        /// TODO-DOC ServerTLSSettings.server_certificate
        pub server_certificate: String,
        /// TODO-DOC ServerTLSSettings.private_key
        pub private_key: String,
        /// TODO-DOC ServerTLSSettings.ca_certificates
        pub ca_certificates: String,
        /// TODO-DOC ServerTLSSettings.ca_crl
        pub ca_crl: String,
        /// TODO-DOC ServerTLSSettings.credential_name
        pub credential_name: String,
        /// TODO-DOC ServerTLSSettings.credential_names
        pub credential_names: Vec<String>,
        /// TODO-DOC ServerTLSSettings.ca_cert_credential_name
        pub ca_cert_credential_name: String,
        /// TODO-DOC ServerTLSSettings.tls_certificates
        pub tls_certificates: Vec<TlsCertificate>,
        /// TODO-DOC ServerTLSSettings.subject_alt_names
        pub subject_alt_names: Vec<String>,
        /// TODO-DOC ServerTLSSettings.verify_certificate_spki
        pub verify_certificate_spki: Vec<String>,
        /// TODO-DOC ServerTLSSettings.verify_certificate_hash
        pub verify_certificate_hash: Vec<String>,
        /// TODO-DOC ServerTLSSettings.min_protocol_version
        pub min_protocol_version: TlsProtocol,
        /// TODO-DOC ServerTLSSettings.max_protocol_version
        pub max_protocol_version: TlsProtocol,
        /// TODO-DOC ServerTLSSettings.cipher_suites
        pub cipher_suites: Vec<String>,
        /// TODO-DOC ServerTLSSettings.insecure_skip_verify
        pub insecure_skip_verify: Option<bool>,
    }
}

choice! {
    /// `ServerTLSSettings.TLSmode`.
    pub enum ServerTlsMode {
        /// `PASSTHROUGH`.
        Passthrough = "PASSTHROUGH",
        /// `SIMPLE`.
        Simple = "SIMPLE",
        /// `MUTUAL`.
        Mutual = "MUTUAL",
        /// `AUTO_PASSTHROUGH`.
        AutoPassthrough = "AUTO_PASSTHROUGH",
        /// `ISTIO_MUTUAL`.
        IstioMutual = "ISTIO_MUTUAL",
        /// `OPTIONAL_MUTUAL`.
        OptionalMutual = "OPTIONAL_MUTUAL",
    }
}

choice! {
    /// `ServerTLSSettings.TLSProtocol`.
    pub enum TlsProtocol {
        /// `TLS_AUTO`.
        Auto = "TLS_AUTO",
        /// `TLSV1_0`.
        V1_0 = "TLSV1_0",
        /// `TLSV1_1`.
        V1_1 = "TLSV1_1",
        /// `TLSV1_2`.
        V1_2 = "TLSV1_2",
        /// `TLSV1_3`.
        V1_3 = "TLSV1_3",
    }
}

message! {
    /// `ServerTLSSettings.TLSCertificate`.
    pub struct TlsCertificate {
        /// TODO-DOC TLSCertificate.server_certificate
        pub server_certificate: String,
        /// TODO-DOC TLSCertificate.private_key
        pub private_key: String,
        /// TODO-DOC TLSCertificate.ca_certificates
        pub ca_certificates: String,
    }
}
