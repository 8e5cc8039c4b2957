//! Answers at the edge for addresses whose MACs are known (ARP and neighbour suppression, RFC 9161).
//!
//! With tables that are filled from the plan there is no need to ask all hosts who has an address:
//! the edge answers with the VM's own MAC, and the question never leaves the host.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::routes;
use crate::encap::DropReason;
use crate::wire::ethernet::Mac;

/// Addresses and MACs of VMs at other hosts, by network.
#[derive(Debug, Default)]
pub struct Neighbours {
    macs: HashMap<(u64, IpAddr), Mac, ahash::RandomState>,
    networks: HashSet<u64, ahash::RandomState>,
}

impl Neighbours {
    /// All that is known: network id, address and MAC.
    #[must_use]
    pub fn new(known: &[(u64, IpAddr, Mac)]) -> Self {
        Neighbours {
            macs: known.iter().map(|&(network, ip, mac)| ((network, ip), mac)).collect(),
            networks: known.iter().map(|&(network, ..)| network).collect(),
        }
    }

    /// Whether anything is known in a network.
    #[must_use]
    pub fn has(&self, network: u64) -> bool {
        self.networks.contains(&network)
    }

    /// The frame that answers a question for the MAC of an address known here, and its length;
    /// `None` where the frame is no such question.
    #[must_use]
    pub fn answer(&self, network: u64, frame: &[u8], out: &mut [u8]) -> Option<usize> {
        let known = |address: IpAddr| {
            let mac = self.macs.get(&(network, address)).copied();
            mac.ok_or(DropReason::UnknownDestination).map(Some)
        };
        routes::reply(frame, out, known).ok().filter(|len| *len > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{arp, ethernet};

    #[test]
    fn questions_for_what_is_known_are_answered_with_the_vms_own_mac() {
        let (vm, far) = (Mac([6, 0, 0, 0, 0, 1]), Mac([6, 0, 0, 0, 0, 2]));
        let table = Neighbours::new(&[(7, IpAddr::from([10, 0, 0, 2]), far)]);
        let ask = |target: u8| {
            let mut frame = vec![0xFF; 6];
            frame.extend(vm.0);
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
            frame.extend(vm.0);
            frame.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, target]);
            frame
        };
        let mut out = [0; routes::MAX_ANSWER];
        let len = table.answer(7, &ask(2), &mut out).unwrap();
        let header = ethernet::Header::parse(&out[..len]).unwrap();
        assert_eq!((header.dst, header.src), (vm, far));
        let reply = arp::Message::parse(&out[14..len]).unwrap();
        assert_eq!((reply.operation, reply.sender_mac), (arp::REPLY, far));
        assert_eq!(table.answer(7, &ask(3), &mut out), None, "not known");
        assert_eq!(table.answer(8, &ask(2), &mut out), None, "another tenant's");
        assert_eq!((table.has(7), table.has(8)), (true, false));
    }
}
