//! How tenants are carried: the encapsulation, the fabric below it, the datapath and the sizes fit together.

use super::Whole;
use crate::ids::Encap;
use crate::lab::carriers::{KERNEL, in_udp, inner_mtu};
use crate::lab::model::{Datapath, Fabric};

pub(super) fn check(whole: &Whole<'_>) {
    // Without knowing the encapsulations nothing can be said about what fits them.
    if !encaps_known(whole) {
        return;
    }
    fabric(whole);
    datapath(whole);
    port(whole);
    vm_mtus(whole);
}

/// Whether all encapsulations of the lab were read.
pub(super) fn encaps_known(whole: &Whole<'_>) -> bool {
    ["carrier", "carrier.encap", "compare"].iter().all(|path| !whole.sink.faulty_at(path))
        && whole.sink.clean("carrier.encap")
        && whole.sink.clean("compare.encap")
}

/// Where the encapsulation `n` of the lab is written.
fn encap_path(whole: &Whole<'_>, n: usize) -> String {
    if whole.lab.compare.encap.is_empty() {
        "carrier.encap".into()
    } else {
        format!("compare.encap[{n}]")
    }
}

fn fabric(whole: &Whole<'_>) {
    let tag = whole.lab.encaps().into_iter().find(|e| e.is_tag());
    if let (Fabric::L3, Some(tag)) = (whole.lab.carrier.fabric, tag) {
        whole.sink.rule("carrier.fabric", format!("{tag} tags do not cross routers; write `l2`, or `auto`, which gives tags an L2 fabric and tunnels a routed one"));
    }
}

fn datapath(whole: &Whole<'_>) {
    for (n, encap) in whole.lab.encaps().into_iter().enumerate() {
        if KERNEL.contains(&encap) {
            continue;
        }
        let asked = whole.lab.datapaths().contains(&Datapath::Kernel);
        let asked_on_some = whole.lab.carrier.datapath_on.values().any(|d| *d == Datapath::Kernel);
        if asked || asked_on_some {
            whole.sink.rule(&encap_path(whole, n), format!("Linux has no device for {encap}, and the lab asks for the `kernel` datapath; write `user`"));
        }
    }
}

fn port(whole: &Whole<'_>) {
    let encaps = whole.lab.encaps();
    if whole.lab.carrier.port.is_some() && !encaps.iter().any(|e| in_udp(*e)) {
        let names: Vec<&str> = encaps.iter().map(|e| e.name()).collect();
        whole.sink.rule(
            "carrier.port",
            format!("{} does not travel in UDP and has no port; leave it out", names.join(", ")),
        );
    }
}

/// Every underlay MTU of the lab's variants, where known.
pub(super) fn underlay_mtus(whole: &Whole<'_>) -> Vec<u32> {
    if !whole.lab.compare.mtu.is_empty() {
        return whole.lab.compare.mtu.clone();
    }
    whole.topology.map(|t| t.mtu).into_iter().collect()
}

/// The smallest inner MTU over all variants, with the encapsulation and the underlay MTU it comes from.
pub(super) fn tightest(whole: &Whole<'_>, only: Option<Encap>) -> Option<(u32, Encap, u32)> {
    let encaps = whole.lab.encaps();
    let encaps = encaps.iter().filter(|e| only.is_none_or(|only| only == **e));
    let mtus = underlay_mtus(whole);
    encaps
        .flat_map(|e| mtus.iter().filter_map(|mtu| Some((inner_mtu(*e, *mtu)?, *e, *mtu))))
        .min_by_key(|(inner, ..)| *inner)
}

fn vm_mtus(whole: &Whole<'_>) {
    let Some((inner, encap, underlay)) = tightest(whole, None) else { return };
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        for vm in &tenant.vms {
            let Some(mtu) = vm.mtu.filter(|mtu| *mtu > inner) else { continue };
            let path = format!("tenants[{n}].vms.{}.mtu", vm.name);
            whole.sink.rule(&path, format!("{mtu} does not fit: {encap} over an underlay MTU of {underlay} leaves {inner} bytes; take at most {inner}, or raise the topology's `mtu` to {}", mtu + (underlay - inner)));
        }
    }
}
