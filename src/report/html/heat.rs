//! The load of every underlay link, drawn on the topology: thicker and darker lines carried more.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::figures::carried;
use super::super::number::{bytes, plural, real};
use crate::measure::result::{RunResult, VariantResult};
use crate::sketch::{Fold, Wiring, places};

/// Width and height of a box, and the distance between neighbours and between layers.
const BOX: (f64, f64) = (92.0, 30.0);
const STEP: f64 = 116.0;
const RISE: f64 = 96.0;
/// Around everything.
const MARGIN: f64 = 10.0;
/// Shades of a line, the last for the busiest link.
const SHADES: usize = 5;
/// Room of a text on a line.
const TEXT: (f64, f64) = (58.0, 14.0);
/// Most wires that have their bytes written beside them.
const LABELLED: usize = 40;

/// Wires between the same two boxes.
struct Wire {
    ends: [usize; 2],
    names: Vec<String>,
    bytes: u64,
    /// Bytes of the busiest link among them.
    most: f64,
    blocked: usize,
}

/// One drawing per variant; `None` where nothing is known of nodes, or nothing was carried.
pub fn heat(run: &RunResult) -> Option<Markup> {
    let drawn: Vec<&VariantResult> =
        run.variants.iter().filter(|v| !v.nodes.is_empty() && !v.links.is_empty()).collect();
    if drawn.iter().all(|v| busiest(v) <= 0.0) {
        return None;
    }
    Some(html! {
        p.how {
            "Bytes both ways over all rounds. Thicker and darker lines carried more, up to the busiest link of "
            "that variant; a thin dotted line carried next to nothing, and a dashed one marked ✗ is blocked by spanning tree. "
            "Where there is no room for a figure, the table of links has it."
        }
        div.heats { @for v in drawn { figure { figcaption { strong { (v.name) } } (drawing(v)) } } }
    })
}

/// Bytes of the busiest link.
fn busiest(variant: &VariantResult) -> f64 {
    variant.links.iter().map(carried).fold(0.0, f64::max)
}

fn drawing(variant: &VariantResult) -> Markup {
    let most = busiest(variant).max(1.0);
    let index: BTreeMap<&str, usize> =
        variant.nodes.iter().enumerate().map(|(n, node)| (node.name.as_str(), n)).collect();
    let ends = |l: &crate::measure::result::LinkResult| {
        let [a, b] = l.ends.each_ref().map(|end| index.get(end.as_str()).copied());
        Some([a?, b?])
    };
    let fold = Fold::new(&Wiring {
        hosts: variant.nodes.iter().map(|node| node.kind == "host").collect(),
        links: variant.links.iter().filter_map(ends).collect(),
    });
    let mut wires: BTreeMap<[usize; 2], Wire> = BTreeMap::new();
    for link in &variant.links {
        let Some(nodes) = ends(link) else { continue };
        let mut ends = nodes.map(|node| fold.of[node]);
        ends.sort_unstable();
        if ends[0] == ends[1] {
            continue;
        }
        let wire = wires.entry(ends).or_insert_with(|| Wire {
            ends,
            names: Vec::new(),
            bytes: 0,
            most: 0.0,
            blocked: 0,
        });
        wire.names.push(link.name.clone());
        wire.bytes = wire.bytes.saturating_add(link.bytes[0]).saturating_add(link.bytes[1]);
        wire.most = wire.most.max(carried(link));
        wire.blocked += usize::from(link.blocked);
    }
    let wires: Vec<Wire> = wires.into_values().collect();
    let pairs: Vec<[usize; 2]> = wires.iter().map(|wire| wire.ends).collect();
    let place = places(&fold.layers, &pairs, STEP);
    let top = fold.layers.iter().max().copied().unwrap_or(0);
    // A drawing may stand out at both sides where an upper layer is wider than the hosts.
    let left = place.x.iter().copied().fold(STEP / 2.0, f64::min) - STEP / 2.0;
    let right = place.x.iter().copied().fold(STEP / 2.0, f64::max) + STEP / 2.0;
    let at = |shape: usize| {
        let down = top - fold.layers[shape];
        (place.x[shape] - left + MARGIN, MARGIN + BOX.1 / 2.0 + RISE * real(down as u64))
    };
    let (width, height) =
        (right - left + 2.0 * MARGIN, RISE * real(top as u64) + BOX.1 + 2.0 * MARGIN);
    let labels = labelled(&wires, &at, most);
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Links of " (variant.name) } {
            svg.heat viewBox=(format!("0 0 {width:.0} {height:.0}")) style=(format!("min-width:{:.0}px;max-width:{:.0}px", (width * 0.62).min(1100.0), width * 1.5))
                role="img" aria-label=(described(variant)) {
                @for wire in &wires { (line(wire, wire.ends.map(at), most)) }
                @for (wire, place) in &labels { (label(wire, *place, most)) }
                @for shape in 0..fold.members.len() { (node(variant, &fold.members[shape], at(shape))) }
            }
        }
    }
}

fn line(wire: &Wire, [(ax, ay), (bx, by)]: [(f64, f64); 2], most: f64) -> Markup {
    let share = wire.most / most;
    let blocked = wire.blocked == wire.names.len();
    let silent = silent(wire, most);
    let shade = (share.sqrt() * SHADES as f64).ceil().clamp(1.0, SHADES as f64);
    let class = match (blocked, silent) {
        (true, _) => "blocked".to_owned(),
        (_, true) => "silent".to_owned(),
        _ => format!("h{shade:.0}"),
    };
    let thick = if blocked || silent { 1.5 } else { 2.0 + 8.0 * share };
    // Between boxes of one layer that have others between them a line bends above those.
    let flat = (ay - by).abs() < 1.0 && (ax - bx).abs() > STEP * 1.5;
    let path = if flat {
        format!("M{ax:.1} {ay:.1}Q{:.1} {:.1} {bx:.1} {by:.1}", f64::midpoint(ax, bx), ay - 70.0)
    } else {
        format!("M{ax:.1} {ay:.1}L{bx:.1} {by:.1}")
    };
    html! {
        path class=(class) d=(path) stroke-width=(format!("{thick:.1}")) {
            title { (wire.names.join(", ")) ": " (bytes(wire.bytes)) @if wire.blocked > 0 { ", " (plural(wire.blocked as u64, "blocked link")) } }
        }
    }
}

/// Whether a link carried next to nothing: less than a thousandth is what spanning tree and ARP send.
fn silent(wire: &Wire, most: f64) -> bool {
    wire.most / most < 0.001
}

/// The wires that have their bytes written on them, and where: at the first of some places along each
/// that no other text covers. Those that carried nothing say so by their line.
fn labelled<'w>(
    wires: &'w [Wire],
    at: &dyn Fn(usize) -> (f64, f64),
    most: f64,
) -> Vec<(&'w Wire, (f64, f64))> {
    let mut placed: Vec<(&Wire, (f64, f64))> = Vec::new();
    if wires.len() > LABELLED {
        return placed;
    }
    let shown = |wire: &&Wire| !silent(wire, most) || wire.blocked > 0;
    let mut order: Vec<&Wire> = wires.iter().filter(shown).collect();
    order.sort_by(|a, b| b.most.total_cmp(&a.most));
    for wire in order {
        let [a, b] = wire.ends.map(at);
        let (low, high) = if a.1 > b.1 { (a, b) } else { (b, a) };
        let along = |t: f64| (low.0 + (high.0 - low.0) * t, low.1 + (high.1 - low.1) * t + 4.0);
        let flat = (low.1 - high.1).abs() < 1.0;
        let steps: &[f64] = if flat { &[0.5] } else { &[0.34, 0.5, 0.64, 0.42, 0.58, 0.28, 0.72] };
        let apart = |(x, y): (f64, f64)| {
            placed.iter().all(|(other, (px, py))| {
                let wide = f64::midpoint(room(wire, most), room(other, most));
                (x - px).abs() >= wide || (y - py).abs() >= TEXT.1
            })
        };
        if let Some(place) = steps.iter().map(|t| along(*t)).find(|place| apart(*place)) {
            placed.push((wire, place));
        }
    }
    placed
}

/// Width of the text on a line: a blocked one that carried nothing has its mark alone.
fn room(wire: &Wire, most: f64) -> f64 {
    if silent(wire, most) { TEXT.1 } else { TEXT.0 }
}

/// The bytes on a line.
fn label(wire: &Wire, (x, y): (f64, f64), most: f64) -> Markup {
    let several = wire.names.len();
    html! {
        text.rim x=(format!("{x:.1}")) y=(format!("{y:.1}")) text-anchor="middle" font-size="12" {
            @if wire.blocked > 0 { tspan.cross { "✗ " } }
            @if !silent(wire, most) { @if several > 1 { (several) "× " } (bytes(wire.bytes)) }
        }
    }
}

fn node(variant: &VariantResult, members: &[usize], (x, y): (f64, f64)) -> Markup {
    let of = |n: &usize| variant.nodes.get(*n);
    let kind = members.first().and_then(of).map_or("host", |node| node.kind.as_str());
    let first = members.first().and_then(of).map_or("", |node| node.name.as_str());
    let last = members.last().and_then(of).map_or("", |node| node.name.as_str());
    let text = match members.len() {
        0 | 1 => first.to_owned(),
        n => format!("{first}…{last} ({n})"),
    };
    let corner = if kind == "router" { BOX.1 / 2.0 } else { 5.0 };
    let size = if text.chars().count() > 13 { "10" } else { "13" };
    html! {
        rect.node.(kind) x=(format!("{:.1}", x - BOX.0 / 2.0)) y=(format!("{:.1}", y - BOX.1 / 2.0))
            width=(BOX.0) height=(BOX.1) rx=(corner) {}
        text x=(format!("{x:.1}")) y=(format!("{:.1}", y + 4.5)) text-anchor="middle" font-size=(size) { (text) }
    }
}

/// What the drawing shows, for who cannot see it: the five busiest links.
fn described(variant: &VariantResult) -> String {
    let mut links: Vec<_> = variant.links.iter().collect();
    links.sort_by(|a, b| carried(b).total_cmp(&carried(a)));
    let each = links
        .iter()
        .take(5)
        .map(|l| format!("{} {}", l.name, bytes(l.bytes[0].saturating_add(l.bytes[1]))));
    format!(
        "Links of {} by load; the busiest: {}",
        variant.name,
        each.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{LinkResult, NodeResult};

    fn run(nodes: &[(&str, &str)], links: &[(&str, &str, u64, bool)]) -> RunResult {
        let mut run: RunResult =
            super::super::super::read(include_str!("../../../tests/fixtures/result.json")).unwrap();
        run.variants.truncate(1);
        run.variants[0].nodes = nodes
            .iter()
            .map(|(name, kind)| NodeResult { name: (*name).into(), kind: (*kind).into() })
            .collect();
        run.variants[0].links = links
            .iter()
            .map(|(a, b, bytes, blocked)| LinkResult {
                name: format!("{a}-{b}"),
                ends: [(*a).into(), (*b).into()],
                bytes: [*bytes, 0],
                blocked: *blocked,
                ..LinkResult::default()
            })
            .collect();
        run
    }

    #[test]
    fn busy_silent_and_blocked_links_are_told_apart() {
        let nodes = [("h1", "host"), ("l1", "switch"), ("s1", "switch"), ("s2", "switch")];
        let links =
            [("h1", "l1", 1_000_000, false), ("l1", "s1", 900, false), ("l1", "s2", 0, true)];
        let page = heat(&run(&nodes, &links)).unwrap().into_string();
        for part in
            ["class=\"h5\"", "class=\"silent\"", "class=\"blocked\"", "✗", ">1.00 MB<", ">l1<"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(page.find("class=\"h5\"").unwrap() < page.find("<rect").unwrap());
    }

    #[test]
    fn older_results_without_nodes_and_names_that_are_not_there_draw_nothing_wrong() {
        assert!(heat(&run(&[], &[("a", "b", 5, false)])).is_none());
        let page = heat(&run(&[("a", "host")], &[("a", "b", 5, false), ("a", "a", 1, false)]));
        assert!(!page.unwrap().into_string().contains("<path"));
    }
}
