//! A proxy's access log, read as it grows.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// What is logged of each request and connection, and compared.
pub(crate) const FIELDS: &[(&str, &str)] = &[
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("code", "%RESPONSE_CODE%"),
    (
        "connection_termination_details",
        "%CONNECTION_TERMINATION_DETAILS%",
    ),
    ("details", "%RESPONSE_CODE_DETAILS%"),
    (
        "downstream_failure",
        "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
    ("flags", "%RESPONSE_FLAGS%"),
    ("grpc_status", "%GRPC_STATUS%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("route", "%ROUTE_NAME%"),
    ("server_name", "%REQUESTED_SERVER_NAME%"),
    ("upstream_attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_failure", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

/// The format as JSON.
pub(crate) fn format() -> Value {
    let fields = FIELDS
        .iter()
        .map(|(name, operator)| ((*name).to_owned(), json!(operator)));
    Value::Object(fields.collect())
}

/// A file that a proxy writes lines to.
pub(crate) struct Log {
    path: PathBuf,
    read: u64,
    partial: Vec<u8>,
    lines: Vec<Map<String, Value>>,
}

impl Log {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            read: 0,
            partial: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn poll(&mut self) {
        let Ok(mut file) = std::fs::File::open(&self.path) else {
            return;
        };
        let mut new = Vec::new();
        if file.seek(SeekFrom::Start(self.read)).is_err() || file.read_to_end(&mut new).is_err() {
            return;
        }
        self.read += new.len() as u64;
        self.partial.extend(new);
        while let Some(end) = self.partial.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            if let Ok(Value::Object(fields)) = serde_json::from_slice(&line) {
                self.lines.push(fields);
            }
        }
    }

    /// Waits until `enough` holds of the lines since the last [`Self::take`]; says whether it did in time.
    pub(crate) fn wait(
        &mut self,
        limit: Duration,
        enough: impl Fn(&[Map<String, Value>]) -> bool,
    ) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            self.poll();
            if enough(&self.lines) {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Map<String, Value>> {
        std::mem::take(&mut self.lines)
    }
}
