//! Watching for tokens at every VM and, where asked for, at the interfaces of hosts and switches.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Token;
use crate::measure::Place;
use crate::measure::error::MeasureError;
use crate::measure::tap::Watch;
use crate::measure::watched::Watched;
use crate::plan::{LinkEnd, NodeKind, Variant};

/// How long something is awaited at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long nothing new may come until no more is awaited.
const QUIET: Duration = Duration::from_millis(60);

/// Where frames are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Node of the plan: a host or switch, or a VM's `tenant.vm`.
    pub node: String,
    /// The VM's tenant; `None` at a host or switch.
    pub tenant: Option<String>,
    /// The host or switch, or the host of the VM.
    pub host: String,
    /// Namespace and interface.
    pub place: String,
}

/// A packet, and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Namespace and interface.
    pub place: String,
    /// From the outermost Ethernet header on.
    pub packet: Vec<u8>,
}

/// Frames with one secret that were seen at one place in one direction.
#[derive(Debug, Default)]
struct Found {
    numbers: BTreeSet<u32>,
    first: Option<Vec<u8>>,
}

/// Looks for tokens of some secrets. What has one secret is called a series, by its place in the list.
#[derive(Debug)]
pub struct Lookout {
    spots: Vec<Spot>,
    watched: Watched,
    missed: Rc<Cell<u64>>,
    secrets: Vec<[u8; 16]>,
    /// By series, spot, and whether it left there.
    found: BTreeMap<(usize, usize, bool), Found>,
    total: usize,
}

impl Lookout {
    /// Watches what every VM receives, and what crosses every interface of nodes of these kinds. Frames that came
    /// too fast to be looked at are added to `missed` whenever it settles.
    ///
    /// # Errors
    /// An interface could not be opened.
    pub fn open(
        place: &impl Place,
        variant: &Variant,
        series: usize,
        kinds: &[NodeKind],
        missed: &Rc<Cell<u64>>,
    ) -> Result<Lookout, MeasureError> {
        let kind = |end: &&LinkEnd| {
            variant.nodes.iter().any(|node| node.name == end.node && kinds.contains(&node.kind))
        };
        let ends: Vec<&LinkEnd> =
            variant.links.iter().flat_map(|link| &link.ends).filter(kind).collect();
        let spot = |node: &str, interface: &str, tenant: Option<&String>, host: &str| Spot {
            node: node.to_owned(),
            tenant: tenant.cloned(),
            host: host.to_owned(),
            place: format!("{} {interface}", variant.namespace(node)),
        };
        let vms = variant.vms().map(|vm| spot(&vm.node, "eth0", Some(&vm.tenant), &vm.host));
        let nics = ends.iter().map(|end| spot(&end.node, &end.interface, None, &end.node));
        let at = variant.vms().map(|vm| (&*vm.node, "eth0", Watch::Incoming));
        let at = at.chain(ends.iter().map(|end| (&*end.node, &*end.interface, Watch::Both)));
        Ok(Lookout {
            spots: vms.chain(nics).collect(),
            watched: Watched::open(place, variant, at)?,
            missed: Rc::clone(missed),
            secrets: (0..series).map(|_| rand::random()).collect(),
            found: BTreeMap::new(),
            total: 0,
        })
    }

    /// The secret of a series.
    #[must_use]
    pub fn secret(&self, series: usize) -> [u8; 16] {
        self.secrets.get(series).copied().unwrap_or_default()
    }

    /// Takes in what has arrived anywhere.
    ///
    /// # Errors
    /// An interface went down.
    pub fn look(&mut self) -> Result<(), MeasureError> {
        let (secrets, found, total) = (&self.secrets, &mut self.found, &mut self.total);
        self.watched.look(|seen| {
            let Some(token) = Token::find(seen.packet) else { return };
            let series = secrets.iter().position(|secret| *secret == token.secret);
            let Some(series) = series else { return };
            let found = found.entry((series, seen.at, seen.outgoing)).or_default();
            *total += usize::from(found.numbers.insert(token.number));
            found.first.get_or_insert_with(|| seen.packet.to_vec());
        })
    }

    fn wait(&mut self, until: Instant) -> Result<(), MeasureError> {
        self.watched.wait(until)?;
        self.look()
    }

    /// Waits until `done`, at most a second; returns whether it is.
    ///
    /// # Errors
    /// An interface went down.
    pub fn until(&mut self, done: impl Fn(&Lookout) -> bool) -> Result<bool, MeasureError> {
        let deadline = Instant::now() + PATIENCE;
        self.look()?;
        while !done(self) {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.wait(deadline)?;
        }
        Ok(true)
    }

    /// Waits until nothing new has come for 60 ms, at most a second.
    ///
    /// # Errors
    /// An interface went down.
    pub fn settle(&mut self) -> Result<(), MeasureError> {
        let deadline = Instant::now() + PATIENCE;
        let (mut before, mut quiet) = (self.total, Instant::now() + QUIET);
        while Instant::now() < quiet.min(deadline) {
            self.wait(quiet.min(deadline))?;
            if self.total != before {
                (before, quiet) = (self.total, Instant::now() + QUIET);
            }
        }
        self.missed.set(self.missed.get().saturating_add(self.watched.missed()?));
        Ok(())
    }

    /// Numbers of a series that arrived where `at` says.
    #[must_use]
    pub fn arrived(&self, series: usize, at: impl Fn(&Spot) -> bool) -> BTreeSet<u32> {
        let here = self.found.iter().filter(|((of, spot, leaving), _)| {
            *of == series && !leaving && self.spots.get(*spot).is_some_and(&at)
        });
        here.flat_map(|(_, found)| found.numbers.iter().copied()).collect()
    }

    /// The first packet of a series that arrived (or left, with `leaving`) where `at` says.
    #[must_use]
    pub fn first(&self, series: usize, leaving: bool, at: impl Fn(&Spot) -> bool) -> Option<Seen> {
        self.found.iter().find_map(|((of, spot, left), found)| {
            let spot = self.spots.get(*spot)?;
            let packet = found.first.clone().filter(|_| *of == series && *left == leaving)?;
            at(spot).then(|| Seen { place: spot.place.clone(), packet })
        })
    }
}
