//! The paper's figure 3 for the layers that ran: the distribution of the activations before and after the transform.
//!
//! A row of panels a layer: histograms before and after on the same axes, and the largest magnitude of each channel.

use core::ops::Range;
use std::path::Path;
use std::{fs, process};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::distribution::Distribution;
use crate::layer::Layer;
use crate::measure::Measurement;

const WIDTH: u32 = 1560;
const HEAD: u32 = 80;
const ROW: u32 = 380;
const ROW_TITLE: u32 = 34;
const BINS: usize = 201;

const BEFORE: RGBColor = RGBColor(213, 94, 0);
const AFTER: RGBColor = RGBColor(0, 114, 178);
const REACH: RGBColor = RGBColor(0, 158, 115);
const LINES: RGBColor = RGBColor(225, 225, 225);

/// What int4 absmean can reach, in units of the token's mean magnitude: −8.5/√7 to 7.5/√7.
const INT4: Range<f64> = -3.2127..2.8347;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn core::error::Error>>;

/// Draws everything and puts it under `path` in one step, so that a reader never meets half a picture.
pub(crate) fn save(results: &[(Layer, Measurement)], path: &Path) -> Result<(), String> {
    let name = path.display();
    let mut svg = String::new();
    draw(results, &mut svg).map_err(|error| format!("--picture {name}: {error}"))?;
    let temporary = path.with_extension(format!("{}.tmp", process::id()));
    let directory = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&temporary, svg))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| {
            // Whether or not it came to exist, and there is no one to tell if it stays.
            let _ = fs::remove_file(&temporary);
            format!("--picture {name}: {error}")
        })
}

fn draw(results: &[(Layer, Measurement)], svg: &mut String) -> Drawn {
    let height = HEAD + ROW * results.len() as u32;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    head.draw_text("Activations before and after the Hadamard transform", &text(28), (24, 14))?;
    head.draw_text(
        "each value in units of its token's mean magnitude; the band is what int4 absmean can represent",
        &text(18).color(&BLACK.mix(0.7)),
        (24, 50),
    )?;
    for ((layer, result), row) in results.iter().zip(body.split_evenly((results.len(), 1))) {
        draw_row(layer, result, &row)?;
    }
    root.present()?;
    Ok(())
}

fn draw_row(layer: &Layer, result: &Measurement, row: &Canvas<'_>) -> Drawn {
    let (title, panels) = row.split_vertically(ROW_TITLE);
    let Layer { name, activations, transform, .. } = layer;
    let words = format!(
        "{name}: {} tokens × {} channels, transform {}",
        activations.rows, activations.columns, transform.name
    );
    title.draw_text(&words, &text(21), (24, 8))?;

    let panels = panels.split_evenly((1, 3));
    let (before, after) = (&result.before, &result.after);
    let extent = f64::from(before.extent().max(after.extent())).max(4.0) * 1.03;
    let (lower, upper) = (Histogram::new(before, extent), Histogram::new(after, extent));
    let most = lower.most().max(upper.most());
    lower.draw(&panels[0], "before", BEFORE, before, most)?;
    upper.draw(&panels[1], "after", AFTER, after, most)?;
    draw_channels(&panels[2], before, after)
}

/// Counts over equal bins from −extent to extent.
struct Histogram {
    extent: f64,
    counts: [u32; BINS],
}

impl Histogram {
    fn new(distribution: &Distribution, extent: f64) -> Histogram {
        let mut counts = [0; BINS];
        for &value in &distribution.values {
            let bin = (f64::from(value) + extent) / (2.0 * extent) * BINS as f64;
            counts[(bin as usize).min(BINS - 1)] += 1;
        }
        Histogram { extent, counts }
    }

    fn most(&self) -> u32 {
        self.counts.into_iter().max().unwrap_or(0).max(1)
    }

    fn draw(
        &self,
        area: &Canvas<'_>,
        name: &str,
        color: RGBColor,
        distribution: &Distribution,
        most: u32,
    ) -> Drawn {
        let (floor, ceiling) = (0.7, f64::from(most) * 30.0);
        let mut chart =
            margins(area).build_cartesian_2d(-self.extent..self.extent, (floor..ceiling).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("x / mean|x|")
            .y_desc("values per bin")
            .x_label_formatter(&whole)
            .y_label_formatter(&power_of_ten)
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINES)
            .label_style(text(15))
            .axis_desc_style(text(17))
            .draw()?;
        let reach = [(INT4.start, floor), (INT4.end, ceiling)];
        chart.draw_series([Rectangle::new(reach, REACH.mix(0.13).filled())])?;
        let width = 2.0 * self.extent / BINS as f64;
        let bars = self.counts.into_iter().enumerate().filter(|&(_, count)| count > 0);
        chart.draw_series(bars.map(|(bin, count)| {
            let left = bin as f64 * width - self.extent;
            Rectangle::new([(left, floor), (left + width, f64::from(count))], color.filled())
        }))?;

        let right = text(17).pos(Pos::new(HPos::Right, VPos::Top));
        let (width, _) = area.dim_in_pixel();
        let edge = width as i32 - 22;
        area.draw_text(name, &text(19).color(&color), (92, 18))?;
        let peak = format!("mean of max / mean: {:.1}", distribution.mean_peak);
        area.draw_text(&peak, &right, (edge, 18))?;
        let clipped = format!("outside the int4 band: {:.2} %", 100.0 * distribution.clipped());
        area.draw_text(&clipped, &right, (edge, 40))?;
        Ok(())
    }
}

fn draw_channels(area: &Canvas<'_>, before: &Distribution, after: &Distribution) -> Drawn {
    let channels = before.channel_max.len();
    let positive = [before, after].into_iter().flat_map(|side| &side.channel_max).filter(|&&max| max > 0.0);
    let least = positive.fold(1.0_f32, |a, &b| a.min(b));
    let most = before.extent().max(after.extent());
    let range = f64::from(least) * 0.7..f64::from(most) * 6.0;
    let mut chart = margins(area).build_cartesian_2d(0.0..channels as f64, range.clone().log_scale())?;
    chart
        .configure_mesh()
        .x_desc("channel")
        .y_desc("largest |x| / mean|x|")
        .x_label_formatter(&whole)
        .y_label_formatter(&power_of_ten)
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINES)
        .label_style(text(15))
        .axis_desc_style(text(17))
        .draw()?;
    for (side, name, color) in [(before, "before", BEFORE), (after, "after", AFTER)] {
        let points = side.channel_max.iter().enumerate();
        let points = points.map(|(channel, &max)| (channel as f64 + 0.5, f64::from(max).max(range.start)));
        let dots = points.map(|point| Circle::new(point, 2, color.mix(0.75).filled()));
        chart
            .draw_series(dots)?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 10, y), 4, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(LINES)
        .label_font(text(17))
        .draw()?;
    Ok(())
}

/// A chart with the margins that all panels share.
fn margins<'a, 'b>(area: &'b Canvas<'a>) -> ChartBuilder<'b, 'b, SVGBackend<'a>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin(8).margin_right(16).x_label_area_size(48).y_label_area_size(72);
    chart
}

fn power_of_ten(value: &f64) -> String {
    if (0.99..9999.0).contains(value) { whole(value) } else { format!("{value:.0e}") }
}

fn whole(value: &f64) -> String {
    // Adding zero turns −0 into 0.
    format!("{}", value.round() + 0.0)
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}
