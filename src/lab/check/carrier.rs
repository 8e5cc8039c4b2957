//! How tenants are carried: encapsulation, fabric, datapath and sizes fit together.

use super::Whole;
use crate::ids::Encap;
use crate::lab::carriers::{KERNEL, in_udp, inner_mtu};
use crate::lab::limits::UNDERLAY_MTU;
use crate::lab::model::{Datapath, Fabric};

pub(super) fn check(whole: &Whole<'_>) {
    fabric(whole);
    datapath(whole);
    port(whole);
    vm_mtus(whole);
}

/// Where the encapsulation `n` of the lab is written.
fn encap_path(whole: &Whole<'_>, n: usize) -> String {
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

/// Every underlay MTU of the lab's variants, where known.
pub(super) fn underlay_mtus(whole: &Whole<'_>) -> Vec<u32> {
    if !whole.lab.compare.mtu.is_empty() {
        return whole.lab.compare.mtu.clone();
    }
    whole.topology.map(|t| t.mtu).into_iter().collect()
}

/// The smallest inner MTU over all variants, with the encapsulation and the underlay MTU it comes from.
pub(super) fn tightest(whole: &Whole<'_>, only: Option<Encap>) -> Option<(u32, Encap, u32)> {
    let encaps = whole.encaps();
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
