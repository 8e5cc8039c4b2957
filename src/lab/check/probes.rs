//! Crafted packets: between ends that exist, with fields that their encapsulation has.

use std::collections::HashSet;

use super::Whole;
use super::flows::end;
use crate::ids::Encap;
use crate::lab::carriers::in_udp;
use crate::lab::probes::{Checksum, Crafted, InnerPacket, OuterPacket, ProbeExpected};
use crate::lab::read::suggestion;

/// IPv4, ARP, 802.1Q, IPv6 and 802.1ad.
const TAKEN: [u16; 5] = [0x0800, 0x0806, 0x8100, 0x86DD, 0x88A8];

pub(super) fn check(whole: &Whole<'_>) {
    let mut seen = HashSet::new();
    for (n, probe) in whole.lab.probes.iter().enumerate() {
        let path = format!("probes[{n}]");
        if !probe.name.is_empty() && !seen.insert(&probe.name) {
            let message = format!("two probes are called `{}`; rename one", probe.name);
            whole.sink.rule(&format!("{path}.name"), message);
        }
        match &probe.packet {
            Crafted::Outer(packet) => outer(whole, packet, &format!("{path}.outer")),
            Crafted::Inner(packet) => inner(whole, packet, &format!("{path}.inner")),
        }
    }
}

fn inner(whole: &Whole<'_>, packet: &InnerPacket, path: &str) {
    let ends = [
        end(whole, &packet.from, &format!("{path}.from")),
        end(whole, &packet.to, &format!("{path}.to")),
    ];
    if ends.iter().all(Option::is_some) && packet.from == packet.to {
        let message = format!("`{}` is where the probe comes from; name another VM", packet.to);
        whole.sink.rule(&format!("{path}.to"), message);
    }
    if let Some(kind) = packet.ethertype.filter(|kind| TAKEN.contains(kind)) {
        let message = format!(
            "{kind:#06x} is the type of frames that hold something else than a mark; \
             take 0x88b5, which is kept for experiments"
        );
        whole.sink.rule(&format!("{path}.ethertype"), message);
    }
    let no_frames = |encap: &Encap| !encap.carries_ethernet();
    if packet.tag.is_some() && whole.all_encaps_read() && whole.encaps().iter().all(no_frames) {
        let message = "no encapsulation of this lab carries Ethernet frames, so none has a tag";
        whole.sink.rule(&format!("{path}.tag"), message);
    }
}

fn outer(whole: &Whole<'_>, packet: &OuterPacket, path: &str) {
    host(whole, &packet.from, &format!("{path}.from"));
    let to = format!("{path}.to");
    if packet.to.contains('/') {
        end(whole, &packet.to, &to);
    } else {
        host(whole, &packet.to, &to);
    }
    if packet.from == packet.to && !packet.from.is_empty() {
        let message = format!("`{}` is where the probe comes from; name another host", packet.to);
        whole.sink.rule(&to, message);
    }
    if !whole.all_encaps_read() {
        return;
    }
    let encaps = whole.encaps();
    let crafted = |encap: &Encap| !matches!(encap, Encap::None | Encap::Ssh) && !encap.is_tag();
    if packet.vid.is_some() {
        if !encaps.contains(&Encap::Vlan) {
            let message = "the lab never runs vlan, so that nothing has such a tag; leave it out";
            whole.sink.rule(&format!("{path}.vid"), message);
        }
        if !packet.to.contains('/') && !packet.to.is_empty() {
            let message = "a tagged frame is for a VM, `tenant/vm`, whose MAC it has";
            whole.sink.rule(&to, message);
        }
        return;
    }
    if !encaps.iter().any(crafted) {
        let message = "no encapsulation of this lab has packets that can be made by hand; \
                       write `inner` for a frame of a VM";
        whole.sink.rule(path, message);
    }
    if let Some(checksum) = packet.checksum {
        // Only GRE's `csum`, which nothing else takes, gives another one than UDP's.
        let udp = encaps.iter().any(|encap| in_udp(*encap));
        let summed = whole.lab.carriers().iter().any(|c| c.engine.csum);
        let path = format!("{path}.checksum");
        if !udp && !summed {
            let message = "no encapsulation of this lab travels in UDP, so there is no such checksum; \
                           GRE has one with `engine: { csum: true }`";
            whole.sink.rule(&path, message);
        } else if !udp && checksum == Checksum::Zero {
            let message = "GRE that has a checksum takes zero for a sum like any other; \
                           write `wrong`, or leave it out";
            whole.sink.rule(&path, message);
        }
    }
    if packet.sequence.is_some() && !whole.lab.carriers().iter().any(|c| c.engine.seq) {
        let message = "no variant of this lab has sequence numbers; add `engine: { seq: true }`";
        whole.sink.rule(&format!("{path}.sequence"), message);
    }
    if packet.tag.is_some() && !encaps.iter().any(|encap| encap.carries_ethernet()) {
        let message = "no encapsulation of this lab carries Ethernet frames, so none has a tag";
        whole.sink.rule(&format!("{path}.tag"), message);
    }
}

fn host(whole: &Whole<'_>, name: &str, path: &str) {
    if name.is_empty() {
        return;
    }
    let Some(hosts) = &whole.hosts else { return };
    if !hosts.iter().any(|host| host == name) {
        let near = suggestion(name, hosts.iter().map(String::as_str));
        whole.sink.rule(path, format!("there is no host `{name}` in the topology{near}"));
    }
}

/// An expectation about a probe.
pub(super) fn expected(
    whole: &Whole<'_>,
    expected: &ProbeExpected,
    only: Option<Encap>,
    path: &str,
) {
    let probes = &whole.lab.probes;
    let Some(probe) = probes.iter().find(|probe| probe.name == expected.name) else {
        if whole.sink.clean("probes") {
            let near = suggestion(&expected.name, probes.iter().map(|p| p.name.as_str()));
            let message = format!("there is no probe `{}`{near}", expected.name);
            whole.sink.rule(&format!("{path}.name"), message);
        }
        return;
    };
    if let Some(delivered) = expected.delivered.filter(|delivered| *delivered > probe.count) {
        let message =
            format!("only {} are sent, so {delivered} can never be delivered", probe.count);
        whole.sink.rule(&format!("{path}.delivered"), message);
    }
    let to_host = matches!(&probe.packet, Crafted::Outer(packet) if !packet.to.contains('/'));
    if to_host && expected.delivered.is_some_and(|delivered| delivered > 0) {
        let message = format!("`{}` is for a host, and is delivered to no VM", probe.name);
        whole.sink.rule(&format!("{path}.delivered"), message);
    }
    if only == Some(Encap::None) {
        whole.sink.rule(path, "the plain path carries no probes; expect it in an encapsulation");
    }
}
