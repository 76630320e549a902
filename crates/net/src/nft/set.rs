//! Sets and maps: what keys and data are made of, and their elements.

use std::net::Ipv4Addr;

use super::expr::{Verdict, encode_value, encode_verdict};
use super::wire::Attributes;

/// One field of a key or of mapped data; a concatenation has several. The numbers are those by which
/// the `nft` program prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    Integer = 4,
    Ipv4 = 7,
    Protocol = 12,
    Port = 13,
    Mark = 19,
}

impl KeyType {
    fn len(self) -> u32 {
        match self {
            Self::Protocol => 1,
            Self::Port => 2,
            Self::Integer | Self::Ipv4 | Self::Mark => 4,
        }
    }
}

/// The shape of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    Set(Vec<KeyType>),
    Map(Vec<KeyType>, Vec<KeyType>),
    VerdictMap(Vec<KeyType>),
}

const ANONYMOUS: u32 = 0x1;
const CONSTANT: u32 = 0x2;
const MAP: u32 = 0x8;
const VERDICT: u32 = 0xffff_ff00;

impl SetKind {
    pub(super) fn is_map(&self) -> bool {
        !matches!(self, Self::Set(_))
    }

    pub(super) fn encode(&self, out: &mut Attributes<'_>, id: u32, anonymous: bool) {
        let mut flags = if anonymous { ANONYMOUS | CONSTANT } else { 0 };
        if self.is_map() {
            flags |= MAP;
        }
        out.be32(3, flags);
        let (Self::Set(key) | Self::Map(key, _) | Self::VerdictMap(key)) = self;
        out.be32(4, type_number(key)).be32(5, length(key));
        match self {
            Self::Set(_) => {}
            Self::Map(_, data) => _ = out.be32(6, type_number(data)).be32(7, length(data)),
            Self::VerdictMap(_) => _ = out.be32(6, VERDICT),
        }
        out.be32(10, id);
        if key == &[KeyType::Integer] {
            // Userdata: key byte order (host), so that `nft list` prints numbers right.
            out.bytes(13, &[0, 4, 1, 0, 0, 0]);
        }
    }
}

fn type_number(fields: &[KeyType]) -> u32 {
    fields
        .iter()
        .fold(0, |number, field| (number << 6) | *field as u32)
}

// In a concatenation each field fills whole registers.
fn length(fields: &[KeyType]) -> u32 {
    match fields {
        [single] => single.len(),
        several => several
            .iter()
            .map(|field| field.len().next_multiple_of(4))
            .sum(),
    }
}

/// What an element maps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    Value(Vec<u8>),
    Verdict(Verdict),
}

/// One element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub key: Vec<u8>,
    pub data: Option<Data>,
}

impl Element {
    #[must_use]
    pub fn key(key: Vec<u8>) -> Self {
        Self { key, data: None }
    }

    #[must_use]
    pub fn map(key: Vec<u8>, data: Data) -> Self {
        Self {
            key,
            data: Some(data),
        }
    }

    /// A key `protocol . address . port`.
    #[must_use]
    pub fn socket_key(protocol: u8, address: Ipv4Addr, port: u16) -> Vec<u8> {
        let mut key = vec![protocol, 0, 0, 0];
        key.extend_from_slice(&Self::address_port(address, port));
        key
    }

    /// A value `address . port`.
    #[must_use]
    pub fn address_port(address: Ipv4Addr, port: u16) -> Vec<u8> {
        let mut value = address.octets().to_vec();
        value.extend_from_slice(&port.to_be_bytes());
        value.extend_from_slice(&[0, 0]);
        value
    }

    pub(super) fn encode(&self, list: &mut Attributes<'_>) {
        list.nest(1, |elem| {
            elem.nest(1, |k| encode_value(k, &self.key));
            match &self.data {
                None => {}
                Some(Data::Value(value)) => _ = elem.nest(2, |d| encode_value(d, value)),
                Some(Data::Verdict(verdict)) => _ = elem.nest(2, |d| encode_verdict(d, verdict)),
            }
        });
    }
}
