//! Copies of requests to other clusters; their answers are dropped.

use super::Turn;
use super::attempt::Plan;
use super::forward::Routing;

impl Turn<'_> {
    pub(super) fn mirror(&mut self, _routing: Routing<'_>, _plan: &Plan) {}
}
