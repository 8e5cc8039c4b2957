//! Charts as SVG: bars with whiskers, distribution functions.
//!
//! Colours are not chosen here: everything is drawn in marker colours which the page's style sheet
//! maps to those of the light or the dark scheme (an attribute selector wins over an attribute).

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::number::{digits, fixed};
use crate::measure::result::Spread;

/// Marker colour of text and axes.
pub const INK: RGBColor = RGBColor(0x01, 0x01, 0x01);
/// Marker colour of grid lines.
pub const GRID: RGBColor = RGBColor(0x02, 0x02, 0x02);
/// Marker colour of limits.
pub const LIMIT: RGBColor = RGBColor(0x03, 0x03, 0x03);
/// Marker colours of the variants are `#0A0A00` and up.
#[must_use]
pub const fn variant(index: u8) -> RGBColor {
    RGBColor(0x0A, 0x0A, index)
}

/// Width of a chart.
pub const WIDTH: u32 = 420;
const FONT: i32 = 17;
/// Height of a chart of lines.
pub const TALL: u32 = 320;
/// Beyond these no axis is drawn: such figures come from no measurement.
pub const SANE: std::ops::Range<f64> = 1e-9..1e15;

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Whose it is.
    pub name: String,
    /// Its length, with whiskers from smallest to largest.
    pub value: Spread,
    /// What follows the bar in the colour of text, such as the overhead behind the inner packet.
    pub stacked: f64,
    /// A limit marked across the bar.
    pub limit: Option<f64>,
    /// The figure written behind it.
    pub label: String,
    /// Colour.
    pub color: RGBColor,
}

/// Horizontal bars from zero with whiskers; `axis` names the figure and its unit. `None` where
/// there is nothing that can be drawn.
#[must_use]
pub fn bars(alt: &str, axis: &str, bars: &[Bar]) -> Option<String> {
    let ends = |b: &Bar| [b.value.min, b.value.median, b.value.max, b.stacked];
    if bars.is_empty() || bars.iter().flat_map(ends).any(|v| !v.is_finite() || v < 0.0) {
        return None;
    }
    let largest = bars
        .iter()
        .map(|b| b.value.max.max(b.value.median + b.stacked).max(b.limit.unwrap_or(0.0)))
        .fold(0.0, f64::max);
    if !SANE.contains(&largest) {
        return None;
    }
    let height = 62 + 34 * u32::try_from(bars.len()).ok()?;
    let mut svg = String::new();
    draw_bars(&mut svg, height, axis, bars, largest).ok()?;
    Some(finish(&svg, alt))
}

/// What drawing gives.
pub type Drawn<'a> =
    Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw_bars<'a>(
    svg: &'a mut String,
    height: u32,
    axis: &str,
    bars: &[Bar],
    largest: f64,
) -> Drawn<'a> {
    let longest = bars.iter().map(|b| b.name.chars().count()).max().unwrap_or(0).min(16);
    let names = u32::try_from(longest).unwrap_or(16) * 9 + 16;
    let labels = bars.iter().map(|b| b.label.chars().count()).max().unwrap_or(0);
    // Room for the figures behind the bars: about 9 pixels per letter.
    let plot = f64::from(WIDTH - names - 36);
    let room = (labels.min(24) as f64 * 9.0 + 12.0).min(plot * 0.6);
    let end = largest * plot / (plot - room);
    let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(4)
        .margin_right(28)
        .x_label_area_size(48)
        .y_label_area_size(names)
        .build_cartesian_2d(0.0..end, 0.0..bars.len() as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(5)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text())
        .x_label_formatter(&|x| tick(*x, end))
        .x_desc(axis)
        .draw()?;
    for (i, bar) in bars.iter().rev().enumerate() {
        let low = i as f64;
        let (middle, high) = (low + 0.5, low + 1.0);
        let block = |from: f64, to: f64, color: RGBColor| {
            let mut block = Rectangle::new([(from, low), (to, high)], color.filled());
            block.set_margin(6, 6, 0, 0);
            block
        };
        let (value, all) = (bar.value.median, bar.value.median + bar.stacked);
        chart.draw_series([block(0.0, value, bar.color)])?;
        if bar.stacked > 0.0 {
            chart.draw_series([block(value, all, INK)])?;
        }
        let mut rest = all;
        if bar.value.max > bar.value.min {
            chart.draw_series([PathElement::new(
                [(bar.value.min, middle), (bar.value.max, middle)],
                INK.stroke_width(2),
            )])?;
            for end in [bar.value.min, bar.value.max] {
                let cap = EmptyElement::at((end, middle))
                    + PathElement::new([(0, -5), (0, 5)], INK.stroke_width(2));
                chart.draw_series([cap])?;
            }
            rest = rest.max(bar.value.max);
        }
        if let Some(limit) = bar.limit {
            let mark = EmptyElement::at((limit, middle))
                + PathElement::new([(0, -15), (0, 15)], LIMIT.stroke_width(3));
            chart.draw_series([mark])?;
            rest = rest.max(limit);
        }
        let side = |side| text().pos(Pos::new(side, VPos::Center));
        let name = EmptyElement::at((0.0, middle))
            + Text::new(short(&bar.name), (-8, 0), side(HPos::Right));
        chart.draw_series([name])?;
        let label = EmptyElement::at((rest, middle))
            + Text::new(bar.label.clone(), (8, 0), side(HPos::Left));
        chart.draw_series([label])?;
    }
    let (bottom, top) = (0.0, bars.len() as f64);
    chart.draw_series([PathElement::new([(0.0, bottom), (0.0, top)], INK)])?;
    area.present()
}

/// One distribution function.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Whose it is.
    pub name: String,
    /// `(x, share at most x)`, ascending.
    pub points: Vec<(f64, f64)>,
    /// Whether it is dotted, and has no name of its own: it belongs to the one before it.
    pub dotted: bool,
    /// Colour.
    pub color: RGBColor,
}

/// Distribution functions over a logarithmic axis. `None` where there is nothing that can be drawn.
#[must_use]
pub fn distribution(alt: &str, axis: &str, curves: &[Curve]) -> Option<String> {
    let curves: Vec<Curve> = curves
        .iter()
        .map(|c| Curve {
            points: c
                .points
                .iter()
                .copied()
                .filter(|(x, y)| SANE.contains(x) && (0.0..=1.0).contains(y))
                .collect(),
            ..c.clone()
        })
        .filter(|c| c.points.len() > 1)
        .collect();
    let all = || curves.iter().flat_map(|c| &c.points).map(|p| p.0);
    let (low, high) = (all().reduce(f64::min)?, all().reduce(f64::max)?);
    if high <= low * 1.001 {
        return None;
    }
    let mut svg = String::new();
    draw_curves(&mut svg, axis, &curves, low, high).ok()?;
    Some(finish(&svg, alt))
}

fn draw_curves<'a>(
    svg: &'a mut String,
    axis: &str,
    curves: &[Curve],
    low: f64,
    high: f64,
) -> Drawn<'a> {
    // The names stand below the chart, where they hide nothing.
    let names = curves.iter().filter(|curve| !curve.dotted).count();
    let area =
        SVGBackend::with_string(svg, (WIDTH, TALL + names_height(names))).into_drawing_area();
    let (plot, legend) = area.split_vertically(TALL);
    let mut chart = ChartBuilder::on(&plot)
        .margin(6)
        .margin_right(28)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((low..high).log_scale().with_key_points(ticks(low, high)), 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_labels(7)
        .y_labels(6)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text())
        .x_label_formatter(&|x| if *x < 1.0 { digits(*x) } else { fixed(*x, 0) })
        .y_label_formatter(&|y| format!("{:.0}", y * 100.0))
        .x_desc(axis)
        .y_desc("share of round trips, %")
        .draw()?;
    let mut named = 0;
    for curve in curves {
        let line = curve.color.stroke_width(3);
        let points = curve.points.iter().copied();
        if curve.dotted {
            chart.draw_series(DashedLineSeries::new(points, 3, 5, line))?;
            continue;
        }
        chart.draw_series(LineSeries::new(points, line))?;
        let (x, y) = name_place(named);
        named += 1;
        legend.draw(&PathElement::new([(x - 12, y), (x + 12, y)], line))?;
        legend.draw(&Text::new(short(&curve.name), (x + 20, y - 8), text()))?;
    }
    area.present()
}

/// Height of so many names below a chart, two in a row.
pub fn names_height(count: usize) -> u32 {
    24 * u32::try_from(count.div_ceil(2)).unwrap_or(1)
}

/// The middle of a name's line below a chart.
pub fn name_place(number: usize) -> (i32, i32) {
    let at = |n: usize| i32::try_from(n).unwrap_or(0);
    (20 + at(number % 2) * 200, 10 + at(number / 2) * 24)
}

/// 1, 2, 5, 10, … within a range; only powers of ten where those are many.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = if high / low > 1e3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    (-9..15)
        .flat_map(|power| steps.iter().map(move |s| s * 10_f64.powi(power)))
        .filter(|x| (low..=high).contains(x))
        .collect()
}

/// Letters of axes and labels.
pub fn text() -> TextStyle<'static> {
    ("sans-serif", FONT).into_font().color(&INK)
}

/// A label of an axis that ends at `end`.
pub fn tick(x: f64, end: f64) -> String {
    match end {
        e if e >= 10.0 => fixed(x, 0),
        e if e >= 1.0 => fixed(x, 1),
        e if e >= 0.01 => fixed(x, 3),
        _ => format!("{x:.1e}"),
    }
}

/// A name that fits beside an axis.
pub fn short(name: &str) -> String {
    if name.chars().count() <= 16 {
        name.to_owned()
    } else {
        name.chars().take(15).chain(['…']).collect()
    }
}

/// The drawing as a part of a page: scales with its place, and says what it shows.
pub fn finish(svg: &str, alt: &str) -> String {
    let alt = maud::html! { (alt) }.into_string();
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let height = svg
        .split_once("height=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("300", |(height, _)| height);
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{alt}\">{body}")
}
