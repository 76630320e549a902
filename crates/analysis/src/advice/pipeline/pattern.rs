//! What a regular expression of grep needs to find.

/// The alternatives of a pattern as literals; an empty list if it is no use to judge it.
pub(super) fn alternatives(pattern: &str, extended: bool, fixed: bool) -> Vec<String> {
    if fixed {
        return vec![pattern.to_owned()];
    }
    let pattern = if extended {
        pattern.replace("\\|", "|")
    } else {
        pattern
            .replace("\\|", "\u{1}")
            .replace('|', "\u{2}")
            .replace('\u{1}', "|")
    };
    pattern
        .split('|')
        .map(|part| literal(&part.replace('\u{2}', "|")))
        .collect()
}

/// The longest run of an expression that stands for itself.
fn literal(pattern: &str) -> String {
    let mut runs = vec![String::new()];
    let mut escaped = false;
    let mut class = false;
    for c in pattern.chars() {
        if std::mem::take(&mut escaped) {
            match c {
                'b' | 'w' | 's' | 'd' | '<' | '>' | 'S' | 'W' | 'B' => runs.push(String::new()),
                c => {
                    if let Some(run) = runs.last_mut() {
                        run.push(c);
                    }
                }
            }
            continue;
        }
        match c {
            '\\' => escaped = true,
            '[' => class = true,
            ']' => {
                class = false;
                runs.push(String::new());
            }
            _ if class => {}
            '*' | '?' | '{' => {
                if let Some(run) = runs.last_mut() {
                    run.pop();
                }
                runs.push(String::new());
            }
            '.' | '^' | '$' | '(' | ')' | '+' | '}' => runs.push(String::new()),
            c => {
                if let Some(run) = runs.last_mut() {
                    run.push(c);
                }
            }
        }
    }
    runs.into_iter().max_by_key(String::len).unwrap_or_default()
}
