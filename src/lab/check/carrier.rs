//! How tenants are carried: encapsulation, fabric, datapath and sizes fit together.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Whole, impaired};
use crate::ids::Encap;
use crate::lab::carriers::{KERNEL, fabric as fabric_of, has_ids, in_groups, in_udp, inner_mtu};
use crate::lab::limits::UNDERLAY_MTU;
use crate::lab::model::{
    Datapath, EngineSettings, Fabric, IpVersion, Learning, MtuMode, Switchable, Topology,
};

pub(super) fn check(whole: &Whole<'_>) {
    fabric(whole);
    datapath(whole);
    port(whole);
    learning(whole);
    groups(whole);
    vteps(whole);
    compared(whole);
    underlay(whole);
    mtu_mode(whole);
    engine(whole);
    zero_checksums(whole);
    impaired::compared(whole);
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
    let Some(tag) = whole.encaps().into_iter().find(|e| e.is_tag()) else { return };
    for (path, _) in whole.lab.fabrics().iter().filter(|(_, fabric)| *fabric == Fabric::L3) {
        let message = format!(
            "{tag} tags do not cross routers; write `l2`, or `auto`, which gives tags an L2 fabric \
             and tunnels a routed one"
        );
        whole.sink.rule(path, message);
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
    if !whole.all_encaps_read() || whole.encaps().into_iter().any(in_udp) {
        return;
    }
    let message = "no encapsulation of this lab travels in UDP, so there is no port; leave it out";
    if whole.lab.carrier.port.is_some() {
        whole.sink.rule("carrier.port", message);
    }
    if !whole.lab.compare.port.is_empty() {
        whole.sink.rule("compare.port", message);
    }
}

fn learning(whole: &Whole<'_>) {
    if !whole.lab.learnings().contains(&Learning::Multicast) || !whole.all_encaps_read() {
        return;
    }
    let path = match whole.lab.compare.learning.iter().position(|l| *l == Learning::Multicast) {
        Some(n) => format!("compare.learning[{n}]"),
        None => "carrier.learning".to_owned(),
    };
    let encaps = whole.encaps();
    let floods = |e: &Encap| !matches!(e, Encap::None) && !e.is_tag();
    if let Some(other) = encaps.iter().find(|e| floods(e) && !in_groups(**e)) {
        let message = format!(
            "{other} has one tunnel to each host and nothing to send to a group; multicast groups \
             are for gretap, vxlan, nvgre, stt and geneve; `flood` suits all"
        );
        whole.sink.rule(&path, message);
    } else if !encaps.iter().any(floods) {
        whole.sink.rule(&path, "no encapsulation of this lab runs over IP, so there are no groups");
    }
}

/// Groups are used, and are addresses of the underlay's IP version.
fn groups(whole: &Whole<'_>) {
    let used = whole.lab.learnings().contains(&Learning::Multicast);
    let underlays = whole.lab.underlays();
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        let Some(group) = tenant.group else { continue };
        let path = format!("tenants[{n}].group");
        if !used && whole.sink.clean("carrier") && whole.sink.clean("compare") {
            let message = "nothing is sent to a group; write `carrier: { learning: multicast }`";
            whole.sink.rule(&path, message);
        } else if let Some((_, underlay)) = other_version(&underlays, group) {
            let other = if *underlay == IpVersion::Ipv6 { "ff18::360" } else { "239.0.3.96" };
            let message =
                format!("{group} is of another IP version than the underlay; take e.g. {other}");
            whole.sink.rule(&path, message);
        }
    }
}

/// An underlay that an address is not of.
fn other_version(
    underlays: &[(String, IpVersion)],
    address: IpAddr,
) -> Option<&(String, IpVersion)> {
    underlays.iter().find(|(_, underlay)| (*underlay == IpVersion::Ipv6) != address.is_ipv6())
}

/// VTEPs' own addresses: of hosts that exist, each with its own, on routers, apart from tenants.
fn vteps(whole: &Whole<'_>) {
    let lab = whole.lab;
    let mut owner = HashMap::new();
    for (host, address) in &lab.carrier.vtep {
        let path = format!("carrier.vtep.{host}");
        let inside = lab.tenants.iter().find(|t| match address {
            IpAddr::V4(v4) => t.subnet.prefix_len() > 0 && t.subnet.contains(v4),
            IpAddr::V6(v6) => t.subnet6.is_some_and(|net| net.contains(v6)),
        });
        if let Some(other) = owner.insert(address, host) {
            let message = format!("{address} is the address of `{other}` already");
            whole.sink.rule(&path, message);
        } else if other_version(&lab.underlays(), *address).is_some() {
            let message = format!("{address} is of another IP version than the underlay");
            whole.sink.rule(&path, message);
        } else if let Some(tenant) = inside {
            let message = format!(
                "{address} lies in the subnet of `{}`; the underlay has addresses of its own",
                tenant.name
            );
            whole.sink.rule(&path, message);
        }
    }
    if lab.carrier.vtep.is_empty() || !whole.all_encaps_read() {
        return;
    }
    let fabrics = lab.fabrics();
    let bridged = |e: &Encap| fabrics.iter().any(|(_, f)| fabric_of(*f, *e) == Fabric::L2);
    if whole.encaps().iter().any(|e| !e.is_tag() && bridged(e)) {
        let message = "in an L2 fabric all hosts are in one subnet, with addresses of the plan; \
                       write `fabric: l3`, or leave `vtep` out";
        whole.sink.rule("carrier.vtep", message);
    }
}

/// Compared settings that no encapsulation of the lab has.
fn compared(whole: &Whole<'_>) {
    if !whole.all_encaps_read() {
        return;
    }
    let compare = &whole.lab.compare;
    let encaps = whole.encaps();
    for (key, used, of) in [
        ("nve_addresses", !compare.nve_addresses.is_empty(), &[Encap::Nvgre][..]),
        ("source_ports", !compare.source_ports.is_empty(), &[Encap::Vxlan, Encap::Geneve][..]),
    ] {
        if used && !encaps.iter().any(|e| of.contains(e)) {
            let names: Vec<&str> = of.iter().map(|e| e.name()).collect();
            let message = format!(
                "is a setting of {}, which this lab does not run; leave it out",
                names.join(", ")
            );
            whole.sink.rule(&format!("compare.{key}"), message);
        }
        if used && whole.lab.datapaths().contains(&Datapath::Kernel) {
            let message = "this is a setting of this program's engines; write `datapath: user`";
            whole.sink.rule(&format!("compare.{key}"), message);
        }
    }
}

fn underlay(whole: &Whole<'_>) {
    let underlays = whole.lab.underlays();
    let asked = underlays.into_iter().find(|(_, underlay)| *underlay == IpVersion::Ipv6);
    let Some((path, _)) = asked.filter(|_| whole.all_encaps_read()) else { return };
    if whole.encaps().into_iter().all(|e| e.is_tag() || e == Encap::None) {
        let message = "no encapsulation of this lab runs over IP, so there is no underlay \
                       address; leave it out";
        whole.sink.rule(&path, message);
    }
}

fn mtu_mode(whole: &Whole<'_>) {
    let compared = &whole.lab.compare.mtu_mode;
    let lower = |mode: &MtuMode| *mode == MtuMode::Lower;
    let (path, all_lower) = if compared.is_empty() {
        ("carrier.mtu_mode", lower(&whole.lab.carrier.mtu_mode))
    } else {
        ("compare.mtu_mode", compared.iter().all(lower))
    };
    if all_lower {
        return;
    }
    let kernel = |d: &Datapath| *d == Datapath::Kernel;
    let carrier = &whole.lab.carrier;
    if whole.lab.datapaths().iter().any(kernel) || carrier.datapath_on.values().any(kernel) {
        let message = "only the `user` datapath has a choice; Linux's devices do as they do";
        whole.sink.rule(path, message);
    }
}

/// Settings that no encapsulation of the lab has.
fn engine(whole: &Whole<'_>) {
    if !whole.all_encaps_read() {
        return;
    }
    let compared = whole.lab.compare.engine.iter().enumerate();
    let compared = compared.map(|(n, engine)| (format!("compare.engine[{n}]"), engine));
    let single = std::iter::once(("carrier.engine".to_owned(), &whole.lab.carrier.engine));
    for (path, settings) in single.chain(compared) {
        settings_fit(whole, settings, &path);
    }
}

fn settings_fit(whole: &Whole<'_>, settings: &EngineSettings, path: &str) {
    let encaps = whole.encaps();
    for (key, of) in settings.used() {
        if !encaps.iter().any(|e| of.contains(e)) {
            let names: Vec<&str> = of.iter().map(|e| e.name()).collect();
            let message = format!(
                "is a setting of {}, which this lab does not run; leave it out",
                names.join(", ")
            );
            whole.sink.rule(&format!("{path}.{key}"), message);
        }
    }
    let overridden = |d: &Datapath| *d == Datapath::Kernel;
    let own = !settings.used().is_empty();
    if own && whole.lab.datapaths().iter().any(overridden) {
        let message = "these are settings of this program's engines; write `datapath: user`";
        whole.sink.rule(path, message);
    }
}

/// Over IPv6 a receiver drops zero checksums unless it was told to take them (RFC 6935 section 5).
fn zero_checksums(whole: &Whole<'_>) {
    let (underlays, settings) = (whole.lab.underlays(), &whole.lab.carrier.engine);
    let over = |version| underlays.iter().any(|(_, underlay)| *underlay == version);
    let zero = settings.udp_csum == Some(Switchable::Off);
    if zero && over(IpVersion::Ipv6) && !settings.udp6_zero {
        let message = "over `underlay: ipv6` receivers drop packets without a checksum; leave it \
                       `on`, or let them take those with `udp6_zero: true` (RFC 6935)";
        whole.sink.rule("carrier.engine.udp_csum", message);
    }
    if settings.udp6_zero && !over(IpVersion::Ipv6) {
        let message = "is for `underlay: ipv6`; over IPv4 zero checksums are always taken";
        whole.sink.rule("carrier.engine.udp6_zero", message);
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

/// The smallest inner MTU over all variants that lower it, with the encapsulation and the underlay MTU it comes from.
pub(super) fn tightest(whole: &Whole<'_>, only: Option<Encap>) -> Option<(u32, Encap, u32)> {
    let encaps = whole.encaps();
    let encaps = encaps.iter().filter(|e| only.is_none_or(|only| only == **e));
    let mtus = underlay_mtus(whole);
    let carriers = whole.lab.carriers();
    let lowered = carriers.iter().filter(|c| c.mtu_mode == MtuMode::Lower);
    let inner = |e: Encap, carrier| {
        mtus.iter().filter_map(move |mtu| Some((inner_mtu(e, carrier, *mtu)?, e, *mtu)))
    };
    encaps
        .flat_map(|e| lowered.clone().flat_map(|carrier| inner(*e, carrier)))
        .min_by_key(|(inner, ..)| *inner)
}

fn vm_mtus(whole: &Whole<'_>) {
    // Without such a variant packets that are too large are what the lab is about.
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
