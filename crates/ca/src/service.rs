//! `istio.v1.auth.IstioCertificateService` over the authority.

use std::sync::Arc;
use std::time::Duration;

use istio_proto::{
    CertificateServer, CertificateService, IstioCertificateRequest, IstioCertificateResponse,
};
use tonic::{Request, Response, Status};

use crate::authenticate::{AuthError, Caller, TokenReviewer};
use crate::authority::Authority;
use crate::csr::Csr;
use crate::error::CaError;

/// Answers `CreateCertificate`.
pub struct CertificateAuthority {
    authority: Arc<Authority>,
    reviewer: TokenReviewer,
}

/// The tower service for a tonic router. Put a [`Caller`] into the extensions of each request whose connection
/// presented a verified certificate.
#[must_use]
pub fn service(
    authority: Arc<Authority>,
    reviewer: TokenReviewer,
) -> CertificateServer<CertificateAuthority> {
    CertificateServer::new(Arc::new(CertificateAuthority {
        authority,
        reviewer,
    }))
}

#[tonic::async_trait]
impl CertificateService for CertificateAuthority {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let caller = request
            .extensions()
            .get::<Caller>()
            .cloned()
            .unwrap_or_default();
        let token = bearer(&request)?;
        let IstioCertificateRequest {
            csr,
            validity_duration,
            metadata,
        } = request.into_inner();
        if let Some(field) = metadata.iter().flat_map(|m| m.fields.keys()).next() {
            return Err(Status::invalid_argument(format!(
                "metadata field {field} is not supported"
            )));
        }
        let identity = self
            .reviewer
            .caller(&caller, token.as_deref())
            .await
            .map_err(|error| refuse(&error))?;
        let csr = Csr::from_pem(&csr).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let ttl = Duration::from_secs(u64::try_from(validity_duration).unwrap_or(0));
        let issued = self
            .authority
            .issue(&csr, &identity, ttl)
            .map_err(|error| failure(&error))?;
        tracing::debug!(%identity, until = issued.not_after, "issued a certificate");
        let mut cert_chain = issued.chain;
        cert_chain.push(issued.roots);
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

/// The token of `authorization: Bearer …`.
fn bearer<T>(request: &Request<T>) -> Result<Option<String>, Status> {
    let Some(header) = request.metadata().get("authorization") else {
        return Ok(None);
    };
    let malformed = || Status::unauthenticated("the authorization header is no bearer token");
    let text = header.to_str().map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed());
    }
    Ok(Some(token.trim().to_owned()))
}

fn refuse(error: &AuthError) -> Status {
    match error {
        AuthError::Unavailable(_) => Status::unavailable(error.to_string()),
        _ => Status::unauthenticated(error.to_string()),
    }
}

fn failure(error: &CaError) -> Status {
    match error {
        CaError::TooLong { .. } => Status::invalid_argument(error.to_string()),
        CaError::Store(_) => Status::unavailable(error.to_string()),
        CaError::Unusable { .. } | CaError::Crypto(_) => {
            tracing::error!(%error, "a certificate could not be issued");
            Status::internal("the certificate authority failed; its log says why")
        }
    }
}

#[cfg(test)]
mod tests;
