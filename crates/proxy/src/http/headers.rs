//! Header fields in flat storage: one byte buffer and one table of spans, both reused from message to message.

use std::ops::Range;

use super::header_id::HeaderId;

const NO_CASE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    name: u32,
    value: u32,
    value_len: u32,
    /// Where the name stands as received, when it was received with capitals and case is kept.
    cased: u32,
    /// Zero for known names that were set by the proxy: they need no copy.
    name_len: u16,
    id: HeaderId,
}

/// A list of header fields in order. Names are lower case; values are bytes without leading or trailing white space.
#[derive(Debug, Default, Clone)]
pub struct HeaderList {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// A piece of text that lives in a [`HeaderList`]'s buffer, such as the request target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    fn range(self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

impl HeaderList {
    /// Forgets all fields and keeps the storage, unless one message made it exceptionally large.
    pub fn clear(&mut self) {
        const KEEP: usize = 16 * 1024;
        if self.bytes.capacity() > KEEP {
            *self = Self::default();
        } else {
            self.bytes.clear();
            self.entries.clear();
        }
    }

    /// Gives the storage back; for idle connections.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The size of all fields as Envoy counts it: names and values.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.entries
            .iter()
            .map(|e| self.name_of(e).len() + e.value_len as usize)
            .sum()
    }

    /// Stores text and names it by a span.
    pub fn intern(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        Span {
            start,
            len: text.len() as u32,
        }
    }

    /// The text behind a span of this list.
    #[must_use]
    pub fn text(&self, span: Span) -> &[u8] {
        self.bytes.get(span.range()).unwrap_or_default()
    }

    /// The position in the buffer: for [`HeaderList::push_raw`].
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Adds a field whose name (in lower case) and value were written to the buffer already.
    pub(crate) fn push_raw(
        &mut self,
        name: Range<usize>,
        value: Range<usize>,
        cased: Option<usize>,
    ) -> HeaderId {
        let id = HeaderId::of(&self.bytes[name.clone()]);
        self.entries.push(Entry {
            name: name.start as u32,
            name_len: name.len() as u16,
            value: value.start as u32,
            value_len: value.len() as u32,
            cased: cased.map_or(NO_CASE, |at| at as u32),
            id,
        });
        id
    }

    /// Adds a field after all others. `name` is in lower case.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        match HeaderId::of(name.as_bytes()) {
            HeaderId::Other => {
                let at = self.bytes.len();
                self.bytes.extend_from_slice(name.as_bytes());
                self.push_entry(at as u32, name.len() as u16, HeaderId::Other, value);
            }
            id => self.append_id(id, value),
        }
    }

    /// Adds a known field after all others.
    pub fn append_id(&mut self, id: HeaderId, value: &[u8]) {
        self.push_entry(0, 0, id, value);
    }

    fn push_entry(&mut self, name: u32, name_len: u16, id: HeaderId, value: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.entries.push(Entry {
            name,
            name_len,
            value: start,
            value_len: value.len() as u32,
            cased: NO_CASE,
            id,
        });
    }

    /// Makes `value` the only value of a known field, at the place of the first one if there is one.
    pub fn set_id(&mut self, id: HeaderId, value: &[u8]) {
        match self.entries.iter().position(|e| e.id == id) {
            Some(first) => self.replace(first, value),
            None => self.append_id(id, value),
        }
    }

    /// Makes `value` the only value of a field. `name` is in lower case.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        match self.position(name) {
            Some(first) => self.replace(first, value),
            None => self.append(name, value),
        }
    }

    fn replace(&mut self, first: usize, value: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        let entry = &mut self.entries[first];
        (entry.value, entry.value_len) = (start, value.len() as u32);
        let (id, name) = (
            entry.id,
            entry.name as usize..entry.name as usize + usize::from(entry.name_len),
        );
        let mut index = 0;
        let bytes = &self.bytes;
        self.entries.retain(|e| {
            index += 1;
            let own = e.name as usize..e.name as usize + usize::from(e.name_len);
            let same = e.id == id && (id != HeaderId::Other || bytes[own] == bytes[name.clone()]);
            index - 1 <= first || !same
        });
    }

    /// Appends to the last value of a known field with `separator`, or adds the field.
    pub fn join_id(&mut self, id: HeaderId, separator: &str, value: &[u8]) {
        let Some(at) = self.entries.iter().rposition(|e| e.id == id) else {
            return self.append_id(id, value);
        };
        let old = self.entries[at];
        let start = self.bytes.len();
        let range = old.value as usize..(old.value + old.value_len) as usize;
        self.bytes.extend_from_within(range);
        if old.value_len > 0 {
            self.bytes.extend_from_slice(separator.as_bytes());
        }
        self.bytes.extend_from_slice(value);
        self.entries[at].value = start as u32;
        self.entries[at].value_len = (self.bytes.len() - start) as u32;
    }

    /// Removes all values of a known field; says whether there were any.
    pub fn remove_id(&mut self, id: HeaderId) -> bool {
        let before = self.entries.len();
        if self.entries.iter().any(|e| e.id == id) {
            self.entries.retain(|e| e.id != id);
        }
        before != self.entries.len()
    }

    /// Removes all values of a field. `name` is in lower case.
    pub fn remove(&mut self, name: &str) -> bool {
        let id = HeaderId::of(name.as_bytes());
        if id != HeaderId::Other {
            return self.remove_id(id);
        }
        self.retain(|other, _| other != name.as_bytes())
    }

    /// Keeps the fields for which `keep(name, value)` holds; says whether any was removed.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> bool {
        let before = self.entries.len();
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|e| keep(self.name_of(e), self.value_of(e)));
        self.entries = entries;
        before != self.entries.len()
    }

    /// Keeps the fields for which `keep(id)` holds.
    pub fn retain_ids(&mut self, mut keep: impl FnMut(HeaderId) -> bool) {
        self.entries.retain(|e| keep(e.id));
    }

    /// The first value of a known field.
    #[must_use]
    pub fn get_id(&self, id: HeaderId) -> Option<&[u8]> {
        self.entries
            .iter()
            .find(|e| e.id == id)
            .map(|e| self.value_of(e))
    }

    /// Whether there is such a field.
    #[must_use]
    pub fn has_id(&self, id: HeaderId) -> bool {
        self.entries.iter().any(|e| e.id == id)
    }

    /// All values of a known field, in order.
    pub fn all_id(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        self.entries
            .iter()
            .filter(move |e| e.id == id)
            .map(|e| self.value_of(e))
    }

    /// The first value of a field. `name` is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.position(name)
            .map(|at| self.value_of(&self.entries[at]))
    }

    /// The first value of a field as text, when it is UTF-8.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of a field, in order. `name` is in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        let id = HeaderId::of(name.as_bytes());
        let matches = move |e: &&Entry| {
            e.id == id && (id != HeaderId::Other || self.name_of(e) == name.as_bytes())
        };
        self.entries
            .iter()
            .filter(matches)
            .map(|e| self.value_of(e))
    }

    fn position(&self, name: &str) -> Option<usize> {
        let id = HeaderId::of(name.as_bytes());
        self.entries.iter().position(|e| {
            e.id == id && (id != HeaderId::Other || self.name_of(e) == name.as_bytes())
        })
    }

    /// All fields in order: id, name in lower case, value.
    pub fn iter(&self) -> impl Iterator<Item = (HeaderId, &[u8], &[u8])> {
        self.entries
            .iter()
            .map(|e| (e.id, self.name_of(e), self.value_of(e)))
    }

    /// As [`HeaderList::iter`], with names as they were received where that was kept.
    pub fn iter_cased(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|e| {
            let name = match e.cased {
                NO_CASE => self.name_of(e),
                at => &self.bytes[at as usize..at as usize + usize::from(e.name_len)],
            };
            (name, self.value_of(e))
        })
    }

    fn name_of(&self, e: &Entry) -> &[u8] {
        if e.name_len == 0 {
            e.id.name().as_bytes()
        } else {
            &self.bytes[e.name as usize..e.name as usize + usize::from(e.name_len)]
        }
    }

    fn value_of(&self, e: &Entry) -> &[u8] {
        &self.bytes[e.value as usize..(e.value + e.value_len) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(fields: &[(&str, &str)]) -> HeaderList {
        let mut list = HeaderList::default();
        fields
            .iter()
            .for_each(|(name, value)| list.append(name, value.as_bytes()));
        list
    }

    fn text(list: &HeaderList) -> String {
        list.iter()
            .map(|(_, n, v)| {
                format!(
                    "{}={};",
                    String::from_utf8_lossy(n),
                    String::from_utf8_lossy(v)
                )
            })
            .collect()
    }

    #[test]
    fn set_keeps_the_place_of_the_first_and_drops_the_rest() {
        let mut l = list(&[("x-a", "1"), ("host", "h"), ("x-a", "2"), ("x-b", "3")]);
        l.set("x-a", b"9");
        l.set_id(HeaderId::Host, b"other");
        assert_eq!(text(&l), "x-a=9;host=other;x-b=3;");
    }

    #[test]
    fn join_appends_to_the_last_value() {
        let mut l = list(&[("x-forwarded-for", "1.1.1.1")]);
        l.join_id(HeaderId::XForwardedFor, ",", b"2.2.2.2");
        assert_eq!(l.get("x-forwarded-for"), Some(&b"1.1.1.1,2.2.2.2"[..]));
        l.remove("x-forwarded-for");
        l.join_id(HeaderId::XForwardedFor, ",", b"2.2.2.2");
        assert_eq!(text(&l), "x-forwarded-for=2.2.2.2;");
    }

    #[test]
    fn unknown_names_do_not_answer_for_each_other() {
        let mut l = list(&[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]);
        assert_eq!(l.get("x-b"), Some(&b"2"[..]));
        assert_eq!(l.all("x-a").count(), 2);
        assert!(l.remove("x-a"));
        assert_eq!(text(&l), "x-b=2;");
    }
}
