//! Shell text into commands: words with their places, pipes, here-documents, substitutions. Lenient: what is no
//! shell gives words all the same.

mod functions;

use super::blocks::Piece;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes.
    pub text: String,
    pub line: u32,
    pub column: u32,
    /// Whether a part of it was quoted.
    pub quoted: bool,
}

/// A command with its words; the first is the program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    pub words: Vec<Word>,
    /// What a here-document feeds it.
    pub input: Vec<Piece>,
    /// Output goes to a file.
    pub redirected: bool,
}

/// Commands joined by pipes, and how they read in the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipeline {
    pub commands: Vec<Command>,
    pub text: String,
    pub line: u32,
    pub column: u32,
}

/// Most words that are read from one block.
const MAX_WORDS: usize = 20_000;

/// Takes a block apart.
#[must_use]
pub fn parse(pieces: &[Piece]) -> Vec<Pipeline> {
    functions::called(Parser::new(pieces, 0).run())
}

/// Deepest substitution that is looked into.
const MAX_DEPTH: usize = 6;

struct Parser<'a> {
    depth: usize,
    pieces: &'a [Piece],
    chars: Vec<char>,
    row: usize,
    at: usize,
    out: Vec<Pipeline>,
    pipeline: Pipeline,
    command: Command,
    word: Option<Word>,
    heredocs: Vec<(String, usize)>,
    words: usize,
}

impl<'a> Parser<'a> {
    fn new(pieces: &'a [Piece], depth: usize) -> Self {
        Self {
            depth,
            pieces,
            chars: Vec::new(),
            row: 0,
            at: 0,
            out: Vec::new(),
            pipeline: Pipeline::default(),
            command: Command::default(),
            word: None,
            heredocs: Vec::new(),
            words: 0,
        }
    }

    fn run(mut self) -> Vec<Pipeline> {
        while self.row < self.pieces.len() && self.words < MAX_WORDS {
            self.chars = self.pieces[self.row].text.chars().collect();
            self.at = self.prompt();
            let goes_on = self.line();
            self.row += 1;
            if !goes_on {
                self.end_pipeline();
                self.bodies();
            }
        }
        self.end_pipeline();
        self.out
    }

    /// Where the command begins behind a prompt such as `$ ` or `root@host:~# `.
    fn prompt(&self) -> usize {
        let text: String = self.chars.iter().collect();
        let trimmed = text.trim_start();
        let blanks = self.chars.len() - trimmed.chars().count();
        if self.word.is_some() || !self.command.words.is_empty() {
            return blanks;
        }
        for mark in ["$ ", "% ", "❯ ", "➜ "] {
            if trimmed.starts_with(mark) {
                return blanks + 2;
            }
        }
        let root = trimmed
            .strip_prefix("# ")
            .and_then(|rest| rest.split_whitespace().next());
        if root.is_some_and(super::items::is_tool) && looks_typed(&trimmed[2..]) {
            return blanks + 2;
        }
        blanks
    }

    /// Reads one line; whether the command goes on in the next one.
    fn line(&mut self) -> bool {
        while self.at < self.chars.len() {
            let c = self.chars[self.at];
            match c {
                '\\' if self.at + 1 >= self.chars.len() => return true,
                '\\' => {
                    let next = self.chars[self.at + 1];
                    self.take(next, false);
                    self.at += 2;
                }
                '\'' | '"' => {
                    if !self.quoted(c) {
                        return false;
                    }
                }
                '#' if self.word.is_none() => return false,
                ' ' | '\t' | '\u{a0}' | '\u{3000}' => {
                    self.end_word();
                    self.at += 1;
                }
                '|' | ';' | '&' => self.operator(c),
                '(' | ')' | '{' | '}' if self.word.is_none() && self.lone() => {
                    self.end_pipeline();
                    self.at += 1;
                }
                '<' | '>' if self.is_redirect() => self.redirect(c),
                '<' => {
                    while let Some(c) = self.peek(0) {
                        self.take(c, false);
                        self.at += 1;
                        if c == '>' {
                            break;
                        }
                    }
                }
                '$' if self.peek(1) == Some('(') => self.substitution(),
                _ => {
                    self.take(c, false);
                    self.at += 1;
                }
            }
        }
        let last = self
            .chars
            .iter()
            .rev()
            .find(|c| !c.is_whitespace())
            .copied();
        self.end_word();
        // A pipe or a backslash at the end of the line.
        last == Some('|')
    }

    fn peek(&self, by: usize) -> Option<char> {
        self.chars.get(self.at + by).copied()
    }

    fn lone(&self) -> bool {
        self.peek(1).is_none_or(char::is_whitespace) || self.chars[self.at] == '('
    }

    fn take(&mut self, c: char, quoted: bool) {
        if self.word.is_none() {
            self.start_word();
        }
        if let Some(word) = &mut self.word {
            word.text.push(c);
            word.quoted |= quoted;
        }
    }

    fn place(&self) -> (u32, u32) {
        let row = self.row.min(self.pieces.len().saturating_sub(1));
        let piece = &self.pieces[row];
        let column = u32::try_from(self.at).unwrap_or(u32::MAX);
        (piece.line, piece.column.saturating_add(column))
    }

    fn start_word(&mut self) {
        let (line, column) = self.place();
        if self.pipeline.text.is_empty() && self.command.words.is_empty() {
            (self.pipeline.line, self.pipeline.column) = (line, column);
        }
        self.word = Some(Word {
            text: String::new(),
            line,
            column,
            quoted: false,
        });
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            self.words += 1;
            self.command.words.push(word);
        }
    }

    /// Reads a quoted part, over several lines if need be. False if it never ends.
    fn quoted(&mut self, quote: char) -> bool {
        if self.word.is_none() {
            self.start_word();
        }
        if let Some(word) = &mut self.word {
            word.quoted = true;
        }
        self.at += 1;
        for lines in 0..200 {
            while self.at < self.chars.len() {
                let c = self.chars[self.at];
                self.at += 1;
                if c == quote {
                    return true;
                }
                let escaped = c == '\\'
                    && quote == '"'
                    && self.peek(0).is_some_and(|c| matches!(c, '"' | '\\' | '$'));
                if escaped {
                    let next = self.chars[self.at];
                    self.take(next, true);
                    self.at += 1;
                } else {
                    self.take(c, true);
                }
            }
            if self.row + 1 >= self.pieces.len() || lines == 199 {
                break;
            }
            self.take('\n', true);
            self.row += 1;
            self.chars = self.pieces[self.row].text.chars().collect();
            self.at = 0;
        }
        false
    }

    fn operator(&mut self, c: char) {
        self.end_word();
        let double = self.peek(1) == Some(c);
        if c == '|' && !double {
            self.at += 1 + usize::from(self.peek(1) == Some('&'));
            self.end_command();
            return;
        }
        self.at += 1 + usize::from(double);
        self.end_pipeline();
    }

    /// `<name>` is a placeholder, not a redirection.
    fn is_redirect(&self) -> bool {
        if self.chars[self.at] == '>' {
            return true;
        }
        let rest: String = self.chars[self.at + 1..].iter().take(60).collect();
        match rest.find('>') {
            Some(end) => {
                rest[..end].is_empty()
                    || rest.starts_with('<')
                    || rest[..end].starts_with(|c: char| c.is_whitespace() || c == '/')
            }
            None => true,
        }
    }

    fn redirect(&mut self, c: char) {
        let descriptor = self
            .word
            .as_ref()
            .is_some_and(|word| word.text.chars().all(|c| c.is_ascii_digit() || c == '&'));
        if descriptor {
            self.word = None;
        } else {
            self.end_word();
        }
        if c == '<' && self.peek(1) == Some('<') && self.peek(2) != Some('<') {
            self.heredoc();
            return;
        }
        self.command.redirected |= c == '>';
        while self.peek(0).is_some_and(|c| matches!(c, '<' | '>' | '&')) {
            self.at += 1;
        }
        self.skip_target();
    }

    fn skip_target(&mut self) {
        while self.peek(0).is_some_and(|c| matches!(c, ' ' | '\t')) {
            self.at += 1;
        }
        while self
            .peek(0)
            .is_some_and(|c| !c.is_whitespace() && !matches!(c, '|' | ';' | '&' | ')'))
        {
            self.at += 1;
        }
    }

    fn heredoc(&mut self) {
        self.at += 2;
        if self.peek(0) == Some('-') {
            self.at += 1;
        }
        while self.peek(0) == Some(' ') {
            self.at += 1;
        }
        let mut mark = String::new();
        while let Some(c) = self
            .peek(0)
            .filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\'' | '"' | '!'))
        {
            if !matches!(c, '\'' | '"') {
                mark.push(c);
            }
            self.at += 1;
        }
        if !mark.is_empty() && self.heredocs.len() < 16 {
            self.heredocs.push((mark, self.pipeline.commands.len()));
        }
    }

    /// Reads the bodies of the here-documents that the last line opened.
    fn bodies(&mut self) {
        for (mark, command) in std::mem::take(&mut self.heredocs) {
            let start = self.row;
            let end = (start..self.pieces.len()).find(|row| self.pieces[*row].text.trim() == mark);
            let Some(end) = end else { continue };
            self.row = end + 1;
            let body = self.pieces[start..end].to_vec();
            let target = self
                .out
                .last_mut()
                .and_then(|pipeline| pipeline.commands.get_mut(command));
            if let Some(command) = target {
                command.input = body;
            }
        }
    }

    /// `$(…)`: a pipeline of its own; in the word it stands as `$(…)`.
    fn substitution(&mut self) {
        let start = self.at + 2;
        let (mut depth, mut end) = (1, start);
        while end < self.chars.len() && depth > 0 {
            match self.chars[end] {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            end += 1;
        }
        let inner_end = if depth == 0 { end - 1 } else { end };
        let piece = &self.pieces[self.row.min(self.pieces.len() - 1)];
        let inner = Piece {
            line: piece.line,
            column: piece
                .column
                .saturating_add(u32::try_from(start).unwrap_or(u32::MAX)),
            text: self.chars[start..inner_end].iter().collect(),
        };
        if self.depth < MAX_DEPTH && !inner.text.starts_with('(') {
            self.out.extend(Parser::new(&[inner], self.depth + 1).run());
        }
        for c in "$(…)".chars() {
            self.take(c, true);
        }
        self.at = end;
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.command.words.is_empty() {
            let command = std::mem::take(&mut self.command);
            self.pipeline.commands.push(command);
        }
    }

    fn end_pipeline(&mut self) {
        self.end_command();
        if self.pipeline.commands.is_empty() {
            return;
        }
        let mut pipeline = std::mem::take(&mut self.pipeline);
        let text: Vec<String> = pipeline.commands.iter().map(Command::text).collect();
        pipeline.text = text.join(" | ");
        if let Some(word) = pipeline.commands[0].words.first() {
            (pipeline.line, pipeline.column) = (word.line, word.column);
        }
        self.out.push(pipeline);
    }
}

/// Whether the text behind `# ` is a command that root types, not a comment about one.
fn looks_typed(text: &str) -> bool {
    text.split_whitespace()
        .any(|word| word.starts_with('-') && word.len() > 1)
}

impl Command {
    /// How it reads.
    #[must_use]
    pub fn text(&self) -> String {
        let words: Vec<String> = self
            .words
            .iter()
            .map(|word| {
                let blank = word.text.is_empty() || word.text.contains([' ', '|', '"', '\n', '{']);
                if word.quoted && blank {
                    format!("'{}'", word.text)
                } else {
                    word.text.clone()
                }
            })
            .collect();
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        text.lines()
            .zip(1..)
            .map(|(text, line)| Piece {
                line,
                column: 1,
                text: text.into(),
            })
            .collect()
    }

    fn texts(text: &str) -> Vec<String> {
        parse(&pieces(text)).into_iter().map(|p| p.text).collect()
    }

    #[test]
    fn pipes_quotes_continuations_and_comments_are_read() {
        assert_eq!(
            texts("$ kubectl get pods \\\n  -n shop | grep -v 'a b' # why\nls; pwd"),
            ["kubectl get pods -n shop | grep -v 'a b'", "ls", "pwd"]
        );
        assert_eq!(
            texts("kubectl get pod <pod-name> -n <ns> > out.txt"),
            ["kubectl get pod <pod-name> -n <ns>"]
        );
    }

    #[test]
    fn here_documents_are_given_to_their_command() {
        let parsed = parse(&pieces(
            "cat <<EOF | kubectl apply -f -\nkind: A\nEOF\nkubectl get a",
        ));
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].commands[0].input[0].text, "kind: A");
        assert_eq!(parsed[0].commands[0].input[0].line, 2);
        assert_eq!(parsed[1].line, 4);
    }

    #[test]
    fn a_call_of_a_function_is_the_command_of_its_body() {
        let parsed = parse(&pieces(
            "req() { kubectl exec pod -c istio-proxy -- pilot-agent request \"$@\"; }\nreq GET routes | jq .a",
        ));
        assert_eq!(parsed.len(), 1);
        assert_eq!(parsed[0].text, "req GET routes | jq .a");
        assert_eq!(
            parsed[0].commands[0].text(),
            "kubectl exec pod -c istio-proxy -- pilot-agent request GET routes"
        );
        assert_eq!(parsed[0].commands[0].words[0].line, 2);
    }

    #[test]
    fn substitutions_are_pipelines_of_their_own() {
        assert_eq!(
            texts("kubectl logs $(kubectl get pod -o name | head -1)"),
            ["kubectl get pod -o name | head -1", "kubectl logs $(…)"]
        );
    }
}
