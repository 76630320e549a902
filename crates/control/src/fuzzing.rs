//! Fuzz targets: bytes in, nothing out; see `fuzz/`.

use prost::Message;

use crate::node::NodeInfo;
use crate::pb::core_v3;

/// The node of a discovery request.
pub fn xds_node(data: &[u8]) {
    if let Ok(node) = core_v3::Node::decode(data) {
        match NodeInfo::parse(&node) {
            Ok(info) => assert!(!info.namespace.is_empty()),
            // An error is logged and sent back: it must not repeat a whole message.
            Err(error) => assert!(error.to_string().len() < 1024),
        }
    }
}
