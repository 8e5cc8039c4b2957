//! Links that lose packets: a filter on each end's ingress that drops at random, as a cable with
//! noise on it would. The sender sees nothing of it, unlike drops on its own egress.
//!
//! The filter is classic BPF with the kernel's random numbers, which every kernel with
//! `cls_bpf` takes from unprivileged user namespaces too; `netem` is often missing. It cannot be seeded.

use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcStats2};

use super::error::Result;
use super::qdisc::{TC_ACT_SHOT, bpf_filter, clsact};
use super::socket::{Netlink, Request};
use crate::lab::Loss;

// linux/bpf_common.h, linux/filter.h
const BPF_LD_W_ABS: u16 = 0x20;
const BPF_JMP_JGE_K: u16 = 0x35;
const BPF_RET_K: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_RANDOM`: a load from there is a random number.
const RANDOM: u32 = 0xFFFF_F000 + 56;
/// The packet goes on.
const TC_ACT_UNSPEC: u32 = u32::MAX;

/// Packets that arrived at an interface, and those of them that were lost there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// All that the link's other end sent.
    pub offered: u64,
    /// Those that were dropped.
    pub lost: u64,
}

/// Makes what arrives at an interface be lost with this probability, each packet by itself.
#[must_use]
pub fn lose(index: u32, name: &str, loss: Loss) -> Vec<Request> {
    let what = format!("lose {loss} of what arrives at {name}");
    vec![clsact(index, name), bpf_filter(what, index, &program(loss))]
}

/// `if random >= threshold pass else drop`.
fn program(loss: Loss) -> [(u16, u8, u8, u32); 4] {
    let threshold = (u64::from(loss.0) << 32) / u64::from(Loss::WHOLE);
    [
        (BPF_LD_W_ABS, 0, 0, RANDOM),
        (BPF_JMP_JGE_K, 1, 0, u32::try_from(threshold).unwrap_or(u32::MAX)),
        (BPF_RET_K, 0, 0, TC_ACT_SHOT),
        (BPF_RET_K, 0, 0, TC_ACT_UNSPEC),
    ]
}

/// What was lost so far at an interface that [`lose`] was asked for.
///
/// # Errors
/// The kernel refused to list its queueing disciplines.
pub fn lost(netlink: &mut Netlink, index: u32) -> Result<Lost> {
    let query = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::with_index(index.cast_signed()));
    let mut found = Lost::default();
    for message in netlink.dump("list queueing disciplines", &query)? {
        let RouteNetlinkMessage::NewQueueDiscipline(message) = message else { continue };
        let here = message.header.index == index.cast_signed();
        if !here || message.header.parent != TcHandle::CLSACT {
            continue;
        }
        for statistic in message.attributes.iter().flat_map(|attribute| match attribute {
            TcAttribute::Stats2(statistics) => statistics.as_slice(),
            _ => &[],
        }) {
            match statistic {
                TcStats2::Basic(basic) => found.offered = basic.packets.into(),
                TcStats2::Queue(queue) => found.lost = queue.drops.into(),
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_share_of_all_random_numbers() {
        assert_eq!(program(Loss(500_000))[1].3, 1 << 31);
        assert_eq!(program(Loss(10_000))[1].3, 42_949_672);
        assert_eq!(program(Loss(0))[1].3, 0, "every number passes");
    }
}
