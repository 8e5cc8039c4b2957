//! What crossed each underlay link, from the interfaces' own counters.
//!
//! A counter adds a super-frame as one packet and without the headers its segments will repeat;
//! [`super::wire`] counts what a cable would carry.

use std::collections::BTreeMap;

use super::Place;
use super::error::{MeasureError, within};
use super::result::LinkResult;
use crate::plan::Variant;

/// Counters of one interface since it was made (`/proc/net/dev`, proc(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received, Ethernet headers included.
    pub rx_bytes: u64,
    /// Frames received.
    pub rx_packets: u64,
    /// Frames dropped on the way in.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Frames dropped on the way out.
    pub tx_dropped: u64,
}

/// The counters of every interface of `namespace`, by interface name.
///
/// # Errors
/// The namespace cannot be entered, or `/proc` is not mounted.
pub fn counters(
    place: &impl Place,
    namespace: &str,
) -> Result<BTreeMap<String, Counters>, MeasureError> {
    // `self` is the process's first thread; only `thread-self` follows this thread's namespace.
    let text = within(place, namespace, "read interface counters", || {
        std::fs::read_to_string("/proc/thread-self/net/dev")
    })?;
    Ok(parse(&text))
}

fn parse(text: &str) -> BTreeMap<String, Counters> {
    text.lines()
        .filter_map(|line| {
            let (name, figures) = line.split_once(':')?;
            let figures: Vec<u64> =
                figures.split_whitespace().map_while(|figure| figure.parse().ok()).collect();
            let at = |index: usize| figures.get(index).copied();
            Some((
                name.trim().to_owned(),
                Counters {
                    rx_bytes: at(0)?,
                    rx_packets: at(1)?,
                    rx_dropped: at(3)?,
                    tx_bytes: at(8)?,
                    tx_packets: at(9)?,
                    tx_dropped: at(11)?,
                },
            ))
        })
        .collect()
}

/// The counters of all underlay links of one variant at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot(Vec<[Counters; 2]>);

impl Snapshot {
    /// Reads both ends' sent counters of every link of `variant`.
    ///
    /// # Errors
    /// A namespace cannot be entered.
    pub fn take(place: &impl Place, variant: &Variant) -> Result<Snapshot, MeasureError> {
        let mut nodes: BTreeMap<&str, BTreeMap<String, Counters>> = BTreeMap::new();
        let mut links = Vec::with_capacity(variant.links.len());
        for link in &variant.links {
            let mut ends = [Counters::default(); 2];
            for (end, slot) in link.ends.iter().zip(&mut ends) {
                if !nodes.contains_key(end.node.as_str()) {
                    nodes.insert(&end.node, counters(place, &variant.namespace(&end.node))?);
                }
                *slot = nodes
                    .get(end.node.as_str())
                    .and_then(|interfaces| interfaces.get(&end.interface))
                    .copied()
                    .unwrap_or_default();
            }
            links.push(ends);
        }
        Ok(Snapshot(links))
    }

    /// Packets that one end of each link has sent since `earlier` and the other has not received,
    /// from the first end to the second, and back.
    #[must_use]
    pub fn lost_since(&self, earlier: &Snapshot) -> Vec<[u64; 2]> {
        let each = self.0.iter().zip(&earlier.0);
        each.map(|(now, then)| {
            [0, 1].map(|end: usize| {
                let sent = now[end].tx_packets.saturating_sub(then[end].tx_packets);
                let other = 1 - end;
                let received = now[other].rx_packets.saturating_sub(then[other].rx_packets);
                sent.saturating_sub(received)
            })
        })
        .collect()
    }

    /// What crossed each link since `earlier`; whether spanning tree blocks a link is left to the caller.
    #[must_use]
    pub fn since(&self, earlier: &Snapshot, variant: &Variant) -> Vec<LinkResult> {
        variant
            .links
            .iter()
            .zip(self.0.iter().zip(&earlier.0))
            .map(|(link, (now, then))| {
                let delta = |figure: fn(&Counters) -> u64| {
                    [0, 1].map(|end: usize| figure(&now[end]).saturating_sub(figure(&then[end])))
                };
                LinkResult {
                    name: link.name.clone(),
                    ends: [link.ends[0].node.clone(), link.ends[1].node.clone()],
                    bytes: delta(|counters| counters.tx_bytes),
                    packets: delta(|counters| counters.tx_packets),
                    blocked: false,
                    loss: None,
                    observed: None,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_table() {
        let text = "Inter-|   Receive                   |  Transmit\n face |bytes packets\n\
                    eth0: 10 2 0 1 0 0 0 0 30 4 0 5 0 0 0 0\n  lo:1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n";
        let table = parse(text);
        assert_eq!(table.len(), 2);
        let expected = Counters {
            rx_bytes: 10,
            rx_packets: 2,
            rx_dropped: 1,
            tx_bytes: 30,
            tx_packets: 4,
            tx_dropped: 5,
        };
        assert_eq!(table["eth0"], expected);
    }
}
