//! The page: Markdown tables and the plots beside them.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use crate::grid::Grid;
use crate::lines::{Figure, figures, word};
use crate::plots::{Lines, Plot};

/// What was printed, and of what.
pub struct Run {
    /// Lines on top: machine, day, versions, commands.
    pub facts: Vec<String>,
    /// The scorecard's output.
    pub scorecard: String,
    /// The output of each run of the peers.
    pub peers: Vec<String>,
}

/// Sections of the scorecard: the first part of the scores' names, and what they are.
const SECTIONS: [(&str, &str); 11] = [
    (
        "fwht",
        "Transforms: of the additions that the backend's registers can do; or per element, over the nearest power of two",
    ),
    ("quantize", "Quantisers: bytes a second, of only reading L1"),
    ("stages", "Norm, transform and quantiser: separate calls over the one call"),
    ("gemv", "One token from memory: of only reading the weights; or over another layout or scaling"),
    ("gemv2", "The same of int4 on two threads, of reading on two"),
    ("gemm", "Several tokens: of what the backend's multiply instruction does alone"),
    ("int4-vs-int8", "Time with int8 activations over that with int4"),
    ("layer", "Norm, transform and quantiser as a part of a layer's time"),
    ("threads2", "Two threads over one"),
    ("attention", "Attention: over f16 states; or of only reading the states"),
    ("call", "Small calls: nanoseconds through the C ABI, less those in Rust"),
];

/// Writes `README.md` and the plots into a folder.
///
/// # Errors
/// What cannot be read of the output, or written.
pub fn write(run: &Run, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut page = String::from("# What was measured\n\n");
    for fact in &run.facts {
        writeln!(page, "- {fact}")?;
    }
    page.push_str("\nWritten by `benches/report`; figures are medians of interleaved runs on one thread, if not said otherwise.\n");
    transforms(run, folder, &mut page)?;
    for peers in &run.peers {
        products(peers, folder, &mut page)?;
    }
    scorecard(run, folder, &mut page)?;
    std::fs::write(folder.join("README.md"), page)?;
    Ok(())
}

fn backend(peers: &str) -> Result<&str, String> {
    word(peers, "backend").ok_or_else(|| "the peers' output names no backend".to_owned())
}

/// Puts a plot into the folder and onto the page.
fn plot(page: &mut String, folder: &Path, file: &str, plot: &Plot<'_>) -> Result<(), Box<dyn Error>> {
    if plot.lines.is_empty() {
        return Ok(());
    }
    plot.write(&folder.join(file))?;
    writeln!(page, "\n![{}]({file})", plot.title)?;
    Ok(())
}

fn transforms(run: &Run, folder: &Path, page: &mut String) -> Result<(), Box<dyn Error>> {
    page.push_str("\n## Transforms beside others\n");
    let mut ratios = Lines::default();
    for peers in &run.peers {
        let backend = backend(peers)?;
        let mut times = Grid::default();
        for figure in figures(peers, "transform")? {
            if let Some([who, n, call]) = figure.parts() {
                times.set(format!("{n}, {call}"), &format!("{who}, ns"), figure.value);
            }
        }
        for figure in figures(peers, "peer")? {
            if let Some(["hadamard", peer, n, call]) = figure.parts() {
                times.set(format!("{n}, {call}"), &format!("over {peer}"), figure.value);
                if peer == "FFHT" {
                    ratios.add(&format!("{backend}, {call}"), (n.parse()?, figure.value));
                }
            }
        }
        writeln!(
            page,
            "\nOurs with `{backend}`; nanoseconds a row, and their time over ours. `rows`: 64 KiB of them in one call."
        )?;
        page.push_str(&times.markdown("n, call"));
    }
    let speeds =
        Plot { title: "Hadamard transforms: FFHT's time over ours", x: "n", y: "ratio", lines: ratios };
    plot(page, folder, "transforms.svg", &speeds)
}

fn products(peers: &str, folder: &Path, page: &mut String) -> Result<(), Box<dyn Error>> {
    let backend = backend(peers)?;
    let mut speeds = Grid::default();
    let mut lines = Lines::default();
    let rates = figures(peers, "gmacs")?;
    let first_shape = rates.iter().find_map(Figure::parts).map(|[_, shape, _, _]| shape.to_owned());
    for figure in &rates {
        let Some([who, shape, tokens, place]) = figure.parts() else { continue };
        if who.ends_with("-product") {
            continue;
        }
        speeds.set(format!("{shape}, {tokens}, {place}"), who, figure.value);
        if place == "warm" && first_shape.as_deref() == Some(shape) {
            lines.add(who, (tokens.trim_start_matches('m').parse()?, figure.value));
        }
    }
    for figure in figures(peers, "peer")? {
        if let Some([ours, _, shape, tokens, place]) = figure.parts() {
            speeds.set_least(format!("{shape}, {tokens}, {place}"), &format!("x {ours}"), figure.value);
        }
    }
    writeln!(page, "\n## Products beside llama.cpp, ours with `{backend}`\n")?;
    page.push_str(
        "GMAC/s with the quantisation of activations; m: tokens; `dram`: weights from memory, `warm`: from cache as far as\n\
         they fit. x: speed over the fastest of theirs.\n",
    );
    page.push_str(&speeds.markdown("N x K, tokens, weights"));
    let title = format!("GMAC/s, {}, ours with {backend}", first_shape.unwrap_or_default());
    let speeds = Plot { title: &title, x: "tokens", y: "GMAC/s", lines };
    plot(page, folder, &format!("products-{backend}.svg"), &speeds)
}

fn scorecard(run: &Run, folder: &Path, page: &mut String) -> Result<(), Box<dyn Error>> {
    page.push_str("\n## Against the machine's own limits\n\nThe scorecard, by backend; [its module](../../../scorecard/main.rs) defines each.\n");
    let scores = figures(&run.scorecard, "score")?;
    for (section, what) in SECTIONS {
        let mut grid = Grid::default();
        for figure in scores.iter().filter(|figure| figure.name[0] == section) {
            let [parts @ .., backend, last] = &figure.name[..] else {
                return Err(format!("score {}: no backend", figure.name.join("/")).into());
            };
            let name: Vec<&str> = parts[1..].iter().chain([last]).map(String::as_str).collect();
            grid.set(name.join(" "), backend, figure.value);
        }
        if !grid.is_empty() {
            writeln!(page, "\n### {what}")?;
            page.push_str(&grid.markdown(section));
        }
    }
    let known = |figure: &&Figure| SECTIONS.iter().any(|section| section.0 == figure.name[0]);
    if let Some(figure) = scores.iter().find(|figure| !known(figure)) {
        return Err(format!("score {}: of no section", figure.name.join("/")).into());
    }
    let adds = Plot {
        title: "Transforms: part of the additions that registers can do",
        x: "n",
        y: "part",
        lines: by_backend(&scores, |figure| {
            let ["fwht", n, backend, "vs-add-limit"] = figure.parts()? else { return None };
            Some((backend, n))
        })?,
    };
    plot(page, folder, "add-limit.svg", &adds)?;
    let peaks = Plot {
        title: "Two bits x int4: part of the multiply instruction's own speed",
        x: "tokens",
        y: "part",
        lines: by_backend(&scores, |figure| {
            let ["gemm", "two-bit", "i4", tokens, backend, "vs-peak"] = figure.parts()? else { return None };
            Some((backend, tokens.trim_start_matches('m')))
        })?,
    };
    plot(page, folder, "peak.svg", &peaks)
}

/// A line of points for each backend: what `point` finds in a name, and the score.
fn by_backend<'a>(
    scores: &'a [Figure],
    point: impl Fn(&'a Figure) -> Option<(&'a str, &'a str)>,
) -> Result<Lines, Box<dyn Error>> {
    let mut lines = Lines::default();
    for figure in scores {
        if let Some((backend, x)) = point(figure) {
            lines.add(backend, (x.parse()?, figure.value));
        }
    }
    Ok(lines)
}
