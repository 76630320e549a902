//! Gateway: which ports and hosts a gateway proxy serves.

use std::collections::BTreeMap;

use super::macros::{choice, message};

message! {
    /// Istio's `Gateway`.
    pub struct Gateway {
        /// Ports with their hosts.
        pub servers: Vec<Server>,
        /// Labels of the gateway's pods.
        pub selector: BTreeMap<String, String>,
    }
}

message! {
    /// Istio's `Server`.
    pub struct Server {
        /// Port to listen on.
        pub port: Option<Port>,
        /// Address to listen on; all where empty.
        pub bind: String,
        /// Hosts, each optionally `namespace/host`.
        pub hosts: Vec<String>,
        /// TLS settings.
        pub tls: Option<ServerTlsSettings>,
        /// Nothing reads it.
        pub default_endpoint: String,
        /// Its name.
        pub name: String,
    }
}

message! {
    /// Istio's `Port`.
    pub struct Port {
        /// The port's number.
        pub number: u32,
        /// The protocol's name.
        pub protocol: String,
        /// Its name.
        pub name: String,
        /// Without effect; deprecated.
        pub target_port: u32,
    }
}

message! {
    /// Istio's `ServerTLSSettings`.
    #[serde(rename = "ServerTLSSettings")]
    pub struct ServerTlsSettings {
        /// Redirects every plain request to HTTPS.
        pub https_redirect: bool,
        /// How TLS is ended.
        pub mode: ServerTlsMode,
        /// File of the server's certificate.
        pub server_certificate: String,
        /// File of the private key.
        pub private_key: String,
        /// File of the trusted CA certificates.
        pub ca_certificates: String,
        /// File of the certificate revocation list.
        pub ca_crl: String,
        /// Secret with certificate, key and CA.
        pub credential_name: String,
        /// Several secrets: RSA and ECDSA.
        pub credential_names: Vec<String>,
        /// Secret with the CA alone.
        pub ca_cert_credential_name: String,
        /// Several certificates from files.
        pub tls_certificates: Vec<TlsCertificate>,
        /// Names of which the peer's certificate must carry one.
        pub subject_alt_names: Vec<String>,
        /// Hashes of allowed public keys.
        pub verify_certificate_spki: Vec<String>,
        /// Hashes of allowed certificates.
        pub verify_certificate_hash: Vec<String>,
        /// Lowest version of TLS.
        pub min_protocol_version: TlsProtocol,
        /// Highest version of TLS.
        pub max_protocol_version: TlsProtocol,
        /// Allowed cipher suites of TLS 1.2.
        pub cipher_suites: Vec<String>,
        /// Does not verify clients.
        pub insecure_skip_verify: Option<bool>,
    }
}

choice! {
    /// Istio's `ServerTLSSettings.TLSmode`.
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
    /// Istio's `ServerTLSSettings.TLSProtocol`.
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
    /// Istio's `ServerTLSSettings.TLSCertificate`.
    #[serde(rename = "ServerTLSSettings.TLSCertificate")]
    pub struct TlsCertificate {
        /// File of the server's certificate.
        pub server_certificate: String,
        /// File of the private key.
        pub private_key: String,
        /// File of the trusted CA certificates.
        pub ca_certificates: String,
    }
}
