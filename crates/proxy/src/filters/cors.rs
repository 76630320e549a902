//! Cross-origin resource sharing.

use crate::config::matcher::{Fraction, StringMatcher};

/// A route's CORS policy.
#[derive(Debug, Clone)]
pub struct CorsPolicy {
    pub allow_origins: Box<[StringMatcher]>,
    pub allow_methods: Box<str>,
    pub allow_headers: Box<str>,
    pub expose_headers: Box<str>,
    pub max_age: Box<str>,
    pub allow_credentials: bool,
    pub allow_private_network: bool,
    /// Preflights whose origin does not match go upstream (Envoy's default) or are answered 200 without headers.
    pub forward_not_matching_preflights: bool,
    pub enabled: Fraction,
    /// Evaluate and count only.
    pub shadow: Fraction,
}
