//! The SVG document.

use std::fmt::Write as _;

use super::lanes::{Joined, Lane};
use super::layout::{BOX, LEFT, Layout, PILL, RIGHT, rise, sag, span};
use super::picture::{Picture, Shape, Wire};
use super::style;
use super::text::{escape, fit, width};
use crate::ids::Encap;
use crate::lab::Fabric;
use crate::lab::counted as count;
use crate::plan::{NodeKind, Variant};

/// Around everything.
const MARGIN: f64 = 24.0;
/// Title of the page, and of a variant.
const TITLE: f64 = 40.0;
const HEAD: f64 = 64.0;
/// Between two variants.
const GAP: f64 = 36.0;

/// All variants below each other.
pub(super) fn document(title: &str, variants: &[Variant]) -> String {
    let drawn: Vec<(&Variant, Picture)> = variants.iter().map(|v| (v, Picture::new(v))).collect();
    let drawn: Vec<(&Variant, Picture, Layout)> = drawn
        .into_iter()
        .map(|(variant, picture)| {
            let layout = Layout::new(&picture);
            (variant, picture, layout)
        })
        .collect();
    let wide = drawn.iter().map(|(.., l)| l.width).fold(0.0, f64::max) + 2.0 * MARGIN;
    let heights = drawn.iter().map(|(.., l)| HEAD + l.height + GAP);
    let high = TITLE + heights.sum::<f64>() + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high:.0}\" \
         width=\"{wide:.0}\" height=\"{high:.0}\" role=\"img\"><title>{0}</title>\
         <style>{1}</style><rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
        escape(title),
        style::sheet()
    );
    words(&mut out, (MARGIN, MARGIN + 18.0), 20.0, "ink", "font-weight=\"600\"", title);
    let mut y = MARGIN + TITLE;
    for (variant, picture, layout) in &drawn {
        let _ = writeln!(out, "<g transform=\"translate({MARGIN:.0} {y:.0})\">");
        head(&mut out, variant, picture, layout);
        let _ = writeln!(out, "<g transform=\"translate(0 {HEAD:.0})\">");
        layers(&mut out, picture, layout);
        overlay(&mut out, variant, picture, layout);
        for wire in &picture.wires {
            cable(&mut out, wire, picture, layout);
        }
        for wire in &picture.wires {
            ports(&mut out, wire, picture, layout);
        }
        for (shape, at) in picture.shapes.iter().zip(&layout.at) {
            node(&mut out, shape, *at);
        }
        out.push_str("</g></g>\n");
        y += HEAD + layout.height + GAP;
    }
    out.push_str("</svg>\n");
    out
}

fn words(out: &mut String, (x, y): (f64, f64), size: f64, class: &str, more: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" class=\"{class}\" {more}>{text}</text>"
    );
}

const MIDDLE: &str = "text-anchor=\"middle\"";
const END: &str = "text-anchor=\"end\"";

/// What the variant is, and a legend of what occurs in it.
fn head(out: &mut String, variant: &Variant, picture: &Picture, layout: &Layout) {
    let _ = writeln!(
        out,
        "<line class=\"rule\" x1=\"0\" y1=\"0\" x2=\"{0:.0}\" y2=\"0\"/>",
        layout.width
    );
    let fabric = match (variant.fabric, variant.stp) {
        (Fabric::L2, true) => "bridged with spanning tree",
        (Fabric::L2, false) => "bridged without spanning tree",
        _ => "routed with equal-cost multipath",
    };
    let encap = match variant.encap {
        Encap::None => "no encapsulation".to_owned(),
        encap => format!("{encap}, {} bytes more per packet", variant.overhead),
    };
    let about = format!(
        "{encap}; {fabric}; largest inner packet {} of {} bytes",
        variant.inner_mtu, variant.underlay_mtu
    );
    words(out, (0.0, 24.0), 15.0, "ink", "font-weight=\"600\"", &variant.name);
    words(out, (width(&variant.name, 15.0) + 24.0, 24.0), 12.0, "soft", "", &about);
    let mut x = 0.0;
    for (class, dash, text) in legend(variant, picture) {
        let _ = writeln!(
            out,
            "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"44\" x2=\"{0:.1}\" y2=\"44\" stroke-width=\"2\" {dash}/>",
            x + 26.0
        );
        words(out, (x + 32.0, 48.0), 11.5, "soft", "", text);
        x += 32.0 + width(text, 11.5) + 22.0;
    }
    if picture.blocked > 0 {
        cross(out, (x + 8.0, 44.0));
        let text = format!("port that spanning tree blocks ({})", count(picture.blocked, "link"));
        words(out, (x + 20.0, 48.0), 11.5, "soft", "", &text);
    }
}

fn legend(variant: &Variant, picture: &Picture) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut rows = vec![("wire", "", "link")];
    if picture.wires.iter().any(|wire| wire.idle) {
        rows.push(("cut idle", "", "second link of a host, idle"));
    }
    let joined = |joined| picture.lanes.iter().any(|lane| lane.joined == joined);
    if joined(Joined::Tunnels) {
        rows.push(("tunnel t6", "", "configured tunnel"));
    }
    if joined(Joined::Endpoints) {
        rows.push(("tunnel t6 endpoint", "", "VTEPs that send to each other"));
    }
    if joined(Joined::Domain) {
        let text = if variant.encap.is_tag() { "broadcast domain" } else { "multicast group" };
        rows.push(("tunnel t6", "stroke-opacity=\"0.5\"", text));
    }
    rows
}

/// Names of layers at the left, what the links between them are at the right.
fn layers(out: &mut String, picture: &Picture, layout: &Layout) {
    for (layer, y) in layout.layers.iter().enumerate() {
        let kind = picture.shapes.iter().find(|s| s.layer == layer).map(|s| s.kind);
        let name = match (layer, kind) {
            (0, _) => "hosts".to_owned(),
            (_, Some(NodeKind::Router)) if layout.layers.len() == 2 => "routers".to_owned(),
            (_, _) if layout.layers.len() == 2 => "switches".to_owned(),
            (_, Some(NodeKind::Router)) => format!("routers, layer {layer}"),
            (..) => format!("switches, layer {layer}"),
        };
        words(out, (0.0, y + 4.0), 12.0, "soft", "", &name);
    }
    for (&(low, high), kinds) in &picture.kinds {
        let (Some(a), Some(b)) = (layout.layers.get(low), layout.layers.get(high)) else {
            continue;
        };
        // Links within a layer stand beside it, and those between two in their middle.
        let middle = (a + b) / 2.0 + 4.0 - 7.0 * (kinds.len() as f64 - 1.0);
        let several = kinds.len() > 1;
        for (n, (kind, cables)) in kinds.iter().enumerate() {
            let y = middle + 14.0 * n as f64;
            let text = format!("{}, {}", count(*cables, "link"), properties(*kind));
            let class = if several && n > 0 { "ink" } else { "soft" };
            words(out, (layout.width - RIGHT + 20.0, y), 11.5, class, "", &text);
        }
    }
}

/// `1G, MTU 1500`.
fn properties((mtu, rate): (u32, Option<u64>)) -> String {
    let rate = rate.map(|bits| format!("{}, ", short(bits))).unwrap_or_default();
    format!("{rate}MTU {mtu}")
}

/// A rate in three digits or so: uplinks of an oversubscribed rack have odd ones.
fn short(bits: u64) -> String {
    let (unit, factor) = match bits {
        1_000_000_000.. => ("G", 1e9),
        1_000_000.. => ("M", 1e6),
        1_000.. => ("k", 1e3),
        _ => ("", 1.0),
    };
    let rounded = (bits as f64 / factor * 100.0).round() / 100.0;
    format!("{rounded} {unit}bit/s")
}

/// The common property of the cables between two layers: that of most.
fn usual(picture: &Picture, wire: &Wire) -> (u32, Option<u64>) {
    let mut layers = wire.ends.map(|end| picture.shapes[end].layer);
    layers.sort_unstable();
    let kinds = picture.kinds.get(&(layers[0], layers[1]));
    let most = kinds.and_then(|kinds| kinds.iter().max_by_key(|(_, cables)| **cables));
    most.map_or(wire.kind, |(kind, _)| *kind)
}

/// A cable's line: straight, or an arc where other boxes of its layer stand between its ends.
fn cable(out: &mut String, wire: &Wire, picture: &Picture, layout: &Layout) {
    let class = match (wire.idle, wire.blocked.iter().sum::<usize>() == wire.count) {
        (true, _) => "cut idle",
        (_, true) => "cut",
        _ => "wire",
    };
    let thick = if wire.count > 1 { 2.4 } else { 1.4 };
    let points = path(wire, picture, layout);
    let d = match points {
        [from, None, to] => format!("M{} L{}", pair(from), pair(to)),
        [from, over, to] => format!("M{} Q{} {}", pair(from), pair(over), pair(to)),
    };
    let _ = writeln!(out, "<path class=\"{class}\" stroke-width=\"{thick}\" d=\"{d}\"/>");
}

fn pair(point: Option<(f64, f64)>) -> String {
    let (x, y) = point.unwrap_or_default();
    format!("{x:.1} {y:.1}")
}

/// Both ends of a cable, and between them the point that bends it, where it is bent.
fn path(wire: &Wire, picture: &Picture, layout: &Layout) -> [Option<(f64, f64)>; 3] {
    let [a, b] = wire.ends;
    let ((ax, ay), (bx, by)) = (layout.at[a], layout.at[b]);
    let half = (BOX.0 / 2.0, BOX.1 / 2.0);
    if picture.shapes[a].layer != picture.shapes[b].layer {
        let (down, up) = if ay > by { (-half.1, half.1) } else { (half.1, -half.1) };
        return [Some((ax, ay + down)), None, Some((bx, by + up))];
    }
    let across = layout.position[a].abs_diff(layout.position[b]);
    let side = if ax < bx { half.0 } else { -half.0 };
    if across <= 1 {
        return [Some((ax + side, ay)), None, Some((bx - side, by))];
    }
    // Ends apart from each other, and from the middle, where cables upwards begin.
    // Longer arcs come from higher, and so end nearer to the middle.
    let lean = side * (0.75 - 0.12 * across.min(6) as f64);
    let top = ay - half.1;
    let over = (f64::midpoint(ax, bx), top - 2.0 * rise(across) + 12.0);
    [Some((ax + lean, top)), Some(over), Some((bx - lean, top))]
}

/// A point of a cable's line, from 0 at one end to 1 at the other.
fn along(points: [Option<(f64, f64)>; 3], t: f64) -> (f64, f64) {
    let [from, over, to] = points;
    let ((ax, ay), (bx, by)) = (from.unwrap_or_default(), to.unwrap_or_default());
    let (ox, oy) = over.unwrap_or((f64::midpoint(ax, bx), f64::midpoint(ay, by)));
    let s = 1.0 - t;
    (s * s * ax + 2.0 * s * t * ox + t * t * bx, s * s * ay + 2.0 * s * t * oy + t * t * by)
}

/// Blocked ports of a cable, how many cables it stands for, and what is special about it.
fn ports(out: &mut String, wire: &Wire, picture: &Picture, layout: &Layout) {
    let points = path(wire, picture, layout);
    let [from, to] = [points[0], points[2]].map(Option::unwrap_or_default);
    let length = (from.0 - to.0).hypot(from.1 - to.1).max(1.0);
    // Near its end, and not under the box even where the cable is short.
    let near = (10.0 / length).clamp(0.14, 0.5);
    for (blocked, t) in wire.blocked.into_iter().zip([near, 1.0 - near]) {
        if blocked > 0 {
            let at = along(points, t);
            cross(out, at);
            if wire.count > 1 {
                let text = format!("{blocked} of {}", wire.count);
                let place = (at.0 + 9.0, at.1 + 4.0);
                words(out, place, 10.0, "bad rim", "", &text);
            }
        }
    }
    let of_host = wire.ends.iter().any(|&end| picture.shapes[end].layer == 0);
    let mut text = String::new();
    if wire.count > 1 && !of_host && wire.blocked == [0; 2] {
        text = format!("×{}", wire.count);
    }
    if wire.kind != usual(picture, wire) {
        text = format!("{text} {}", properties(wire.kind));
    }
    if !text.is_empty() {
        let (x, y) = along(points, 0.5);
        words(out, (x, y + 4.0), 10.5, "soft rim", MIDDLE, text.trim());
    }
}

fn cross(out: &mut String, (x, y): (f64, f64)) {
    let _ = writeln!(
        out,
        "<circle class=\"page\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7\"/>\
         <path class=\"badline\" stroke-width=\"2.2\" d=\"M{0:.1} {1:.1}l9 9m0 -9l-9 9\"/>",
        x - 4.5,
        y - 4.5
    );
}

fn node(out: &mut String, shape: &Shape, (x, y): (f64, f64)) {
    let (w, h) = BOX;
    let (left, top) = (x - w / 2.0, y - h / 2.0);
    let class = match shape.kind {
        NodeKind::Host => "host",
        NodeKind::Switch => "switch",
        NodeKind::Router => "router",
    };
    let corner = if shape.kind == NodeKind::Router { h / 2.0 } else { 5.0 };
    if !shape.note.is_empty() {
        // A second box behind it: there are several.
        let _ = writeln!(
            out,
            "<rect class=\"{class} edge\" x=\"{0:.1}\" y=\"{1:.1}\" width=\"{w}\" height=\"{h}\" rx=\"{corner}\"/>",
            left + 4.0,
            top - 4.0
        );
    }
    let thick = if shape.root { 2.6 } else { 1.0 };
    let _ = writeln!(
        out,
        "<rect class=\"{class} edge\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{w}\" height=\"{h}\" rx=\"{corner}\" stroke-width=\"{thick}\"/>"
    );
    let note = match (shape.root, shape.note.is_empty()) {
        (true, true) => "root".to_owned(),
        (true, false) => format!("{}, root", shape.note),
        (false, _) => shape.note.clone(),
    };
    let up = if note.is_empty() { 4.0 } else { -1.0 };
    let label = fit(&shape.label, 12.0, w - 8.0);
    words(out, (x, y + up), 12.0, "ink", MIDDLE, &label);
    if !note.is_empty() {
        words(out, (x, y + 12.0), 10.0, "soft", MIDDLE, &note);
    }
    for (n, (tenant, text)) in shape.pills.iter().enumerate() {
        let top = y + h / 2.0 + 8.0 + PILL * n as f64;
        if *tenant == usize::MAX {
            words(out, (x, top + 11.0), 10.5, "soft", MIDDLE, text);
            continue;
        }
        let class = style::tenant(*tenant);
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{w}\" height=\"{0}\" rx=\"7\"/>",
            PILL - 4.0
        );
        words(out, (x, top + 10.7), 10.0, "page", MIDDLE, &fit(text, 10.0, w - 10.0));
    }
}

fn overlay(out: &mut String, variant: &Variant, picture: &Picture, layout: &Layout) {
    let y = layout.overlay;
    if picture.lanes.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<line class=\"rule\" x1=\"0\" y1=\"{y:.1}\" x2=\"{0:.1}\" y2=\"{y:.1}\" stroke-dasharray=\"2 5\"/>",
        layout.width
    );
    for (lane, line) in picture.lanes.iter().zip(&layout.lanes) {
        tenant(out, lane, *line, layout);
    }
    if picture.more_tenants > 0 {
        let more = count(picture.more_tenants, "more tenant");
        let text = format!("and {more}, each likewise on {}", variant.name);
        words(out, (0.0, layout.height - 6.0), 11.5, "soft", "", &text);
    }
}

fn tenant(out: &mut String, lane: &Lane, y: f64, layout: &Layout) {
    let class = style::tenant(lane.tenant);
    words(
        out,
        (LEFT - 24.0, y - 1.0),
        12.0,
        &class,
        &format!("font-weight=\"600\" {END}"),
        &fit(&lane.label, 12.0, LEFT - 30.0),
    );
    words(out, (LEFT - 24.0, y + 12.0), 10.5, "soft", END, &fit(&lane.detail, 10.5, LEFT - 30.0));
    let x = |shape: &usize| layout.at.get(*shape).map_or(0.0, |at| at.0);
    let places: Vec<f64> = lane.stops.keys().map(x).collect();
    let (Some(left), Some(right)) =
        (places.iter().copied().reduce(f64::min), places.iter().copied().reduce(f64::max))
    else {
        return;
    };
    // What has too many tunnels to draw is drawn as a line with its stops.
    if lane.tunnels.is_empty() && lane.joined != Joined::Fabric {
        let (thick, dash) = match lane.joined {
            Joined::Domain => (5.0, "stroke-opacity=\"0.5\""),
            Joined::Endpoints => (2.0, "stroke-dasharray=\"4 4\""),
            _ => (2.0, ""),
        };
        let _ = writeln!(
            out,
            "<line class=\"tunnel {class}\" x1=\"{left:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\" stroke-width=\"{thick}\" {dash}/>"
        );
    }
    let endpoint = if lane.joined == Joined::Endpoints { " endpoint" } else { "" };
    for (&(a, b), tunnels) in &lane.tunnels {
        let (a_x, b_x) = (x(&a), x(&b));
        let deep = 2.0 * sag(span(lane, a, b));
        let _ = writeln!(
            out,
            "<path class=\"tunnel {class}{endpoint}\" stroke-width=\"1.6\" d=\"M{a_x:.1} {y:.1} Q{0:.1} {1:.1} {b_x:.1} {y:.1}\"/>",
            f64::midpoint(a_x, b_x),
            y + deep
        );
        if *tunnels > 1 {
            let at = (f64::midpoint(a_x, b_x), y + deep / 2.0 + 4.0);
            words(out, at, 10.0, &format!("{class} rim"), MIDDLE, &format!("×{tunnels}"));
        }
    }
    for (shape, hosts) in &lane.stops {
        let cx = x(shape);
        let _ = writeln!(out, "<circle class=\"{class}\" cx=\"{cx:.1}\" cy=\"{y:.1}\" r=\"5\"/>");
        if *hosts > 1 {
            words(out, (cx, y - 9.0), 10.0, "soft rim", MIDDLE, &count(*hosts, "host"));
        }
    }
}
