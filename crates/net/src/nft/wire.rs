//! Netlink framing: messages with nested attributes, and a socket that sends one buffer and collects
//! the kernel's verdicts. Knows no protocol family.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

pub(crate) const NLM_F_REQUEST: u16 = 0x1;
pub(crate) const NLM_F_ACK: u16 = 0x4;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;
pub(crate) const NLM_F_REPLACE: u16 = 0x100;

const NLMSG_ERROR: u16 = 2;
const HEADER: usize = 16;
const NESTED: u16 = 0x8000;

/// A buffer of whole netlink messages.
#[derive(Debug, Default, Clone)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    /// Appends one message whose fixed part is `fixed`; `attributes` adds the rest.
    pub(crate) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        fixed: &[u8],
        attributes: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(fixed);
        pad(&mut self.bytes);
        attributes(&mut Attributes {
            bytes: &mut self.bytes,
        });
        let length = u32::try_from(self.bytes.len() - start).expect("a message is far below 4 GiB");
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Appends the messages of another buffer.
    pub(crate) fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes attributes into a message.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Attributes<'_> {
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
        self
    }

    /// A NUL-terminated string.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.close(start);
        self
    }

    /// A 32-bit number in network order, as netfilter has it.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        let start = self.open(kind | NESTED);
        inner(&mut Attributes { bytes: self.bytes });
        self.close(start);
        self
    }

    /// Bytes that are no attribute: the fixed header inside a nested one.
    pub(crate) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        pad(self.bytes);
        self
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).expect("an attribute is below 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        pad(self.bytes);
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Sends `buffer` in the calling thread's network namespace and reads acknowledgements until the one
/// of `last`. Returns the sequence number and errno of the first refused message.
pub(crate) fn transact(
    protocol: SockProtocol,
    buffer: &Buffer,
    last: u32,
) -> io::Result<Option<(u32, io::Error)>> {
    let fd = open(protocol)?;
    let sent = send(fd.as_raw_fd(), buffer.as_bytes(), MsgFlags::empty())?;
    if sent != buffer.as_bytes().len() {
        return Err(io::Error::new(
            io::ErrorKind::WriteZero,
            "netlink took a part of the batch",
        ));
    }
    let mut refused = None;
    let mut chunk = vec![0_u8; 64 * 1024];
    loop {
        let read = recv(fd.as_raw_fd(), &mut chunk, MsgFlags::empty())?;
        let mut rest = &chunk[..read];
        while let Some((kind, sequence, body, tail)) = split(rest) {
            rest = tail;
            if kind != NLMSG_ERROR || body.len() < 4 {
                continue;
            }
            let errno = i32::from_ne_bytes([body[0], body[1], body[2], body[3]]);
            if errno != 0 && refused.is_none() {
                refused = Some((sequence, io::Error::from_raw_os_error(-errno)));
            }
            // A refused batch may be answered under its first message alone.
            if sequence == last || (errno != 0 && sequence == 0) {
                return Ok(refused);
            }
        }
    }
}

fn open(protocol: SockProtocol) -> io::Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        protocol,
    )?;
    // Large batches need room both ways; the privileged forms ignore the system's limits.
    let _ = setsockopt(&fd, sockopt::SndBufForce, &(8 << 20));
    let _ = setsockopt(&fd, sockopt::RcvBufForce, &(8 << 20));
    let timeout = nix::sys::time::TimeVal::new(10, 0);
    setsockopt(&fd, sockopt::ReceiveTimeout, &timeout)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    Ok(fd)
}

fn split(bytes: &[u8]) -> Option<(u16, u32, &[u8], &[u8])> {
    let header = bytes.get(..HEADER)?;
    let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let kind = u16::from_ne_bytes([header[4], header[5]]);
    let sequence = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
    let body = bytes.get(HEADER..length)?;
    let tail = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, sequence, body, tail))
}
