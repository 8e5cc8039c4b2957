//! How tenants are carried: encapsulation, fabric, datapath and sizes fit together.

use super::Whole;
use crate::ids::Encap;
use crate::lab::carriers::{KERNEL, has_ids, in_udp, inner_mtu};
use crate::lab::limits::UNDERLAY_MTU;
use crate::lab::model::{Datapath, Fabric, IpVersion, Learning, MtuMode, Topology};

pub(super) fn check(whole: &Whole<'_>) {
    fabric(whole);
    datapath(whole);
    port(whole);
    learning(whole);
    underlay(whole);
    mtu_mode(whole);
    engine(whole);
    one_tenant_without_ids(whole);
    ipv6_inside(whole);
    vm_mtus(whole);
}

/// Where the encapsulation `n` of the lab is written.
pub(super) fn encap_path(whole: &Whole<'_>, n: usize) -> String {
    if whole.lab.compare.encap.is_empty() {
        "carrier.encap".into()
    } else if !whole.all_encaps_read() {
        // With one missing before it, its number is not known.
        "compare.encap".into()
    } else {
        format!("compare.encap[{n}]")
    }
}

fn fabric(whole: &Whole<'_>) {
    let tag = whole.encaps().into_iter().find(|e| e.is_tag());
    if let (Fabric::L3, Some(tag)) = (whole.lab.carrier.fabric, tag) {
        let message = format!(
            "{tag} tags do not cross routers; write `l2`, or `auto`, which gives tags an L2 fabric \
             and tunnels a routed one"
        );
        whole.sink.rule("carrier.fabric", message);
    }
}

fn datapath(whole: &Whole<'_>) {
    for (n, encap) in whole.encaps().into_iter().enumerate() {
        if KERNEL.contains(&encap) {
            continue;
        }
        let asked = whole.lab.datapaths().contains(&Datapath::Kernel);
        let asked_on_some = whole.lab.carrier.datapath_on.values().any(|d| *d == Datapath::Kernel);
        if asked || asked_on_some {
            let message = format!(
                "Linux has no device for {encap}, and the lab asks for the `kernel` datapath; \
                 write `user`"
            );
            whole.sink.rule(&encap_path(whole, n), message);
        }
    }
}

fn port(whole: &Whole<'_>) {
    let asked = whole.lab.carrier.port.is_some() && whole.all_encaps_read();
    if asked && !whole.encaps().into_iter().any(in_udp) {
        let message =
            "no encapsulation of this lab travels in UDP, so there is no port; leave it out";
        whole.sink.rule("carrier.port", message);
    }
}

fn learning(whole: &Whole<'_>) {
    if whole.lab.carrier.learning != Learning::Multicast {
        return;
    }
    let mut encaps = whole.encaps().into_iter();
    let vxlan = !whole.all_encaps_read() || encaps.all(|encap| encap == Encap::Vxlan);
    let carrier = &whole.lab.carrier;
    let kernel = |d: &Datapath| *d == Datapath::Kernel;
    let kernel = whole.lab.datapaths().iter().all(kernel) && carrier.datapath_on.is_empty();
    if !(vxlan && kernel && carrier.fabric == Fabric::L2) {
        let message = "this version has multicast groups for `encap: vxlan` with \
                       `datapath: kernel` on `fabric: l2` only; `flood` suits all";
        whole.sink.rule("carrier.learning", message);
    }
}

fn underlay(whole: &Whole<'_>) {
    let carrier = &whole.lab.carrier;
    let asked = carrier.underlay == IpVersion::Ipv6 && whole.all_encaps_read();
    if asked && whole.encaps().into_iter().all(|e| e.is_tag() || e == Encap::None) {
        let message = "no encapsulation of this lab runs over IP, so there is no underlay \
                       address; leave it out";
        whole.sink.rule("carrier.underlay", message);
    }
}

fn mtu_mode(whole: &Whole<'_>) {
    if whole.lab.carrier.mtu_mode == MtuMode::Lower {
        return;
    }
    let kernel = |d: &Datapath| *d == Datapath::Kernel;
    let carrier = &whole.lab.carrier;
    if whole.lab.datapaths().iter().any(kernel) || carrier.datapath_on.values().any(kernel) {
        let message = "only the `user` datapath has a choice; Linux's devices do as they do";
        whole.sink.rule("carrier.mtu_mode", message);
    }
}

/// Settings that no encapsulation of the lab has.
fn engine(whole: &Whole<'_>) {
    if !whole.all_encaps_read() {
        return;
    }
    let encaps = whole.encaps();
    for (key, of) in whole.lab.carrier.engine.used() {
        if !encaps.iter().any(|e| of.contains(e)) {
            let names: Vec<&str> = of.iter().map(|e| e.name()).collect();
            let message = format!(
                "is a setting of {}, which this lab does not run; leave it out",
                names.join(", ")
            );
            whole.sink.rule(&format!("carrier.engine.{key}"), message);
        }
    }
    let overridden = |d: &Datapath| *d == Datapath::Kernel;
    let own = !whole.lab.carrier.engine.used().is_empty();
    if own && whole.lab.datapaths().iter().any(overridden) {
        let message = "these are settings of this program's engines; write `datapath: user`";
        whole.sink.rule("carrier.engine", message);
    }
}

/// Without an id in the packet, a receiver cannot tell tenants apart.
fn one_tenant_without_ids(whole: &Whole<'_>) {
    if whole.lab.tenants.len() < 2 {
        return;
    }
    for (n, encap) in whole.encaps().into_iter().enumerate() {
        if encap != Encap::None && !has_ids(encap) {
            let message = format!(
                "{encap} packets do not say which tenant they are of, so it carries one tenant, \
                 and the lab has {}; `gre` has keys",
                whole.lab.tenants.len()
            );
            whole.sink.rule(&encap_path(whole, n), message);
        }
    }
}

/// 6in4 carries IPv6 and nothing else.
fn ipv6_inside(whole: &Whole<'_>) {
    if !whole.encaps().contains(&Encap::SixInFour) {
        return;
    }
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        let path = format!("tenants[{n}]");
        if tenant.subnet6.is_none() && !whole.sink.has(&format!("{path}.subnet6")) {
            let message = "6in4 carries IPv6 only; add e.g. `subnet6: fd00::/64`";
            whole.sink.rule(&path, message);
        }
    }
}

/// The smallest MTU of a topology's links, where those without one of their own have `usual`.
fn smallest(topology: &Topology, usual: u32) -> u32 {
    let of_wan = topology.wan.as_ref().and_then(|wan| wan.mtu);
    let own = topology.links.iter().map(|link| link.mtu().unwrap_or(usual)).min();
    own.into_iter().chain(of_wan).min().unwrap_or(usual)
}

/// Every underlay MTU of the lab's variants, where known: any path may lead over the smallest link.
pub(super) fn underlay_mtus(whole: &Whole<'_>) -> Vec<u32> {
    let Some(topology) = whole.topology else { return whole.lab.compare.mtu.clone() };
    if whole.lab.compare.mtu.is_empty() {
        return vec![smallest(topology, topology.mtu)];
    }
    whole.lab.compare.mtu.iter().map(|mtu| smallest(topology, *mtu)).collect()
}

/// The smallest inner MTU over all variants, with the encapsulation and the underlay MTU it comes from.
pub(super) fn tightest(whole: &Whole<'_>, only: Option<Encap>) -> Option<(u32, Encap, u32)> {
    let encaps = whole.encaps();
    let encaps = encaps.iter().filter(|e| only.is_none_or(|only| only == **e));
    let mtus = underlay_mtus(whole);
    let carrier = &whole.lab.carrier;
    encaps
        .flat_map(|e| mtus.iter().filter_map(|mtu| Some((inner_mtu(*e, carrier, *mtu)?, *e, *mtu))))
        .min_by_key(|(inner, ..)| *inner)
}

fn vm_mtus(whole: &Whole<'_>) {
    // Otherwise packets that are too large are what the lab is about.
    if whole.lab.carrier.mtu_mode != MtuMode::Lower {
        return;
    }
    let Some((inner, encap, underlay)) = tightest(whole, None) else { return };
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        for vm in &tenant.vms {
            let Some(mtu) = vm.mtu.filter(|mtu| *mtu > inner) else { continue };
            let path = format!("tenants[{n}].vms.{}.mtu", vm.name);
            let wanted = mtu + (underlay - inner);
            let or = if UNDERLAY_MTU.contains(&wanted) {
                format!(", or raise the underlay's `mtu` to {wanted}")
            } else {
                String::new()
            };
            let why = format!("{encap} over an underlay MTU of {underlay} leaves {inner} bytes");
            let message = format!("{mtu} does not fit: {why}; take at most {inner}{or}");
            whole.sink.rule(&path, message);
        }
    }
}
