//! Bars of parts that add up.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::chart::{Drawn, GRID, INK, SANE, WIDTH, finish, short, text, tick, variant};

/// One bar.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Whose it is.
    pub name: String,
    /// Its parts from the axis on: length, and number of the colour.
    pub parts: Vec<(f64, u8)>,
    /// What is written behind it.
    pub label: String,
}

impl Stack {
    fn length(&self) -> f64 {
        self.parts.iter().map(|(length, _)| length).sum()
    }
}

/// Horizontal bars from zero; `axis` names the figure and its unit. `None` where there is nothing
/// that can be drawn.
#[must_use]
pub fn stacks(alt: &str, axis: &str, stacks: &[Stack]) -> Option<String> {
    let lengths = || stacks.iter().flat_map(|s| &s.parts).map(|(length, _)| *length);
    if lengths().any(|length| !length.is_finite() || length < 0.0) {
        return None;
    }
    let largest = stacks.iter().map(Stack::length).fold(0.0, f64::max);
    if !SANE.contains(&largest) {
        return None;
    }
    let height = 62 + 28 * u32::try_from(stacks.len()).ok()?;
    let mut svg = String::new();
    draw(&mut svg, height, axis, stacks, largest).ok()?;
    Some(finish(&svg, alt))
}

fn draw<'a>(
    svg: &'a mut String,
    height: u32,
    axis: &str,
    stacks: &[Stack],
    largest: f64,
) -> Drawn<'a> {
    let longest = |of: fn(&Stack) -> &String| {
        let lengths = stacks.iter().map(|s| of(s).chars().count());
        u32::try_from(lengths.max().unwrap_or(0).min(16)).unwrap_or(16)
    };
    // About nine pixels for a letter.
    let (names, room) = (longest(|s| &s.name) * 9 + 16, longest(|s| &s.label) * 9 + 12);
    let plot = f64::from(WIDTH - names - 24);
    let end = largest * plot / (plot - f64::from(room).min(plot * 0.6));
    let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(4)
        .margin_right(16)
        .x_label_area_size(48)
        .y_label_area_size(names)
        .build_cartesian_2d(0.0..end, 0.0..stacks.len() as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(6)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text())
        .x_label_formatter(&|x| tick(*x, end))
        .x_desc(axis)
        .draw()?;
    for (i, stack) in stacks.iter().rev().enumerate() {
        let low = i as f64;
        let (middle, high) = (low + 0.5, low + 1.0);
        let mut from = 0.0;
        for (length, color) in &stack.parts {
            let to = from + length;
            let mut block = Rectangle::new([(from, low), (to, high)], variant(*color).filled());
            block.set_margin(4, 4, 0, 0);
            chart.draw_series([block])?;
            from = to;
        }
        let side = |side| text().pos(Pos::new(side, VPos::Center));
        let name = EmptyElement::at((0.0, middle))
            + Text::new(short(&stack.name), (-8, 0), side(HPos::Right));
        chart.draw_series([name])?;
        let label = EmptyElement::at((from, middle))
            + Text::new(stack.label.clone(), (8, 0), side(HPos::Left));
        chart.draw_series([label])?;
    }
    chart.draw_series([PathElement::new([(0.0, 0.0), (0.0, stacks.len() as f64)], INK)])?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_drawn_and_nonsense_is_not() {
        let stack = |parts: &[(f64, u8)]| Stack {
            name: "vxlan".into(),
            parts: parts.to_vec(),
            label: "3".into(),
        };
        let svg = stacks("x", "ns", &[stack(&[(1.0, 2), (2.0, 3)])]).unwrap();
        assert!(
            svg.starts_with("<svg viewBox=") && svg.contains("#0A0A02") && svg.contains("#0A0A03")
        );
        assert!(stacks("x", "ns", &[stack(&[(f64::NAN, 2)])]).is_none());
        assert!(
            stacks("x", "ns", &[stack(&[(0.0, 2)])]).is_none() && stacks("x", "ns", &[]).is_none()
        );
    }
}
