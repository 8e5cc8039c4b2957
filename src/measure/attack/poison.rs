//! Claims of another's address (ARP, neighbour discovery), and a VM that talks through its kernel, which
//! believes them or not.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use socket2::Socket;

use super::{Lookout, Token};
use crate::measure::Place;
use crate::measure::ends::{passing, udp, udp6};
use crate::measure::error::MeasureError;
use crate::plan::{Variant, VmPlan};
use crate::wire::ethernet::{self, Mac, ethertype};
use crate::wire::ipv4::protocol;
use crate::wire::{arp, checksum, ipv6};

/// The discard port (RFC 863).
const DISCARD: u16 = 9;
/// All nodes of a link (RFC 4291 section 2.7.1), and their MAC (RFC 2464 section 7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

/// Whose an address is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The MAC it is said to have.
    pub mac: [u8; 6],
}

/// The frame that claims: to everyone, a gratuitous ARP reply (RFC 5227 section 3) or an unsolicited
/// neighbour advertisement that overrides what is known (RFC 4861 section 7.2.6), with the token
/// behind it where Ethernet has its padding. `None` only where a header does not fit its room.
#[must_use]
pub fn claim(claim: &Claim, token: &Token) -> Option<Vec<u8>> {
    let mut frame = vec![0; ethernet::LEN];
    let (dst, kind) = match claim.address {
        IpAddr::V4(_) => (Mac([0xFF; 6]), ethertype::ARP),
        IpAddr::V6(_) => (ALL_NODES_MAC, ethertype::IPV6),
    };
    ethernet::Header { dst, src: Mac(claim.mac), ethertype: kind }.emit(&mut frame).ok()?;
    match claim.address {
        IpAddr::V4(address) => {
            let mut message = [0; arp::LEN];
            let gratuitous = arp::Message {
                operation: arp::REPLY,
                sender_mac: Mac(claim.mac),
                sender_ip: address,
                target_mac: Mac(claim.mac),
                target_ip: address,
            };
            gratuitous.emit(&mut message).ok()?;
            frame.extend(message);
        }
        IpAddr::V6(address) => frame.extend(advertisement(address, Mac(claim.mac))?),
    }
    frame.extend(token.bytes());
    Some(frame)
}

/// An unsolicited neighbour advertisement with the override flag (RFC 4861 section 4.4).
fn advertisement(address: Ipv6Addr, mac: Mac) -> Option<Vec<u8>> {
    const LEN: u16 = 32;
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(address.octets());
    // Option 2, target link-layer address, one unit of 8 bytes.
    message.extend([2, 1]);
    message.extend(mac.0);
    let pseudo = checksum::pseudo_v6(address, ALL_NODES, protocol::ICMPV6, LEN.into());
    let sum = checksum::finish(checksum::sum(&message, pseudo));
    message.get_mut(2..4)?.copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0; ipv6::LEN];
    let header = ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: LEN,
        next_header: protocol::ICMPV6,
        // Whoever receives it checks that no router passed it on.
        hop_limit: 255,
        src: address,
        dst: ALL_NODES,
    };
    header.emit(&mut packet).ok()?;
    packet.extend(message);
    Some(packet)
}

/// The MAC of a VM's `eth0`.
#[must_use]
pub fn mac_of(vm: &VmPlan) -> Option<[u8; 6]> {
    vm.mac.parse().ok().map(|mac: Mac| mac.0)
}

/// A VM that sends datagrams to another one as its programs would: its kernel looks up the MAC.
#[derive(Debug)]
pub struct Talker {
    socket: Socket,
    to: SocketAddr,
}

impl Talker {
    /// From one VM to another, over IPv6 where `six` says so.
    ///
    /// # Errors
    /// The socket could not be opened.
    pub fn open(
        place: &impl Place,
        variant: &Variant,
        (from, to): (&VmPlan, &VmPlan),
        six: bool,
    ) -> Result<Talker, MeasureError> {
        let address = to.address6.filter(|_| six).unwrap_or(to.address).addr();
        let opened = if six { udp6(place, variant, from) } else { udp(place, variant, from) };
        Ok(Talker { socket: opened?.0, to: SocketAddr::new(address, DISCARD) })
    }

    /// Sends datagrams with these numbers of a series.
    ///
    /// # Errors
    /// The VM has no way to the other.
    pub fn say(
        &self,
        lookout: &mut Lookout,
        series: usize,
        numbers: std::ops::Range<u32>,
    ) -> Result<(), MeasureError> {
        for number in numbers {
            let token = Token { secret: lookout.secret(series), tenant: 0, number };
            match self.socket.send_to(&token.bytes(), &self.to.into()) {
                Err(error) if !passing(&error) => {
                    return Err(MeasureError::system("send a datagram")(error));
                }
                _ => lookout.look()?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token { secret: [5; 16], tenant: 0, number: 1 };

    #[test]
    fn claims_are_whole_and_keep_their_token() {
        let mac = [6, 0, 0, 0, 0, 9];
        let four = claim(&Claim { address: [10, 0, 0, 2].into(), mac }, &TOKEN).unwrap();
        let message = arp::Message::parse(&four[14..]).unwrap();
        assert_eq!((message.sender_ip, message.sender_mac), ([10, 0, 0, 2].into(), Mac(mac)));
        assert_eq!(message.sender_ip, message.target_ip, "gratuitous");
        assert_eq!(Token::find(&four), Some(TOKEN));

        let address: Ipv6Addr = "fd00::2".parse().unwrap();
        let six = claim(&Claim { address: address.into(), mac }, &TOKEN).unwrap();
        assert_eq!(six[..6], ALL_NODES_MAC.0);
        let header = ipv6::Header::parse(&six[14..]).unwrap();
        let message = header.payload(&six[14..]).unwrap();
        let pseudo = checksum::pseudo_v6(address, ALL_NODES, protocol::ICMPV6, 32);
        assert!(checksum::is_right(checksum::sum(message, pseudo)));
        assert_eq!((header.hop_limit, message[0], message[4]), (255, 136, 0x20));
        assert_eq!((&message[8..24], &message[26..32]), (&address.octets()[..], &mac[..]));
        assert_eq!(Token::find(&six), Some(TOKEN));
    }
}
