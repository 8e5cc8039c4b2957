//! The page's style sheet: a fixed part, and the colours of both schemes.

use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::chart::{GRID, INK, LIMIT, variant};

/// Colours of plain paths.
pub const GREYS: u8 = 2;
/// Colours of carried variants.
pub const HUES: u8 = 6;
/// How often these are used before variants are alike: the second time lines are dotted.
pub const CYCLES: u8 = 2;

/// Numbers of colours in all.
const NUMBERS: u8 = GREYS + HUES * CYCLES;

const FIXED: &str = include_str!("page.css");

/// Light and dark colour of each variant number, greys first; every one has a contrast of at least
/// 3:1 to its page (WCAG 2.2, 1.4.11), and neighbours differ in lightness as well as in hue.
const COLORS: [[&str; 2]; (GREYS + HUES) as usize] = [
    ["#6b7280", "#9ca3af"],
    ["#8d939e", "#6b7280"],
    ["#0b62a8", "#6db3f2"],
    ["#c2570c", "#fba35c"],
    ["#0a7d5c", "#4fd1a5"],
    ["#8b3fae", "#d09bf0"],
    ["#9a7400", "#e5c453"],
    ["#b3245f", "#f58ab5"],
];

/// The whole sheet.
pub fn sheet() -> String {
    let mut css = String::from(FIXED);
    let scheme = |css: &mut String, dark: usize| {
        for (i, pair) in COLORS.iter().enumerate() {
            let _ = write!(css, "--v{i}:{};", pair[dark]);
        }
        for i in GREYS + HUES..NUMBERS {
            let _ = write!(css, "--v{i}:var(--v{});", i - HUES);
        }
    };
    css.push_str(":root{");
    scheme(&mut css, 0);
    css.push_str("}@media screen and (prefers-color-scheme:dark){:root{");
    scheme(&mut css, 1);
    css.push_str("}}");
    for (color, name) in [(INK, "ink"), (GRID, "line"), (LIMIT, "bad")] {
        map(&mut css, color, name);
    }
    for i in 0..NUMBERS {
        map(&mut css, variant(i), &format!("v{i}"));
        let _ = write!(css, ".v{i}{{background:var(--v{i})}}");
    }
    // Plain paths are dashed in line charts, so that colour is not all that tells them apart.
    for i in 0..GREYS {
        let _ = write!(css, "svg [stroke=\"{}\"]{{stroke-dasharray:7 4}}", hex(variant(i)));
    }
    for i in GREYS + HUES..NUMBERS {
        let _ = write!(css, "svg [stroke=\"{}\"]{{stroke-dasharray:2 3}}", hex(variant(i)));
    }
    css
}

/// Makes what is drawn in a marker colour appear in the scheme's.
fn map(css: &mut String, marker: RGBColor, name: &str) {
    let marker = hex(marker);
    let _ = write!(
        css,
        "svg [fill=\"{marker}\"]{{fill:var(--{name})}}svg [stroke=\"{marker}\"]{{stroke:var(--{name})}}"
    );
}

fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}
