//! Events brought about in a network that stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::control::{self, Control};
use super::{Testbed, TestbedError};
use crate::lab::Happening;
use crate::netns::Error;
use crate::netns::change::{self, Turn};
use crate::plan::Variant;

/// What has happened in one variant so far, and how more happens.
pub struct Happenings<'t> {
    testbed: &'t Testbed,
    variant: &'t Variant,
    cut: BTreeSet<String>,
    dead: BTreeSet<String>,
    /// Ends of links that are down, by node and interface.
    down: BTreeSet<(String, String)>,
    /// Where VMs are that have moved, by tenant and name.
    hosts: BTreeMap<(String, String), String>,
}

/// Routing that follows events in one variant.
pub struct Routing<'t>(Control<'t>);

impl Routing<'_> {
    /// Works until `done` is true, and counts the routes that it changes.
    ///
    /// # Errors
    /// What the kernel kept refusing.
    pub fn run(self, done: &AtomicBool, changed: &AtomicU64) -> Result<(), TestbedError> {
        Ok(self.0.run(done, changed)?)
    }
}

impl Testbed {
    /// Routing around dead links for a variant, acting `detection` after a link changed; `None`
    /// where its fabric is bridged, and heals by spanning tree.
    ///
    /// # Errors
    /// Its links cannot be watched.
    pub fn routing<'t>(
        &'t self,
        variant: &'t Variant,
        detection: Duration,
    ) -> Result<Option<Routing<'t>>, TestbedError> {
        if !control::routed(variant) {
            return Ok(None);
        }
        Ok(Some(Routing(Control::new(self.underlay(), variant, detection)?)))
    }

    /// A variant in which nothing has happened yet.
    #[must_use]
    pub fn happenings<'t>(&'t self, variant: &'t Variant) -> Happenings<'t> {
        Happenings {
            testbed: self,
            variant,
            cut: BTreeSet::new(),
            dead: BTreeSet::new(),
            down: BTreeSet::new(),
            hosts: BTreeMap::new(),
        }
    }
}

impl Happenings<'_> {
    /// Brings one event about.
    ///
    /// # Errors
    /// What it is about is not in the plan, or the kernel refused.
    pub fn happen(&mut self, event: Happening<'_>) -> Result<(), TestbedError> {
        match event {
            Happening::Cut(link) => drop(self.cut.insert(link.to_owned())),
            Happening::Restore(link) => drop(self.cut.remove(link)),
            Happening::Kill(node) => drop(self.dead.insert(node.to_owned())),
            Happening::Revive(node) => drop(self.dead.remove(node)),
            Happening::Move { vm, to } => return self.moves(vm, to),
        }
        self.links()
    }

    /// Brings the ends of all links to what they are to be: up, but for cut links and dead nodes.
    fn links(&mut self) -> Result<(), TestbedError> {
        let mut wanted = BTreeSet::new();
        let mut turns: BTreeMap<&str, Vec<(&str, Turn<'_>)>> = BTreeMap::new();
        for link in &self.variant.links {
            for end in &link.ends {
                let key = (end.node.clone(), end.interface.clone());
                let goes_down = self.cut.contains(&link.name) || self.dead.contains(&end.node);
                if goes_down != self.down.contains(&key) {
                    let turn = if goes_down { Turn::Down } else { Turn::Up(&end.addresses) };
                    turns.entry(&end.node).or_default().push((&end.interface, turn));
                }
                if goes_down {
                    wanted.insert(key);
                }
            }
        }
        for (node, turns) in turns {
            let namespace = self.variant.namespace(node);
            change::turn(self.testbed.underlay().namespaces(), &namespace, &turns)?;
        }
        self.down = wanted;
        Ok(())
    }

    fn moves(&mut self, vm: &str, to: &str) -> Result<(), TestbedError> {
        // A plain path carries one tenant only.
        let (tenant, name) = vm.split_once('/').unwrap_or_default();
        let Some(plan) = self.variant.vm(tenant, name) else { return Ok(()) };
        let key = (tenant.to_owned(), name.to_owned());
        let from = self.hosts.get(&key).unwrap_or(&plan.host).clone();
        let missing = |host: &str| Error::Plan(format!("{vm} has no port at {host}"));
        let port = |host: &str| {
            self.variant.port_at(plan, host).map(str::to_owned).ok_or_else(|| missing(host))
        };
        let ports = [port(&from)?, port(to)?];
        self.testbed.relocate(self.variant, plan, [&from, to], [&ports[0], &ports[1]])?;
        self.hosts.insert(key, to.to_owned());
        Ok(())
    }
}
