//! The physical network: generated from a few numbers, or listed node by node.
//!
//! Every generator is a file of its own: its parameters, how many of everything it makes by
//! formula, and the wiring itself. [`Topology::wiring`] expands any topology into the same three
//! lists, which the rules and the plan work from; the first switch listed becomes the spanning
//! tree's root.

mod dual_homed;
mod fat_tree;
mod impaired;
mod leaf_spine;
mod linear;
mod mesh;
mod ring;
mod single_switch;
mod tree;
mod wan;
mod wiring;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::Switchable;
use super::switches::{SwitchPort, SwitchSettings, VlanLearning};
use super::units::{Delay, Loss, Rate, Reorder};

pub use dual_homed::DualHomed;
pub use fat_tree::FatTree;
pub use impaired::Impaired;
pub use leaf_spine::LeafSpine;
pub use linear::Linear;
pub use mesh::Mesh;
pub use ring::Ring;
pub use single_switch::SingleSwitch;
pub use tree::Tree;
pub use wan::Wan;
pub use wiring::{Counts, Generator, Wiring};

/// The physical network: one generator with its parameters, or nodes and cables one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Topology {
    /// One line that says what it looks like.
    pub title: Option<String>,
    /// Generates hosts under one switch `sw1`.
    #[serde(rename = "single-switch")]
    pub single_switch: Option<SingleSwitch>,
    /// Generates switches in a row, `sw1..`, with hosts under each.
    pub linear: Option<Linear>,
    /// Generates a tree of switches, `sw1` at its root, with hosts under the lowest ones.
    pub tree: Option<Tree>,
    /// Generates a leaf-spine fabric: leaves `leaf1..`, spines `spine1..`, hosts `h1..` in leaf order.
    #[serde(rename = "leaf-spine")]
    pub leaf_spine: Option<LeafSpine>,
    /// Generates a fat tree of switches with `k` ports: `core1..`, `agg1..`, `edge1..`.
    #[serde(rename = "fat-tree")]
    pub fat_tree: Option<FatTree>,
    /// Generates switches in a circle, `sw1..`, with hosts under each.
    pub ring: Option<Ring>,
    /// Generates switches each joined to every other, `sw1..`, with hosts under each.
    pub mesh: Option<Mesh>,
    /// Generates a leaf-spine fabric in which every host has a link to both leaves of a pair.
    #[serde(rename = "dual-homed")]
    pub dual_homed: Option<DualHomed>,
    /// Generates sites behind gateway routers `gw1..`, joined by core routers `core1..`.
    pub wan: Option<Wan>,
    /// Physical machines, by name.
    pub hosts: Vec<String>,
    /// Switches by name; bridges in an L2 fabric, routers in an L3 fabric.
    pub switches: Vec<String>,
    /// Cables between the nodes above.
    pub links: Vec<LinkSpec>,
    /// MTU of every underlay link, the largest IP packet in bytes.
    pub mtu: u32,
    /// Rate of every link that names none; absent means as fast as the machine goes.
    pub rate: Option<Rate>,
    /// Share of packets that every link loses which names none of its own, at random in each direction.
    pub loss: Option<Loss>,
    /// Time that packets are under way on every link that names none of its own, in each direction.
    pub delay: Option<Delay>,
    /// How much shorter or longer than `delay` that time may be, on links that name none of their own.
    pub jitter: Option<Delay>,
    /// Share of packets that are sent at once ahead of delayed ones, on links that name none of their own.
    pub reorder: Option<Reorder>,
    /// Whether the bridges of an L2 fabric run the spanning tree protocol; without it there may be no loop.
    pub stp: Switchable,
    /// Most MAC addresses that each switch of an L2 fabric learns; absent means as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_table: Option<u32>,
    /// Most MAC addresses behind each port of such a switch that leads to a host; frames from others are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_limit: Option<u32>,
    /// Whether switches have one MAC table for all VLANs or one for each; absent means as this kernel's bridges do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_learning: Option<VlanLearning>,
    /// Settings of single switches, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub switch: BTreeMap<String, SwitchSettings>,
    /// VLANs of switches' ports in variants with VLANs; every other port lets all VLANs of the lab pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<SwitchPort>,
}

impl Default for Topology {
    /// No node at all.
    fn default() -> Self {
        Topology {
            title: None,
            single_switch: None,
            linear: None,
            tree: None,
            leaf_spine: None,
            fat_tree: None,
            ring: None,
            mesh: None,
            dual_homed: None,
            wan: None,
            hosts: Vec::new(),
            switches: Vec::new(),
            links: Vec::new(),
            mtu: default_mtu(),
            rate: None,
            loss: None,
            delay: None,
            jitter: None,
            reorder: None,
            stp: Switchable::On,
            mac_table: None,
            mac_limit: None,
            vlan_learning: None,
            switch: BTreeMap::new(),
            ports: Vec::new(),
        }
    }
}

impl Topology {
    /// Keys of all generators in a topology file.
    pub const GENERATORS: [&'static str; 9] = [
        "single-switch",
        "linear",
        "tree",
        "leaf-spine",
        "fat-tree",
        "ring",
        "mesh",
        "dual-homed",
        "wan",
    ];

    /// The generator it names; `None` where nodes are listed. A checked topology names one at most.
    #[must_use]
    pub fn generator(&self) -> Option<&dyn Generator> {
        fn one<G: Generator>(generator: Option<&G>) -> Option<&dyn Generator> {
            generator.map(|generator| generator as &dyn Generator)
        }
        one(self.single_switch.as_ref())
            .or_else(|| one(self.linear.as_ref()))
            .or_else(|| one(self.tree.as_ref()))
            .or_else(|| one(self.leaf_spine.as_ref()))
            .or_else(|| one(self.fat_tree.as_ref()))
            .or_else(|| one(self.ring.as_ref()))
            .or_else(|| one(self.mesh.as_ref()))
            .or_else(|| one(self.dual_homed.as_ref()))
            .or_else(|| one(self.wan.as_ref()))
    }

    /// The same, to be changed.
    fn generator_mut(&mut self) -> Option<&mut dyn Generator> {
        fn one<G: Generator>(generator: &mut Option<G>) -> Option<&mut dyn Generator> {
            generator.as_mut().map(|generator| generator as &mut dyn Generator)
        }
        one(&mut self.single_switch)
            .or_else(|| one(&mut self.linear))
            .or_else(|| one(&mut self.tree))
            .or_else(|| one(&mut self.leaf_spine))
            .or_else(|| one(&mut self.fat_tree))
            .or_else(|| one(&mut self.ring))
            .or_else(|| one(&mut self.mesh))
            .or_else(|| one(&mut self.dual_homed))
            .or_else(|| one(&mut self.wan))
    }

    /// Makes the generated fabric just large enough for so many hosts, in whole racks, sites or
    /// pods; returns whether there is a generator.
    pub fn grow(&mut self, hosts: u32) -> bool {
        self.generator_mut().map(|generator| generator.grow(hosts.max(1))).is_some()
    }

    /// What links do to packets that say nothing of it themselves.
    #[must_use]
    pub const fn impaired(&self) -> Impaired {
        Impaired { loss: self.loss, delay: self.delay, jitter: self.jitter, reorder: self.reorder }
    }

    /// How many of everything there are, without expanding anything.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.generator().map_or_else(
            || Counts {
                hosts: self.hosts.len() as u64,
                switches: self.switches.len() as u64,
                links: self.links.len() as u64,
            },
            Generator::counts,
        )
    }

    /// Every node and cable. The caller bounds [`Topology::counts`] first: this expands whatever
    /// they are.
    #[must_use]
    pub fn wiring(&self) -> Wiring {
        match self.generator() {
            Some(generator) => generator.wire(self.rate),
            None => Wiring {
                hosts: self.hosts.clone(),
                switches: self.switches.clone(),
                links: self.links.clone(),
            },
        }
    }

    /// Names of all hosts: those listed, or `h1..` of a generator.
    #[must_use]
    pub fn host_names(&self) -> Vec<String> {
        match self.generator() {
            Some(generator) => (1..=generator.counts().hosts).map(|n| format!("h{n}")).collect(),
            None => self.hosts.clone(),
        }
    }
}

/// Largest underlay IP packet where a topology says nothing, in bytes.
#[must_use]
pub const fn default_mtu() -> u32 {
    1500
}

/// One cable: `[a, b]`, or a map with properties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LinkSpec {
    /// Only the two ends.
    Ends([String; 2]),
    /// Ends and properties.
    Full(LinkFull),
}

impl LinkSpec {
    /// The two nodes it joins.
    #[must_use]
    pub const fn ends(&self) -> &[String; 2] {
        match self {
            LinkSpec::Ends(ends) => ends,
            LinkSpec::Full(full) => &full.ends,
        }
    }

    /// Its own MTU in bytes, where it has one.
    #[must_use]
    pub const fn mtu(&self) -> Option<u32> {
        match self {
            LinkSpec::Ends(_) => None,
            LinkSpec::Full(full) => full.mtu,
        }
    }

    /// Its own rate, where it has one.
    #[must_use]
    pub const fn rate(&self) -> Option<Rate> {
        match self {
            LinkSpec::Ends(_) => None,
            LinkSpec::Full(full) => full.rate,
        }
    }

    /// What it does to packets, as far as it says so itself.
    #[must_use]
    pub fn impaired(&self) -> Impaired {
        match self {
            LinkSpec::Ends(_) => Impaired::default(),
            LinkSpec::Full(full) => Impaired {
                loss: full.loss,
                delay: full.delay,
                jitter: full.jitter,
                reorder: full.reorder,
            },
        }
    }
}

/// A cable with properties of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkFull {
    /// The two nodes it joins.
    pub ends: [String; 2],
    /// Largest IP packet in bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Rate in bits per second, each direction.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Share of packets lost, at random in each direction.
    #[serde(default)]
    pub loss: Option<Loss>,
    /// Time that packets are under way, in each direction.
    #[serde(default)]
    pub delay: Option<Delay>,
    /// How much shorter or longer than `delay` that time may be.
    #[serde(default)]
    pub jitter: Option<Delay>,
    /// Share of packets that are sent at once ahead of delayed ones.
    #[serde(default)]
    pub reorder: Option<Reorder>,
}
