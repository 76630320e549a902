//! What goes over a pod's interface, by tcpdump.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use super::host;

/// A running tcpdump.
pub(crate) struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Starts in the network namespace of a process; returns when packets are being taken.
    pub(crate) fn start(pid: i32, interface: &str, filter: &str, file: &Path) -> Self {
        let tcpdump = testkit::peer("tcpdump").unwrap();
        let mut child = host::inside(pid, || {
            Command::new(tcpdump)
                // No snap length, every packet at once, no change of user.
                .args([
                    "-i", interface, "-s", "0", "-U", "-Z", "root", "-B", "16384", "-w",
                ])
                .arg(file)
                .arg(filter)
                .stderr(Stdio::piped())
                .spawn()
        });
        let mut said = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("listening on") {
            assert!(errors.read_line(&mut said).unwrap() > 0, "tcpdump: {said}");
        }
        std::thread::spawn(move || errors.lines().for_each(drop));
        Self {
            child,
            file: file.to_owned(),
        }
    }

    /// Ends it and reads the TCP payloads.
    pub(crate) fn stop(mut self) -> Vec<Segment> {
        host::signal(self.child.id().cast_signed(), Signal::SIGINT);
        self.child.wait().unwrap();
        segments(&std::fs::read(&self.file).unwrap())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type End = (Ipv4Addr, u16);

/// One TCP segment with payload.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) from: End,
    pub(crate) to: End,
    pub(crate) payload: Vec<u8>,
}

impl Segment {
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.payload
            .windows(text.len())
            .any(|w| w == text.as_bytes())
    }

    /// A record that starts a handshake with message `kind` (RFC 8446 §4, §5.1).
    fn hello(&self, kind: u8) -> bool {
        matches!(self.payload.as_slice(), [0x16, 3, _, _, _, found, ..] if *found == kind)
    }

    pub(crate) fn is_client_hello(&self) -> bool {
        self.hello(1)
    }

    pub(crate) fn is_server_hello(&self) -> bool {
        self.hello(2)
    }
}

/// Reads a capture of Ethernet frames (pcap, the format of tcpdump's `-w`).
fn segments(file: &[u8]) -> Vec<Segment> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(word(0), 0xa1b2_c3d4, "a little-endian pcap");
    assert_eq!(word(20), 1, "Ethernet");
    let mut found = Vec::new();
    let mut at = 24;
    while at + 16 <= file.len() {
        let length = word(at + 8);
        let Some(frame) = file.get(at + 16..at + 16 + length) else {
            break;
        };
        found.extend(segment(frame));
        at += 16 + length;
    }
    found
}

fn segment(frame: &[u8]) -> Option<Segment> {
    let ip = frame.get(14..)?;
    if frame[12..14] != [8, 0] || ip.len() < 20 || ip[9] != 6 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let tcp = ip.get(usize::from(ip[0] & 15) * 4..total)?;
    let payload = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?;
    let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    (!payload.is_empty()).then(|| Segment {
        from: (address(12), port(0)),
        to: (address(16), port(2)),
        payload: payload.to_vec(),
    })
}

/// Segments by connection, whichever way they went.
pub(crate) fn connections(segments: &[Segment]) -> BTreeMap<(End, End), Vec<&Segment>> {
    let mut found: BTreeMap<_, Vec<&Segment>> = BTreeMap::new();
    for segment in segments {
        let key = (segment.from.min(segment.to), segment.from.max(segment.to));
        found.entry(key).or_default().push(segment);
    }
    found
}
