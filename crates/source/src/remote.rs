//! What tools need beyond objects: pages of services behind the API server, and connections into pods.

use std::pin::Pin;

use api::store::StoreError;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connect::{self, Access, ConnectError};
use crate::error::store_error;

/// A byte stream into a pod.
pub trait PodStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> PodStream for T {}

/// Reaches services and pods through the API server. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    client: Client,
}

impl Remote {
    pub async fn connect(access: &Access) -> Result<Self, ConnectError> {
        Ok(Self {
            client: connect::client(access).await?,
        })
    }

    /// GETs `path` of the API server, which may be one below a service's `proxy`.
    pub async fn get(&self, path: &str) -> Result<String, StoreError> {
        let request =
            http::Request::get(path)
                .body(Vec::new())
                .map_err(|e| StoreError::Refused {
                    code: 400,
                    message: e.to_string(),
                })?;
        self.client.request_text(request).await.map_err(store_error)
    }

    /// A connection to a port on the loopback address inside a pod.
    pub async fn forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Pin<Box<dyn PodStream>>, StoreError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut forwarder = pods.portforward(pod, &[port]).await.map_err(store_error)?;
        let stream = forwarder.take_stream(port).ok_or_else(|| {
            StoreError::Unavailable(format!("{namespace}/{pod}: no stream for port {port}"))
        })?;
        // The task behind the stream must outlive this call.
        tokio::spawn(async move { forwarder.join().await });
        Ok(Box::pin(stream))
    }
}
