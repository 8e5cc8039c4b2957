//! The testbed's own routing: it watches links, and changes routes around those that are dead.
//!
//! It stands for a routing protocol, and is none: it sees every link by the kernel's notifications,
//! knows the whole plan, and takes a fixed time to act. What a protocol would add (flooding, hold
//! timers, transient loops while routers disagree) is in that one time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::netns::{self, LinkEvents, Netlink, Underlay, change, link};
use crate::plan::{NodeKind, Route, Variant, reroute};

/// How often the end of the watch is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// How long all links may take until they send.
const READY: Duration = Duration::from_secs(5);
/// Time after which routes that the kernel refused are tried again, and how often.
const AGAIN: Duration = Duration::from_millis(10);
const TRIES: u32 = 100;

/// Routing in one variant.
pub(super) struct Control<'a> {
    variant: &'a Variant,
    detection: Duration,
    netlinks: Vec<Netlink>,
    events: Vec<LinkEvents>,
    /// Routes as they were last asked for, by node.
    routes: Vec<Vec<Route>>,
    dead: BTreeSet<usize>,
    /// Changes that are not acted on yet.
    due: VecDeque<Due>,
}

struct Due {
    at: Instant,
    dead: BTreeSet<usize>,
    /// Nodes whose own links changed, and where the kernel may have removed routes.
    near: BTreeSet<usize>,
    tries: u32,
}

impl<'a> Control<'a> {
    /// Subscribes to the links of all nodes.
    ///
    /// # Errors
    /// A socket cannot be opened, or a setting not be made.
    pub fn new(
        underlay: &Underlay,
        variant: &'a Variant,
        detection: Duration,
    ) -> netns::Result<Self> {
        let (mut netlinks, mut events) = (Vec::new(), Vec::new());
        for node in &variant.nodes {
            let name = variant.namespace(&node.name);
            change::mind_carrier(underlay.namespaces(), &name)?;
            let open = || Ok((LinkEvents::open(&name)?, Netlink::open(&name)?));
            let (event, netlink) = underlay.namespaces().inside(&name, open)?;
            events.push(event);
            netlinks.push(netlink);
        }
        let routes = reroute(variant, &BTreeSet::new());
        let (dead, due) = (BTreeSet::new(), VecDeque::new());
        let mut control = Control { variant, detection, netlinks, events, routes, dead, due };
        // The kernel takes note of new carriers once a second.
        let deadline = Instant::now() + READY;
        while !control.look()?.is_empty() && netns::wait_any(&control.events, deadline)? {
            for event in &mut control.events {
                event.drain()?;
            }
        }
        Ok(control)
    }

    /// Works until `done` is true; `changed` counts routes.
    ///
    /// # Errors
    /// The kernel refused to list links, or kept refusing a route.
    pub fn run(mut self, done: &AtomicBool, changed: &AtomicU64) -> netns::Result<()> {
        while !done.load(Relaxed) {
            let next = self.due.front().map(|due| due.at);
            let deadline = Instant::now() + LOOK;
            netns::wait_any(&self.events, next.map_or(deadline, |next| next.min(deadline)))?;
            for event in &mut self.events {
                event.drain()?;
            }
            let now_dead = self.look()?;
            if now_dead != self.dead {
                let near = self.ends(now_dead.symmetric_difference(&self.dead));
                self.dead.clone_from(&now_dead);
                let at = Instant::now() + self.detection;
                self.due.push_back(Due { at, dead: now_dead, near, tries: 0 });
            }
            while let Some(due) = self.next() {
                let (count, refused) = self.act(&due);
                changed.fetch_add(count, Relaxed);
                let Some(error) = refused else { continue };
                // Something else has changed meanwhile, and is acted on for these nodes too.
                if let Some(later) = self.due.front_mut() {
                    later.near.extend(due.near);
                    continue;
                }
                if due.tries >= TRIES {
                    return Err(error);
                }
                let (at, tries) = (Instant::now() + AGAIN, due.tries + 1);
                self.due.push_front(Due { at, tries, ..due });
            }
        }
        Ok(())
    }

    /// What is to be acted on now.
    fn next(&mut self) -> Option<Due> {
        self.due.front().filter(|due| due.at <= Instant::now())?;
        self.due.pop_front()
    }

    /// Links of which an end does not send, by their positions.
    fn look(&mut self) -> netns::Result<BTreeSet<usize>> {
        let mut alive: BTreeMap<(&str, String), bool> = BTreeMap::new();
        for (node, netlink) in self.variant.nodes.iter().zip(&mut self.netlinks) {
            for state in link::list(netlink)? {
                // With carrier but not operational, a port drops what it is given: also the first
                // question for a neighbour, which is asked again after a second only.
                let works = state.up && state.carrier && state.operational;
                alive.insert((&node.name, state.name), works);
            }
        }
        let dead = self.variant.links.iter().enumerate().filter(|(_, link)| {
            let up = |end: &crate::plan::LinkEnd| {
                alive.get(&(end.node.as_str(), end.interface.clone())).copied().unwrap_or(false)
            };
            !link.ends.iter().all(up)
        });
        Ok(dead.map(|(number, _)| number).collect())
    }

    /// The nodes at the ends of links.
    fn ends<'s>(&self, links: impl Iterator<Item = &'s usize>) -> BTreeSet<usize> {
        let names: BTreeSet<&str> = links
            .filter_map(|number| self.variant.links.get(*number))
            .flat_map(|link| link.ends.iter().map(|end| end.node.as_str()))
            .collect();
        let nodes = self.variant.nodes.iter().enumerate();
        nodes.filter(|(_, node)| names.contains(node.name.as_str())).map(|(at, _)| at).collect()
    }

    /// Brings all routes to what they are to be; returns how many that were, and the first that the
    /// kernel refused.
    fn act(&mut self, due: &Due) -> (u64, Option<netns::Error>) {
        let wanted = reroute(self.variant, &due.dead);
        let (mut count, mut refused) = (0, None);
        for (at, wanted) in wanted.into_iter().enumerate() {
            let (Some(netlink), Some(had)) = (self.netlinks.get_mut(at), self.routes.get_mut(at))
            else {
                continue;
            };
            let near = due.near.contains(&at);
            let fresh: Vec<&Route> =
                wanted.iter().filter(|route| near || !had.contains(route)).collect();
            let gone: Vec<&Route> =
                had.iter().filter(|old| wanted.iter().all(|new| new.to != old.to)).collect();
            let done = gone.iter().try_for_each(|route| change::remove_route(netlink, route));
            let mut added = || -> netns::Result<()> {
                let routes = fresh.iter().map(|route| netns::route(route.to, &route.via, None));
                netlink.all(routes.collect::<netns::Result<_>>()?)
            };
            match done.and_then(|()| added()) {
                Ok(()) => {
                    count += (fresh.len() + gone.len()) as u64;
                    *had = wanted;
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        tracing::debug!(variant = self.variant.name, count, dead = ?due.dead, "routes changed");
        (count, refused)
    }
}

/// Whether a variant's fabric is routed, so that somebody has to change routes.
pub(super) fn routed(variant: &Variant) -> bool {
    variant.nodes.iter().any(|node| node.kind == NodeKind::Router)
}
