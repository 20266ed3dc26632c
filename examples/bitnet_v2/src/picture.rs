//! The pictures: what the quantisers of H-BitLinear meet (figures 1 to 3 of the paper), training, and perplexity against
//! bits.

use std::io::Write;
use std::path::Path;
use std::{fs, process};

use bitnet_v2::Result;
use hbitlinear::StateBits;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::cannot_print;
use crate::cli::Machine;
use crate::job::{self, Bits, Case};
use crate::statistics::{kurtosis, peak};

const BINS: usize = 161;
/// Standard deviations to either side.
const EXTENT: f64 = 12.0;

/// The two projections.
const PLACES: [&str; 2] = ["attention's output", "down"];

const WITHOUT: RGBColor = RGBColor(213, 94, 0);
const WITH: RGBColor = RGBColor(0, 114, 178);
const LINES: RGBColor = RGBColor(225, 225, 225);

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Draws on a canvas.
type Draw<'d> = dyn Fn(&Canvas<'_>) -> Drawn + 'd;
type Drawn = core::result::Result<(), Box<dyn core::error::Error>>;

/// Draws everything of every size that is there into a folder.
pub(crate) fn save(machine: Machine, folder: &Path, out: &mut impl Write) -> Result<()> {
    for size in job::sizes() {
        let cases = job::perplexities(machine, size, out)?;
        let models = [("plain-a8", false), ("v2-a8", true)].map(|(name, transform)| {
            job::samples(machine, size, name).map(|samples| (name, transform, samples))
        });
        let mut panels = Vec::new();
        for model in models {
            let (name, transform, samples) = model?;
            for (sample, place) in samples.places.into_iter().zip(PLACES) {
                let title = format!("{size}-{name}, {place}, behind the norm");
                panels.push((place, title, WITHOUT, sample.inputs, sample.normed));
                if transform {
                    let title = format!("{size}-{name}, {place}, behind the transform");
                    panels.push((place, title, WITH, sample.inputs, sample.quantized));
                }
            }
        }
        // A row of panels for each place.
        panels.sort_by_key(|panel| PLACES.iter().position(|&place| place == panel.0));
        let curves =
            ["v2", "plain"].map(|kind| curve(&job::folder().join(format!("{size}-{kind}.curve.csv"))));
        let [v2, plain] = curves;
        let curves = [(v2?, "with the transform", WITH), (plain?, "without", WITHOUT)];
        let pictures: [(&str, (u32, u32), &Draw<'_>); 3] = [
            ("activations", (1500, 760), &|area| draw_panels(area, &panels)),
            ("training", (1000, 560), &|area| draw_curves(area, size, &curves)),
            ("perplexity", (1000, 560), &|area| draw_bits(area, size, &cases)),
        ];
        for (name, extent, draw) in pictures {
            let path = folder.join(format!("{size}-{name}.svg"));
            write_svg(&path, extent, draw)?;
            writeln!(out, "picture: {}", path.display()).map_err(cannot_print)?;
        }
    }
    Ok(())
}

/// In one step, so that a reader never meets half a picture.
fn write_svg(path: &Path, extent: (u32, u32), draw: &Draw<'_>) -> Result<()> {
    let svg = render(extent, draw).map_err(|error| format!("{}: {error}", path.display()))?;
    let temporary = path.with_extension(format!("{}.tmp", process::id()));
    fs::create_dir_all(path.parent().unwrap_or(Path::new("")))
        .and_then(|()| fs::write(&temporary, svg))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| {
            // Whether or not it came to exist, and there is no one to tell if it stays.
            let _ = fs::remove_file(&temporary);
            format!("{}: {error}", path.display())
        })
}

fn render(extent: (u32, u32), draw: &Draw<'_>) -> core::result::Result<String, Box<dyn core::error::Error>> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, extent).into_drawing_area();
    root.fill(&WHITE)?;
    draw(&root)?;
    root.present()?;
    drop(root);
    Ok(svg)
}

type Panel = (&'static str, String, RGBColor, usize, Vec<f32>);

fn draw_panels(area: &Canvas<'_>, panels: &[Panel]) -> Drawn {
    let (head, body) = area.split_vertically(40);
    head.draw_text(
        "Inputs of the H-BitLinear projections, in standard deviations of their token; the outermost bars hold all beyond",
        &text(22),
        (20, 10),
    )?;
    for ((_, title, color, inputs, values), area) in panels.iter().zip(body.split_evenly((2, 3))) {
        let mut counts = [0_u32; BINS];
        for &value in values {
            let bin = (f64::from(value) + EXTENT) / (2.0 * EXTENT) * BINS as f64;
            counts[(bin.max(0.0) as usize).min(BINS - 1)] += 1;
        }
        let most = f64::from(counts.iter().copied().max().unwrap_or(1));
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(44)
            .y_label_area_size(90)
            .caption(title, text(16))
            .build_cartesian_2d(-EXTENT..EXTENT, (0.7..most * 10.0).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINES)
            .label_style(text(14))
            .x_desc("standard deviations")
            .y_desc("activations")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .draw()?;
        let width = 2.0 * EXTENT / BINS as f64;
        let bars = counts.into_iter().enumerate().filter(|&(_, count)| count > 0);
        chart.draw_series(bars.map(|(bin, count)| {
            let left = bin as f64 * width - EXTENT;
            Rectangle::new([(left, 0.7), (left + width, f64::from(count))], color.filled())
        }))?;
        let words = format!("max / deviation {:.1}, kurtosis {:.1}", peak(*inputs, values), kurtosis(values));
        area.draw_text(&words, &text(15), (110, 40))?;
    }
    Ok(())
}

/// Steps and nats a byte on the held-out text.
type Curve = Vec<(f64, f64)>;

fn curve(path: &Path) -> Result<Curve> {
    let named = |error: &str| format!("{}: {error}", path.display());
    let content = fs::read_to_string(path).map_err(|error| named(&error.to_string()))?;
    let rows = content.lines().skip(1).map(|line| {
        let mut words = line.split(',');
        let step = words.next().and_then(|word| word.parse().ok());
        Some((step?, words.nth(2).and_then(|word| word.parse().ok())?))
    });
    rows.collect::<Option<Curve>>()
        .filter(|curve| !curve.is_empty())
        .ok_or_else(|| named("expected step,bits,train,held_out"))
}

fn draw_curves(area: &Canvas<'_>, size: &str, curves: &[(Curve, &str, RGBColor)]) -> Drawn {
    let points = || curves.iter().flat_map(|(curve, ..)| curve);
    let steps = points().fold(0.0_f64, |most, point| most.max(point.0));
    let least = points().fold(f64::INFINITY, |least, point| least.min(point.1));
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .margin_right(40)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .caption(
            format!("{size}: nats a held-out byte while training; the last 5 % of the steps at 4 bits"),
            text(20),
        )
        .build_cartesian_2d(0.0..steps, least * 0.97..least + 1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINES)
        .label_style(text(14))
        .x_desc("steps")
        .y_desc("nats a byte")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()?;
    for (curve, name, color) in curves {
        let shown = curve.iter().copied().filter(|point| point.1 < least + 1.0);
        chart
            .draw_series(LineSeries::new(shown, color.stroke_width(2)))?
            .label(*name)
            .legend(|(x, y)| Rectangle::new([(x, y - 3), (x + 16, y + 3)], color.filled()));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .border_style(LINES)
        .label_font(text(16))
        .draw()?;
    Ok(())
}

/// Bars, each checkpoint's a group.
fn draw_bits(area: &Canvas<'_>, size: &str, cases: &[Case]) -> Drawn {
    let most = cases.iter().fold(1.0_f64, |most, case| most.max(case.here));
    let title = format!(
        "{size}: checkpoint, bits of activations, bits of states; blue with the transform, orange without"
    );
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .x_label_area_size(10)
        .y_label_area_size(70)
        .caption(title, text(20))
        .build_cartesian_2d(0.0..cases.len() as f64, (1.0..most * 3.0).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINES)
        .label_style(text(14))
        .y_desc("perplexity a byte")
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (index, case) in cases.iter().enumerate() {
        let color = if case.checkpoint.starts_with("v2") { WITH } else { WITHOUT };
        let left = index as f64;
        let bar = [(left + 0.1, 1.0), (left + 0.9, case.here)];
        let color = if matches!((case.bits, case.states), (Bits::Eight, StateBits::F32)) {
            color.mix(1.0)
        } else {
            color.mix(0.7)
        };
        chart.draw_series([Rectangle::new(bar, color.filled())])?;
        let words = [
            case.checkpoint.into(),
            format!("{} kv{}", case.bits.name(), case.states as u8),
            format!("{:.3}", case.here),
        ];
        for (line, word) in words.into_iter().enumerate() {
            let (x, y) = chart.backend_coord(&(left + 0.1, case.here));
            area.draw_text(&word, &text(13), (x, y - 54 + 17 * line as i32))?;
        }
    }
    Ok(())
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}
