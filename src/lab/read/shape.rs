//! Generators of topologies: a key each, with a map of numbers.

use std::ops::RangeInclusive;

use super::At;
use super::at::Fields;
use super::carrier::underlay_mtu;
use super::topology::{impaired, rate};
use crate::lab::limits::{DEPTH, FABRIC, FAT_TREE, RING};
use crate::lab::model::Topology;
use crate::lab::topology::{
    DualHomed, FatTree, Impaired, LeafSpine, Linear, Mesh, Ring, SingleSwitch, Tree, Wan,
};

/// A parameter: its key, what it is in words, and its range.
type Parameter = (&'static str, &'static str, RangeInclusive<u32>);

const HOSTS: Parameter = ("hosts", "number of hosts under each switch", FABRIC);
const SWITCHES: Parameter = ("switches", "number of switches", FABRIC);
const SPINES: Parameter = ("spines", "number of spines", FABRIC);

/// Reads all generators that are given into an otherwise empty topology.
pub(super) fn shape(fields: &Fields<'_>) -> Topology {
    Topology {
        single_switch: fields.get("single-switch").and_then(|at| {
            let [hosts] = numbers(&at, "{ hosts: 4 }", &[HOSTS])?;
            Some(SingleSwitch { hosts })
        }),
        linear: fields.get("linear").and_then(|at| {
            let [switches, hosts] = numbers(&at, "{ switches: 3, hosts: 1 }", &[SWITCHES, HOSTS])?;
            Some(Linear { switches, hosts })
        }),
        tree: fields.get("tree").and_then(|at| {
            let depth = ("depth", "number of levels of switches", DEPTH);
            let fanout = ("fanout", "number of children of each switch", FABRIC);
            let [depth, fanout] = numbers(&at, "{ depth: 2, fanout: 2 }", &[depth, fanout])?;
            Some(Tree { depth, fanout })
        }),
        leaf_spine: fields.get("leaf-spine").and_then(|at| leaf_spine(&at)),
        fat_tree: fields.get("fat-tree").and_then(|at| {
            let k = ("k", "number of ports of each switch", FAT_TREE);
            let [k] = numbers(&at, "{ k: 4 }", &[k])?;
            Some(FatTree { k })
        }),
        ring: fields.get("ring").and_then(|at| {
            let switches = ("switches", "number of switches of a ring", RING);
            let [switches, hosts] = numbers(&at, "{ switches: 4, hosts: 1 }", &[switches, HOSTS])?;
            Some(Ring { switches, hosts })
        }),
        mesh: fields.get("mesh").and_then(|at| {
            let [switches, hosts] = numbers(&at, "{ switches: 4, hosts: 1 }", &[SWITCHES, HOSTS])?;
            Some(Mesh { switches, hosts })
        }),
        dual_homed: fields.get("dual-homed").and_then(|at| {
            let pairs = ("pairs", "number of pairs of leaves", FABRIC);
            let example = "{ pairs: 2, spines: 2, hosts: 2 }";
            let [pairs, spines, hosts] = numbers(&at, example, &[pairs, SPINES, HOSTS])?;
            Some(DualHomed { pairs, spines, hosts })
        }),
        wan: fields.get("wan").and_then(|at| wan(&at)),
        ..Topology::default()
    }
}

/// A map of numbers that must all be there; `example` shows it.
fn numbers<const N: usize>(
    at: &At<'_>,
    example: &str,
    parameters: &[Parameter; N],
) -> Option<[u32; N]> {
    let keys = parameters.each_ref().map(|(key, ..)| *key);
    let fields = at.fields(&format!("a map, e.g. `{example}`"), &keys)?;
    needed(&fields, parameters)
}

fn needed<const N: usize>(fields: &Fields<'_>, parameters: &[Parameter; N]) -> Option<[u32; N]> {
    // All of them, so that all faults are found.
    let read = parameters
        .each_ref()
        .map(|(key, what, range)| fields.need(key, &format!("the {what}"))?.number(what, range));
    let mut numbers = [0; N];
    for (number, read) in numbers.iter_mut().zip(read) {
        *number = read?;
    }
    Some(numbers)
}

fn leaf_spine(at: &At<'_>) -> Option<LeafSpine> {
    let keys = ["leaves", "spines", "hosts", "oversubscription"];
    let fields = at.fields("a map, e.g. `{ leaves: 2, spines: 2, hosts: 2 }`", &keys)?;
    let leaves = ("leaves", "number of leaves", FABRIC);
    let hosts = ("hosts", "number of hosts under each leaf", FABRIC);
    let oversubscription =
        fields.get("oversubscription").and_then(|at| at.positive("oversubscription, e.g. 3"));
    let [leaves, spines, hosts] = needed(&fields, &[leaves, SPINES, hosts])?;
    Some(LeafSpine { leaves, spines, hosts, oversubscription })
}

fn wan(at: &At<'_>) -> Option<Wan> {
    let keys = ["sites", "hosts", "cores", "mtu", "rate", "loss", "delay", "jitter", "reorder"];
    let fields = at.fields("a map, e.g. `{ sites: 2, hosts: 2 }`", &keys)?;
    let sites = ("sites", "number of sites", FABRIC);
    let hosts = ("hosts", "number of hosts in each site", FABRIC);
    let cores = fields.get("cores").map(|at| at.number("number of core routers", &FABRIC));
    let mtu = fields.get("mtu").and_then(|at| underlay_mtu(&at));
    let rate = fields.get("rate").and_then(|at| rate(&at));
    let impaired = impaired(&fields);
    let [sites, hosts] = needed(&fields, &[sites, hosts])?;
    let Impaired { loss, delay, jitter, reorder } = impaired;
    let cores = cores.unwrap_or(Some(1))?;
    Some(Wan { sites, hosts, cores, mtu, rate, loss, delay, jitter, reorder })
}
