//! Where everything of a picture stands, in pixels from the upper left corner of its variant.

use super::picture::Picture;
use crate::sketch::{self, Places};

/// Width and height of a box.
pub(super) const BOX: (f64, f64) = (104.0, 34.0);
/// Left of all boxes: names of layers and tenants.
pub(super) const LEFT: f64 = 190.0;
/// Right of all boxes: what the links are.
pub(super) const RIGHT: f64 = 220.0;
/// Between the centres of two boxes in a layer.
const STEP: f64 = 130.0;
/// Between two layers, at least; wide fabrics are higher, so that their lines are less flat.
const RISE: f64 = 104.0;
/// Part of the width that layers are apart where that is more, and most of it.
const SLOPE: f64 = 0.06;
const HIGHEST: f64 = 260.0;
/// Height of a VM's pill with what is between two.
pub(super) const PILL: f64 = 18.0;
/// Height of a tenant's lane without arcs.
const LANE: f64 = 40.0;
/// Narrowest drawing, so that title and legend have room.
const NARROWEST: f64 = 900.0;

/// The places.
#[derive(Debug)]
pub(super) struct Layout {
    /// Centre of each box.
    pub at: Vec<(f64, f64)>,
    /// Position of each box in its layer.
    pub position: Vec<usize>,
    /// Centre of each layer's boxes, from the hosts upwards.
    pub layers: Vec<f64>,
    /// Upper end of the overlay's part.
    pub overlay: f64,
    /// The line of each lane.
    pub lanes: Vec<f64>,
    /// Of the whole variant.
    pub width: f64,
    pub height: f64,
}

/// How high an arc over `span` positions rises.
pub(super) fn rise(span: usize) -> f64 {
    20.0 + 13.0 * (span.saturating_sub(1).min(6) as f64)
}

/// How deep a tunnel over `span` boxes hangs below its lane.
pub(super) fn sag(span: usize) -> f64 {
    10.0 + 8.0 * (span.min(6) as f64)
}

impl Layout {
    pub(super) fn new(picture: &Picture) -> Layout {
        let shapes = &picture.shapes;
        let top = shapes.iter().map(|shape| shape.layer).max().unwrap_or(0);
        let layer_of: Vec<usize> = shapes.iter().map(|shape| shape.layer).collect();
        let wires: Vec<[usize; 2]> = picture.wires.iter().map(|wire| wire.ends).collect();
        let Places { x, position, width } = sketch::places(&layer_of, &wires, STEP);
        let between = (SLOPE * width).clamp(RISE, HIGHEST);

        // From the top down, with room for the arcs between boxes of one layer.
        let mut y = 0.0;
        let mut layers = vec![0.0; top + 1];
        for layer in (0..=top).rev() {
            y += arcs(picture, layer, &position) + BOX.1 / 2.0;
            layers[layer] = y;
            // Hosts are close below their switches: those lines cross nothing.
            let below = if layer > 1 { between } else { RISE };
            y += if layer > 0 { below - BOX.1 / 2.0 } else { BOX.1 / 2.0 };
        }
        let pills = shapes.iter().map(|shape| shape.pills.len()).max().unwrap_or(0);
        let overlay = y + 8.0 + PILL * pills as f64 + 16.0;
        let mut y = overlay + 16.0;
        let lanes = picture
            .lanes
            .iter()
            .map(|lane| {
                let line = y + LANE / 2.0;
                let spans = lane.tunnels.keys().map(|&(a, b)| span(lane, a, b));
                y += LANE + spans.max().map_or(0.0, |span| sag(span) - 10.0);
                line
            })
            .collect();
        let more = if picture.more_tenants > 0 { 24.0 } else { 0.0 };
        let at = shapes.iter().zip(x).map(|(shape, x)| (LEFT + x, layers[shape.layer])).collect();
        Layout {
            at,
            position,
            layers,
            overlay,
            lanes,
            width: (LEFT + width + RIGHT).max(NARROWEST),
            height: y + more,
        }
    }
}

/// How many stops of a lane lie between two of its boxes, and one.
pub(super) fn span(lane: &super::lanes::Lane, a: usize, b: usize) -> usize {
    lane.stops.range(a.min(b)..a.max(b)).count().max(1)
}

/// Height of the highest arc within a layer.
fn arcs(picture: &Picture, layer: usize, position: &[usize]) -> f64 {
    let inside = picture
        .wires
        .iter()
        .filter(|w| w.ends.iter().all(|&end| picture.shapes[end].layer == layer));
    let spans = inside.map(|w| position[w.ends[0]].abs_diff(position[w.ends[1]]));
    spans.filter(|&span| span > 1).max().map_or(0.0, rise)
}
