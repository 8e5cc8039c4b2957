//! `probes`: crafted packets.

use super::At;
use super::at::Fields;
use super::names;
use crate::lab::limits::{ETHERTYPE, PROBES, VID};
use crate::lab::probes::{Cast, Checksum, Crafted, InnerPacket, OuterPacket, Probe};

const CHECKSUMS: [(&str, Checksum); 3] =
    [("zero", Checksum::Zero), ("right", Checksum::Right), ("wrong", Checksum::Wrong)];
const CASTS: [(&str, Cast); 3] =
    [("unicast", Cast::Unicast), ("broadcast", Cast::Broadcast), ("multicast", Cast::Multicast)];

pub(super) fn probes(at: &At<'_>) -> Vec<Probe> {
    let Some(items) = at.list("a list of probes") else { return Vec::new() };
    // One that could not be read keeps its place in the list, without ends.
    items.iter().map(|at| probe(at).unwrap_or_else(nobodys)).collect()
}

fn nobodys() -> Probe {
    let (name, from, to) = Default::default();
    let packet = InnerPacket { from, to, tag: None, cast: Cast::Unicast, ethertype: None };
    Probe { name, packet: Crafted::Inner(packet), count: 1 }
}

fn probe(at: &At<'_>) -> Option<Probe> {
    let example = "`{ name: zero, outer: { from: h1, to: red/vm2, checksum: zero } }`";
    let keys = ["name", "outer", "inner", "count"];
    let fields = at.fields(&format!("a probe, e.g. {example}"), &keys)?;
    let name = fields.need("name", "a name for the probe").and_then(|at| at.name(names::PROBES));
    let count = fields.get("count").and_then(|at| at.number("number of packets", &PROBES));
    let packet = match (fields.get("outer"), fields.get("inner")) {
        (Some(at), None) => Crafted::Outer(outer(&at)?),
        (None, Some(at)) => Crafted::Inner(inner(&at)?),
        _ => {
            if at.sink.clean(&at.path) {
                at.wrong(format!("a probe is either `outer` or `inner`, e.g. {example}"));
            }
            return None;
        }
    };
    Some(Probe { name: name.unwrap_or_default(), packet, count: count.unwrap_or(10) })
}

fn ends(fields: &Fields<'_>, from: &str, to: &str) -> (String, String) {
    let end = |key, wanted: &str| {
        fields.need(key, wanted).and_then(|at| at.text(wanted)).unwrap_or_default()
    };
    (end("from", from), end("to", to))
}

fn outer(at: &At<'_>) -> Option<OuterPacket> {
    let keys = ["from", "to", "checksum", "tag", "vid", "sequence"];
    let fields = at.fields("a map, e.g. `{ from: h1, to: red/vm2 }`", &keys)?;
    let (from, to) =
        ends(&fields, "the sending host, e.g. `h1`", "a VM, e.g. `red/vm2`, or a host, e.g. `h2`");
    Some(OuterPacket {
        from,
        to,
        checksum: fields.get("checksum").and_then(|at| at.choice("checksum", &CHECKSUMS)),
        tag: fields.get("tag").and_then(|at| at.id("VLAN id")),
        vid: fields
            .get("vid")
            .and_then(|at| at.number("VLAN id in a frame", &VID))
            .and_then(|vid| u16::try_from(vid).ok()),
        sequence: fields
            .get("sequence")
            .and_then(|at| at.number("sequence number", &(0..=u32::MAX))),
    })
}

fn inner(at: &At<'_>) -> Option<InnerPacket> {
    let keys = ["from", "to", "tag", "cast", "ethertype"];
    let fields = at.fields("a map, e.g. `{ from: red/vm1, to: red/vm2 }`", &keys)?;
    let wanted = "a VM as `tenant/vm`, e.g. `red/vm1`";
    let (from, to) = ends(&fields, wanted, wanted);
    Some(InnerPacket {
        from,
        to,
        tag: fields.get("tag").and_then(|at| at.id("VLAN id")),
        cast: fields.get("cast").and_then(|at| at.choice("cast", &CASTS)).unwrap_or_default(),
        ethertype: fields
            .get("ethertype")
            .and_then(|at| at.number("EtherType", &ETHERTYPE))
            .and_then(|number| u16::try_from(number).ok()),
    })
}
