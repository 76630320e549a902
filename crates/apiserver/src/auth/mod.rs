//! Who asks, and whether they may.

pub(crate) mod authorize;
pub(crate) mod rbac;
mod review;
pub(crate) mod token;

use serde_json::{Map, Value, json};

/// The identity of a caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: Vec<(String, String)>,
}

pub(crate) const AUTHENTICATED: &str = "system:authenticated";
pub(crate) const MASTERS: &str = "system:masters";

impl User {
    pub(crate) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            ..Self::default()
        }
    }

    /// The holder of a verified client certificate: common name and organisations.
    pub(crate) fn from_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
        let organisations = subject
            .iter_organization()
            .filter_map(|o| o.as_str().ok().map(str::to_owned));
        let mut groups: Vec<String> = organisations.collect();
        groups.push(AUTHENTICATED.into());
        Some(Self {
            name,
            groups,
            ..Self::default()
        })
    }

    pub(crate) fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Namespace and name, when the user is a service account.
    pub(crate) fn service_account(&self) -> Option<(&str, &str)> {
        self.name
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')
    }

    /// `UserInfo`, as reviews and admission carry it.
    pub(crate) fn info(&self) -> Value {
        let mut info = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            info["uid"] = self.uid.clone().into();
        }
        if !self.extra.is_empty() {
            let extra: Map<String, Value> = self
                .extra
                .iter()
                .map(|(k, v)| (k.clone(), json!([v])))
                .collect();
            info["extra"] = extra.into();
        }
        info
    }
}
