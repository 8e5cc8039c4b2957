//! Line charts: a figure with its interval over a quantity, a line per series.

use plotters::prelude::*;

use super::chart::{
    Drawn, GRID, INK, SANE, TALL, WIDTH, finish, name_place, names_height, short, text, tick,
};
use crate::measure::result::Spread;

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// `(x, figure)`, ascending in x.
    pub points: Vec<(f64, Spread)>,
    /// Colour.
    pub color: RGBColor,
}

/// Lines over a linear axis, with whiskers and a mark of its own for each line. `None` where no line
/// has two points, or a figure cannot be drawn.
#[must_use]
pub fn lines(alt: &str, axes: [&str; 2], lines: &[Line]) -> Option<String> {
    let drawn: Vec<&Line> = lines.iter().filter(|line| line.points.len() > 1).collect();
    let all = || drawn.iter().flat_map(|line| &line.points);
    let wild = |(x, s): &(f64, Spread)| {
        [*x, s.min, s.median, s.max].iter().any(|v| !v.is_finite() || *v < 0.0)
    };
    if all().any(wild) {
        return None;
    }
    let (low, high) = (all().map(|p| p.0).reduce(f64::min)?, all().map(|p| p.0).reduce(f64::max)?);
    let top = all().map(|p| p.1.max).fold(0.0, f64::max);
    let bottom = all().map(|p| p.1.min).reduce(f64::min)?;
    if high <= low || !SANE.contains(&top) || !SANE.contains(&high) {
        return None;
    }
    // From zero, unless all is told apart only near the top.
    let from = if bottom > top * 0.6 { bottom - (top - bottom).max(top * 0.01) } else { 0.0 };
    let to = top + (top - from) * 0.06;
    let mut svg = String::new();
    draw(&mut svg, axes, &drawn, [low, high, from, to]).ok()?;
    Some(finish(&svg, alt))
}

fn draw<'a>(
    svg: &'a mut String,
    axes: [&str; 2],
    lines: &[&Line],
    [low, high, from, to]: [f64; 4],
) -> Drawn<'a> {
    // The names stand below the chart, two in a row, where they hide nothing.
    let area =
        SVGBackend::with_string(svg, (WIDTH, TALL + names_height(lines.len()))).into_drawing_area();
    let (plot, legend) = area.split_vertically(TALL);
    let pad = (high - low) * 0.03;
    let mut chart = ChartBuilder::on(&plot)
        .margin(6)
        .margin_right(28)
        .x_label_area_size(48)
        .y_label_area_size(70)
        .build_cartesian_2d(low - pad..high + pad, from..to)?;
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(6)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text())
        .x_label_formatter(&|x| tick(*x, high))
        .y_label_formatter(&|y| tick(*y, to))
        .x_desc(axes[0])
        .y_desc(axes[1])
        .draw()?;
    for (number, line) in lines.iter().enumerate() {
        let style = line.color.stroke_width(2);
        let middle = line.points.iter().map(|(x, s)| (*x, s.median));
        chart.draw_series(LineSeries::new(middle, style))?;
        for (x, s) in &line.points {
            if s.max > s.min {
                let whisker = PathElement::new([(*x, s.min), (*x, s.max)], INK.stroke_width(2));
                chart.draw_series([whisker])?;
            }
            let mark =
                EmptyElement::at((*x, s.median)) + PathElement::new(outline(number, (0, 0)), style);
            chart.draw_series([mark])?;
        }
        let (x, y) = name_place(number);
        legend.draw(&PathElement::new([(x - 12, y), (x + 12, y)], style))?;
        legend.draw(&PathElement::new(outline(number, (x, y)), style))?;
        legend.draw(&Text::new(short(&line.name), (x + 20, y - 8), text()))?;
    }
    area.present()
}

/// Points of a mark around a place: a square, a diamond, a cross, a triangle in turn.
fn outline(number: usize, (x, y): (i32, i32)) -> Vec<(i32, i32)> {
    let shape: &[(i32, i32)] = match number % 4 {
        0 => &[(-4, -4), (4, -4), (4, 4), (-4, 4), (-4, -4)],
        1 => &[(0, -6), (6, 0), (0, 6), (-6, 0), (0, -6)],
        2 => &[(-4, -4), (4, 4), (0, 0), (-4, 4), (4, -4)],
        _ => &[(0, -5), (5, 5), (-5, 5), (0, -5)],
    };
    shape.iter().map(|(dx, dy)| (x + dx, y + dy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Line {
        let spread = |v: f64| Spread { min: v * 0.9, median: v, max: v };
        let points = points.iter().map(|&(x, y)| (x, spread(y))).collect();
        Line { name: "vxlan".into(), points, color: INK }
    }

    #[test]
    fn lines_need_two_points_and_figures_that_are_some() {
        let axes = ["MTU, bytes", "goodput, %"];
        let svg = lines("x", axes, &[line(&[(1280.0, 50.0), (9000.0, 99.0)])]).unwrap();
        assert!(svg.starts_with("<svg viewBox=") && svg.contains("MTU, bytes"), "{svg}");
        assert!(lines("x", axes, &[line(&[(1280.0, 50.0)])]).is_none());
        assert!(lines("x", axes, &[line(&[(1.0, f64::NAN), (2.0, 1.0)])]).is_none());
        assert!(lines("x", axes, &[line(&[(1.0, 1.0), (1.0, 1.0)])]).is_none());
        assert!(lines("x", axes, &[]).is_none());
    }
}
