//! Facts about versions and vendors that rules look up.

pub(crate) mod annotations;
