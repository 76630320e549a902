//! nftables over netlink, without the `nft` program: tables, chains, rules, sets and maps, committed
//! as one batch that takes effect whole or not at all, in the calling thread's network namespace.

mod commit;
mod expr;
mod set;
pub(crate) mod wire;

use std::io;

pub use expr::{
    Base, Cmp, Ct, Expr, Lookup, Meta, Register, Reject, SetRef, TCP, UDP, Verdict, ct_state,
    phrase,
};
pub use set::{Data, Element, KeyType, SetKind};

use wire::{Buffer, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST};

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    Ip = 2,
    Ip6 = 10,
}

/// A table by its family and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub family: Family,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    Filter,
    Nat,
    Route,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Prerouting = 0,
    Input = 1,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// Where a base chain hangs; its policy is accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attach {
    pub kind: ChainKind,
    pub hook: Hook,
    pub priority: i32,
}

/// `dstnat`, the priority of chains that translate destinations.
pub const DSTNAT: i32 = -100;
/// `srcnat`, the priority of chains that translate sources.
pub const SRCNAT: i32 = 100;

/// Why a batch had no effect.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    #[error("nftables refused to {command}: {source}")]
    Refused { command: String, source: io::Error },
    #[error("cannot talk to nftables: {0}")]
    Io(#[from] io::Error),
}

/// Commands that take effect together.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    buffer: Buffer,
    commands: Vec<String>,
    next_set: u32,
}

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

#[derive(Clone, Copy)]
enum Message {
    NewTable = 0,
    DeleteTable = 2,
    NewChain = 3,
    DeleteChain = 5,
    NewRule = 6,
    DeleteRule = 8,
    NewSet = 9,
    NewElements = 12,
    DeleteElements = 14,
}

impl Batch {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    fn push(
        &mut self,
        message: Message,
        flags: u16,
        family: Family,
        command: String,
        attributes: impl FnOnce(&mut wire::Attributes<'_>),
    ) {
        self.commands.push(command);
        let sequence = u32::try_from(self.commands.len()).expect("a batch has few commands");
        let kind = (SUBSYSTEM << 8) | message as u16;
        // struct nfgenmsg { family, version, res_id }
        let fixed = [family as u8, 0, 0, 0];
        // Only an acknowledged last message proves that the batch was committed.
        self.buffer.message(
            kind,
            NLM_F_REQUEST | NLM_F_ACK | flags,
            sequence,
            &fixed,
            attributes,
        );
    }

    /// Makes a table unless it exists.
    pub fn add_table(&mut self, table: &Table) -> &mut Self {
        let command = format!("add table {}", table.name);
        self.push(
            Message::NewTable,
            NLM_F_CREATE,
            table.family,
            command,
            |a| {
                a.text(1, &table.name).be32(2, 0);
            },
        );
        self
    }

    /// Removes a table with all that is in it.
    pub fn delete_table(&mut self, table: &Table) -> &mut Self {
        let command = format!("delete table {}", table.name);
        self.push(Message::DeleteTable, 0, table.family, command, |a| {
            _ = a.text(1, &table.name);
        });
        self
    }

    /// An empty table, whatever was there before.
    pub fn renew_table(&mut self, table: &Table) -> &mut Self {
        self.add_table(table).delete_table(table).add_table(table)
    }

    /// Makes a chain unless it exists; `attach` hangs it on a hook.
    pub fn add_chain(&mut self, table: &Table, name: &str, attach: Option<Attach>) -> &mut Self {
        let command = format!("add chain {} {name}", table.name);
        self.push(
            Message::NewChain,
            NLM_F_CREATE,
            table.family,
            command,
            |a| {
                a.text(1, &table.name).text(3, name);
                let Some(Attach {
                    kind,
                    hook,
                    priority,
                }) = attach
                else {
                    return;
                };
                a.nest(4, |h| {
                    _ = h.be32(1, hook as u32).bytes(2, &priority.to_be_bytes());
                });
                a.be32(5, 1);
                a.text(
                    7,
                    match kind {
                        ChainKind::Filter => "filter",
                        ChainKind::Nat => "nat",
                        ChainKind::Route => "route",
                    },
                );
            },
        );
        self
    }

    /// Removes all rules of a chain.
    pub fn flush_chain(&mut self, table: &Table, name: &str) -> &mut Self {
        let command = format!("flush chain {} {name}", table.name);
        self.push(Message::DeleteRule, 0, table.family, command, |a| {
            _ = a.text(1, &table.name).text(2, name);
        });
        self
    }

    /// Removes an empty chain that nothing refers to.
    pub fn delete_chain(&mut self, table: &Table, name: &str) -> &mut Self {
        let command = format!("delete chain {} {name}", table.name);
        self.push(Message::DeleteChain, 0, table.family, command, |a| {
            _ = a.text(1, &table.name).text(3, name);
        });
        self
    }

    /// Appends a rule.
    pub fn add_rule(&mut self, table: &Table, chain: &str, exprs: &[Expr]) -> &mut Self {
        let command = format!("add rule {} {chain}", table.name);
        self.push(
            Message::NewRule,
            NLM_F_CREATE | NLM_F_APPEND,
            table.family,
            command,
            |a| {
                a.text(1, &table.name).text(2, chain);
                a.nest(4, |list| exprs.iter().for_each(|expr| expr.encode(list)));
            },
        );
        self
    }

    /// Makes a named set or map.
    pub fn add_set(&mut self, table: &Table, name: &str, kind: &SetKind) -> &mut Self {
        self.next_set += 1;
        let id = self.next_set;
        self.push_set(table, name, id, kind, false);
        self
    }

    /// Makes a constant set or map that lives as long as the rule which looks it up; the rule must be
    /// in the same batch.
    pub fn anonymous_set(&mut self, table: &Table, kind: &SetKind, elements: &[Element]) -> SetRef {
        self.next_set += 1;
        let id = self.next_set;
        let name = if kind.is_map() { "__map%d" } else { "__set%d" };
        self.push_set(table, name, id, kind, true);
        self.push_elements(Message::NewElements, table, name, id, elements);
        SetRef {
            name: name.into(),
            id,
        }
    }

    fn push_set(&mut self, table: &Table, name: &str, id: u32, kind: &SetKind, anonymous: bool) {
        let command = format!("add set {} {name}", table.name);
        self.push(Message::NewSet, NLM_F_CREATE, table.family, command, |a| {
            a.text(1, &table.name).text(2, name);
            kind.encode(a, id, anonymous);
        });
    }

    /// Adds elements; one that is there already with other data is refused.
    pub fn add_elements(&mut self, table: &Table, set: &str, elements: &[Element]) -> &mut Self {
        self.push_elements(Message::NewElements, table, set, 0, elements);
        self
    }

    /// Removes elements that are there, by their keys.
    pub fn delete_elements(&mut self, table: &Table, set: &str, elements: &[Element]) -> &mut Self {
        self.push_elements(Message::DeleteElements, table, set, 0, elements);
        self
    }

    fn push_elements(
        &mut self,
        message: Message,
        table: &Table,
        set: &str,
        id: u32,
        elements: &[Element],
    ) {
        // An attribute holds 64 KiB, an element less than 200 bytes.
        for chunk in elements.chunks(256) {
            let (message, verb) = match message {
                Message::DeleteElements => (Message::DeleteElements, "delete"),
                _ => (Message::NewElements, "add"),
            };
            let command = format!("{verb} {} elements of {} {set}", chunk.len(), table.name);
            self.push(message, NLM_F_CREATE, table.family, command, |a| {
                a.text(1, &table.name).text(2, set);
                if id != 0 {
                    a.be32(4, id);
                }
                a.nest(3, |list| {
                    chunk.iter().for_each(|element| element.encode(list));
                });
            });
        }
    }

    /// Applies everything, or nothing.
    pub fn commit(self) -> Result<(), NftError> {
        if self.commands.is_empty() {
            return Ok(());
        }
        commit::commit(&self.buffer, &self.commands)
    }
}

#[cfg(test)]
mod tests;
