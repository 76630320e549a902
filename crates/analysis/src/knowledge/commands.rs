//! Commands: their sub-commands, flags, and those that destroy.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::table::Table;

/// A sub-command with its flags; the tool itself has the empty path.
#[derive(Debug, Clone)]
pub struct SubCommand {
    /// Each step with the names it goes by.
    pub path: Vec<Vec<&'static str>>,
    pub flags: Vec<FlagSpec>,
    /// Any flag and argument is taken.
    pub open: bool,
    pub source: &'static str,
}

/// A flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagSpec {
    pub short: Option<&'static str>,
    pub long: Option<&'static str>,
    pub value: bool,
}

/// Words that destroy.
#[derive(Debug, Clone)]
pub struct Destructive {
    pub words: Vec<Vec<&'static str>>,
    pub why: (&'static str, &'static str),
    pub fix: &'static str,
    pub source: &'static str,
}

/// All commands.
#[derive(Debug)]
pub struct Commands {
    tools: HashMap<&'static str, Vec<SubCommand>>,
    destructive: HashMap<&'static str, Vec<Destructive>>,
}

/// The commands.
#[must_use]
pub fn commands() -> &'static Commands {
    static COMMANDS: LazyLock<Commands> = LazyLock::new(Commands::load);
    &COMMANDS
}

impl Commands {
    fn load() -> Self {
        let mut tools: HashMap<&'static str, Vec<SubCommand>> = HashMap::new();
        for table in [
            Table::parse(include_str!("../../knowledge/commands/generated.tsv")),
            Table::parse(include_str!("../../knowledge/commands/manual.tsv")),
        ] {
            for row in table.rows() {
                tools.entry(row.get("tool")).or_default().push(SubCommand {
                    path: row
                        .get("sub")
                        .split(' ')
                        .filter(|step| !step.is_empty())
                        .map(|step| step.split('|').collect())
                        .collect(),
                    flags: row.get("flags").split(' ').filter_map(flag).collect(),
                    open: row.get("flags") == "*",
                    source: row.get("source"),
                });
            }
        }
        let mut destructive: HashMap<&'static str, Vec<Destructive>> = HashMap::new();
        let table = Table::parse(include_str!("../../knowledge/commands/destructive.tsv"));
        for row in table.rows() {
            let words = row
                .get("words")
                .split('|')
                .map(|word| {
                    word.trim_start_matches('{')
                        .trim_end_matches('}')
                        .split(',')
                        .collect()
                })
                .collect();
            destructive
                .entry(row.get("tool"))
                .or_default()
                .push(Destructive {
                    words,
                    why: (row.get("why"), row.get("why_zh")),
                    fix: row.get("fix"),
                    source: row.get("source"),
                });
        }
        Self { tools, destructive }
    }

    /// Whether the tool is in the tables.
    #[must_use]
    pub fn knows(&self, tool: &str) -> bool {
        self.tools.contains_key(tool)
    }

    /// The sub-commands of a tool.
    #[must_use]
    pub fn of(&self, tool: &str) -> &[SubCommand] {
        self.tools.get(tool).map_or(&[], Vec::as_slice)
    }

    /// Names of the tools.
    pub fn tools(&self) -> impl Iterator<Item = &'static str> {
        self.tools.keys().copied()
    }

    /// What destroys.
    #[must_use]
    pub fn destructive(&self, tool: &str) -> &[Destructive] {
        self.destructive.get(tool).map_or(&[], Vec::as_slice)
    }
}

fn flag(text: &'static str) -> Option<FlagSpec> {
    let (names, value) = match text.strip_suffix('=') {
        Some(names) => (names, true),
        None => (text, false),
    };
    if !names.starts_with('-') {
        return None;
    }
    let (short, long) = match names.split_once(',') {
        Some((short, long)) => (Some(short), Some(long)),
        None if names.starts_with("--") => (None, Some(names)),
        None => (Some(names), None),
    };
    Some(FlagSpec { short, long, value })
}
