//! Watching for tokens at every VM and, where asked for, at the interfaces of hosts and switches.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Token;
use crate::measure::Place;
use crate::measure::ends::wait;
use crate::measure::error::{MeasureError, within};
use crate::measure::segment::Segmenter;
use crate::measure::tap::{BUFFER, Tap, Watch};
use crate::plan::{NodeKind, Variant};

/// How long something is awaited at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long nothing new may come until no more is awaited.
const QUIET: Duration = Duration::from_millis(60);
/// Bytes of frames that may wait to be read at each place.
const ROOM: usize = 2 << 20;

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
    spots: Vec<(Spot, Tap)>,
    secrets: Vec<[u8; 16]>,
    /// By series, spot, and whether it left there.
    found: BTreeMap<(usize, usize, bool), Found>,
    total: usize,
    buffer: Vec<u8>,
    segmenter: Segmenter,
}

impl Lookout {
    /// Watches what every VM receives, and what crosses every interface of nodes of these kinds.
    ///
    /// # Errors
    /// An interface could not be opened.
    pub fn open(
        place: &impl Place,
        variant: &Variant,
        series: usize,
        kinds: &[NodeKind],
    ) -> Result<Lookout, MeasureError> {
        let mut spots = Vec::new();
        let mut open = |node: &str, interface: &str, tenant: Option<&String>, host: &str| {
            let namespace = variant.namespace(node);
            let watch = if tenant.is_some() { Watch::Incoming } else { Watch::Both };
            let operation = format!("watch `{interface}`");
            let tap = within(place, &namespace, &operation, || Tap::open(interface, watch, ROOM))?;
            let spot = Spot {
                node: node.to_owned(),
                tenant: tenant.cloned(),
                host: host.to_owned(),
                place: format!("{namespace} {interface}"),
            };
            spots.push((spot, tap));
            Ok::<(), MeasureError>(())
        };
        for vm in variant.vms() {
            open(&vm.node, "eth0", Some(&vm.tenant), &vm.host)?;
        }
        let watched = |name: &str| {
            variant.nodes.iter().any(|node| node.name == name && kinds.contains(&node.kind))
        };
        let ends = variant.links.iter().flat_map(|link| &link.ends);
        for end in ends.filter(|end| watched(&end.node)) {
            open(&end.node, &end.interface, None, &end.node)?;
        }
        Ok(Lookout {
            spots,
            secrets: (0..series).map(|_| rand::random()).collect(),
            found: BTreeMap::new(),
            total: 0,
            buffer: vec![0; BUFFER],
            segmenter: Segmenter::default(),
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
        self.take_in().map_err(MeasureError::system("watch for forged packets"))
    }

    fn take_in(&mut self) -> io::Result<()> {
        for (at, (_, tap)) in self.spots.iter().enumerate() {
            while let Some(frame) = tap.next(&mut self.buffer)? {
                let leaving = frame.outgoing;
                let (secrets, found, total) = (&self.secrets, &mut self.found, &mut self.total);
                self.segmenter.each(&frame, |packet| {
                    let Some(token) = Token::find(packet) else { return };
                    let series = secrets.iter().position(|secret| *secret == token.secret);
                    let Some(series) = series else { return };
                    let found = found.entry((series, at, leaving)).or_default();
                    *total += usize::from(found.numbers.insert(token.number));
                    found.first.get_or_insert_with(|| packet.to_vec());
                });
            }
        }
        Ok(())
    }

    fn wait(&mut self, until: Instant) -> Result<(), MeasureError> {
        let taps: Vec<_> = self.spots.iter().map(|(_, tap)| tap.as_fd()).collect();
        wait(&taps, until).map_err(MeasureError::system("watch for forged packets"))?;
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
        Ok(())
    }

    /// Numbers of a series that arrived where `at` says.
    #[must_use]
    pub fn arrived(&self, series: usize, at: impl Fn(&Spot) -> bool) -> BTreeSet<u32> {
        let here = self.found.iter().filter(|((of, spot, leaving), _)| {
            *of == series && !leaving && self.spots.get(*spot).is_some_and(|(spot, _)| at(spot))
        });
        here.flat_map(|(_, found)| found.numbers.iter().copied()).collect()
    }

    /// The first packet of a series that arrived (or left, with `leaving`) where `at` says.
    #[must_use]
    pub fn first(&self, series: usize, leaving: bool, at: impl Fn(&Spot) -> bool) -> Option<Seen> {
        self.found.iter().find_map(|((of, spot, left), found)| {
            let (spot, _) = self.spots.get(*spot)?;
            let packet = found.first.clone().filter(|_| *of == series && *left == leaving)?;
            at(spot).then(|| Seen { place: spot.place.clone(), packet })
        })
    }
}
