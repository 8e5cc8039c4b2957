//! What can be compared: one line for each key of `compare`.

use super::axes;
use crate::ids::Encap;
use crate::lab::{Carrier, Compare, EngineSettings, Fabric, Impaired, Rate, in_groups, in_udp};

/// The keys of a lab and its topology that can be compared, with the values one variant has.
#[derive(Clone)]
pub(super) struct Draft {
    /// The lab's carrier with what this variant has of what is compared.
    pub carrier: Carrier,
    /// MTU of links that have none of their own, in bytes.
    pub mtu: u32,
    /// What links do to packets that say nothing of it themselves.
    pub impaired: Impaired,
    /// Rate that the topology gives its links.
    pub rate: Option<Rate>,
}

impl Draft {
    fn nve_addresses(&mut self, count: u32) {
        self.carrier.engine.nve_addresses = Some(count);
    }

    fn source_ports(&mut self, count: u32) {
        self.carrier.engine.source_ports = Some(count);
    }
}

/// One compared key with its values.
pub(super) struct Axis<'a> {
    /// Whether the key makes a difference to an encapsulation.
    applies: fn(Encap) -> bool,
    values: Vec<Value<'a>>,
}

/// One value: how a draft gets it, and the part of the name that tells it from the others.
struct Value<'a> {
    set: Box<dyn Fn(&mut Draft) + 'a>,
    name: Box<dyn Fn(Encap) -> String + 'a>,
}

/// Keys of the links, which the plain path has too; the outermost loops.
pub(super) fn of_links(compare: &Compare) -> Vec<Axis<'_>> {
    vec![
        axis(&compare.mtu, all, |d, &v| d.mtu = v, |v, _| format!("mtu{v}")),
        axis(
            &compare.loss,
            all,
            |d, &v| d.impaired.loss = Some(v),
            |v, _| format!("loss{}", word(v)),
        ),
        axis(&compare.delay, all, |d, &v| d.impaired.delay = Some(v), |v, _| format!("delay{v}")),
        axis(&compare.rate, all, |d, &v| d.rate = Some(v), |v, _| format!("rate{}", word(v))),
        axis(&compare.offloads, all, |d, &v| d.carrier.offloads = v, |v, _| v.name("offloads")),
    ]
}

/// Keys of the carrier, beside encapsulation and datapath; the innermost loops.
pub(super) fn of_carrier(compare: &Compare) -> Vec<Axis<'_>> {
    vec![
        axis(&compare.fabric, all, |d, &v| d.carrier.fabric = v, |&v, e| fabric(v, e)),
        axis(&compare.underlay, over_ip, |d, &v| d.carrier.underlay = v, |v, _| v.name().into()),
        axis(&compare.mtu_mode, carried, |d, &v| d.carrier.mtu_mode = v, |v, _| v.name().into()),
        axis(&compare.engine, carried, |d, v| d.carrier.engine = v.clone(), EngineSettings::label),
        axis(&compare.learning, in_groups, |d, &v| d.carrier.learning = v, |v, _| v.name().into()),
        axis(&compare.nve_addresses, nvgre, |d, &v| d.nve_addresses(v), |v, _| format!("nve{v}")),
        axis(&compare.source_ports, in_udp, |d, &v| d.source_ports(v), |v, _| format!("sport{v}")),
        axis(&compare.ecmp, over_ip, |d, &v| d.carrier.ecmp = v, |v, _| v.name().into()),
        axis(&compare.port, in_udp, |d, &v| d.carrier.port = Some(v), |v, _| format!("port{v}")),
    ]
}

/// All combinations of the axes that make a difference to an encapsulation, from one draft, each
/// with the parts of its name.
pub(super) fn crossed(from: &Draft, axes: &[Axis<'_>], encap: Encap) -> Vec<(Draft, String)> {
    let mut drafts = vec![(from.clone(), String::new())];
    for axis in axes.iter().filter(|axis| !axis.values.is_empty() && (axis.applies)(encap)) {
        let with = |(draft, name): &(Draft, String), value: &Value<'_>| {
            let mut draft = draft.clone();
            (value.set)(&mut draft);
            let part = if axis.values.len() > 1 { (value.name)(encap) } else { String::new() };
            let dash = if part.is_empty() { "" } else { "-" };
            (draft, format!("{name}{dash}{part}"))
        };
        drafts = drafts.iter().flat_map(|d| axis.values.iter().map(|v| with(d, v))).collect();
    }
    drafts
}

/// An axis: its values, to whom it makes a difference, how a draft gets a value, and what a variant is
/// called after it.
fn axis<'a, T>(
    values: &'a [T],
    applies: fn(Encap) -> bool,
    set: fn(&mut Draft, &T),
    name: fn(&T, Encap) -> String,
) -> Axis<'a> {
    let value = |value: &'a T| Value {
        set: Box::new(move |draft| set(draft, value)),
        name: Box::new(move |encap| name(value, encap)),
    };
    Axis { applies, values: values.iter().map(value).collect() }
}

const fn all(_: Encap) -> bool {
    true
}

fn carried(encap: Encap) -> bool {
    encap != Encap::None
}

fn over_ip(encap: Encap) -> bool {
    encap != Encap::None && !encap.is_tag()
}

fn nvgre(encap: Encap) -> bool {
    encap == Encap::Nvgre
}

/// Plain paths are called after their fabric anyhow.
fn fabric(asked: Fabric, encap: Encap) -> String {
    if encap == Encap::None {
        return String::new();
    }
    axes::fabric(asked, encap).map(|fabric| fabric.name().to_owned()).unwrap_or_default()
}

/// A quantity as a part of a name, where a point would part a variant's name from a node's.
fn word(quantity: &impl ToString) -> String {
    quantity.to_string().trim_end_matches('%').replace('.', "p")
}
