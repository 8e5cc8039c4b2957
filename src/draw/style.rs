//! Colours of the picture on light and on dark pages.

use std::fmt::Write as _;

/// Tenants' colours, light and dark; each has a contrast of at least 3:1 to its page (WCAG 2.2,
/// 1.4.11).
const TENANTS: [[&str; 2]; 8] = [
    ["#b3245f", "#f58ab5"],
    ["#0b62a8", "#6db3f2"],
    ["#0a7d5c", "#4fd1a5"],
    ["#c2570c", "#fba35c"],
    ["#8b3fae", "#d09bf0"],
    ["#8a6800", "#e5c453"],
    ["#4b5563", "#b6bdc9"],
    ["#a03020", "#ff9a8a"],
];

/// A class: what of it is coloured, and with what on light and on dark pages.
const CLASSES: [(&str, &str, [&str; 2]); 12] = [
    ("page", "fill", ["#ffffff", "#14171f"]),
    ("ink", "fill", ["#1f2430", "#e6e9f0"]),
    ("soft", "fill", ["#5b6472", "#9aa4b5"]),
    ("wire", "stroke", ["#7d8797", "#8591a5"]),
    ("rule", "stroke", ["#d7dce5", "#323947"]),
    ("cut", "stroke", ["#b9c0cc", "#4a5364"]),
    ("bad", "fill", ["#c0202f", "#ff6b74"]),
    ("badline", "stroke", ["#c0202f", "#ff6b74"]),
    ("host", "fill", ["#f2f4f8", "#232936"]),
    ("switch", "fill", ["#e3ecf8", "#20344d"]),
    ("router", "fill", ["#e2f3ec", "#1d3c33"]),
    ("edge", "stroke", ["#9aa3b2", "#5d6980"]),
];

/// The class of a tenant's colour.
pub(super) fn tenant(number: usize) -> String {
    if number == usize::MAX { "none".to_owned() } else { format!("t{}", number % TENANTS.len()) }
}

/// The style sheet. Colours are written out, since many programs that show SVG know no variables.
pub(super) fn sheet() -> String {
    let mut css = String::from(
        "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\
         .wire,.cut,.badline,.tunnel{fill:none}.cut{stroke-dasharray:5 4}.idle{stroke-dasharray:1 4}\
         .endpoint{stroke-dasharray:4 4}",
    );
    colours(&mut css, 0);
    css.push_str("@media(prefers-color-scheme:dark){");
    colours(&mut css, 1);
    css.push('}');
    css
}

fn colours(css: &mut String, scheme: usize) {
    for (class, property, colour) in CLASSES {
        let _ = write!(css, ".{class}{{{property}:{}}}", colour[scheme]);
    }
    // Letters over lines keep a rim of the page's colour.
    let _ =
        write!(css, ".rim{{stroke:{};stroke-width:4;paint-order:stroke}}", CLASSES[0].2[scheme]);
    for (n, colour) in TENANTS.iter().enumerate() {
        let colour = colour[scheme];
        let _ = write!(css, ".t{n}{{fill:{colour}}}.t{n}.tunnel{{fill:none;stroke:{colour}}}");
    }
}
