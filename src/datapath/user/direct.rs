//! Packets of an IP protocol (GRE, IP in IP) straight to the NIC, past the host's own IP.
//!
//! A raw socket has no segmentation offload, so a super-frame leaves as some forty packets, and
//! for each of them the host's stack looks up a route, a neighbour and its netfilter rules, and
//! sums up the payload for nobody. A packet socket asks for none of that: Ethernet and IP headers
//! are written here, once for each super-frame but for the lengths.
//!
//! What the host would have had to decide about is left to the raw socket: peers without a known
//! next hop, packets larger than the NIC takes, and everything where the host must have its say
//! (its own firewall, `IPsec`): see [`super::EdgeConfig::direct`].

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::nexthop::NextHops;
use super::sockets;
use crate::encap::DropReason;
use crate::wire::ethernet::{self, Mac, ethertype};
use crate::wire::{checksum, ipv4};

/// Bytes before the tunnel's header: Ethernet, IPv4.
pub const LEN: usize = ethernet::LEN + ipv4::LEN;
const IP: usize = ethernet::LEN;

/// One host's way out.
#[derive(Debug)]
pub struct DirectLink {
    /// Sends only. A socket that a worker waits for would ask at every packet whether the worker
    /// wants to write, and receive a copy of everything.
    nic: OwnedFd,
    local: Ipv4Addr,
    protocol: u8,
    mac: Mac,
    mtu: usize,
    hops: NextHops,
}

impl DirectLink {
    /// Opens the sockets; call it inside the host's namespace. `peers` are the tunnels' other ends.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        nic: &str,
        local: Ipv4Addr,
        protocol: u8,
        peers: &[Option<IpAddr>],
    ) -> io::Result<Self> {
        let socket = sockets::sending_packet(nic)?;
        let interface = sockets::interface(&socket, nic)?;
        Ok(DirectLink {
            nic: socket,
            local,
            protocol,
            mac: Mac(interface.mac),
            mtu: interface.mtu,
            hops: NextHops::new(peers, IpAddr::V4(local), interface.index)?,
        })
    }

    /// The socket's descriptor.
    pub fn socket(&self) -> RawFd {
        self.nic.as_raw_fd()
    }

    /// All headers before the tunnel's, but for the lengths, for IP payloads of up to `largest`
    /// bytes to a peer; `None` where the host's stack has to send them.
    pub fn headers(
        &self,
        (index, peer): (usize, IpAddr),
        largest: usize,
        (tos, ttl): (u8, u8),
        now: u64,
    ) -> Option<Headers> {
        let IpAddr::V4(peer) = peer else { return None };
        let dst = self.hops.mac(index, now)?;
        if ipv4::LEN + largest > self.mtu.min(self.hops.path_mtu(index)) {
            return None;
        }
        let mut bytes = [0; LEN];
        let ethernet = ethernet::Header { dst, src: self.mac, ethertype: ethertype::IPV4 };
        ethernet.emit(&mut bytes).ok()?;
        let ip = ipv4::Header {
            header_len: ipv4::LEN,
            tos,
            total_len: 0,
            // RFC 6864 section 4.1: of no meaning where DF is set.
            id: 0,
            df: true,
            mf: false,
            fragment_offset: 0,
            ttl,
            protocol: self.protocol,
            src: self.local,
            dst: peer,
        };
        ip.emit(bytes.get_mut(IP..)?).ok()?;
        Some(Headers { bytes })
    }
}

/// Headers for packets to one peer.
#[derive(Debug, Clone, Copy)]
pub struct Headers {
    bytes: [u8; LEN],
}

impl Headers {
    /// Writes them to the start of `out` for an IP payload of `len` bytes.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] where `out` is shorter than [`LEN`], [`DropReason::TooBig`] where an IP
    /// packet does not hold that many bytes.
    pub fn write(&self, out: &mut [u8], len: usize) -> Result<(), DropReason> {
        let total = u16::try_from(ipv4::LEN + len).map_err(|_| DropReason::TooBig)?;
        let out = out.first_chunk_mut::<LEN>().ok_or(DropReason::Truncated)?;
        *out = self.bytes;
        let [a, b] = total.to_be_bytes();
        let sum = checksum::update(u16::from_be_bytes([out[IP + 10], out[IP + 11]]), 0, total);
        let [c, d] = sum.to_be_bytes();
        (out[IP + 2], out[IP + 3], out[IP + 10], out[IP + 11]) = (a, b, c, d);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_checksum_follow_the_payload() {
        let mut bytes = [0; LEN];
        let ip = ipv4::Header {
            header_len: ipv4::LEN,
            tos: 2,
            total_len: 0,
            id: 0,
            df: true,
            mf: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: 47,
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(10, 0, 0, 2),
        };
        ip.emit(&mut bytes[IP..]).unwrap();
        let headers = Headers { bytes };
        for len in [0, 1, 28, 1480, 65_515] {
            let mut out = [0xAA; LEN + 3];
            headers.write(&mut out, len).unwrap();
            let read = ipv4::Header::parse_verified(&out[IP..]).unwrap();
            let total_len = u16::try_from(len + 20).unwrap();
            assert_eq!(read, ipv4::Header { total_len, ..ip });
            assert_eq!(out[LEN..], [0xAA; 3]);
        }
        assert_eq!(headers.write(&mut [0; LEN], 65_516), Err(DropReason::TooBig));
        assert_eq!(headers.write(&mut [0; LEN - 1], 1), Err(DropReason::Truncated));
    }
}
