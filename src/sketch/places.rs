//! Where boxes stand side by side.

use std::collections::BTreeMap;

/// Places of boxes.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// Centre of each box from the left.
    pub x: Vec<f64>,
    /// Position of each box in its layer.
    pub position: Vec<usize>,
    /// Of the lowest layer.
    pub width: f64,
}

/// Places boxes by their layers (0 is the lowest, of hosts) and the wires between them, `step` being
/// the distance of two neighbours. Wires name boxes that there are.
#[must_use]
pub fn places(layers: &[usize], wires: &[[usize; 2]], step: f64) -> Places {
    let mut x = vec![0.0; layers.len()];
    let mut position = vec![0; layers.len()];
    let width = ground(layers, wires, step, &mut x);
    for layer in 0..=layers.iter().max().copied().unwrap_or(0) {
        let mut order: Vec<usize> = (0..layers.len()).filter(|&s| layers[s] == layer).collect();
        if layer > 1 {
            above(layers, wires, step, &order, &mut x, width);
        }
        order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
        for (n, shape) in order.into_iter().enumerate() {
            position[shape] = n;
        }
    }
    Places { x, position, width }
}

/// The boxes at the other ends of a box's wires.
fn across(wires: &[[usize; 2]], shape: usize) -> impl Iterator<Item = usize> {
    wires
        .iter()
        .filter(move |ends| ends.contains(&shape))
        .map(move |ends| ends[usize::from(ends[0] == shape)])
}

/// Hosts side by side below the switches they are joined to, and those switches; returns the width.
fn ground(layers: &[usize], wires: &[[usize; 2]], step: f64, x: &mut [f64]) -> f64 {
    // Boxes of hosts by the boxes of switches above them, as they are ordered there.
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for host in (0..layers.len()).filter(|&s| layers[s] == 0) {
        let mut above: Vec<usize> =
            across(wires, host).filter(|&other| layers[other] == 1).collect();
        above.sort_unstable();
        above.dedup();
        groups.entry(above).or_default().push(host);
    }
    let mut placed = vec![false; layers.len()];
    let mut left = 0.0;
    for (above, hosts) in &groups {
        let new: Vec<usize> = above.iter().copied().filter(|&s| !placed[s]).collect();
        let room = step * (hosts.len().max(new.len()) as f64);
        for (boxes, places) in [(hosts, hosts.len()), (&new, new.len())] {
            for (n, &shape) in boxes.iter().enumerate() {
                x[shape] = left + room * (n as f64 + 0.5) / places as f64;
                placed[shape] = true;
            }
        }
        left += room;
    }
    left.max(step)
}

/// A layer of switches over the middle of what is below them, or evenly where that is too narrow.
fn above(
    layers: &[usize],
    wires: &[[usize; 2]],
    step: f64,
    layer: &[usize],
    x: &mut [f64],
    width: f64,
) {
    let mut wanted: Vec<(f64, usize)> = layer
        .iter()
        .map(|&shape| {
            let below: Vec<f64> = across(wires, shape)
                .filter(|&other| layers[other] < layers[shape])
                .map(|other| x[other])
                .collect();
            (below.iter().sum::<f64>() / below.len().max(1) as f64, shape)
        })
        .collect();
    wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let apart = wanted.windows(2).all(|pair| pair[1].0 - pair[0].0 >= step);
    // Narrower than the layer below looks like a fabric, wider like a tangle.
    let span = width.max(step * wanted.len() as f64);
    for (n, (middle, shape)) in wanted.iter().enumerate() {
        let evenly = (width - span) / 2.0 + span * (n as f64 + 0.5) / wanted.len() as f64;
        x[*shape] = if apart { *middle } else { evenly };
    }
}
