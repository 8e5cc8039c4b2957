//! Hosts that keep quiet about tunnels of an IP protocol.
//!
//! The engine takes these packets by a raw socket, and the host's stack gets them as well. Where its
//! kernel has a module for the protocol (`ip_gre`, `ipip`, `sit`), that finds no device and answers
//! each packet with an ICMP error, which quotes what the tenants sent. Nothing is to answer towards
//! the underlay (RFC 7637 and RFC 2784 know no such answer), so the host does not let them out.

use super::qdisc::{Instruction, TC_ACT_SHOT, bpf_filter_out, clsact};
use super::socket::Request;
use crate::ids::Encap;

// linux/bpf_common.h
const LD_H_ABS: u16 = 0x28;
const LD_B_ABS: u16 = 0x30;
const JEQ_K: u16 = 0x15;
const JGE_K: u16 = 0x35;
const JA: u16 = 0x05;
const RET_K: u16 = 0x06;
/// The packet goes on.
const TC_ACT_UNSPEC: u32 = u32::MAX;

/// Keeps ICMP and ICMPv6 errors about IP protocol `protocol` from leaving an interface.
#[must_use]
pub fn silence(index: u32, name: &str, protocol: u8) -> Vec<Request> {
    let what = format!("keep errors about IP protocol {protocol} from leaving {name}");
    vec![clsact(index, name), bpf_filter_out(what, index, &program(protocol.into()))]
}

/// The protocol that an encapsulation's packets are, where the engine takes them by a raw socket.
#[must_use]
pub const fn protocol(encap: Encap) -> Option<u8> {
    match encap {
        Encap::Gre | Encap::Gretap | Encap::Nvgre => Some(47),
        Encap::Ipip => Some(4),
        Encap::SixInFour => Some(41),
        _ => None,
    }
}

/// Errors of the kernel's have IP headers without options, and quote the packet from its IP header
/// on: at 14 + 20 + 8 (RFC 792) or 14 + 40 + 8 (RFC 4443).
fn program(protocol: u32) -> [Instruction; 17] {
    [
        (LD_H_ABS, 0, 0, 12),
        (JEQ_K, 0, 6, 0x0800),
        (LD_B_ABS, 0, 0, 14 + 9),
        (JEQ_K, 0, 12, 1),
        (LD_B_ABS, 0, 0, 14 + 20),
        // Destination unreachable.
        (JEQ_K, 0, 10, 3),
        (LD_B_ABS, 0, 0, 14 + 20 + 8 + 9),
        (JA, 0, 0, 6),
        (JEQ_K, 0, 7, 0x86DD),
        (LD_B_ABS, 0, 0, 14 + 6),
        (JEQ_K, 0, 5, 58),
        (LD_B_ABS, 0, 0, 14 + 40),
        // Errors have types below 128.
        (JGE_K, 3, 0, 128),
        (LD_B_ABS, 0, 0, 14 + 40 + 8 + 6),
        (JEQ_K, 0, 1, protocol),
        (RET_K, 0, 0, TC_ACT_SHOT),
        (RET_K, 0, 0, TC_ACT_UNSPEC),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would make of a frame; reading past its end lets it pass.
    fn run(program: &[Instruction], frame: &[u8]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let (code, yes, no, k) = program[at];
            let here = k as usize;
            at += 1;
            match code {
                LD_H_ABS => value = u32::from(frame[here]) << 8 | u32::from(frame[here + 1]),
                LD_B_ABS => match frame.get(here) {
                    Some(byte) => value = u32::from(*byte),
                    None => return TC_ACT_UNSPEC,
                },
                JEQ_K => at += usize::from(if value == k { yes } else { no }),
                JGE_K => at += usize::from(if value >= k { yes } else { no }),
                JA => at += here,
                _ => return k,
            }
        }
    }

    fn error(ethertype: u16, about: u8) -> Vec<u8> {
        let mut frame = vec![0; 128];
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        if ethertype == 0x0800 {
            (frame[23], frame[34], frame[51]) = (1, 3, about);
        } else {
            (frame[20], frame[54], frame[68]) = (58, 1, about);
        }
        frame
    }

    #[test]
    fn only_errors_about_the_tunnel_are_kept_back() {
        let gre = program(47);
        for ethertype in [0x0800, 0x86DD] {
            assert_eq!(run(&gre, &error(ethertype, 47)), TC_ACT_SHOT);
            assert_eq!(run(&gre, &error(ethertype, 17)), TC_ACT_UNSPEC);
        }
        let with = |at: usize, byte: u8, mut frame: Vec<u8>| {
            frame[at] = byte;
            run(&gre, &frame)
        };
        assert_eq!(with(34, 8, error(0x0800, 47)), TC_ACT_UNSPEC, "an echo request");
        assert_eq!(with(23, 47, error(0x0800, 47)), TC_ACT_UNSPEC, "the tunnel itself");
        assert_eq!(with(54, 135, error(0x86DD, 47)), TC_ACT_UNSPEC, "a neighbour solicitation");
        assert_eq!(run(&gre, &error(0x0806, 47)), TC_ACT_UNSPEC);
        assert_eq!(run(&gre, &error(0x0800, 47)[..40]), TC_ACT_UNSPEC);
    }
}
