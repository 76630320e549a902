//! Access-log lines: Envoy's default text, Istio's text, JSON.

use serde_json::Value;

/// What a line is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Envoy,
    Istio,
    Json,
}

impl Format {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy TEXT",
            Self::Istio => "Istio TEXT",
            Self::Json => "JSON",
        }
    }
}

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    pub format: Format,
    /// Name and value of every field, in the order of the line.
    pub fields: Vec<(String, String)>,
}

/// Longest line that is read, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// The keys of Istio's JSON access log as it is by default.
pub(crate) const JSON_KEYS: &[&str] = &[
    "authority",
    "bytes_received",
    "bytes_sent",
    "connection_termination_details",
    "downstream_local_address",
    "downstream_remote_address",
    "duration",
    "method",
    "path",
    "protocol",
    "request_id",
    "requested_server_name",
    "response_code",
    "response_code_details",
    "response_flags",
    "route_name",
    "start_time",
    "upstream_cluster",
    "upstream_host",
    "upstream_local_address",
    "upstream_service_time",
    "upstream_transport_failure_reason",
    "user_agent",
    "x_forwarded_for",
];

const COMMON: &[&str] = &[
    "bytes_received",
    "bytes_sent",
    "duration",
    "upstream_service_time",
];
const TAIL: &[&str] = &[
    "x_forwarded_for",
    "user_agent",
    "request_id",
    "authority",
    "upstream_host",
];
const ISTIO: &[&str] = &[
    "response_code_details",
    "connection_termination_details",
    "upstream_transport_failure_reason",
];
const ISTIO_TAIL: &[&str] = &[
    "upstream_cluster",
    "upstream_local_address",
    "downstream_local_address",
    "downstream_remote_address",
    "requested_server_name",
    "route_name",
];

impl AccessLog {
    /// Takes a line apart. `None` if it is no access-log line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.len() > MAX_BYTES {
            return None;
        }
        if line.starts_with('{') {
            return Self::json(line);
        }
        let start = line.find('[')?;
        let tokens = tokens(&line[start..]);
        let [time, request, rest @ ..] = tokens.as_slice() else {
            return None;
        };
        if rest.len() < 6 || !rest[0].chars().all(|c| c.is_ascii_digit()) || rest[0].is_empty() {
            return None;
        }
        let mut fields = vec![("start_time".to_owned(), time.clone())];
        let mut words = request.split_whitespace();
        for name in ["method", "path", "protocol"] {
            fields.push((name.to_owned(), words.next().unwrap_or("-").to_owned()));
        }
        let number = |token: Option<&String>| {
            token.is_some_and(|token| token == "-" || token.chars().all(|c| c.is_ascii_digit()))
        };
        let istio = !number(rest.get(2)) || rest.len() > 13;
        let mut names = vec!["response_code", "response_flags"];
        if istio {
            names.extend(ISTIO);
        }
        names.extend(COMMON);
        names.extend(TAIL);
        if istio {
            names.extend(ISTIO_TAIL);
        }
        fields.extend(
            names
                .iter()
                .zip(rest)
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let format = if istio { Format::Istio } else { Format::Envoy };
        Some(Self { format, fields })
    }

    fn json(line: &str) -> Option<Self> {
        let Ok(Value::Object(map)) = serde_json::from_str::<Value>(line) else {
            return None;
        };
        let known = [
            "response_code",
            "response_flags",
            "responseCode",
            "responseFlags",
        ];
        if !known.iter().any(|name| map.contains_key(*name)) {
            return None;
        }
        let fields = map
            .into_iter()
            .map(|(name, value)| {
                let text = match value {
                    Value::String(text) => text,
                    Value::Null => "-".into(),
                    value => value.to_string(),
                };
                (crate::advice::snake(&name), text)
            })
            .collect();
        Some(Self {
            format: Format::Json,
            fields,
        })
    }

    /// A field's value; `None` where it is absent or `-`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty() && *value != "-")
    }

    /// A field that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Whether a response flag is set.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.get("response_flags")
            .is_some_and(|flags| flags.split(',').any(|set| set == flag))
    }
}

/// Words, quoted strings and what stands in brackets.
fn tokens(line: &str) -> Vec<String> {
    let (mut out, mut current) = (Vec::new(), String::new());
    let mut close: Option<char> = None;
    let mut any = false;
    for c in line.chars() {
        match (c, close) {
            (c, Some(end)) if c == end => {
                close = None;
                out.push(std::mem::take(&mut current));
                any = false;
            }
            (c, Some(_)) => current.push(c),
            ('"', None) if !any => close = Some('"'),
            ('[', None) if !any => close = Some(']'),
            (c, None) if c.is_whitespace() => {
                if any {
                    out.push(std::mem::take(&mut current));
                    any = false;
                }
            }
            (c, None) => {
                current.push(c);
                any = true;
            }
        }
    }
    if any {
        out.push(current);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn istios_envoys_and_json_lines_are_taken_apart() {
        let istio = r#"[2026-08-01T10:00:00.000Z] "GET /api HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 120 95 4 - "10.0.0.9" "curl/8" "abc" "api.shop:8080" "10.1.2.3:8080" outbound|8080||api.shop.svc.cluster.local 10.1.1.1:40000 10.96.0.5:8080 10.1.1.1:50000 - default"#;
        let log = AccessLog::parse(istio).expect("an access log line");
        assert_eq!(log.format, Format::Istio);
        assert_eq!(
            log.get("upstream_cluster"),
            Some("outbound|8080||api.shop.svc.cluster.local")
        );
        assert_eq!(
            (log.number("bytes_received"), log.get("route_name")),
            (Some(120), Some("default"))
        );

        let envoy = r#"[2026-08-01T10:00:00.000Z] "GET / HTTP/2" 504 UT 0 24 15000 - "-" "curl/8" "abc" "web" "10.1.2.3:80""#;
        let log = AccessLog::parse(envoy).expect("an access log line");
        assert_eq!(
            (log.format, log.number("duration"), log.get("upstream_host")),
            (Format::Envoy, Some(15000), Some("10.1.2.3:80"))
        );

        let json = r#"{"response_code":503,"response_flags":"UO","duration":0,"upstream_cluster":"outbound|80||a"}"#;
        let log = AccessLog::parse(json).expect("an access log line");
        assert!(log.has_flag("UO"));
        assert_eq!(AccessLog::parse("hello [world]"), None);
    }
}
