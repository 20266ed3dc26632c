//! Tables of figures.

use std::collections::HashMap;

/// Figures by row and column, both in the order of their first figure.
#[derive(Default)]
pub struct Grid {
    columns: Vec<String>,
    rows: Vec<String>,
    figures: HashMap<[String; 2], f64>,
}

impl Grid {
    /// Sets a figure.
    pub fn set(&mut self, row: String, column: &str, figure: f64) {
        if !self.columns.iter().any(|known| known == column) {
            self.columns.push(column.to_owned());
        }
        if !self.rows.contains(&row) {
            self.rows.push(row.clone());
        }
        self.figures.insert([row, column.to_owned()], figure);
    }

    /// Sets a figure, if there is no lesser one.
    pub fn set_least(&mut self, row: String, column: &str, figure: f64) {
        let known = self.figures.get(&[row.clone(), column.to_owned()]).copied();
        self.set(row, column, known.map_or(figure, |known| known.min(figure)));
    }

    /// Whether there is no figure.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A table in Markdown, with what stands in its corner.
    pub fn markdown(&self, corner: &str) -> String {
        let head = format!(
            "\n| {corner} | {} |\n|---|{}\n",
            self.columns.join(" | "),
            "--:|".repeat(self.columns.len())
        );
        let rows = self.rows.iter().map(|row| {
            let cells = self.columns.iter().map(|column| {
                let figure = self.figures.get(&[row.clone(), column.clone()]);
                figure.map_or(String::new(), |&figure| significant(figure))
            });
            format!("| {row} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
        });
        head + &rows.collect::<String>()
    }
}

/// Three digits that say something.
fn significant(figure: f64) -> String {
    let decimals = 2 - (figure.abs().max(1.0).log10() as usize).min(2);
    format!("{figure:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::Grid;

    #[test]
    fn leaves_out_what_is_not_known() {
        let mut grid = Grid::default();
        grid.set("64".to_owned(), "avx2", 0.25);
        grid.set("128".to_owned(), "amx", 1234.5);
        grid.set_least("128".to_owned(), "amx", 12.34);
        grid.set_least("128".to_owned(), "amx", 99.0);
        let expected = "\n| n | avx2 | amx |\n|---|--:|--:|\n| 64 | 0.25 |  |\n| 128 |  | 12.3 |\n";
        assert_eq!(grid.markdown("n"), expected);
    }
}
