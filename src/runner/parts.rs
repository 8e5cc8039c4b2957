//! Names of what is measured, by which a result says what is missing and why, and a verdict finds the
//! reason.

use crate::lab::{Attack, Expected, Reach};

pub(super) const REACH: &str = "who reaches whom";
pub(super) const GROWTH: &str = "MAC tables while VMs begin to speak";
pub(super) const TABLES: &str = "MAC tables at the end";
pub(super) const TRANSFER: &str = "a bulk transfer";
pub(super) const LARGEST: &str = "the largest packet that passes";
pub(super) const BYTES: &str = "bytes per packet on the wire";
pub(super) const TOLD: &str = "what senders of large packets are told";
pub(super) const ISOLATION: &str = "leaks between tenants";
pub(super) const FELT: &str = "goodput on a shaped link";
pub(super) const SIGHT: &str = "what the underlay sees of tenants";
pub(super) const CONFIGURATIONS: &str = "how VMs are configured";
pub(super) const DELAYS: &str = "delay, jitter and order of links";
pub(super) const RATES: &str = "rates of links";
pub(super) const LINKS: &str = "what crossed links";
pub(super) const FRAGMENTS: &str = "fragments that hosts made";
pub(super) const BLOCKED: &str = "which links spanning tree blocks";
pub(super) const EVENTS: &str = "events";

pub(super) fn walk(from: &str, to: &str) -> String {
    format!("the first packet from {from} to {to}")
}

pub(super) fn broadcasts(tenant: &str) -> String {
    format!("broadcasts of {tenant}")
}

pub(super) fn strays(tenant: &str) -> String {
    format!("stray frames of {tenant}")
}

pub(super) fn across(from: &str, to: &str) -> String {
    format!("who of {from} reaches {to}")
}

pub(super) fn gateway(segment: &str) -> String {
    format!("frames through the gateway of {segment}")
}

pub(super) fn trace(from: &str, to: &str) -> String {
    format!("the way from {from} to {to}")
}

pub(super) fn stream(from: &str) -> String {
    format!("a stream of broadcasts of {from}")
}

pub(super) fn probe(name: &str) -> String {
    format!("crafted packets `{name}`")
}

pub(super) fn attack(attack: Attack) -> String {
    format!("attack `{}`", attack.name())
}

/// What a verdict rests on: it knows nothing where one of these was not measured.
pub(super) fn of(expected: &Expected) -> Vec<String> {
    let some = |parts: &[&str]| parts.iter().map(ToString::to_string).collect();
    match expected {
        Expected::Reachable(reach) | Expected::Unreachable(reach) => match reach {
            Reach::Within(_) => some(&[REACH]),
            Reach::Across(reach) => vec![across(&reach.from, &reach.to)],
        },
        Expected::Blind(_) | Expected::Seen(_) => some(&[SIGHT]),
        Expected::Gateway(segment) => vec![gateway(segment)],
        Expected::Hops { from, to, .. } => vec![trace(from, to)],
        Expected::Unaware { .. } => some(&[CONFIGURATIONS]),
        Expected::Stream(stream_of) => vec![stream(&stream_of.from)],
        Expected::Isolated(_) => some(&[ISOLATION]),
        Expected::Overhead(_)
        | Expected::Ledger(_)
        | Expected::Pieces(_)
        | Expected::Payload(_)
        | Expected::Checksum(_) => some(&[BYTES]),
        Expected::Goodput { .. } => some(&[FELT]),
        Expected::Mtu(_) => some(&[LARGEST]),
        Expected::Told(_) => some(&[TOLD]),
        Expected::Transfer(_) | Expected::LargeSend { .. } | Expected::Handshakes(_) => {
            some(&[TRANSFER])
        }
        Expected::Spread { .. } => some(&[LINKS]),
        Expected::Link(of) => {
            let observed = of.delay.is_some() || of.jitter.is_some() || of.reorder.is_some();
            let parts = [(observed, DELAYS), (of.rate.is_some(), RATES), (true, LINKS)];
            parts.iter().filter(|(is, _)| *is).map(|(_, part)| (*part).to_owned()).collect()
        }
        Expected::Copies(count) => vec![broadcasts(&count.within)],
        Expected::Broadcast { within } => vec![broadcasts(within)],
        Expected::NoBroadcast { within } => vec![broadcasts(within), REACH.to_owned()],
        Expected::Walk { from, to } => vec![walk(from, to)],
        Expected::Attack(of) => vec![attack(of.name)],
        Expected::Probe(of) => vec![probe(&of.name)],
        Expected::Tables(table) => some(&[if table.vms.is_some() { GROWTH } else { TABLES }]),
        Expected::Stray(stray) => vec![strays(&stray.within)],
        Expected::Downtime(_) | Expected::Survives(_) => some(&[EVENTS]),
        // Counted by engines, in the plan, or by flows, which say themselves why they failed.
        Expected::Drops(_)
        | Expected::Refused(_)
        | Expected::Tunnels(_)
        | Expected::Entries(_)
        | Expected::Reordered { .. }
        | Expected::Throughput(_)
        | Expected::Cpu(_)
        | Expected::Retransmits { .. }
        | Expected::Delivered { .. }
        | Expected::Slowdown(_)
        | Expected::Cost(_) => Vec::new(),
    }
}
