//! Query strings with repeated names.

/// Decoded names and values, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Whether one of the names is `true` or `1`.
    pub(super) fn flag(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| matches!(self.get(name), Some("1" | "true")))
    }
}

fn decode(text: &str) -> String {
    let mut bytes = text.as_bytes().iter().copied();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let rest = bytes.clone().take(2).collect::<Vec<_>>();
                let hex = std::str::from_utf8(&rest).ok().filter(|hex| hex.len() == 2);
                match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(value) => {
                        out.push(value);
                        bytes.nth(1);
                    }
                    None => out.push(b'%'),
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_escaped_values_are_kept_in_order() {
        let query = Query::parse("command=sh&command=-c&command=echo+%22a%26b%22&tty=1&x=%zz");
        assert_eq!(
            query.all("command").collect::<Vec<_>>(),
            ["sh", "-c", "echo \"a&b\""]
        );
        assert!(query.flag(&["tty"]));
        assert_eq!(query.get("x"), Some("%zz"));
    }
}
