//! Expectations: about tenants that exist, in variants that are run, and able to hold.

use std::collections::HashSet;

use super::carrier::tightest;
use super::flows::find_tenant;
use super::{Whole, attacks, bum, cost, events, impaired, joined, probes, tables};
use crate::ids::Encap;
use crate::lab::carriers::{has_ids, in_udp, overhead};
use crate::lab::model::{
    Datapath, Expectation, Expected, Flow, MtuMode, RatioExpected, RefusedExpected, Transfer,
};

pub(super) fn check(whole: &Whole<'_>) {
    for (n, expectation) in whole.lab.expect.iter().enumerate() {
        let path = format!("expect[{n}]");
        variant_is_run(whole, expectation, &path);
        match &expectation.what {
            Expected::Reachable(_)
            | Expected::Unreachable(_)
            | Expected::Blind(_)
            | Expected::Seen(_)
            | Expected::Gateway(_)
            | Expected::Hops { .. }
            | Expected::Unaware { .. }
            | Expected::Stream(_)
            | Expected::Entries(_)
            | Expected::Reordered { .. } => joined::expected(whole, expectation, &path),
            Expected::Refused(of) => refused(whole, *of, &format!("{path}.refused")),
            Expected::Drops(_) => drops(whole, &format!("{path}.drops")),
            Expected::Isolated(tenants) => isolated(whole, tenants, expectation.only, &path),
            Expected::Spread { links, at_least, .. } => {
                bum::spread(whole, links, *at_least, &format!("{path}.spread"));
            }
            Expected::Tunnels(count) => bum::tunnels(whole, count, &format!("{path}.tunnels")),
            Expected::Copies(count) => {
                bum::tenant_on_hosts(whole, &count.within, &format!("{path}.copies.within"));
            }
            Expected::Broadcast { within } => {
                bum::tenant_on_hosts(whole, within, &format!("{path}.broadcast.within"));
            }
            Expected::NoBroadcast { within } => {
                bum::tenant_on_hosts(whole, within, &format!("{path}.no-broadcast.within"));
            }
            Expected::Walk { from, to } => {
                bum::walk(whole, [from, to], expectation.only, &format!("{path}.walk"));
            }
            Expected::Overhead(bytes) => grows_by(whole, *bytes, expectation, &path),
            Expected::Mtu(bytes) => passes(whole, *bytes, expectation, &path),
            Expected::Throughput(of) => {
                ratio(whole, of, expectation.only, &format!("{path}.throughput"));
            }
            Expected::Cpu(of) => ratio(whole, of, expectation.only, &format!("{path}.cpu")),
            Expected::Goodput { .. } => goodput(whole, expectation, &format!("{path}.goodput")),
            Expected::Retransmits { .. } => has_tcp(whole, &format!("{path}.retransmits")),
            Expected::Attack(attack) => {
                attacks::expected(whole, *attack, &format!("{path}.attack"));
            }
            Expected::Probe(probe) => {
                probes::expected(whole, probe, expectation.only, &format!("{path}.probe"));
            }
            Expected::Told(_) => keeps_mtu(whole, MtuMode::Icmp, &format!("{path}.told")),
            Expected::Transfer(Transfer::Stalls) => {
                keeps_mtu(whole, MtuMode::Blackhole, &format!("{path}.transfer"));
            }
            Expected::Payload(_)
            | Expected::Checksum(_)
            | Expected::Ledger(_)
            | Expected::Pieces(_) => {
                counted(whole, expectation, &path);
            }
            Expected::Transfer(Transfer::Passes)
            | Expected::LargeSend { .. }
            | Expected::Handshakes(_) => {}
            Expected::Link(link) => impaired::expected(whole, link, &format!("{path}.link")),
            Expected::Tables(table) => {
                tables::tables(whole, table, &format!("{path}.tables"));
            }
            Expected::Stray(stray) => {
                tables::stray(whole, stray, &format!("{path}.stray.within"));
            }
            Expected::Downtime(of) => {
                events::named(whole, &of.event, &format!("{path}.downtime.event"));
                if let Some(within) = &of.within {
                    let _ = find_tenant(whole, within, &format!("{path}.downtime.within"));
                }
            }
            Expected::Survives(of) => {
                events::named(whole, &of.event, &format!("{path}.survives.event"));
                if let Some(within) = &of.within {
                    let _ = find_tenant(whole, within, &format!("{path}.survives.within"));
                }
            }
            Expected::Slowdown(of) => cost::slowdown(whole, of, &format!("{path}.slowdown")),
            Expected::Cost(of) => cost::cost(whole, of, &format!("{path}.cost")),
            Expected::Delivered { .. } => delivered(whole, &format!("{path}.delivered")),
        }
    }
}

fn variant_is_run(whole: &Whole<'_>, expectation: &Expectation, path: &str) {
    let Some(only) = expectation.only.filter(|_| whole.all_encaps_read()) else { return };
    let encaps = whole.encaps();
    let plain = only == Encap::None && whole.lab.measure.baseline;
    if !encaps.contains(&only) && !plain {
        let names: Vec<&str> = encaps.iter().map(|e| e.name()).collect();
        whole.sink.rule(
            &format!("{path}.in"),
            format!(
                "the lab never runs {only}, so this is never checked; it runs {}",
                names.join(", ")
            ),
        );
    }
}

fn refused(whole: &Whole<'_>, of: RefusedExpected, path: &str) {
    if !has_ids(of.encap) {
        let message = format!("{} names no tenant in its packets, so it has no ids", of.encap);
        whole.sink.rule(&format!("{path}.encap"), message);
    } else if whole.all_encaps_read() && !whole.encaps().contains(&of.encap) {
        let message = format!("the lab never runs {}, so that it refuses nobody", of.encap);
        whole.sink.rule(&format!("{path}.encap"), message);
    }
}

fn drops(whole: &Whole<'_>, path: &str) {
    if whole.lab.datapaths().iter().all(|d| *d == Datapath::Kernel) {
        let message = "Linux's devices do not say why they drop; write `datapath: user`";
        whole.sink.rule(path, message);
    }
}

fn isolated(whole: &Whole<'_>, tenants: &[String], only: Option<Encap>, path: &str) {
    let own = path;
    let path = format!("{path}.isolated");
    if !whole.sink.clean(&path) || !whole.sink.has(&path) {
        return;
    }
    let mut seen = HashSet::new();
    let all = tenants == ["all"];
    for (n, name) in tenants.iter().enumerate().filter(|_| !all) {
        let path = format!("{path}[{n}]");
        if !seen.insert(name) {
            whole.sink.rule(
                &path,
                format!(
                    "`{name}` stands in this list already; a tenant is not isolated from itself"
                ),
            );
        }
        find_tenant(whole, name, &path);
    }
    if tenants.len() < 2 && !(all && whole.lab.tenants.len() > 1) {
        whole.sink.rule(
            &path,
            "names fewer than two tenants; isolation is between two or more, e.g. `[red, blue]`",
        );
    }
    if !whole.lab.measure.isolation {
        whole.sink.rule(
            &path,
            "cannot be shown with `measure: { isolation: false }`; leave one of the two out",
        );
    }
    let encaps = whole.encaps();
    let plain =
        only == Some(Encap::None) || (only.is_none() && encaps.iter().all(|e| *e == Encap::None));
    if plain && whole.all_encaps_read() {
        let path = if only.is_some() { format!("{own}.in") } else { path };
        let message = "the plain path keeps no tenants apart; expect it in an encapsulation";
        whole.sink.rule(&path, message);
    }
}

fn grows_by(whole: &Whole<'_>, bytes: u32, expectation: &Expectation, path: &str) {
    let only = expectation.only;
    let path = format!("{path}.overhead");
    if !whole.lab.measure.overhead {
        whole.sink.rule(
            &path,
            "cannot be shown with `measure: { overhead: false }`; leave one of the two out",
        );
    }
    // Which settings a variant of a name has is known when it is planned.
    if expectation.variant.is_some() {
        return;
    }
    let encaps = whole.encaps();
    let carriers = whole.lab.carriers();
    let wrong = encaps.iter().filter(|e| only.is_none_or(|only| only == **e)).find_map(|e| {
        let each = carriers.iter().filter_map(|carrier| overhead(*e, carrier));
        Some((*e, each.into_iter().find(|o| *o != bytes)?))
    });
    if let Some((encap, really)) = wrong {
        let several = only.is_none() && encaps.len() > 1;
        let hint = match (several, carriers.len()) {
            (true, _) => "; with several encapsulations add `in: ..`",
            (false, 1) => "",
            (false, _) => "; with several settings add `variant: ..`",
        };
        whole.sink.rule(
            &path,
            format!("{encap} adds {really} bytes to a packet, so {bytes} can never hold{hint}"),
        );
    }
}

fn passes(whole: &Whole<'_>, bytes: u32, expectation: &Expectation, path: &str) {
    let path = format!("{path}.mtu");
    if !whole.lab.measure.mtu {
        whole.sink.rule(
            &path,
            "cannot be shown with `measure: { mtu: false }`; leave one of the two out",
        );
    }
    if let Some((inner, encap, underlay)) = tightest(whole, expectation.only)
        && expectation.variant.is_none()
        && bytes > inner
    {
        let why = format!("{encap} over an underlay MTU of {underlay} leaves {inner} bytes");
        whole.sink.rule(&path, format!("{why}, so {bytes} can never hold"));
    }
}

/// Only where VMs keep the underlay's MTU does anybody send what does not fit.
fn keeps_mtu(whole: &Whole<'_>, mode: MtuMode, path: &str) {
    if whole.lab.carriers().iter().all(|carrier| carrier.mtu_mode != mode) {
        let message = format!(
            "happens with `mtu_mode: {}` only, which no variant of this lab has",
            mode.name()
        );
        whole.sink.rule(path, message);
    }
}

/// What is seen when bytes per packet are counted.
fn counted(whole: &Whole<'_>, expectation: &Expectation, path: &str) {
    let (kind, udp) = match expectation.what {
        Expected::Checksum(_) => ("checksum", true),
        Expected::Ledger(_) => ("ledger", false),
        Expected::Pieces(_) => ("pieces", false),
        _ => ("payload", false),
    };
    let path = format!("{path}.{kind}");
    if !whole.lab.measure.overhead {
        let message = "is seen while the overhead is counted, which `measure: { overhead: false }` \
                       leaves out";
        whole.sink.rule(&path, message);
    }
    let mut encaps = whole.encaps().into_iter();
    if udp && whole.all_encaps_read() && !encaps.any(in_udp) {
        let message = "no encapsulation of this lab travels in UDP, so there is no such checksum";
        whole.sink.rule(&path, message);
    }
}

fn delivered(whole: &Whole<'_>, path: &str) {
    let udp =
        whole.lab.traffic.iter().flat_map(Flow::members).any(|flow| matches!(flow, Flow::Udp(_)));
    if !udp && whole.sink.clean("traffic") {
        let message = "is about the first UDP flow, and the lab has none; \
                       add `- udp: { from: .., to: .., for: 1s, rate: 1M }` to `traffic`";
        whole.sink.rule(path, message);
    }
}

fn has_tcp(whole: &Whole<'_>, path: &str) {
    let tcp =
        whole.lab.traffic.iter().flat_map(Flow::members).any(|flow| matches!(flow, Flow::Tcp(_)));
    if !tcp && whole.sink.clean("traffic") {
        let message = "is about the first TCP flow, and the lab has none; \
                       add `- tcp: { from: .., to: .., for: 1s }` to `traffic`";
        whole.sink.rule(path, message);
    }
}

/// A figure of the first TCP flow over another variant's.
fn ratio(whole: &Whole<'_>, wanted: &RatioExpected, only: Option<Encap>, path: &str) {
    has_tcp(whole, path);
    if let (Some(least), Some(most)) = (wanted.at_least, wanted.at_most)
        && least > most
    {
        whole.sink.rule(path, format!("at least {least} and at most {most} can never hold"));
    }
    if wanted.of.is_some() {
        return;
    }
    if !whole.lab.measure.baseline {
        whole.sink.rule(
            path,
            "is a ratio to the plain path, which `measure: { baseline: false }` leaves out",
        );
    }
    if only == Some(Encap::None) {
        whole.sink.rule(
            path,
            "the plain path's ratio to itself is always 1; expect it in another encapsulation",
        );
    }
}

/// Goodput on a shaped link, beside a ceiling that can be computed.
fn goodput(whole: &Whole<'_>, expectation: &Expectation, path: &str) {
    has_tcp(whole, path);
    if whole.lab.measure.felt.is_none() {
        let message = "is felt on a shaped link; add its rate, e.g. `measure: { felt: 50M }`";
        whole.sink.rule(path, message);
    }
    if let Some(encap @ (Encap::Stt | Encap::Ssh)) = expectation.only {
        let message = format!(
            "{encap} cuts and joins frames as it likes, so that no ceiling can be computed; leave it out"
        );
        whole.sink.rule(path, message);
    }
}
