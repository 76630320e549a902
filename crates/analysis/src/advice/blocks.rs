//! A document into blocks: code with its language, prose by paragraph; each line with its place in the file.

/// A line, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// 1-based.
    pub line: u32,
    /// 1-based column of the first character of `text`.
    pub column: u32,
    pub text: String,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// Code, with the language that its fence names (lower case, may be empty).
    Code(String),
    Prose,
    Heading,
}

/// Lines that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub kind: BlockKind,
    pub pieces: Vec<Piece>,
    /// The prose that leads to it, lower case: heading and paragraph before a block of code.
    pub context: String,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Markdown,
    Plain,
    Shell,
    Yaml,
}

impl Format {
    /// The format that a file's name and beginning suggest.
    #[must_use]
    pub fn of(name: &str, text: &str) -> Self {
        let extension = name.rsplit('.').next().unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "mdx" | "rst" | "adoc" | "html" | "htm" => Self::Markdown,
            "sh" | "bash" | "zsh" | "ksh" => Self::Shell,
            "yaml" | "yml" | "json" | "tpl" => Self::Yaml,
            _ if text.starts_with("#!") => Self::Shell,
            _ if text.contains("\n```") || text.starts_with("```") => Self::Markdown,
            _ if text.starts_with("apiVersion:") || text.starts_with("---\n") => Self::Yaml,
            _ => Self::Plain,
        }
    }
}

/// Takes a text apart. Linear in its length.
#[must_use]
pub fn blocks(text: &str, format: Format) -> Vec<Block> {
    match format {
        Format::Shell => vec![whole(text, "sh")],
        Format::Yaml => vec![whole(text, "yaml")],
        Format::Markdown | Format::Plain => Reader::default().read(text, format),
    }
}

fn whole(text: &str, language: &str) -> Block {
    let pieces = text
        .lines()
        .zip(1..)
        .map(|(text, line)| Piece {
            line,
            column: 1,
            text: text.to_owned(),
        })
        .collect();
    Block {
        kind: BlockKind::Code(language.into()),
        pieces,
        context: String::new(),
    }
}

struct Fence {
    mark: char,
    length: usize,
    indent: usize,
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    open: Vec<Piece>,
    heading: String,
    paragraph: String,
    fence: Option<(Fence, String)>,
    in_list: bool,
}

impl Reader {
    fn read(mut self, text: &str, format: Format) -> Vec<Block> {
        let mut blank_before = true;
        let mut indented = false;
        for (raw, line) in text.lines().zip(1u32..) {
            if self.fence.is_some() {
                self.fenced(raw, line);
                continue;
            }
            let (quote, content) = unquote(raw);
            let trimmed = content.trim_start();
            let indent = content.len() - trimmed.len();
            if let Some((fence, language)) = opening(trimmed, quote + indent) {
                self.prose();
                self.fence = Some((fence, language));
                indented = false;
                continue;
            }
            if trimmed.is_empty() {
                if !indented {
                    self.prose();
                } else {
                    self.push(line, 1, "");
                }
                blank_before = true;
                continue;
            }
            let code_indent = if self.in_list { 6 } else { 4 };
            let deep = format == Format::Markdown && expanded(content) >= code_indent;
            if deep && (blank_before || indented) && !is_item(trimmed) {
                if !indented {
                    self.prose();
                    indented = true;
                }
                self.push(line, 1, raw);
                continue;
            }
            if indented {
                self.code(String::new());
                indented = false;
            }
            self.line(line, quote, content, trimmed, format);
            blank_before = false;
        }
        if let Some((_, language)) = self.fence.take() {
            self.code(language);
        } else if indented {
            self.code(String::new());
        } else {
            self.prose();
        }
        self.blocks
    }

    fn line(&mut self, line: u32, quote: usize, content: &str, trimmed: &str, format: Format) {
        if format == Format::Markdown && trimmed.starts_with('#') && heading(trimmed) {
            self.prose();
            self.heading = trimmed.trim_start_matches('#').trim().to_lowercase();
            self.paragraph.clear();
            self.push(line, column(quote), content);
            let pieces = std::mem::take(&mut self.open);
            self.blocks.push(Block {
                kind: BlockKind::Heading,
                pieces,
                context: self.heading.clone(),
            });
            self.in_list = false;
            return;
        }
        self.in_list = is_item(trimmed) || (self.in_list && content.starts_with(' '));
        self.push(line, column(quote), content);
    }

    fn push(&mut self, line: u32, column: u32, text: &str) {
        self.open.push(Piece {
            line,
            column,
            text: text.to_owned(),
        });
    }

    fn fenced(&mut self, raw: &str, line: u32) {
        let Some((fence, _)) = &self.fence else {
            return;
        };
        let (_, content) = unquote(raw);
        let trimmed = content.trim();
        let closing = trimmed.len() >= fence.length && trimmed.chars().all(|c| c == fence.mark);
        if closing {
            let language = self
                .fence
                .take()
                .map(|(_, language)| language)
                .unwrap_or_default();
            self.code(language);
            return;
        }
        let blanks = raw.len() - raw.trim_start_matches([' ', '>']).len();
        let cut = fence.indent.min(blanks);
        self.push(line, column(cut), &raw[cut..]);
    }

    fn code(&mut self, language: String) {
        let mut pieces = std::mem::take(&mut self.open);
        while pieces.last().is_some_and(|piece| piece.text.is_empty()) {
            pieces.pop();
        }
        if pieces.is_empty() {
            return;
        }
        dedent(&mut pieces);
        let context = format!("{}\n{}", self.heading, self.paragraph);
        self.blocks.push(Block {
            kind: BlockKind::Code(language),
            pieces,
            context,
        });
    }

    fn prose(&mut self) {
        let pieces = std::mem::take(&mut self.open);
        if pieces.is_empty() {
            return;
        }
        self.paragraph.clear();
        for piece in &pieces {
            if self.paragraph.len() < 4000 {
                self.paragraph.push_str(&piece.text.to_lowercase());
                self.paragraph.push(' ');
            }
        }
        self.blocks.push(Block {
            kind: BlockKind::Prose,
            pieces,
            context: self.heading.clone(),
        });
    }
}

fn column(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(1)
}

/// Takes the marks of a block quote off; gives back how long they were.
fn unquote(raw: &str) -> (usize, &str) {
    let mut rest = raw;
    while let Some(tail) = rest.trim_start().strip_prefix('>') {
        if tail.starts_with(['&', '=']) {
            break;
        }
        rest = tail.strip_prefix(' ').unwrap_or(tail);
    }
    (raw.len() - rest.len(), rest)
}

fn opening(trimmed: &str, indent: usize) -> Option<(Fence, String)> {
    let (item, trimmed) = match trimmed.split_once(' ') {
        Some(("-" | "*" | "+", rest)) if rest.trim_start().starts_with(['`', '~']) => {
            (2, rest.trim_start())
        }
        _ => (0, trimmed),
    };
    let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = trimmed.chars().take_while(|c| *c == mark).count();
    let info = trimmed[length..].trim();
    if length < 3 || info.contains('`') {
        return None;
    }
    let language: String = info
        .trim_start_matches(['{', '.'])
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '+' | '_'))
        .collect();
    let fence = Fence {
        mark,
        length,
        indent: indent + item,
    };
    Some((fence, language.to_lowercase()))
}

fn heading(trimmed: &str) -> bool {
    let hashes = trimmed.chars().take_while(|c| *c == '#').count();
    hashes <= 6 && trimmed[hashes..].starts_with([' ', '\t'])
}

/// A bullet or a number of a list.
#[must_use]
pub fn is_item(trimmed: &str) -> bool {
    let bullet = ["- ", "* ", "+ "]
        .iter()
        .any(|mark| trimmed.starts_with(mark));
    let digits = trimmed.chars().take_while(char::is_ascii_digit).count();
    bullet || (digits > 0 && digits < 4 && trimmed[digits..].starts_with([')', '.', '、']))
}

fn expanded(text: &str) -> usize {
    text.chars()
        .take_while(|c| matches!(c, ' ' | '\t'))
        .map(|c| if c == '\t' { 4 } else { 1 })
        .sum()
}

/// Takes off what all lines are indented by.
fn dedent(pieces: &mut [Piece]) {
    let common = pieces
        .iter()
        .filter(|piece| !piece.text.trim().is_empty())
        .map(|piece| piece.text.len() - piece.text.trim_start_matches([' ', '\t']).len())
        .min()
        .unwrap_or(0);
    for piece in pieces {
        let cut = common.min(piece.text.len());
        if piece.text.is_char_boundary(cut) {
            piece.text.drain(..cut);
            piece.column = piece.column.saturating_add(column(cut) - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_indented_code_and_prose_are_told_apart_with_their_places() {
        let text = "# Title\n\nSome *prose*.\n\n```yaml\na: 1\n```\n\n- item\n\n  ```sh\n  kubectl get pods\n  ```\n\ntext\n\n    indented code\n";
        let blocks = blocks(text, Format::Markdown);
        let code: Vec<_> = blocks
            .iter()
            .filter_map(|block| match &block.kind {
                BlockKind::Code(language) => Some((language.as_str(), &block.pieces[0])),
                _ => None,
            })
            .collect();
        assert_eq!(code.len(), 3, "{blocks:?}");
        assert_eq!((code[0].0, code[0].1.line), ("yaml", 6));
        assert_eq!((code[1].0, code[1].1.line, code[1].1.column), ("sh", 12, 3));
        assert_eq!(code[1].1.text, "kubectl get pods");
        assert_eq!(
            (code[2].1.line, code[2].1.column, code[2].1.text.as_str()),
            (17, 5, "indented code")
        );
        assert!(blocks[2].context.contains("some *prose*"));
    }

    #[test]
    fn a_fence_that_never_closes_ends_with_the_text() {
        let blocks = blocks("```\na\n", Format::Markdown);
        assert_eq!(blocks.len(), 1);
    }
}
