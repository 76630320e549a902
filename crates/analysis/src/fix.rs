//! Makes the edits that findings propose, in the text itself: comments, order and layout stay.

use api::parse::{self, Kind as Value, Node};
use api::path::{Segment, segments};

use crate::facts::fields::Fields;
use crate::finding::{Change, Edit, EditAction, Finding};

/// A text with its edits made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The new text.
    pub text: String,
    /// How many edits were made.
    pub made: usize,
    /// Edits that could not be made, and why.
    pub skipped: Vec<String>,
}

/// The edits that findings propose for a file.
#[must_use]
pub fn edits<'a>(findings: &'a [Finding], file: &str) -> Vec<&'a Edit> {
    let mut found: Vec<&Edit> = Vec::new();
    for finding in findings {
        let Some(Change::Patch(edits)) = finding.fix.as_ref().map(|fix| &fix.change) else {
            continue;
        };
        for edit in edits.iter().filter(|edit| edit.file == file) {
            // The first finding decides about a field.
            if !found
                .iter()
                .any(|other| other.at == edit.at && other.path == edit.path)
            {
                found.push(edit);
            }
        }
    }
    found
}

/// A replacement of bytes.
struct Splice {
    start: usize,
    end: usize,
    text: String,
}

/// Makes the edits.
#[must_use]
pub fn apply(text: &str, edits: &[&Edit]) -> Fixed {
    let mut fixed = Fixed {
        text: text.to_owned(),
        made: 0,
        skipped: Vec::new(),
    };
    let documents = parse::parse_str(text);
    let mut roots = Vec::new();
    for document in &documents {
        collect(&document.node, &mut roots);
    }
    let mut splices = Vec::new();
    for edit in edits {
        let root = roots
            .iter()
            .find(|node| (node.line, node.column) == edit.at);
        match root
            .ok_or("its object was not found")
            .and_then(|root| splice(text, root, edit))
        {
            Ok(splice) => splices.push(splice),
            Err(why) => fixed
                .skipped
                .push(format!("{} {}: {why}", edit.object, edit.path)),
        }
    }
    // From the end, so that places stay true.
    splices.sort_by_key(|splice| std::cmp::Reverse(splice.start));
    let mut limit = text.len();
    for Splice { start, end, text } in splices {
        if end > limit {
            fixed.skipped.push("two edits of one place".to_owned());
            continue;
        }
        fixed.text.replace_range(start..end, &text);
        limit = start;
        fixed.made += 1;
    }
    fixed
}

/// Objects, those of lists too.
fn collect<'a>(node: &'a Node, roots: &mut Vec<&'a Node>) {
    roots.push(node);
    if node.text("kind").ends_with("List") {
        node.list("items")
            .iter()
            .for_each(|item| collect(item, roots));
    }
}

/// The place of a key or item and its value.
struct Place<'a> {
    key: Option<(u32, u32)>,
    value: &'a Node,
}

fn find<'a>(root: &'a Node, path: &str) -> Option<Place<'a>> {
    let mut place = Place {
        key: None,
        value: root,
    };
    for segment in segments(path) {
        place = match segment {
            Segment::Key(name) => {
                let entries = place.value.entries();
                let (key, value) = entries.iter().find(|(key, _)| key.text == name)?;
                Place {
                    key: Some((key.line, key.column)),
                    value,
                }
            }
            Segment::Index(index) => Place {
                key: None,
                value: place.value.items().get(index)?,
            },
        };
    }
    Some(place)
}

fn splice(text: &str, root: &Node, edit: &Edit) -> Result<Splice, &'static str> {
    let place = find(root, &edit.path).ok_or("the field is not in the text")?;
    match &edit.action {
        EditAction::Set(value) => {
            if matches!(place.value.kind, Value::List(_) | Value::Map(_)) {
                return Err("it is no scalar");
            }
            let start = offset(text, place.value.line, place.value.column).ok_or("no place")?;
            let end = scalar_end(&text[start..]).ok_or("it spans several lines")? + start;
            Ok(Splice {
                start,
                end,
                text: value.clone(),
            })
        }
        EditAction::Rename(name) => {
            let (line, column) = place.key.ok_or("it has no key")?;
            let start = offset(text, line, column).ok_or("no place")?;
            let end = key_end(&text[start..]).ok_or("the key is not plain")? + start;
            Ok(Splice {
                start,
                end,
                text: name.clone(),
            })
        }
        EditAction::Remove => remove(text, &place),
    }
}

/// Byte offset of a 1-based line and column (in characters).
fn offset(text: &str, line: u32, column: u32) -> Option<usize> {
    let mut start = usize::from(text.starts_with('\u{feff}')) * 3;
    for _ in 1..line {
        start += text[start..].find('\n')? + 1;
    }
    let rest = text[start..].split('\n').next()?;
    let skip = (column as usize).checked_sub(1)?;
    let inner = rest
        .char_indices()
        .map(|(at, _)| at)
        .chain([rest.len()])
        .nth(skip)?;
    Some(start + inner)
}

/// Where a scalar on one line ends.
fn scalar_end(text: &str) -> Option<usize> {
    let line = text.split('\n').next()?.trim_end_matches('\r');
    match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let inner = &line[1..];
            if inner.contains('\\') || inner.contains("''") {
                return None;
            }
            inner.find(quote).map(|at| at + 2)
        }
        '|' | '>' | '&' | '*' | '!' => None,
        _ => {
            let end = line.find(" #").unwrap_or(line.len());
            // In flow style the value ends at a comma or bracket.
            let end = line[..end].find([',', '}', ']']).unwrap_or(end);
            Some(line[..end].trim_end().len())
        }
    }
}

fn key_end(text: &str) -> Option<usize> {
    let line = text.split('\n').next()?;
    match line.chars().next()? {
        quote @ ('"' | '\'') => line[1..].find(quote).map(|at| at + 2),
        _ => line.find(':').map(|at| line[..at].trim_end().len()),
    }
}

/// Lines of a key in block style, with what stands below it.
fn remove(text: &str, place: &Place<'_>) -> Result<Splice, &'static str> {
    let (line, column) = place.key.ok_or("it has no key")?;
    let start = offset(text, line, column).ok_or("no place")?;
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    if !text[line_start..start].chars().all(|c| c == ' ') {
        return Err("it does not stand on lines of its own");
    }
    let indent = start - line_start;
    let mut end = line_start;
    for (index, content) in text[line_start..].split_inclusive('\n').enumerate() {
        let trimmed = content.trim_start_matches(' ');
        let depth = content.len() - trimmed.len();
        // A list may stand at its key's own indentation.
        let item = depth == indent && (trimmed.starts_with("- ") || trimmed.trim_end() == "-");
        let below = trimmed.trim().is_empty() || depth > indent || item;
        if index > 0 && !below {
            break;
        }
        end += content.len();
    }
    let only = text[line_start..end].trim_end().len() + line_start;
    let end = text[only..end].find('\n').map_or(end, |at| only + at + 1);
    Ok(Splice {
        start: line_start,
        end,
        text: String::new(),
    })
}

/// A unified diff of two texts, with three lines around each change.
#[must_use]
pub fn diff(file: &str, old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let shown = file.trim_start_matches('/');
    let mut text = format!("--- a/{shown}\n+++ b/{shown}\n");
    // The edits only replace and remove lines, so both sides run in step.
    let (mut i, mut j) = (0, 0);
    let mut marks: Vec<(char, &str, usize, usize)> = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            marks.push((' ', a[i], i, j));
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let resume = (1..=200).find_map(|step| {
            (0..=step).find_map(|left| {
                let right = step - left;
                let same = a.get(i + left).is_some() && a.get(i + left) == b.get(j + right);
                let ends = i + left == a.len() && j + right == b.len();
                (same || ends).then_some((left, right))
            })
        });
        let (left, right) = resume.unwrap_or((a.len() - i, b.len() - j));
        for line in &a[i..i + left] {
            marks.push(('-', line, i, j));
            i += 1;
        }
        for line in &b[j..j + right] {
            marks.push(('+', line, i, j));
            j += 1;
        }
    }
    hunks(&mut text, &marks);
    text
}

fn hunks(text: &mut String, marks: &[(char, &str, usize, usize)]) {
    const AROUND: usize = 3;
    let changed: Vec<usize> = (0..marks.len()).filter(|at| marks[*at].0 != ' ').collect();
    let mut next = 0;
    while let Some(first) = changed.get(next) {
        // What stands around an edit is of its own document: the next one may be a Secret.
        let edge = |at: &usize| marks[*at].1.starts_with("---");
        let before = first.saturating_sub(AROUND)..*first;
        let start = before
            .clone()
            .rev()
            .find(edge)
            .map_or(before.start, |at| at + 1);
        let mut last = *first;
        while let Some(at) = changed.get(next).filter(|at| **at <= last + 2 * AROUND) {
            last = *at;
            next += 1;
        }
        let after = last + 1..(last + AROUND + 1).min(marks.len());
        let end = after.clone().find(edge).unwrap_or(after.end);
        let hunk = &marks[start..end];
        let count = |skip: char| hunk.iter().filter(|mark| mark.0 != skip).count();
        text.push_str(&format!(
            "@@ -{},{} +{},{} @@\n",
            hunk[0].2 + 1,
            count('+'),
            hunk[0].3 + 1,
            count('-')
        ));
        for (sign, line, ..) in hunk {
            text.push_str(&format!("{sign}{line}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# first\nkind: A\napiVersion: v1\nspec:\n  one: 1 # why\n  two:\n    - a\n    # inside\n    - b\n\n  three: \"x\"\n";

    fn edit(path: &str, action: EditAction) -> Edit {
        Edit {
            object: "A a".into(),
            file: String::new(),
            at: (2, 1),
            path: path.into(),
            action,
        }
    }

    #[test]
    fn a_scalar_is_set_and_its_comment_stays() {
        let fixed = apply(TEXT, &[&edit("spec.one", EditAction::Set("2".into()))]);
        assert_eq!(fixed.text, TEXT.replace("one: 1 #", "one: 2 #"));
        let fixed = apply(TEXT, &[&edit("spec.three", EditAction::Set("y".into()))]);
        assert_eq!(fixed.text, TEXT.replace("\"x\"", "y"));
    }

    #[test]
    fn a_key_is_renamed() {
        let fixed = apply(
            TEXT,
            &[&edit("spec.two", EditAction::Rename("zwei".into()))],
        );
        assert_eq!(fixed.text, TEXT.replace("two:", "zwei:"));
    }

    #[test]
    fn a_block_goes_whole_and_nothing_else() {
        let fixed = apply(TEXT, &[&edit("spec.two", EditAction::Remove)]);
        assert_eq!(
            fixed.text,
            "# first\nkind: A\napiVersion: v1\nspec:\n  one: 1 # why\n\n  three: \"x\"\n"
        );
    }

    #[test]
    fn what_is_not_there_is_said() {
        let fixed = apply(TEXT, &[&edit("spec.four", EditAction::Remove)]);
        assert_eq!((fixed.text.as_str(), fixed.made), (TEXT, 0));
        assert_eq!(fixed.skipped.len(), 1);
    }

    #[test]
    fn a_diff_shows_nothing_of_the_documents_beside() {
        let text =
            format!("kind: Secret\ndata: hunter2\n---\n{TEXT}---\nkind: Secret\ndata: hunter3\n");
        let changed = text.replace("# first", "# 1st").replace("three:", "drei:");
        let diff = diff("f.yaml", &text, &changed);
        assert!(
            diff.contains("+# 1st") && diff.contains("+  drei:"),
            "{diff}"
        );
        assert!(!diff.contains("hunter"), "{diff}");
    }

    #[test]
    fn a_diff_shows_what_changed() {
        let fixed = apply(TEXT, &[&edit("spec.one", EditAction::Set("2".into()))]);
        let diff = diff("f.yaml", TEXT, &fixed.text);
        assert!(
            diff.contains("-  one: 1 # why\n+  one: 2 # why\n"),
            "{diff}"
        );
        assert!(diff.contains("@@ -2,7 +2,7 @@"), "{diff}");
    }
}
