//! What joins tenants' networks, and what the underlay sees of them.

use std::collections::BTreeMap;

use super::bum;
use super::finding::Finding;
use super::reach;
use super::speed::bounds;
use crate::lab::{Expected, Reach, StreamExpected};
use crate::measure::result::{
    FlowResult, FlowRound, GatewayResult, SightResult, StreamResult, TraceResult, VariantResult,
};

/// What must hold, in words.
pub(super) fn words(expected: &Expected) -> String {
    match expected {
        Expected::Reachable(Reach::Within(reach)) => {
            format!("every VM of {} reaches every other", reach.within)
        }
        Expected::Reachable(Reach::Across(reach)) => {
            format!("every VM of {} reaches every VM of {}", reach.from, reach.to)
        }
        Expected::Unreachable(Reach::Within(reach)) => {
            format!("no VM of {} reaches another", reach.within)
        }
        Expected::Unreachable(Reach::Across(reach)) => {
            format!("no VM of {} reaches one of {}", reach.from, reach.to)
        }
        Expected::Blind(tenants) => {
            format!("the underlay sees no address of {}", tenants.join(", "))
        }
        Expected::Seen(tenants) => {
            format!("the underlay sees MACs of {}", tenants.join(", "))
        }
        Expected::Gateway(segment) => {
            format!("frames of {segment} cross its gateway both ways, tagged and tunnelled")
        }
        Expected::Hops { from, to, count: 1 } => format!("{to} is the next hop of {from}"),
        Expected::Hops { from, to, count } => format!("{to} is {count} hops from {from}"),
        Expected::Unaware { within, of } => {
            let of = of.as_ref().map_or_else(|| "on the plain path".into(), |v| format!("in {v}"));
            format!("VMs of {within} are configured as {of}, but for the MTU")
        }
        Expected::Stream(stream) => {
            let times = match stream.copies {
                1 => "once".to_owned(),
                copies => format!("{copies} times"),
            };
            let (from, rate) = (&stream.from, stream.rate);
            format!("broadcasts of {from} at {rate}bit/s leave its host {times}")
        }
        Expected::Entries(each) => {
            let each = each.iter().map(|(tenant, count)| format!("{count} for {tenant}"));
            format!("entries at one host: {}", each.collect::<Vec<_>>().join(", "))
        }
        Expected::Reordered { at_least, at_most } => {
            let least = at_least.map(|least| format!("at least {least}"));
            let most = at_most.map(|most| format!("at most {most}"));
            let bounds: Vec<String> = least.into_iter().chain(most).collect();
            let bounds = bounds.join(" and ");
            format!("{bounds} datagrams arrive behind a later one of their flow")
        }
        _ => String::new(),
    }
}

/// Whether it did.
pub(super) fn finding(
    expected: &Expected,
    found: &VariantResult,
    all: &[VariantResult],
) -> Finding {
    match expected {
        Expected::Reachable(Reach::Within(reach)) => reach::reachable(&reach.within, found),
        Expected::Unreachable(Reach::Within(reach)) => reach::unreachable(&reach.within, found),
        Expected::Reachable(Reach::Across(reach)) => {
            across(found, &reach.from, &reach.to, |reached, tried| reached == tried)
        }
        Expected::Unreachable(Reach::Across(reach)) => {
            across(found, &reach.from, &reach.to, |reached, _| reached == 0)
        }
        Expected::Blind(tenants) => sight(tenants, found, false),
        Expected::Seen(tenants) => sight(tenants, found, true),
        Expected::Gateway(name) => match found.overlay.gateways.get(name) {
            Some(seen) => gateway(seen),
            None => Finding::unknown("there is no such segment here"),
        },
        Expected::Hops { from, to, count } => {
            let trace = found.overlay.traces.iter().find(|t| t.from == *from && t.to == *to);
            trace.map_or_else(|| Finding::unknown("it was not traced"), |t| hops(t, *count))
        }
        Expected::Unaware { within, of } => {
            let name = of.as_ref().or(found.baseline.as_ref());
            let other = all.iter().find(|v| Some(&v.name) == name);
            other.map_or_else(
                || Finding::unknown("there is no variant to compare with"),
                |other| unaware(within, found, other),
            )
        }
        Expected::Stream(wanted) => {
            let stream = found.overlay.streams.iter().find(|s| s.from == wanted.from);
            stream.map_or_else(|| Finding::unknown("it was not sent"), |s| streamed(wanted, s))
        }
        Expected::Entries(each) => entries(each, found),
        Expected::Reordered { at_least, at_most } => reordered(*at_least, *at_most, found),
        _ => Finding::unknown(""),
    }
}

fn across(
    found: &VariantResult,
    from: &str,
    to: &str,
    right: impl Fn(u32, u32) -> bool,
) -> Finding {
    let Some(&(reached, tried)) = found.overlay.across.get(&format!("{from} → {to}")) else {
        return Finding::unknown("not both tenants are carried here");
    };
    let theory = if right(0, tried) { 0 } else { tried };
    Finding::new(tried > 0 && right(reached, tried), format!("{tried} pairs tried"))
        .figures(format!("{theory} pairs"), format!("{reached} pairs"))
}

/// Addresses on the underlay: none, or MACs in packets and in tables.
fn sight(tenants: &[String], found: &VariantResult, wanted: bool) -> Finding {
    let (mut sum, mut held) = (SightResult::default(), true);
    for name in tenants {
        let Some(one) = found.overlay.sight.get(name) else {
            return Finding::unknown(format!("{name} was not looked for"));
        };
        let visible = one.macs > 0 && one.own_entries > 0;
        let hidden = one.macs + one.addresses + one.own_entries == 0;
        held &= one.carried > 0 && if wanted { visible } else { hidden };
        sum.packets = sum.packets.max(one.packets);
        sum.carried += one.carried;
        sum.macs += one.macs;
        sum.addresses += one.addresses;
        sum.entries = sum.entries.max(one.entries);
        sum.own_entries += one.own_entries;
        sum.missed = sum.missed.max(one.missed);
        sum.example = sum.example.or(one.example.clone());
    }
    // On a bridged fabric switches always know somebody, if it is the hosts alone.
    held &= found.fabric != "l2" || sum.entries > 0;
    let SightResult { packets, carried, macs, addresses, entries, own_entries, example, missed } =
        sum;
    let example = example.map(|e| format!("; e.g. {e}")).unwrap_or_default();
    let detail = format!(
        "of {packets} packets on all links {carried} carry what VMs sent; {entries} entries in \
         switches' tables{example}"
    );
    let theory = if wanted { "MACs in packets and tables" } else { "none" };
    let found =
        format!("{macs} packets with a MAC, {addresses} with an address, {own_entries} entries");
    Finding::new(held && packets > 0, detail).figures(theory, found).unless_missed(if wanted {
        0
    } else {
        missed
    })
}

fn gateway(seen: &GatewayResult) -> Finding {
    let all = seen.sent.iter().sum::<u64>();
    let arrived = seen.delivered == seen.sent && seen.sent.iter().all(|sent| *sent > 0);
    let pure = seen.trunk[1] == 0 && seen.underlay[1] == 0 && seen.elsewhere == 0;
    let on_both = seen.trunk[0] >= all && seen.underlay[0] >= all;
    let detail = format!(
        "trunk: {} with VLAN {}, {} otherwise; underlay: {} with id {}, {} otherwise; {} seen by \
         other tenants",
        seen.trunk[0],
        seen.vlan,
        seen.trunk[1],
        seen.underlay[0],
        seen.id,
        seen.underlay[1],
        seen.elsewhere
    );
    let each = |[out, back]: [u64; 2]| format!("{out} to machines, {back} from them");
    Finding::new(arrived && pure && on_both, detail)
        .figures(each(seen.sent), each(seen.delivered))
        .unless_missed(seen.missed)
}

fn hops(trace: &TraceResult, count: u32) -> Finding {
    let way = trace.hops.join(", ");
    let detail = if trace.reached { way } else { format!("not reached: {way}") };
    let hops = trace.hops.len();
    Finding::new(trace.reached && hops == count as usize, detail).figures(count, hops)
}

/// Lines that only one of two configurations has, MTU aside.
fn unaware(tenant: &str, found: &VariantResult, other: &VariantResult) -> Finding {
    let prefix = format!("{tenant}/");
    let of = |v: &VariantResult| -> Vec<(String, Vec<String>)> {
        let all = v.overlay.configurations.iter();
        all.filter(|(vm, _)| vm.starts_with(&prefix))
            .map(|(vm, c)| (vm.clone(), c.clone()))
            .collect()
    };
    let (here, there) = (of(found), of(other));
    if here.is_empty() || here.len() != there.len() {
        return Finding::unknown(format!("{tenant} was not read here and in {}", other.name));
    }
    let is_mtu = |line: &&String| line.starts_with("mtu ");
    let (mut lines, mut different, mut mtus) = (0, Vec::new(), Vec::new());
    for ((vm, one), (_, two)) in here.iter().zip(&there) {
        lines += one.iter().filter(|line| !is_mtu(line)).count();
        let only = |a: &[String], b: &[String]| -> Vec<String> {
            let own = a.iter().filter(|line| !is_mtu(line) && !b.contains(line));
            own.map(|line| format!("{vm}: {line}")).collect()
        };
        different.extend(only(one, two));
        different.extend(only(two, one));
        let mtu = |c: &[String]| c.iter().find(is_mtu).cloned().unwrap_or_default();
        mtus.push(format!("{} and {}", mtu(one), mtu(two)));
    }
    mtus.dedup();
    let first = different.first().map(|line| format!("; {line}")).unwrap_or_default();
    let detail = format!("{} VMs, {lines} settings, {}{first}", here.len(), mtus.join(", "));
    Finding::new(different.is_empty() && lines > 0, detail)
        .figures("0 differences", format!("{} differences", different.len()))
}

fn streamed(wanted: &StreamExpected, stream: &StreamResult) -> Finding {
    let all = stream.delivered == stream.sent * stream.receivers && stream.sent > 0;
    let exact = stream.packets == stream.sent * wanted.copies;
    let rate = |packets: f64| packets * real(stream.size) * 8.0 / stream.seconds.max(1e-9) / 1e6;
    let asked = real(wanted.rate.0) / 1e6;
    let detail = format!(
        "{} datagrams to {} receivers, {} of {} delivered; {:.2} Mbit/s with all headers on the \
         sender's link, {} bytes on all links",
        stream.sent,
        stream.receivers,
        stream.delivered,
        stream.sent * stream.receivers,
        real(stream.bytes) * 8.0 / stream.seconds.max(1e-9) / 1e6,
        stream.bytes_on_links,
    );
    let theory = format!("{asked} x {} = {:.2} Mbit/s", wanted.copies, asked * real(wanted.copies));
    let measured = format!(
        "{:.2} x {:.2} = {:.2} Mbit/s",
        rate(real(stream.sent)),
        real(stream.packets) / real(stream.sent.max(1)),
        rate(real(stream.packets))
    );
    Finding::new(all && exact, detail).figures(theory, measured).unless_missed(stream.missed)
}

/// The most entries that one host has for each tenant.
fn entries(each: &BTreeMap<String, u64>, found: &VariantResult) -> Finding {
    let of = |tenant: &String| found.tunnels.get(tenant).map(|t| t.entries_per_host);
    let held = each.iter().all(|(tenant, wanted)| of(tenant) == Some(*wanted));
    let list = |figures: Vec<String>| figures.join(", ");
    let theory = list(each.values().map(u64::to_string).collect());
    let number = |tenant| of(tenant).map_or("none".to_owned(), |count| count.to_string());
    let measured = list(each.keys().map(number).collect());
    let hosts = each.keys().filter_map(|tenant| Some((tenant, found.tunnels.get(tenant)?)));
    let all = hosts.map(|(name, t)| {
        format!("{name}: {} hosts, {} entries{}", t.hosts, t.entries, bum::planned(t))
    });
    Finding::new(held && !each.is_empty(), list(all.collect())).figures(theory, measured)
}

/// Over all UDP flows and rounds. A sum of flows comes with each of them, so it is left out.
fn reordered(at_least: Option<u64>, at_most: Option<u64>, found: &VariantResult) -> Finding {
    let sum =
        |flow: &FlowResult| found.flows.iter().any(|f| f.together.as_ref() == Some(&flow.label));
    let flows = found.flows.iter().filter(|flow| flow.kind == "udp" && !sum(flow));
    let good = |round: &&FlowRound| round.error.is_none();
    let rounds: Vec<&FlowRound> = flows.flat_map(|flow| flow.rounds.iter().filter(good)).collect();
    let sum = |of: fn(&FlowRound) -> u64| rounds.iter().map(|round| of(round)).sum::<u64>();
    let (received, late) = (sum(|round| round.received), sum(|round| round.reordered));
    if received == 0 {
        return Finding::unknown("no datagram arrived");
    }
    let held =
        at_least.is_none_or(|least| late >= least) && at_most.is_none_or(|most| late <= most);
    Finding::new(held, format!("of {received} datagrams"))
        .figures(bounds(at_least.map(real), at_most.map(real)), late)
}

fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Rate, Span};
    use crate::measure::result::TunnelResult;

    #[test]
    fn blindness_needs_traffic_and_sight_needs_tables() {
        let with = |sight: SightResult| {
            let mut found = VariantResult::default();
            found.overlay.sight.insert("red".into(), sight);
            found
        };
        let red = ["red".to_owned()];
        let idle = SightResult { packets: 9, ..SightResult::default() };
        assert!(!sight(&red, &with(idle.clone()), false).held, "nothing of the tenant was there");
        let hidden = SightResult { carried: 5, ..idle };
        assert!(sight(&red, &with(hidden.clone()), false).held);
        let bridged = VariantResult { fabric: "l2".into(), ..with(hidden.clone()) };
        assert!(!sight(&red, &bridged, false).held, "no switch's table was read");
        assert!(!sight(&red, &with(hidden.clone()), true).held);
        let open = SightResult { macs: 5, ..hidden };
        assert!(!sight(&red, &with(open.clone()), false).held);
        assert!(!sight(&red, &with(open.clone()), true).held, "no table has learned");
        assert!(sight(&red, &with(SightResult { own_entries: 1, ..open }), true).held);
        assert!(!sight(&red, &VariantResult::default(), false).held);
    }

    #[test]
    fn a_gateway_holds_only_with_the_right_ids_both_ways() {
        let right = GatewayResult {
            sent: [4, 4],
            delivered: [4, 4],
            trunk: [8, 0],
            underlay: [8, 0],
            ..GatewayResult::default()
        };
        let held = |change: fn(&mut GatewayResult)| {
            let mut seen = right.clone();
            change(&mut seen);
            gateway(&seen).held
        };
        assert!(held(|_| {}));
        assert!(!held(|s| s.delivered[1] = 3));
        assert!(!held(|s| s.trunk = [7, 1]));
        assert!(!held(|s| s.underlay[0] = 4));
        assert!(!held(|s| s.elsewhere = 1));
        assert!(!gateway(&GatewayResult::default()).held);
    }

    #[test]
    fn only_the_mtu_may_differ() {
        let with = |name: &str, lines: &[&str]| {
            let mut found = VariantResult { name: name.into(), ..VariantResult::default() };
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            found.overlay.configurations.insert("red/vm1".into(), lines);
            found
        };
        let plain = with("plain", &["mtu 1500", "address 10.0.0.1/24"]);
        assert!(unaware("red", &with("a", &["mtu 1450", "address 10.0.0.1/24"]), &plain).held);
        let more = with("b", &["mtu 1450", "address 10.0.0.1/24", "route x"]);
        let finding = unaware("red", &more, &plain);
        assert!(!finding.held && finding.detail.contains("route x"), "{}", finding.detail);
        assert!(!unaware("red", &with("c", &["mtu 1450"]), &plain).held);
        assert!(!unaware("blue", &plain, &plain).held, "nothing was read of it");
    }

    #[test]
    fn a_stream_counts_copies_exactly() {
        let wanted = StreamExpected {
            from: "red/vm1".into(),
            rate: Rate(1_500_000),
            span: Span(std::time::Duration::from_secs(1)),
            copies: 3,
        };
        let stream = StreamResult {
            sent: 100,
            size: 1250,
            seconds: 1.0,
            receivers: 3,
            delivered: 300,
            packets: 300,
            ..StreamResult::default()
        };
        assert!(streamed(&wanted, &stream).held);
        assert_eq!(streamed(&wanted, &stream).theory.as_deref(), Some("1.5 x 3 = 4.50 Mbit/s"),);
        assert!(!streamed(&wanted, &StreamResult { packets: 100, ..stream.clone() }).held);
        assert!(!streamed(&wanted, &StreamResult { delivered: 299, ..stream }).held);
    }

    #[test]
    fn entries_are_those_of_the_host_with_most() {
        let red = TunnelResult { hosts: 4, entries: 12, entries_per_host: 3, ..Default::default() };
        let mut found = VariantResult::default();
        found.tunnels.insert("red".into(), red);
        let held = |n| entries(&BTreeMap::from([("red".to_owned(), n)]), &found).held;
        assert!(held(3) && !held(4) && !held(12));
        assert!(!entries(&BTreeMap::from([("blue".to_owned(), 0)]), &found).held);
    }

    #[test]
    fn order_is_judged_over_all_datagrams() {
        let round = FlowRound { received: 10, reordered: 1, ..FlowRound::default() };
        let flow = FlowResult { kind: "udp".into(), rounds: vec![round], ..FlowResult::default() };
        let found = VariantResult { flows: vec![flow], ..VariantResult::default() };
        assert!(reordered(None, Some(1), &found).held && !reordered(None, Some(0), &found).held);
        assert!(reordered(Some(1), None, &found).held && !reordered(Some(2), None, &found).held);
        assert!(!reordered(Some(0), Some(0), &VariantResult::default()).held);

        let together = Some("sum".to_owned());
        let sum = FlowResult { label: "sum".into(), ..found.flows[0].clone() };
        let member = FlowResult { together, ..found.flows[0].clone() };
        let found = VariantResult { flows: vec![sum, member], ..VariantResult::default() };
        assert_eq!(reordered(None, Some(1), &found).detail, "of 10 datagrams");
    }
}
