//! The one table of what is accepted: every field of every message that is read, by its number.
//!
//! A field that is not listed is refused by name. A test holds the table against the descriptors and sets each field
//! alone.

mod access_log;
mod bootstrap;
mod cluster;
mod core;
mod endpoint;
mod extension;
mod filter;
mod listener;
mod logger;
mod network_filter;
mod route;
mod tls;
mod types;
mod upstream;

use super::accept::{Field, Inner, Message};

const fn e(number: u32, name: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Leaf,
    }
}

const fn m(number: u32, name: &'static str, message: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Message(message),
    }
}

const fn ms(number: u32, name: &'static str, message: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Messages(message),
    }
}

const fn any(number: u32, name: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::Any,
    }
}

const fn map(number: u32, name: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: None,
        inner: Inner::AnyMap,
    }
}

const fn h(number: u32, name: &'static str, reason: &'static str) -> Field {
    Field {
        number,
        name,
        harmless: Some(reason),
        inner: Inner::Leaf,
    }
}

/// One table a family of messages; sorted by name, as a whole too.
const FAMILIES: &[&[Message]] = &[
    access_log::MESSAGES,
    bootstrap::MESSAGES,
    cluster::MESSAGES,
    core::MESSAGES,
    endpoint::MESSAGES,
    listener::MESSAGES,
    route::MESSAGES,
    logger::MESSAGES,
    filter::MESSAGES,
    network_filter::MESSAGES,
    extension::MESSAGES,
    tls::MESSAGES,
    upstream::MESSAGES,
    types::MESSAGES,
];

/// All messages, by name.
pub(super) fn messages() -> impl Iterator<Item = &'static Message> {
    FAMILIES.iter().copied().flatten()
}

/// The message of this name.
pub(super) fn find(name: &str) -> Option<&'static Message> {
    let after = FAMILIES.partition_point(|family| family[0].name <= name);
    let family = FAMILIES[after.checked_sub(1)?];
    let at = family
        .binary_search_by(|message| message.name.cmp(name))
        .ok()?;
    family.get(at)
}
