//! The lines for scripts that the scorecard and the peers print.

/// A figure and its name, cut at the slashes.
#[derive(Debug, PartialEq)]
pub struct Figure {
    /// The parts of the name.
    pub name: Vec<String>,
    /// The figure.
    pub value: f64,
}

impl Figure {
    /// The parts of the name, if there are `N`.
    pub fn parts<const N: usize>(&self) -> Option<[&str; N]> {
        let parts: Vec<&str> = self.name.iter().map(String::as_str).collect();
        parts.try_into().ok()
    }
}

/// The figures of lines `<kind> <name> <figure>`, in their order.
///
/// # Errors
/// Names a line whose figure is none.
pub fn figures(text: &str, kind: &str) -> Result<Vec<Figure>, String> {
    let of_kind = text.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
    of_kind
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').ok_or_else(|| format!("{kind} {line}: no figure"))?;
            let value = value.parse().map_err(|error| format!("{kind} {line}: {error}"))?;
            Ok(Figure { name: name.split('/').map(str::to_owned).collect(), value })
        })
        .collect()
}

/// What a line `<kind> <rest>` says, if there is one.
pub fn word<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))
}

#[cfg(test)]
mod tests {
    use super::{Figure, figures, word};

    #[test]
    fn takes_its_kind_alone() {
        let text = "a table\nscore fwht/64/avx2/vs-add-limit 0.5\npeer x/y 2\nversion llama.cpp 0.9\n";
        let name = ["fwht", "64", "avx2", "vs-add-limit"].map(str::to_owned).to_vec();
        assert_eq!(figures(text, "score"), Ok(vec![Figure { name, value: 0.5 }]));
        assert_eq!(word(text, "version"), Some("llama.cpp 0.9"));
    }

    #[test]
    fn names_a_line_without_a_figure() {
        assert!(figures("score fwht/64 fast", "score").unwrap_err().contains("fwht/64 fast"));
    }
}
