//! The caller's side.

use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codegen::{Body, Bytes, StdError};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::{CREATE, IstioCertificateRequest, IstioCertificateResponse};

/// A client over any tonic channel.
#[derive(Debug, Clone)]
pub struct CertificateClient<T> {
    inner: Grpc<T>,
}

impl<T> CertificateClient<T>
where
    T: tonic::client::GrpcService<tonic::body::Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    pub fn new(channel: T) -> Self {
        Self {
            inner: Grpc::new(channel),
        }
    }

    /// `CreateCertificate`.
    pub async fn create_certificate(
        &mut self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        self.inner
            .ready()
            .await
            .map_err(|e| Status::unavailable(e.into().to_string()))?;
        let codec: ProstCodec<IstioCertificateRequest, IstioCertificateResponse> =
            ProstCodec::default();
        let path = PathAndQuery::from_static(CREATE);
        self.inner.unary(request, path, codec).await
    }
}
