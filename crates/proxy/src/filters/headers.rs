//! Applies header mutations.
