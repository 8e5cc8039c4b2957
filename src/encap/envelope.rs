//! The outer IP and UDP headers, for transports that write them themselves: raw and packet
//! sockets, captures, tests. An ordinary UDP socket leaves them to the kernel.

use std::net::IpAddr;

use super::DropReason;
use super::stt::pseudo;
use crate::wire::ipv4::protocol;
use crate::wire::{checksum, ipv4, ipv6, udp};

/// What the outer IP header says. There are no outer options, whatever the inner packet has
/// (RFC 2003 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Source.
    pub src: IpAddr,
    /// Destination, of the same family.
    pub dst: IpAddr,
    /// TOS or traffic class byte, see [`super::ecn::outer_tos`].
    pub tos: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4 don't fragment. Without it the id must not repeat for two minutes (RFC 6864), which a
    /// fast tunnel cannot keep up: prefer it set.
    pub df: bool,
    /// IPv4 identification.
    pub id: u16,
    /// IPv6 flow label, 20 bits: 0, or the inner flow's hash (RFC 6438).
    pub flow_label: u32,
}

impl Envelope {
    /// An outer header that may not be fragmented, with 64 hops to live.
    #[must_use]
    pub const fn new(src: IpAddr, dst: IpAddr) -> Self {
        Envelope { src, dst, tos: 0, ttl: 64, df: true, id: 0, flow_label: 0 }
    }

    /// Writes the IP header for `payload_len` bytes of `protocol`; returns its length, 20 or 40.
    ///
    /// # Errors
    /// [`DropReason::TooBig`] where the length field does not hold it, [`DropReason::BadLength`]
    /// for addresses of two families, [`DropReason::Truncated`] where `out` is shorter.
    pub fn write_ip(
        &self,
        protocol: u8,
        payload_len: usize,
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        let length = |len: usize| u16::try_from(len).map_err(|_| DropReason::TooBig);
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(ipv4::Header {
                header_len: ipv4::LEN,
                tos: self.tos,
                total_len: length(ipv4::LEN + payload_len)?,
                id: self.id,
                df: self.df,
                mf: false,
                fragment_offset: 0,
                ttl: self.ttl,
                protocol,
                src,
                dst,
            }
            .emit(out)?),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ok(ipv6::Header {
                traffic_class: self.tos,
                flow_label: self.flow_label,
                payload_len: length(payload_len)?,
                next_header: protocol,
                hop_limit: self.ttl,
                src,
                dst,
            }
            .emit(out)?),
            _ => Err(DropReason::BadLength),
        }
    }

    /// Writes the IP and UDP headers for a payload in pieces; returns their length, 28 or 48.
    /// Without `checksum` the field is 0, which over IPv6 only a receiver told so takes (RFC 6935).
    ///
    /// # Errors
    /// As [`Envelope::write_ip`].
    pub fn write_udp(
        &self,
        (src_port, dst_port): (u16, u16),
        payload: &[&[u8]],
        checksum: bool,
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        let len = udp::LEN + payload.iter().map(|piece| piece.len()).sum::<usize>();
        let length = u16::try_from(len).map_err(|_| DropReason::TooBig)?;
        let ip = self.write_ip(protocol::UDP, len, out)?;
        let room = out.get_mut(ip..).ok_or(DropReason::Truncated)?;
        let mut header = udp::Header { src_port, dst_port, length, checksum: 0 };
        header.emit(room)?;
        if checksum {
            let pseudo = pseudo(self.src, self.dst, protocol::UDP, len)?;
            let written = room.get(..udp::LEN).ok_or(DropReason::Truncated)?;
            let sum = checksum::sum_parts(payload, checksum::sum(written, pseudo));
            header.checksum = checksum::finish_udp(sum);
            header.emit(room)?;
        }
        Ok(ip + udp::LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encap::testing::OUTER;

    const V4: Envelope =
        Envelope::new(OUTER.source, IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    #[test]
    fn the_bytes_of_an_ipv4_and_udp_header() {
        let mut out = [0xA5; 28];
        let len = V4.write_udp((50_000, 4789), &[&[8, 0, 0], &[0, 1]], true, &mut out);
        assert_eq!(len, Ok(28));
        let ip = ipv4::Header::parse_verified(&out).unwrap();
        assert_eq!((ip.total_len, ip.df, ip.protocol, ip.ttl), (33, true, 17, 64));
        // c000+0201+c000+0202+0011+000d (pseudo) + c350+12b5+000d + 0800+0000+0100 = 4 e133 + 2
        let words =
            [0xC000u32, 0x0201, 0xC000, 0x0202, 0x11, 13, 0xC350, 0x12B5, 13, 0x0800, 0, 0x0100];
        let sum = words.iter().sum::<u32>();
        assert_eq!(out[26..28], checksum::finish(sum).to_be_bytes());
    }

    #[test]
    fn what_cannot_be_written() {
        let mut out = vec![0; 70_000];
        assert_eq!(V4.write_ip(4, 65_515, &mut out), Ok(20));
        assert_eq!(V4.write_ip(4, 65_516, &mut out), Err(DropReason::TooBig));
        assert_eq!(V4.write_ip(4, 100, &mut out[..19]), Err(DropReason::Truncated));
        let mixed = Envelope { dst: std::net::Ipv6Addr::LOCALHOST.into(), ..V4 };
        assert_eq!(mixed.write_ip(4, 100, &mut out), Err(DropReason::BadLength));
    }
}
