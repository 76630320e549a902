//! One vocabulary for both forms of the protocol: what a request says and what a push holds.

use std::collections::HashMap;
use std::sync::Arc;

use base::ContentHash;

use crate::Resource;
use crate::envoy::config::core::v3::{ControlPlane, Node};
use crate::envoy::service::discovery::v3 as discovery;

/// The two forms of aggregated discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `StreamAggregatedResources`.
    StateOfTheWorld,
    /// `DeltaAggregatedResources`.
    Delta,
}

/// A discovery request, apart from the node that the first one of a stream carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub type_url: String,
    /// The nonce of the response that this request acknowledges or rejects; empty when it answers none.
    pub nonce: String,
    /// Why the response was rejected.
    pub error: Option<String>,
    pub names: Names,
    /// Whether the request uses `resource_locators` (`xdstp://`), which this server does not speak.
    pub locators: bool,
}

/// What a request subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// State of the world: the whole subscription.
    All(Vec<String>),
    /// Delta: changes of the subscription, and what the client holds from an earlier stream.
    Change {
        subscribe: Vec<String>,
        unsubscribe: Vec<String>,
        held: HashMap<String, String>,
    },
}

impl Default for Names {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Names {
    /// All names that the request carries.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::All(names) => Box::new(names.iter().map(String::as_str)),
            Self::Change {
                subscribe,
                unsubscribe,
                held,
            } => Box::new(
                subscribe
                    .iter()
                    .chain(unsubscribe)
                    .chain(held.keys())
                    .map(String::as_str),
            ),
        }
    }
}

/// A request of either form, as the adapter receives it.
pub(super) trait WireRequest: Send + 'static {
    const FORM: Form;
    type Response: Send + 'static;
    fn split(self) -> (Option<Node>, Request);
    fn response(push: Push, control_plane: &str) -> Self::Response;
}

impl WireRequest for discovery::DiscoveryRequest {
    const FORM: Form = Form::StateOfTheWorld;
    type Response = discovery::DiscoveryResponse;

    fn split(self) -> (Option<Node>, Request) {
        let Self {
            version_info: _, // the nonce says which response is meant
            node,
            resource_names,
            resource_locators,
            type_url,
            response_nonce,
            error_detail,
        } = self;
        let request = Request {
            type_url,
            nonce: response_nonce,
            error: error_detail.map(|status| status.message),
            names: Names::All(resource_names),
            locators: !resource_locators.is_empty(),
        };
        (node, request)
    }

    fn response(push: Push, control_plane: &str) -> Self::Response {
        push.into_response(control_plane)
    }
}

impl WireRequest for discovery::DeltaDiscoveryRequest {
    const FORM: Form = Form::Delta;
    type Response = discovery::DeltaDiscoveryResponse;

    fn split(self) -> (Option<Node>, Request) {
        let Self {
            node,
            type_url,
            resource_names_subscribe,
            resource_names_unsubscribe,
            resource_locators_subscribe,
            resource_locators_unsubscribe,
            initial_resource_versions,
            response_nonce,
            error_detail,
        } = self;
        let request = Request {
            type_url,
            nonce: response_nonce,
            error: error_detail.map(|status| status.message),
            names: Names::Change {
                subscribe: resource_names_subscribe,
                unsubscribe: resource_names_unsubscribe,
                held: initial_resource_versions,
            },
            locators: !resource_locators_subscribe.is_empty()
                || !resource_locators_unsubscribe.is_empty(),
        };
        (node, request)
    }

    fn response(push: Push, control_plane: &str) -> Self::Response {
        push.into_delta_response(control_plane)
    }
}

/// One discovery response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    pub type_url: Arc<str>,
    pub nonce: String,
    /// The hash of everything of this type that the client then holds.
    pub version: ContentHash,
    pub resources: Arc<[Arc<Resource>]>,
    /// Names that the client must forget; always empty in state of the world, where the absence of a name says it.
    pub removed: Arc<[Arc<str>]>,
}

impl Push {
    /// The names of the resources sent, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(|resource| &*resource.name)
    }

    /// As a state-of-the-world response; `control_plane` identifies the server.
    #[must_use]
    pub fn into_response(self, control_plane: &str) -> discovery::DiscoveryResponse {
        discovery::DiscoveryResponse {
            version_info: self.version.to_string(),
            resources: self
                .resources
                .iter()
                .map(|resource| resource.to_any())
                .collect(),
            type_url: self.type_url.to_string(),
            nonce: self.nonce,
            control_plane: identify(control_plane),
            ..Default::default()
        }
    }

    /// As a delta response; `control_plane` identifies the server.
    #[must_use]
    pub fn into_delta_response(self, control_plane: &str) -> discovery::DeltaDiscoveryResponse {
        let resource = |resource: &Arc<Resource>| discovery::Resource {
            name: resource.name.to_string(),
            version: resource.version.to_string(),
            resource: Some(resource.to_any()),
            ..Default::default()
        };
        discovery::DeltaDiscoveryResponse {
            system_version_info: self.version.to_string(),
            resources: self.resources.iter().map(resource).collect(),
            type_url: self.type_url.to_string(),
            removed_resources: self.removed.iter().map(ToString::to_string).collect(),
            nonce: self.nonce,
            control_plane: identify(control_plane),
            ..Default::default()
        }
    }
}

fn identify(control_plane: &str) -> Option<ControlPlane> {
    (!control_plane.is_empty()).then(|| ControlPlane {
        identifier: control_plane.into(),
    })
}

/// What a stream tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The client's subscription of one type changed.
    Subscribed {
        type_url: Arc<str>,
        /// Whether the client now wants everything of the type.
        wildcard: bool,
        added: Vec<Arc<str>>,
        removed: Vec<Arc<str>>,
    },
    /// A response left.
    Sent {
        type_url: Arc<str>,
        nonce: String,
        resources: Arc<[Arc<Resource>]>,
        removed: Arc<[Arc<str>]>,
    },
    /// The client uses these resources. `nonce` is empty when a reconnecting client had them already.
    Ack {
        type_url: Arc<str>,
        nonce: String,
        resources: Arc<[Arc<Resource>]>,
        removed: Arc<[Arc<str>]>,
    },
    /// The client refused at least one of these resources, for the reason in `message`. They are not sent again
    /// until they change.
    Nack {
        type_url: Arc<str>,
        nonce: String,
        resources: Arc<[Arc<Resource>]>,
        message: String,
    },
}

/// Why a stream must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("the request has no type_url")]
    NoType,
    #[error("the stream subscribes to more than {0} types")]
    TooManyTypes(usize),
    #[error("the stream names more than {0} resources")]
    TooManyNames(usize),
    #[error("the resource names of the stream exceed {0} bytes")]
    TooManyBytes(usize),
    #[error("resource_locators (xdstp) are not supported")]
    Locators,
}

/// What one stream may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub types: usize,
    /// Names over all types.
    pub names: usize,
    /// Bytes of those names.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            types: 32,
            names: 200_000,
            bytes: 32 << 20,
        }
    }
}
