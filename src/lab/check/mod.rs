//! Rules that see more than one value of a lab at a time; one small function each.
//!
//! A rule leaves what it finds with the [`Sink`] at the path of the value that should change.
//! Values that could not be read are empty or absent here, and no rule objects to those.

mod addresses;
mod attacks;
mod bum;
mod carrier;
mod cost;
mod events;
mod expect;
mod fabric;
mod flows;
mod impaired;
mod joined;
mod probes;
mod switches;
mod tables;
mod tenants;
mod wiring;

pub(super) use fabric::storm;

use super::model::{Lab, Topology};
use super::read::{Sink, below};
use crate::ids::Encap;

/// What the rules look at.
pub(super) struct Whole<'a> {
    pub lab: &'a Lab,
    /// The topology, where there is one.
    pub topology: Option<&'a Topology>,
    /// Names of all hosts, where they are known for certain.
    pub hosts: Option<Vec<String>>,
    pub sink: &'a Sink<'a>,
}

impl Whole<'_> {
    /// The encapsulations of the lab, baselines not counted, as far as they could be read.
    fn encaps(&self) -> Vec<Encap> {
        if self.lab.compare.encap.is_empty() && !self.all_encaps_read() {
            return Vec::new();
        }
        self.lab.encaps()
    }

    /// Whether [`Whole::encaps`] are all that the lab names.
    fn all_encaps_read(&self) -> bool {
        let read = |path| !self.sink.faulty_at(path);
        match self.lab.compare.encap.len() {
            0 => ["carrier", "carrier.encap", "compare", "compare.encap"].into_iter().all(read),
            n => !self.sink.has(&format!("compare.encap[{n}]")),
        }
    }
}

/// Applies all rules of a lab.
pub(super) fn lab(whole: &Whole<'_>) {
    tenants::check(whole);
    addresses::check(whole);
    carrier::check(whole);
    fabric::check(whole);
    switches::used(whole);
    joined::check(whole);
    flows::check(whole);
    events::check(whole);
    probes::check(whole);
    attacks::check(whole);
    expect::check(whole);
}

/// Applies all rules of a topology that stands at `path` (empty for a file of its own), and
/// returns the names of its hosts where they are known for certain.
pub(super) fn topology(topology: &Topology, path: &str, sink: &Sink<'_>) -> Option<Vec<String>> {
    impaired::check(topology, path, sink);
    let hosts = wiring::check(topology, path, sink)?;
    if sink.clean(&below(path, "links")) {
        switches::check(topology, path, sink);
    }
    Some(hosts)
}
