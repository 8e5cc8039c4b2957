//! Cables by the kernel: ingress redirects to the other interface, whose queueing discipline is
//! `netem` (tc-netem(8), `linux/pkt_sched.h`).

use std::time::Duration;

use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use crate::lab::{Delay, Impaired};
use crate::netns::qdisc::clsact;
use crate::netns::socket::{Feature, Request};

const TCA_OPTIONS: u16 = 2;
// linux/pkt_sched.h
const TCA_NETEM_REORDER: u16 = 3;
const TCA_NETEM_RATE: u16 = 6;
const TCA_NETEM_RATE64: u16 = 8;
const TCA_NETEM_LATENCY64: u16 = 10;
const TCA_NETEM_JITTER64: u16 = 11;
const TCA_NETEM_PRNG_SEED: u16 = 14;
// linux/pkt_cls.h, linux/tc_act/tc_mirred.h
const TCA_MATCHALL_ACT: u16 = 2;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
const TCA_EGRESS_REDIR: i32 = 1;
const TC_ACT_STOLEN: i32 = 4;
const ETH_P_ALL: u16 = 3;
const NLA_F_NESTED: u16 = 1 << 15;
/// Packets that may wait in one direction.
const LIMIT: u32 = 100_000;
/// Bytes per second at which packets follow each other. With a rate netem keeps them in order
/// whatever jitter there is: each leaves after the one before it. This one delays none by more
/// than some ten nanoseconds.
const FAST: u64 = 125_000_000_000;

/// Joins two interfaces: what arrives at one leaves by the other.
pub(super) fn join(indexes: [u32; 2], names: &[String; 2]) -> Vec<Request> {
    let mut requests = Vec::new();
    for side in 0..2 {
        requests.push(clsact(indexes[side], &names[side]));
        requests.push(redirect(indexes[side], indexes[1 - side], &names[side]));
    }
    requests
}

fn redirect(from: u32, to: u32, name: &str) -> Request {
    let mut message = TcMessage::with_index(from.cast_signed());
    message.header.parent = TcHandle { major: u16::MAX, minor: TcHandle::MIN_INGRESS };
    message.header.info = 2 << 16 | u32::from(ETH_P_ALL.to_be());
    message.attributes.push(TcAttribute::Kind("matchall".to_owned()));
    // struct tc_mirred: index, capabilities, action, two counts, what to do, where.
    let mut mirred = Vec::new();
    for word in [0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, to.cast_signed()] {
        mirred.extend(word.to_ne_bytes());
    }
    let options = nested(TCA_ACT_OPTIONS, &attribute(TCA_MIRRED_PARMS, &mirred));
    let action = nested(1, &[attribute(TCA_ACT_KIND, b"mirred\0"), options].concat());
    push_options(&mut message, nested(TCA_MATCHALL_ACT, &action));
    Request {
        what: format!("pass on what arrives at {name}"),
        message: RouteNetlinkMessage::NewTrafficFilter(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        needs: Some(Feature {
            name: "redirection of packets (CONFIG_NET_CLS_MATCHALL, CONFIG_NET_ACT_MIRRED)",
            remedy: "Load it with `sudo modprobe -a cls_matchall act_mirred`.",
        }),
    }
}

/// Makes what leaves an interface be lost, delayed and reordered.
pub(super) fn netem(index: u32, name: &str, impaired: Impaired, seed: u64) -> Request {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = TcHandle::ROOT;
    message.header.handle = TcHandle { major: 1, minor: 0 };
    message.attributes.push(TcAttribute::Kind("netem".to_owned()));
    push_options(&mut message, options(impaired, seed));
    Request {
        what: format!("impair what leaves {name}"),
        message: RouteNetlinkMessage::NewQueueDiscipline(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        needs: Some(Feature {
            name: "netem (CONFIG_NET_SCH_NETEM)",
            remedy: "Load it with `sudo modprobe sch_netem`.",
        }),
    }
}

/// `struct tc_netem_qopt`, and behind it attributes.
fn options(impaired: Impaired, seed: u64) -> Vec<u8> {
    let part = |share: u32| {
        u32::try_from((u64::from(share) << 32) / 1_000_000).unwrap_or(u32::MAX).to_ne_bytes()
    };
    let time = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).to_ne_bytes();
    let loss = part(impaired.loss.map_or(0, |loss| loss.0));
    let reorder = impaired.reorder.map_or(0, |reorder| reorder.0);
    // Without a gap nothing is reordered; with one of 1 every packet may be.
    let gap = u32::from(reorder > 0).to_ne_bytes();
    let none = [0; 4];
    // Latency in ticks (below in nanoseconds), limit, loss, gap, duplicates, jitter in ticks.
    let mut bytes = [none, LIMIT.to_ne_bytes(), loss, gap, none, none].concat();
    let delay = impaired.delay.map(Delay::time).unwrap_or_default();
    bytes.extend(attribute(TCA_NETEM_LATENCY64, &time(delay)));
    let jitter = impaired.jitter.map(Delay::time).unwrap_or_default();
    bytes.extend(attribute(TCA_NETEM_JITTER64, &time(jitter)));
    if reorder > 0 {
        // Probability and correlation.
        bytes.extend(attribute(TCA_NETEM_REORDER, &[part(reorder), none].concat()));
    }
    if !jitter.is_zero() {
        // struct tc_netem_rate: rate, packet overhead, cell size, cell overhead.
        let rate = [u32::MAX.to_ne_bytes(), none, none, none].concat();
        bytes.extend(attribute(TCA_NETEM_RATE, &rate));
        bytes.extend(attribute(TCA_NETEM_RATE64, &FAST.to_ne_bytes()));
    }
    bytes.extend(attribute(TCA_NETEM_PRNG_SEED, &seed.to_ne_bytes()));
    bytes
}

fn push_options(message: &mut TcMessage, options: Vec<u8>) {
    message.attributes.push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options)));
}

/// One attribute (netlink(7)): length, kind, value, padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Loss, Reorder};

    fn has(options: &[u8], attribute: &[u8]) -> bool {
        options[24..].windows(attribute.len()).any(|window| window == attribute)
    }

    #[test]
    fn options_are_the_kernels_structure_and_attributes() {
        let impaired = Impaired {
            loss: Some(Loss(500_000)),
            delay: Some(Delay(20_000)),
            jitter: Some(Delay(1_000)),
            reorder: Some(Reorder(250_000)),
        };
        let options = options(impaired, 7);
        let word = |at: usize| u32::from_ne_bytes(options[4 * at..][..4].try_into().unwrap());
        assert_eq!([0, 1, 2, 3, 4, 5].map(word), [0, LIMIT, 1 << 31, 1, 0, 0]);
        assert!(has(&options, &attribute(10, &20_000_000i64.to_ne_bytes())));
        assert!(has(&options, &attribute(11, &1_000_000i64.to_ne_bytes())));
        assert!(
            has(&options, &attribute(3, &(1u64 << 30).to_le_bytes()))
                || cfg!(target_endian = "big")
        );
        assert!(has(&options, &attribute(14, &7u64.to_ne_bytes())));
        assert!(has(&options, &attribute(8, &FAST.to_ne_bytes())));
    }

    #[test]
    fn without_jitter_there_is_no_rate_and_without_reordering_no_gap() {
        let delayed = Impaired { delay: Some(Delay(5)), ..Impaired::default() };
        let options = options(delayed, 0);
        assert_eq!(options[12..16], [0; 4]);
        assert!(!has(&options, &attribute(8, &FAST.to_ne_bytes())));
    }
}
