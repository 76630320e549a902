//! What was seen of a case through one proxy, as named values; and how two of them differ.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use super::backend::{Backend, Received};
use super::http1::{Ending, Message};
use super::net::Net;
use super::session::Session;

/// Values by name: `client[0].status`, `upstream[1].headers`, `log[0].flags`.
pub(crate) type Observation = BTreeMap<String, String>;

/// A field in which two observations differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differing {
    pub(crate) field: String,
    pub(crate) envoy: String,
    pub(crate) ours: String,
}

pub(crate) fn compare(envoy: &Observation, ours: &Observation) -> Vec<Differing> {
    let names: std::collections::BTreeSet<&String> = envoy.keys().chain(ours.keys()).collect();
    let value = |of: &Observation, name: &str| of.get(name).map_or("(absent)", |v| v).to_owned();
    names
        .into_iter()
        .map(|field| Differing {
            envoy: value(envoy, field),
            ours: value(ours, field),
            field: field.clone(),
        })
        .filter(|found| found.envoy != found.ours)
        .collect()
}

/// Collects an observation with all that varies by nature masked.
pub(crate) struct Observer<'a> {
    net: &'a Net,
    proxy: Ipv4Addr,
    found: Observation,
    /// Names and addresses of workloads, and what stands for them.
    numbers: Vec<(String, String)>,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(net: &'a Net, proxy: Ipv4Addr) -> Self {
        Self {
            net,
            proxy,
            found: Observation::new(),
            numbers: Vec::new(),
        }
    }

    fn put(&mut self, name: String, value: &str) {
        let mut masked = self.net.mask(value, self.proxy);
        for (workload, number) in &self.numbers {
            masked = masked.replace(workload, number);
        }
        self.found.insert(name, masked);
    }

    /// From here on workloads are told apart by the order in which they first received something.
    pub(crate) fn number(&mut self, received: &[Received], backends: &[Backend]) {
        for request in received {
            let known = self
                .numbers
                .iter()
                .any(|(name, _)| *name == request.workload);
            let found = backends.iter().find(|b| b.name == request.workload);
            if let Some(backend) = found.filter(|_| !known) {
                let number = format!("(workload {})", self.numbers.len() / 2 + 1);
                let address = self.net.mask(&format!("{}:", backend.ip), self.proxy);
                self.numbers.push((backend.name.clone(), number.clone()));
                self.numbers.push((address, format!("{number}:")));
            }
        }
    }

    pub(crate) fn clients(&mut self, session: &Session<'_>, endings: &[Option<Ending>]) {
        for (index, answer) in session.answers.iter().enumerate() {
            let at = format!("client[{index}]");
            for (n, interim) in answer.interim.iter().enumerate() {
                self.message(&format!("{at}.interim[{n}]"), interim);
            }
            if let Some(bytes) = &answer.bytes {
                self.put(format!("{at}.bytes"), &undated(bytes));
            } else if let Some(response) = &answer.response {
                self.message(&at, response);
            } else {
                self.put(format!("{at}.start"), "(no response)");
            }
            let announced = answer
                .response
                .as_ref()
                .is_some_and(|r| r.complete && r.header("connection") == Some("close"));
            // Whoever announced the end may leave it to the client.
            let ending = match answer.conn.and_then(|conn| endings[conn]) {
                _ if announced => "announced".to_owned(),
                Some(ending) => format!("{ending:?}"),
                None => continue,
            };
            self.put(format!("{at}.connection"), &ending);
        }
    }

    pub(crate) fn upstream(&mut self, received: &[Received]) {
        for (index, request) in received.iter().enumerate() {
            let at = format!("upstream[{index}]");
            self.put(format!("{at}.workload"), &request.workload);
            self.message(&at, &request.message);
        }
    }

    pub(crate) fn log(&mut self, lines: &[Map<String, Value>]) {
        for (index, line) in lines.iter().enumerate() {
            for (name, value) in line {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                self.put(format!("log[{index}].{name}"), &text);
            }
        }
    }

    /// Anything else worth comparing.
    pub(crate) fn note(&mut self, name: &str, value: &str) {
        self.put(name.to_owned(), value);
    }

    pub(crate) fn finish(self) -> Observation {
        self.found
    }

    fn message(&mut self, at: &str, message: &Message) {
        self.put(format!("{at}.start"), &message.start);
        self.put(format!("{at}.headers"), &fields(&message.headers));
        self.put(
            format!("{at}.body"),
            &String::from_utf8_lossy(&message.body),
        );
        if !message.trailers.is_empty() {
            self.put(format!("{at}.trailers"), &fields(&message.trailers));
        }
        if !message.complete {
            self.put(format!("{at}.complete"), "no");
        }
    }
}

/// Header lines in their order, with the values that are different each time masked.
fn fields(fields: &[(String, String)]) -> String {
    let mut text = String::new();
    let later = fields
        .iter()
        .any(|(name, value)| name == "x-envoy-attempt-count" && value != "1");
    for (name, value) in fields {
        let value = match name.to_ascii_lowercase().as_str() {
            "x-envoy-expected-rq-timeout-ms" if later => "(what is left)",
            "date" => "(date)",
            "x-request-id" if is_uuid(value) => "(uuid)",
            "x-envoy-upstream-service-time" => "(ms)",
            _ => value,
        };
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Bytes with the date of a head in them masked.
fn undated(bytes: &[u8]) -> String {
    let mask = |line: &str| match line.strip_prefix("date: ") {
        Some(_) => "date: (date)\r\n".to_owned(),
        None => line.to_owned(),
    };
    String::from_utf8_lossy(bytes)
        .split_inclusive('\n')
        .map(mask)
        .collect()
}
