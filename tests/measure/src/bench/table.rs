//! Tables in Markdown. Pure.

/// A table whose first `words` columns hold words, and the others numbers.
pub struct Table {
    head: Vec<&'static str>,
    words: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(words: usize, head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), words, rows: Vec::new() }
    }

    /// Adds a row; what it lacks stays empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().take(self.head.len()).collect();
        row.resize(self.head.len(), String::new());
        self.rows.push(row);
    }

    /// As text with aligned columns, so that it can be read as it is.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            longest.max(self.head.get(column).map_or(0, |cell| cell.chars().count())).max(3)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let cells =
                cells.into_iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                    if column < self.words {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = widths.iter().enumerate().map(|(column, width)| {
            if column < self.words {
                "-".repeat(*width)
            } else {
                format!("{}:", "-".repeat(width - 1))
            }
        });
        let rule: Vec<String> = rule.collect();
        let mut text = line(self.head.clone());
        text.push_str(&line(rule.iter().map(String::as_str).collect()));
        for row in &self.rows {
            text.push_str(&line(row.iter().map(String::as_str).collect()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_left_and_numbers_right() {
        let mut table = Table::new(1, &["hook", "ns"]);
        table.row(["a".to_owned(), "7".to_owned()]);
        table.row(["rss_stat".to_owned()]);
        assert_eq!(
            table.render(),
            "| hook     |  ns |\n| -------- | --: |\n| a        |   7 |\n| rss_stat |     |\n"
        );
    }
}
