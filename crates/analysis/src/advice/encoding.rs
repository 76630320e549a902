//! Bytes into text: UTF-8, UTF-16, GB 18030; UTF-8 that was read as Windows-1252 is repaired where that is
//! possible, and said.

/// A text and what was done to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub text: String,
    pub repair: Option<Repair>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// It was UTF-8 read as Windows-1252 once or twice.
    Mojibake,
    /// It was UTF-16.
    Utf16,
    /// It was GB 18030.
    Gb18030,
    /// It was Windows-1252.
    Windows1252,
}

impl Repair {
    /// What was done, in words.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Mojibake => (
                "UTF-8 that had been read as Windows-1252; repaired before it was judged",
                "UTF-8 被当作 Windows-1252 读取；已修复后再判断",
            ),
            Self::Utf16 => ("UTF-16", "UTF-16"),
            Self::Gb18030 => ("GB 18030", "GB 18030"),
            Self::Windows1252 => ("Windows-1252", "Windows-1252"),
        }
    }
}

/// Decodes a file.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded {
    let utf16 = [
        (&[0xff, 0xfe][..], encoding_rs::UTF_16LE),
        (&[0xfe, 0xff][..], encoding_rs::UTF_16BE),
    ];
    for (mark, encoding) in utf16 {
        if bytes.starts_with(mark) {
            let (text, _, _) = encoding.decode(bytes);
            return decoded(text.into_owned(), Some(Repair::Utf16));
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        return match mend(text) {
            Some(mended) => {
                let again = mend(&mended).unwrap_or(mended);
                decoded(again, Some(Repair::Mojibake))
            }
            None => decoded(text.to_owned(), None),
        };
    }
    let (text, _, broken) = encoding_rs::GB18030.decode(bytes);
    if !broken {
        return decoded(text.into_owned(), Some(Repair::Gb18030));
    }
    let (text, _, _) = encoding_rs::WINDOWS_1252.decode(bytes);
    decoded(text.into_owned(), Some(Repair::Windows1252))
}

fn decoded(text: String, repair: Option<Repair>) -> Decoded {
    let text = if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    };
    Decoded { text, repair }
}

/// Runs of characters that are bytes of UTF-8 seen through Windows-1252, put right. `None` if there is no such run.
fn mend(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let (mut bytes, mut raw) = (Vec::new(), String::new());
    let (mut good, mut other) = (0usize, 0usize);
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => {
                bytes.push(byte);
                raw.push(c);
            }
            None => {
                other += usize::from(!c.is_ascii());
                good += flush(&mut bytes, &mut raw, &mut out);
                out.push(c);
            }
        }
    }
    good += flush(&mut bytes, &mut raw, &mut out);
    (good > 0 && good * 4 > other).then_some(out)
}

/// Writes a run, decoded if it is UTF-8 for the most part; gives back how many characters were put right.
fn flush(bytes: &mut Vec<u8>, raw: &mut String, out: &mut String) -> usize {
    let mut right = 0;
    if !bytes.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        let (all, wrong) = text.chars().fold((0, 0), |(all, wrong), c| {
            (all + 1, wrong + usize::from(c == '\u{fffd}'))
        });
        if bytes.len() > 1 && wrong * 3 <= all && all < raw.chars().count() {
            right = all - wrong;
            out.push_str(&text);
        } else {
            out.push_str(raw);
        }
    }
    bytes.clear();
    raw.clear();
    right
}

/// The byte that Windows-1252 shows as this character, beyond ASCII; its five holes are control characters.
fn byte_of(c: char) -> Option<u8> {
    const HIGH: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    match u32::from(c) {
        code @ 0x80..=0xff => u8::try_from(code).ok(),
        0..=0x7f => None,
        _ => HIGH
            .chars()
            .position(|high| high == c)
            .and_then(|at| u8::try_from(0x80 + at).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_windows_1252(text: &str) -> String {
        encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(text.as_bytes())
            .0
            .into_owned()
    }

    #[test]
    fn chinese_that_was_read_as_windows_1252_is_put_right() {
        let right = "# 冷启动排查\n默认值是 60s —— 请检查 `stable-window`。\n";
        let decoded = decode(as_windows_1252(right).as_bytes());
        assert_eq!(decoded.text, right);
        assert_eq!(decoded.repair, Some(Repair::Mojibake));
    }

    #[test]
    fn good_text_is_left_alone() {
        for text in ["plain", "café — déjà vu", "好的“引号”", "naïve ½ €5"] {
            let decoded = decode(text.as_bytes());
            assert_eq!((decoded.text.as_str(), decoded.repair), (text, None));
        }
    }

    #[test]
    fn gb18030_and_utf16_are_read() {
        let (bytes, _, _) = encoding_rs::GB18030.encode("默认值");
        assert_eq!(decode(&bytes).text, "默认值");
        assert_eq!(decode(&[0xff, 0xfe, b'a', 0, b'b', 0]).text, "ab");
    }
}
