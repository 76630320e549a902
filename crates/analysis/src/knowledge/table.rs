//! A table of the knowledge: tab-separated, `#` begins a comment line, the first other line names the columns.

use std::collections::HashMap;

/// A table, its cells borrowed from the text that the program carries.
#[derive(Debug, Default)]
pub struct Table {
    columns: HashMap<&'static str, usize>,
    rows: Vec<Vec<&'static str>>,
}

/// One row; cells are asked for by column.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    cells: &'a [&'static str],
}

impl Table {
    /// Reads a table. A row that is shorter than the heading has empty cells at its end.
    #[must_use]
    pub fn parse(text: &'static str) -> Self {
        let mut lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let columns = lines
            .next()
            .unwrap_or_default()
            .split('\t')
            .enumerate()
            .map(|(index, name)| (name, index))
            .collect();
        let rows = lines.map(|line| line.split('\t').collect()).collect();
        Self { columns, rows }
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { table: self, cells })
    }

    /// The first row whose cell in `column` is `value`.
    #[must_use]
    pub fn find(&self, column: &str, value: &str) -> Option<Row<'_>> {
        self.rows().find(|row| row.get(column) == value)
    }

    /// The cells of one column.
    pub fn column<'a>(&'a self, column: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        self.rows().map(move |row| row.get(column))
    }

    /// Names of the columns.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        self.columns.keys().copied().collect()
    }
}

impl Row<'_> {
    /// The cell of a column, empty where there is none.
    #[must_use]
    pub fn get(&self, column: &str) -> &'static str {
        self.table
            .columns
            .get(column)
            .and_then(|index| self.cells.get(*index))
            .copied()
            .unwrap_or_default()
    }

    /// The members of a cell that lists several with `|`.
    pub fn list(&self, column: &str) -> impl Iterator<Item = &'static str> + use<> {
        self.get(column).split('|').filter(|item| !item.is_empty())
    }

    /// How many cells the row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.cells.len()
    }
}
