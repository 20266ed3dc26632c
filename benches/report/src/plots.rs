//! Plots: lines over a logarithmic axis.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

/// What a plot shows.
pub struct Plot<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below the horizontal axis, which counts in powers of two.
    pub x: &'a str,
    /// Beside the vertical axis, which begins at 0.
    pub y: &'a str,
    /// What it draws.
    pub lines: Lines,
}

/// Names and points. The horizontal coordinate is the number itself, not its logarithm.
#[derive(Default)]
pub struct Lines(Vec<(String, Vec<(f64, f64)>)>);

impl Lines {
    /// Adds a point to the line of that name.
    pub fn add(&mut self, name: &str, point: (f64, f64)) {
        match self.0.iter_mut().find(|line| line.0 == name) {
            Some((_, points)) => points.push(point),
            None => self.0.push((name.to_owned(), vec![point])),
        }
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Plot<'_> {
    /// Writes it as SVG.
    ///
    /// # Errors
    /// What writing the file gives.
    pub fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let points = || self.lines.0.iter().flat_map(|(_, points)| points);
        let first = points().map(|point| point.0.log2()).fold(f64::INFINITY, f64::min);
        let last = points().map(|point| point.0.log2()).fold(f64::NEG_INFINITY, f64::max);
        let top = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
        let area = SVGBackend::new(path, (800, 420)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .margin_right(36)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(first..last, Range { start: 0.0, end: top })?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .x_labels((last - first) as usize + 1)
            .x_label_formatter(&|x| format!("{:.0}", x.exp2()))
            .light_line_style(WHITE)
            .draw()?;
        for (index, (name, points)) in self.lines.0.iter().enumerate() {
            let colour = Palette99::pick(index).to_rgba();
            let points = || points.iter().map(|&(x, y)| (x.log2(), y));
            let line = LineSeries::new(points(), colour.stroke_width(2));
            chart
                .draw_series(line)?
                .label(name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        area.present()?;
        Ok(())
    }
}
