//! Istio's own gRPC contract between agents and the certificate authority:
//! `istio.v1.auth.IstioCertificateService` (istio/api `security/v1alpha1/ca.proto`).

mod client;
mod server;

pub use client::CertificateClient;
pub use server::{CertificateServer, CertificateService};

/// `CreateCertificate`'s request. The identity comes from the caller's credentials, never from the CSR.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IstioCertificateRequest {
    /// PEM-encoded PKCS#10.
    #[prost(string, tag = "1")]
    pub csr: String,
    /// Seconds; 0 asks for the CA's default.
    #[prost(int64, tag = "3")]
    pub validity_duration: i64,
    /// `CertSigner` and `ImpersonatedIdentity` in Istio.
    #[prost(message, optional, tag = "4")]
    pub metadata: Option<prost_types::Struct>,
}

/// `CreateCertificate`'s response.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct IstioCertificateResponse {
    /// PEM: the leaf, one entry for each intermediate, the root bundle last.
    #[prost(string, repeated, tag = "1")]
    pub cert_chain: Vec<String>,
}

/// The service's full name, as gRPC paths and reflection use it.
pub const SERVICE: &str = "istio.v1.auth.IstioCertificateService";
const CREATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";
