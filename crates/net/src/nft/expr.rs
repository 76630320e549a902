//! The expressions that rules are made of: a small typed subset of nftables.

use std::net::Ipv4Addr;

use super::wire::Attributes;

/// A 4-byte register. `R0` starts the register that a whole match value or concatenated key lies in;
/// wider values run on into the next ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(u8);

impl Register {
    pub const R0: Self = Self(0);
    pub const R1: Self = Self(1);
    pub const R2: Self = Self(2);
    pub const R3: Self = Self(3);
    pub const R4: Self = Self(4);

    // NFT_REG32_00 is 8; the kernel and `nft list` treat NFT_REG_1 as its alias.
    fn number(self) -> u32 {
        if self.0 == 0 {
            1
        } else {
            8 + u32::from(self.0)
        }
    }
}

/// What `meta` loads or sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    Mark = 3,
    InputInterface = 6,
    OutputInterface = 7,
    SocketUid = 10,
    SocketGid = 11,
    NetworkFamily = 15,
    L4Proto = 16,
}

/// What `ct` loads or sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ct {
    State = 0,
    Direction = 1,
    Status = 2,
    Mark = 3,
}

/// Bits of [`Ct::State`].
pub mod ct_state {
    pub const INVALID: u32 = 1;
    pub const ESTABLISHED: u32 = 2;
    pub const RELATED: u32 = 4;
    pub const NEW: u32 = 8;
}

/// Where a payload offset counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Link = 0,
    Network = 1,
    Transport = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cmp {
    Eq = 0,
    Ne = 1,
    Lt = 2,
    Le = 3,
    Gt = 4,
    Ge = 5,
}

/// What happens to the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Drop,
    Continue,
    Return,
    Jump(String),
    Goto(String),
}

/// A set, map or verdict map that a rule looks up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRef {
    pub(super) name: String,
    pub(super) id: u32,
}

impl SetRef {
    /// A named set that exists already or is made in the same batch.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Goes on when the key is in the set.
    In,
    /// Goes on when the key is not in the set.
    NotIn,
    /// Loads the mapped value.
    Map(Register),
    /// Applies the mapped verdict.
    Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    TcpReset,
    /// ICMP destination unreachable, port unreachable.
    PortUnreachable,
}

/// One expression of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    Meta {
        key: Meta,
        to: Register,
    },
    SetMeta {
        key: Meta,
        from: Register,
    },
    Ct {
        key: Ct,
        to: Register,
    },
    SetCt {
        key: Ct,
        from: Register,
    },
    Payload {
        base: Base,
        offset: u32,
        len: u32,
        to: Register,
    },
    Compare {
        from: Register,
        op: Cmp,
        value: Vec<u8>,
    },
    /// `to = (from & mask) ^ xor`.
    Bitwise {
        from: Register,
        to: Register,
        mask: Vec<u8>,
        xor: Vec<u8>,
    },
    Immediate {
        to: Register,
        value: Vec<u8>,
    },
    Verdict(Verdict),
    Lookup {
        set: SetRef,
        key: Register,
        mode: Lookup,
    },
    RandomNumber {
        to: Register,
        modulus: u32,
    },
    Dnat {
        address: Register,
        port: Option<Register>,
    },
    Snat {
        address: Register,
    },
    Masquerade,
    Redirect {
        port: Register,
    },
    Reject(Reject),
    Counter,
}

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// Matches and actions that take more than one expression.
pub mod phrase {
    use super::{Base, Cmp, Ct, Expr, Ipv4Addr, Meta, Register};

    fn equals(op: Cmp, load: Expr, value: &[u8]) -> Vec<Expr> {
        let value = value.to_vec();
        vec![
            load,
            Expr::Compare {
                from: Register::R0,
                op,
                value,
            },
        ]
    }

    /// `meta l4proto <protocol>`
    #[must_use]
    pub fn l4proto(protocol: u8) -> Vec<Expr> {
        equals(
            Cmp::Eq,
            Expr::Meta {
                key: Meta::L4Proto,
                to: Register::R0,
            },
            &[protocol],
        )
    }

    /// `meta skuid <op> <uid>`
    #[must_use]
    pub fn socket_uid(op: Cmp, uid: u32) -> Vec<Expr> {
        equals(
            op,
            Expr::Meta {
                key: Meta::SocketUid,
                to: Register::R0,
            },
            &uid.to_ne_bytes(),
        )
    }

    /// `meta skgid <op> <gid>`
    #[must_use]
    pub fn socket_gid(op: Cmp, gid: u32) -> Vec<Expr> {
        equals(
            op,
            Expr::Meta {
                key: Meta::SocketGid,
                to: Register::R0,
            },
            &gid.to_ne_bytes(),
        )
    }

    /// `iifname` or `oifname` `<op> <name>`
    #[must_use]
    pub fn interface(key: Meta, op: Cmp, name: &str) -> Vec<Expr> {
        let mut padded = name.as_bytes().to_vec();
        padded.resize(16, 0);
        equals(
            op,
            Expr::Meta {
                key,
                to: Register::R0,
            },
            &padded,
        )
    }

    /// Loads the IPv4 source address.
    #[must_use]
    pub fn load_source(to: Register) -> Expr {
        Expr::Payload {
            base: Base::Network,
            offset: 12,
            len: 4,
            to,
        }
    }

    /// Loads the IPv4 destination address.
    #[must_use]
    pub fn load_destination(to: Register) -> Expr {
        Expr::Payload {
            base: Base::Network,
            offset: 16,
            len: 4,
            to,
        }
    }

    /// Loads the TCP or UDP destination port.
    #[must_use]
    pub fn load_port(to: Register) -> Expr {
        Expr::Payload {
            base: Base::Transport,
            offset: 2,
            len: 2,
            to,
        }
    }

    /// `ip daddr <op> <network>/<prefix>`
    #[must_use]
    pub fn destination(op: Cmp, network: Ipv4Addr, prefix: u8) -> Vec<Expr> {
        let mut out = vec![load_destination(Register::R0)];
        let mask = mask(prefix);
        if prefix < 32 {
            let xor = vec![0; 4];
            let mask = mask.to_be_bytes().to_vec();
            out.push(Expr::Bitwise {
                from: Register::R0,
                to: Register::R0,
                mask,
                xor,
            });
        }
        let value = (network.to_bits() & mask).to_be_bytes().to_vec();
        out.push(Expr::Compare {
            from: Register::R0,
            op,
            value,
        });
        out
    }

    fn mask(prefix: u8) -> u32 {
        u32::MAX
            .checked_shl(32 - u32::from(prefix.min(32)))
            .unwrap_or(0)
    }

    /// `tcp dport <op> <port>`; match the protocol first.
    #[must_use]
    pub fn port(op: Cmp, port: u16) -> Vec<Expr> {
        equals(op, load_port(Register::R0), &port.to_be_bytes())
    }

    /// `ct state <bits>`: any of them.
    #[must_use]
    pub fn state(bits: u32) -> Vec<Expr> {
        vec![
            Expr::Ct {
                key: Ct::State,
                to: Register::R0,
            },
            Expr::Bitwise {
                from: Register::R0,
                to: Register::R0,
                mask: bits.to_ne_bytes().to_vec(),
                xor: vec![0; 4],
            },
            Expr::Compare {
                from: Register::R0,
                op: Cmp::Ne,
                value: vec![0; 4],
            },
        ]
    }

    /// `redirect to :<port>`
    #[must_use]
    pub fn redirect(port: u16) -> Vec<Expr> {
        let value = port.to_be_bytes().to_vec();
        vec![
            Expr::Immediate {
                to: Register::R0,
                value,
            },
            Expr::Redirect { port: Register::R0 },
        ]
    }

    /// `snat to <address>`
    #[must_use]
    pub fn snat(address: Ipv4Addr) -> Vec<Expr> {
        let value = address.octets().to_vec();
        vec![
            Expr::Immediate {
                to: Register::R0,
                value,
            },
            Expr::Snat {
                address: Register::R0,
            },
        ]
    }
}

const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const AF_INET: u32 = 2;

impl Expr {
    fn name(&self) -> &'static str {
        match self {
            Self::Meta { .. } | Self::SetMeta { .. } => "meta",
            Self::Ct { .. } | Self::SetCt { .. } => "ct",
            Self::Payload { .. } => "payload",
            Self::Compare { .. } => "cmp",
            Self::Bitwise { .. } => "bitwise",
            Self::Immediate { .. } | Self::Verdict(_) => "immediate",
            Self::Lookup { .. } => "lookup",
            Self::RandomNumber { .. } => "numgen",
            Self::Dnat { .. } | Self::Snat { .. } => "nat",
            Self::Masquerade => "masq",
            Self::Redirect { .. } => "redir",
            Self::Reject(_) => "reject",
            Self::Counter => "counter",
        }
    }

    /// Writes the expression as one element of a rule's list.
    pub(super) fn encode(&self, list: &mut Attributes<'_>) {
        list.nest(1, |elem| {
            elem.text(1, self.name());
            elem.nest(2, |data| self.encode_data(data));
        });
    }

    fn encode_data(&self, out: &mut Attributes<'_>) {
        match self {
            Self::Meta { key, to } => _ = out.be32(2, *key as u32).be32(1, to.number()),
            Self::SetMeta { key, from } => _ = out.be32(2, *key as u32).be32(3, from.number()),
            Self::Ct { key, to } => _ = out.be32(2, *key as u32).be32(1, to.number()),
            Self::SetCt { key, from } => _ = out.be32(2, *key as u32).be32(4, from.number()),
            Self::Payload {
                base,
                offset,
                len,
                to,
            } => {
                out.be32(1, to.number())
                    .be32(2, *base as u32)
                    .be32(3, *offset)
                    .be32(4, *len);
            }
            Self::Compare { from, op, value } => {
                out.be32(1, from.number())
                    .be32(2, *op as u32)
                    .nest(3, |d| encode_value(d, value));
            }
            Self::Bitwise {
                from,
                to,
                mask,
                xor,
            } => {
                let len = u32::try_from(mask.len()).expect("a mask fits a register");
                out.be32(1, from.number()).be32(2, to.number()).be32(3, len);
                out.nest(4, |d| encode_value(d, mask))
                    .nest(5, |d| encode_value(d, xor));
            }
            Self::Immediate { to, value } => {
                out.be32(1, to.number()).nest(2, |d| encode_value(d, value));
            }
            Self::Verdict(verdict) => {
                out.be32(1, 0).nest(2, |d| encode_verdict(d, verdict));
            }
            Self::Lookup { set, key, mode } => encode_lookup(out, set, *key, *mode),
            Self::RandomNumber { to, modulus } => {
                out.be32(1, to.number())
                    .be32(2, *modulus)
                    .be32(3, 1)
                    .be32(4, 0);
            }
            Self::Dnat { address, port } => encode_nat(out, 1, *address, *port),
            Self::Snat { address } => encode_nat(out, 0, *address, None),
            Self::Redirect { port } => {
                // NF_NAT_RANGE_PROTO_SPECIFIED, as nft itself sends.
                out.be32(1, port.number()).be32(2, port.number()).be32(3, 2);
            }
            Self::Reject(Reject::TcpReset) => _ = out.be32(1, 1).bytes(2, &[0]),
            Self::Reject(Reject::PortUnreachable) => _ = out.be32(1, 0).bytes(2, &[3]),
            Self::Masquerade | Self::Counter => {}
        }
    }
}

fn encode_lookup(out: &mut Attributes<'_>, set: &SetRef, key: Register, mode: Lookup) {
    out.text(1, &set.name).be32(2, key.number());
    match mode {
        Lookup::In => {}
        Lookup::NotIn => _ = out.be32(5, 1),
        Lookup::Map(to) => _ = out.be32(3, to.number()),
        Lookup::Verdict => _ = out.be32(3, 0),
    }
    if set.id != 0 {
        out.be32(4, set.id);
    }
}

fn encode_nat(out: &mut Attributes<'_>, kind: u32, address: Register, port: Option<Register>) {
    out.be32(1, kind)
        .be32(2, AF_INET)
        .be32(3, address.number())
        .be32(4, address.number());
    if let Some(port) = port {
        out.be32(5, port.number()).be32(6, port.number());
    }
}

pub(super) fn encode_value(out: &mut Attributes<'_>, value: &[u8]) {
    out.bytes(DATA_VALUE, value);
}

pub(super) fn encode_verdict(out: &mut Attributes<'_>, verdict: &Verdict) {
    let (code, chain): (i32, Option<&str>) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Continue => (-1, None),
        Verdict::Jump(chain) => (-3, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
        Verdict::Return => (-5, None),
    };
    out.nest(DATA_VERDICT, |v| {
        v.bytes(1, &code.to_be_bytes());
        if let Some(chain) = chain {
            v.text(2, chain);
        }
    });
}
