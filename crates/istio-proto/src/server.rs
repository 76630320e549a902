//! The authority's side.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::{CREATE, IstioCertificateRequest, IstioCertificateResponse};

/// What an authority implements.
#[tonic::async_trait]
pub trait CertificateService: Send + Sync + 'static {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status>;
}

/// The tower service to add to a tonic router.
#[derive(Debug)]
pub struct CertificateServer<S> {
    inner: Arc<S>,
}

impl<S> CertificateServer<S> {
    pub fn new(service: Arc<S>) -> Self {
        Self { inner: service }
    }
}

impl<S> Clone for CertificateServer<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<S> NamedService for CertificateServer<S> {
    const NAME: &'static str = crate::SERVICE;
}

struct Create<S>(Arc<S>);

impl<S: CertificateService> UnaryService<IstioCertificateRequest> for Create<S> {
    type Response = IstioCertificateResponse;
    type Future = BoxFuture<Response<IstioCertificateResponse>, Status>;

    fn call(&mut self, request: Request<IstioCertificateRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.create_certificate(request).await })
    }
}

impl<S: CertificateService> Service<http::Request<Body>> for CertificateServer<S> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.inner.clone();
        Box::pin(async move {
            if request.uri().path() != CREATE {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            let codec: ProstCodec<IstioCertificateResponse, IstioCertificateRequest> =
                ProstCodec::default();
            Ok(Grpc::new(codec).unary(Create(service), request).await)
        })
    }
}
