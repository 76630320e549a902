//! The keys of a Secret.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The data of a Secret. Its `Debug` names the keys alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SecretData(pub(crate) BTreeMap<String, String>);

impl std::fmt::Debug for SecretData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl SecretData {
    /// Reads `data`, base64, and `stringData`.
    pub(crate) fn read(secret: &Value) -> Self {
        let mut all = BTreeMap::new();
        for (key, value) in secret["data"].as_object().into_iter().flatten() {
            let bytes = value
                .as_str()
                .and_then(|text| STANDARD.decode(text.trim()).ok());
            if let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                all.insert(key.clone(), text);
            }
        }
        for (key, value) in secret["stringData"].as_object().into_iter().flatten() {
            if let Some(text) = value.as_str() {
                all.insert(key.clone(), text.into());
            }
        }
        Self(all)
    }

    /// As `data` of a Secret.
    pub(crate) fn encode(&self) -> Map<String, Value> {
        let entries = self.0.iter();
        entries
            .map(|(key, text)| (key.clone(), STANDARD.encode(text).into()))
            .collect()
    }

    /// The first of these keys that is there and not blank.
    pub(crate) fn get(&self, names: &[&str]) -> Option<&str> {
        let mut values = names.iter().filter_map(|name| self.0.get(*name));
        values
            .find(|text| !text.trim().is_empty())
            .map(String::as_str)
    }
}
